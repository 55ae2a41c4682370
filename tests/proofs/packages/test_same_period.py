"""A period that is exported again: the same bytes, whatever came since that says nothing of it; and what is not the same is named."""

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
from counterfoil.ledger.journals.journal import NewPosting, post
from counterfoil.proofs.log.key_changes import change_log_key
from counterfoil.proofs.packages.exporting import export_proof
from counterfoil.proofs.same_period import others_of_period
from counterfoil.proofs.signing.signers import revoke_signer
from counterfoil.proofs.verifying.verify import INCOMPLETE, OK
from counterfoil.reconciliation.breaks import adjusting, work
from counterfoil.reconciliation.breaks.queries import list_breaks
from counterfoil.reconciliation.runs.continuous import RunPlan, reconcile_all, sources_in_use
from counterfoil.reconciliation.runs.rows import last_successes
from tests.builders import PROGRAM
from tests.people import who
from tests.proofs.builders import House, Verifiers, a_border, a_person, unpacked


@pytest.fixture
def verify(tmp_path: Path) -> Verifiers:
    return Verifiers(tmp_path)


def keys_in(package: bytes) -> Any:
    return json.loads(unpacked(package)["keys.json"])


def test_what_was_put_right_after_the_period_is_exported_to_parity(house: House, verify: Verifiers) -> None:
    """A difference makes it incomplete. A journal that adjusts it is reconciled, and the same period exported again is complete; the first
    proof stays what it was, and both say with each other what is not the same. (First in this file: what follows changes the house.)
    """
    with house.desk.database.transaction() as conn:
        lines = [("bad_debt", "clearing:simulator", 1_25)]
        post(conn, PROGRAM, key="wrong", kind="t", lines=lines, asset="EUR", actor="test", now=now())
    house.reconciled()
    end = a_border()
    off = house.exported(house.start, end)
    with house.desk.database.transaction() as conn:
        [case] = list_breaks(conn, rows_max=9)
        debit, credit, minor = adjusting.suggested_line(case)
        work.investigate_break(conn, case.id, actor="person:mira", now=now())
        made = adjusting.propose_adjustment(
            conn,
            case.id,
            make_id("prop"),
            lines=[NewPosting(debit or "bad_debt", credit or "bad_debt", minor)],
            reason="the provider has no such fee",
            by=who(conn, "person:mira"),
            now=now(),
        )
        adjusting.approve_proposal(conn, case.id, payload_sha256=made.payload_sha256, reason="seen", by=who(conn, "person:noah"), now=now())
    house.reconciled()
    even, new = export_proof(house.exporter, house.start, end, by="t")
    assert [(one.verdict, one.reconciliation) for one in (off, even)] == [("incomplete", "not reconciled"), ("complete", "reconciled")]
    assert new
    for one, wanted in ((off, INCOMPLETE), (even, OK)):
        house.sign(one.id, house.ann, house.otto)
        code, said = verify(house.package(one.id), house.keys())
        assert (code, any("differences were found that nobody has accepted" in each for each in said)) == (wanted, one is off), said
    with house.desk.database.transaction() as conn:
        [first] = [one for one in others_of_period(conn, even.id, rows_max=9) if one.id == off.id]
    assert first.differs_in == "breaks.jsonl, reconciliation_report.json", "runs that began in it are what they were"
    entries = [unpacked(house.package(one.id))["entries.jsonl"] for one in (off, even)]
    assert entries[0] == entries[1], "what was entered is what was entered"
    after = house.exported(end, a_border())
    keys = [json.loads(one).get("key") for one in unpacked(house.package(after.id))["entries.jsonl"].splitlines()]
    assert any(str(one).startswith("break:") for one in keys), "the journal that adjusts it is of the period in which it was entered"


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


def test_what_is_not_the_same_in_two_proofs_of_a_period_is_named(house: House) -> None:
    end = a_border()
    first = house.exported(house.start, end)
    house.reconciled()  # the same days are held against the world once more, and later
    second, new = export_proof(house.exporter, house.start, end, by="t")
    assert new
    third, new = export_proof(house.exporter._replace(invariants=house.exporter.invariants[1:]), house.start, end, by="t")
    assert new
    with house.desk.database.transaction() as conn:
        assert [(one.id, one.differs_in) for one in others_of_period(conn, third.id, rows_max=9)] == [
            (second.id, "manifest.json"),
            (first.id, "reconciliation_report.json"),
        ]
        assert [one.id for one in others_of_period(conn, first.id, rows_max=1)] == [third.id]
    assert [name for name, body in unpacked(house.package(first.id)).items() if body != unpacked(house.package(second.id))[name]] == [
        "manifest.dsse.json",
        "manifest.json",
        "reconciliation_report.json",
    ]
