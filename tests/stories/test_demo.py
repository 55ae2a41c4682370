"""What a newcomer sees first: one command, a day with trouble in it, and exactly the planted breaks."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys

import pytest

from counterfoil.cli.local.demo.day import troubles
from counterfoil.cli.local.demo.demo import DemoRuns, _fresh
from counterfoil.operations.work.circuit_rules import DEFAULT


def test_the_demo_finds_exactly_what_was_planted_and_ends_with_0(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "counterfoil", "demo", "--folder", str(tmp_path / "demo"), "--port", "0"],
        env={**os.environ, "DEMO_ONCE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "Exactly the planted breaks were found, and every invariant holds." in done.stdout
    left = " ".join(done.stdout.partition("Left to people:")[2].partition("Reconciliation")[0].split())
    assert re.findall(r"(dsp|ref|bat|po)_\w{26}: a", left) == ["dsp", "ref", "bat", "po"]
    assert "a batch of 3 payouts in USD that waits for a second person" in left
    assert re.findall(r"(AMOUNT_MISMATCH|DUPLICATE_RIGHT|MISSING_RIGHT|MISSING_LEFT)", done.stdout) == [
        "AMOUNT_MISMATCH",
        "DUPLICATE_RIGHT",
        "MISSING_RIGHT",
    ]


def test_a_demo_that_runs_is_not_moved_away_by_another_in_its_folder(tmp_path):
    folder = tmp_path / "demo"
    (folder / "postgres").mkdir(parents=True)
    with open(folder / "owner.lock", "ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(DemoRuns):
            _fresh(folder)
        assert [one.name for one in tmp_path.iterdir()] == ["demo"]
    assert _fresh(folder) == folder
    [kept] = tmp_path.iterdir()
    assert kept.name.startswith("demo-"), "one that has ended is kept aside"


def test_the_trouble_of_the_day_is_not_enough_to_leave_the_provider_alone():
    failing = [one.fault["count"] for one in troubles() if one.fault["fault"] in ("timeout_after_accepting", "error_after_accepting")]
    assert len(failing) == 2
    assert sum(failing) < DEFAULT.failures
