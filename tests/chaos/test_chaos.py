"""The crash test in its short form: one real fault of each kind, and the books and the provider agree to the unit afterwards."""

from __future__ import annotations

import re
import signal

import pytest

from tests.chaos import run
from tests.chaos.windows import SHORT, Window, webhook_stored


def test_one_fault_of_each_kind_loses_and_doubles_nothing(capsys):
    assert run.main(["--short"]) == 0
    told = capsys.readouterr().out
    assert told.rstrip().endswith("lost 0, doubled 0, differences 0")
    killed = set(re.findall(r"^ +1  (\S+(?: \S+)*)$", told, re.MULTILINE))  # as counted in the end
    assert killed == {window.name for window in SHORT} | {"refused, and tried again", "webhook parked, twice"}


def test_a_cycle_whose_kill_does_not_land_proves_nothing_and_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "REACH_S", 1)
    nowhere = Window("worker", "a.point.that.nobody.passes", webhook_stored, "never")
    chaos = run.Chaos(tmp_path)
    with chaos.running():
        with pytest.raises(run.KillMissed, match="nobody came by"):
            chaos.cycle(nowhere)
        chaos.world.worker.kill()  # dead before the kill
        told = Window("worker", "verify.after_claim", webhook_stored, "dead already")
        with pytest.raises((run.KillMissed, run.ProcessDidNotStart)):
            chaos._kill(told, 1)
        chaos.world.worker.start()
        assert chaos.world.worker.kill() == -signal.SIGKILL


def test_a_kill_without_its_evidence_is_not_counted(tmp_path, monkeypatch):
    blind = Window("worker", "verify.after_claim", lambda conn, oracle: False, "never")
    chaos = run.Chaos(tmp_path)
    with chaos.running():
        assert not chaos.cycle(blind)
        assert (chaos.kills.total(), chaos.misses.total()) == (0, 1)
        assert chaos.verdict().clean()
    monkeypatch.setattr(run, "WINDOWS", [blind])
    with pytest.raises(run.KillMissed, match="too often"):
        run.main(["--cycles", "1"])


def test_money_that_moved_twice_would_be_seen(tmp_path):
    chaos = run.Chaos(tmp_path)
    with chaos.running():
        chaos._traffic()
        assert chaos.verdict().clean()
        key = "a-key-that-our-books-never-sent"
        body = {"amount": "100", "asset": "EUR", "destination": "acct_payee_1", "reference": "pp_stray"}
        chaos._ok(chaos.simulator.post("/v1/payouts", json=body, headers={"Idempotency-Key": key}))
        verdict = chaos.verdict()
    assert f"the provider paid {key}, our books do not know" in verdict.lost
    assert any(line.startswith("clearing") for line in verdict.differences)
