"""A period that is exported again: the same bytes, whatever came since that says nothing of it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.proofs.log.key_changes import change_log_key
from counterfoil.proofs.packages.exporting import export_proof
from counterfoil.proofs.signing.signers import revoke_signer
from counterfoil.proofs.verifying.verify import OK
from counterfoil.reconciliation.runs.continuous import RunPlan, reconcile_all, sources_in_use
from counterfoil.reconciliation.runs.rows import last_successes
from tests.builders import PROGRAM
from tests.proofs.builders import House, Verifiers, a_border, a_person, unpacked


@pytest.fixture
def verify(tmp_path: Path) -> Verifiers:
    return Verifiers(tmp_path)


def keys_in(package: bytes) -> Any:
    return json.loads(unpacked(package)["keys.json"])


def test_keys_that_come_end_and_change_leave_the_proof_of_a_past_period_as_it_was(house: House, verify: Verifiers) -> None:
    end = a_border()
    first = house.exported(house.start, end)
    house.sign(first.id, house.ann, house.otto)
    before, keys_before = house.package(first.id), house.keys()
    with house.desk.database.transaction() as conn:
        lea = a_person(conn, "lea", "approver", at=now())
        revoke_signer(conn, house.otto.signer_id, reason="left the house", by="test", now=now())
        change_log_key(conn, make_id("lgk"), cause="planned", folder=None, by="test", now=now())
    exporter = house.exporter._replace(quorum=1)
    assert export_proof(exporter, house.start, end, by="otto") == (first._replace(state="signed"), False)
    assert house.package(first.id) == before
    told = keys_in(before)
    assert told == keys_before, "as they were when the period was first exported"
    assert [verify(before, keys)[0] for keys in (keys_before, house.keys())] == [OK, OK]
    house.worked("k", "12.00")
    house.reconciled()
    after = house.exported(end, a_border())
    house.sign(after.id, house.ann, lea)
    later = keys_in(house.package(after.id))
    assert len(later["log"]) == len(told["log"]) + 1
    assert {one["id"] for one in later["signers"]} - {one["id"] for one in told["signers"]} == {lea.signer_id}
    assert [one["id"] for one in later["signers"] if one["revoked_at"]] == [house.otto.signer_id]
    assert verify(house.package(after.id), house.keys(), before)[0] == OK


def test_what_came_later_and_says_nothing_of_the_period_changes_nothing(house: House) -> None:
    """A program that was opened since, and tomorrow's reconciliation."""
    end = a_border()
    first = house.exported(house.start, end)
    before = house.package(first.id)
    day = now().date() + timedelta(days=1)
    wiring = replace(house.desk.wiring, clock=lambda: now() + timedelta(days=1))
    with house.desk.database.transaction() as conn:
        open_program(conn, "later", name="Later", assets=[Asset("EUR", 2)], now=now())
        sources = sources_in_use(conn, list(wiring.pairings().values()), PROGRAM)
    reconcile_all(wiring.means(), RunPlan(PROGRAM, sources, "range", (day, day), "test", None), make_id)
    with house.desk.database.transaction() as conn:
        assert {one.watermark for one in last_successes(conn, program_id=PROGRAM)} == {day}, "it was held against the world"
        assert {one.watermark for one in last_successes(conn, program_id=PROGRAM, until=end.date())} == {end.date()}
    again, new = export_proof(house.exporter, house.start, end, by="t")
    assert (again.id, new, house.package(first.id)) == (first.id, False, before)
