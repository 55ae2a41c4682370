"""The crash test in its short form: one real fault of each kind, and the books and the provider agree to the unit afterwards."""

from __future__ import annotations

import re
import signal

import pytest

from counterfoil.cli.local.drills.windows import SHORT, Window, webhook_stored
from tests.chaos import run


def test_one_fault_of_each_kind_loses_and_doubles_nothing(capsys):
    assert run.main(["--short"]) == 0
    told = capsys.readouterr().out
    assert told.rstrip().endswith("lost 0, doubled 0, differences 0")
    killed = set(re.findall(r"^ +1  (\S+(?: \S+)*)$", told, re.MULTILINE))  # as counted in the end
    assert killed == {window.name for window in SHORT} | {"refused, and tried again", "webhook parked, twice"}


@pytest.fixture
def chaos(tmp_path):
    """One world for every way in which the crash test itself must fail."""
    made = run.Chaos(tmp_path)
    made.reach_s = 1
    with made.running():
        yield made


def test_the_crash_test_fails_where_a_kill_does_not_land_has_no_evidence_or_money_moved_twice(chaos):
    nowhere = Window("worker", "a.point.that.nobody.passes", webhook_stored, "never")
    with pytest.raises(run.KillMissed, match="nobody came by"):
        chaos.cycle(nowhere)

    chaos.world.worker.kill()  # dead before the kill
    told = Window("worker", "verify.after_claim", webhook_stored, "dead already")
    with pytest.raises((run.KillMissed, run.ProcessDidNotStart)):
        chaos.deal(told, 1)
    chaos.world.worker.start()
    assert chaos.world.worker.kill() == -signal.SIGKILL
    chaos.world.worker.start()

    chaos.reach_s = 30
    assert not chaos.cycle(Window("worker", "verify.after_claim", lambda conn, oracle: False, "its evidence is never there"))
    assert (chaos.kills.total(), chaos.misses.total()) == (0, 1)
    chaos.traffic()
    assert chaos.verdict().clean()

    key = "a-key-that-our-books-never-sent"
    body = {"amount": "100", "asset": "EUR", "destination": "acct_payee_1", "reference": "pp_stray"}
    chaos.ok(chaos.simulator.post("/v1/payouts", json=body, headers={"Idempotency-Key": key}))
    verdict = chaos.verdict()
    assert f"the provider paid {key}, our books do not know" in verdict.lost
    assert any(line.startswith("clearing") for line in verdict.differences)


def test_kills_without_evidence_are_run_again_only_so_often():
    assert not run.too_often(run.MISSES_LEAST, 1)
    assert run.too_often(run.MISSES_LEAST + 1, 1)
    assert not run.too_often(int(1_000 * run.MISSES_MAX), 1_000)
    assert run.too_often(int(1_000 * run.MISSES_MAX) + 1, 1_000)
