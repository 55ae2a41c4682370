"""The drills that take something away while payments go on, on an installation of their own; each with a signed result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from counterfoil.backups.making import Backups
from counterfoil.cli.local.drills import faults
from counterfoil.cli.local.drills.faults import PAYMENT_DRILLS
from counterfoil.cli.local.drills.payments import Practice
from counterfoil.drills.drills import DATABASE, WEBHOOKS, WORKERS, Drill, checks_of
from counterfoil.drills.running import DrillMeans, run_drill
from counterfoil.proofs.log.checkpoints import note_keys
from counterfoil.proofs.log.notes import open_note
from tests.backups.conftest import apart, backups, books

__all__ = ("apart", "backups", "books")


def drilled(own: Backups, folder: Path, name: str) -> tuple[Drill, dict[str, tuple[str, str]]]:
    done = run_drill(DrillMeans(own, [], folder / "scratch", PAYMENT_DRILLS), name, actor="t")
    with own.database.transaction() as conn:
        open_note(str(done.evidence), note_keys(conn))
        looked = {one.what: (one.outcome, one.told) for one in checks_of(conn, done.id)}
    assert list((folder / "scratch").iterdir()) == [], "nothing of it is left"
    return done, looked


def test_workers_are_killed_at_a_point_and_nothing_is_lost_or_paid_twice(
    apart: Callable[..., Backups], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At one point here; the drill itself goes through all of them."""
    assert len(faults.WorkersDrill.between) == len(faults.KILLS) >= 15
    few = [one for one in faults.KILLS if one.name == "send.after_call"]
    monkeypatch.setattr(faults, "KILLS", few)
    monkeypatch.setattr(faults.WorkersDrill, "between", ("send.after_call",))
    done, looked = drilled(apart(), tmp_path, WORKERS)
    assert (done.state, list(looked)) == ("passed", ["provider", "send.after_call", *faults.IN_THE_END]), looked
    assert "the only provider is the simulator" in looked["provider"][1]


def test_no_webhook_arrives_and_everything_is_learnt_all_the_same(apart: Callable[..., Backups], tmp_path: Path) -> None:
    done, looked = drilled(apart(), tmp_path, WEBHOOKS)
    assert done.state == "passed", looked
    assert "not one webhook was sent" in looked["webhooks"][1]


def test_the_database_is_killed_and_stopped_and_every_process_goes_on(apart: Callable[..., Backups], tmp_path: Path) -> None:
    done, looked = drilled(apart(), tmp_path, DATABASE)
    assert (done.state, looked["processes"][0]) == ("passed", "passed"), looked


def test_a_drill_fails_where_its_fault_did_not_happen_or_money_is_missing(
    apart: Callable[..., Backups], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Webhooks that were not lost prove nothing; a payout that the books do not know is lost money."""
    plain_ok, plain_verdict = Practice.ok, Practice.verdict

    def not_lost(self: Any, response: Any) -> Any:
        told = plain_ok(self, response)
        if str(response.request.url).endswith("/v1/faults"):
            self.simulator.delete("/v1/faults")
        return told

    def with_a_stray(self: Any) -> Any:
        body = {"amount": "100", "asset": "EUR", "destination": "acct_payee_1", "reference": "pp_stray"}
        plain_ok(self, self.simulator.post("/v1/payouts", json=body, headers={"Idempotency-Key": "stray"}))
        return plain_verdict(self)

    monkeypatch.setattr(Practice, "ok", not_lost)
    monkeypatch.setattr(Practice, "verdict", with_a_stray)
    done, looked = drilled(apart(), tmp_path, WEBHOOKS)
    assert (done.state, looked["webhooks"][0], looked["nothing lost"][0]) == ("failed", "failed", "failed"), looked
    assert "webhooks were sent all the same" in looked["webhooks"][1]
    assert "the provider paid stray, our books do not know" in looked["nothing lost"][1]


def test_connections_that_a_killed_database_closed_are_not_told_at_a_terminal() -> None:
    told = "import logging, counterfoil.cli.local.drills.faults; logging.getLogger('psycopg.pool').warning('discarding closed connection')"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stderr == ""
