"""How a drill ends that did not come to its end: withdrawn by a person, or killed; with a signed result that says so, and never as done."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.backups.making import Backups
from counterfoil.base.edge import make_id, now
from counterfoil.base.machine import ReasonRequired, TransitionRefused
from counterfoil.drills.drills import (
    RESTORE,
    WORKERS,
    Drill,
    DrillCheck,
    DrillMeasures,
    ask_for_drill,
    checks_of,
    end_drill,
    note_check,
    running_drills,
    show_drill,
    standings,
    start_drill,
    withdraw_drill,
)
from counterfoil.drills.monitors import MONITORS
from counterfoil.drills.running import DrillMeans, clear, run_drill
from counterfoil.drills.scratch import Progress
from counterfoil.operations.verbs import VerbCall
from counterfoil.proofs.log.checkpoints import note_keys
from counterfoil.proofs.log.notes import open_note
from tests.backups.conftest import apart, backups, books
from tests.people import log_in_as

__all__ = ("apart", "backups", "books")
# A process of its own that runs a drill which is at its second part for ever.
RUNS = """
import sys, time
from pathlib import Path
from counterfoil.backups.keys import BackupKeys
from counterfoil.backups.making import Backups
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.base.edge import Database, make_id, now
from counterfoil.drills.drills import DrillMeasures
from counterfoil.drills.running import DrillMeans, run_drill

class Endless:
    looked, measures = [], DrillMeasures()
    def __init__(self, folder, progress):
        self.folder, self.progress = folder, progress
    def run(self):
        self.folder.mkdir(parents=True)
        self.progress("the second part")
        time.sleep(600)

url, folder = sys.argv[1:]
database = Database(url, connections_max=2).open()
own = Backups(database, url, Path(folder), lambda: BackupKeys([]), make_id, now, KeepPolicy(1, 1, 1))
makers = {"workers": lambda means, drill, folder, progress: Endless(folder, progress)}
run_drill(DrillMeans(own, [], Path(folder), makers), "workers", actor="killed")
"""


def told_of(own: Backups, drill_id: str) -> tuple[Drill, dict[str, Any]]:
    """A drill, and what its signed result says."""
    with own.database.transaction() as conn:
        done = show_drill(conn, drill_id)
        text, _ = open_note(str(done.evidence), note_keys(conn))
    return done, json.loads(text)


def withdrawn(own: Backups, drill_id: str, reason: str = "begun by mistake") -> str:
    with own.database.transaction() as conn:
        by, _ = log_in_as(conn, f"ann-{make_id('t')}", "operator", at=now())
        return withdraw_drill(VerbCall(conn, drill_id, by, now(), make_id, reason)).state


def found(own: Backups, code: str, *, in_days: int = 0) -> int:
    """How many things this monitor finds of drills, in so many days."""
    [one] = [each for each in MONITORS if each.code == code]
    with own.database.transaction() as conn:
        if callable(one.offenders):
            return len(one.offenders(conn, now() + timedelta(days=in_days)))
        return len(conn.execute(one.offenders.encode(), {"now": now()}).fetchall())


def test_a_drill_whose_process_was_killed_has_a_signed_result_that_says_so(apart: Callable[..., Backups], tmp_path: Path) -> None:
    """By SIGKILL, at a part that is told; the next round of another process finds it, and takes away what it left on the disk."""
    own = apart()
    killed = subprocess.Popen([sys.executable, "-c", RUNS, own.url, str(tmp_path / "scratch")], stderr=subprocess.PIPE, text=True)
    until, running = time.monotonic() + 60, list[Drill]()
    while not running or running[0].progress != "the second part":
        assert killed.poll() is None, killed.stderr and killed.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.05)
        with own.database.transaction() as conn:
            running = running_drills(conn)
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    [left] = running
    means = DrillMeans(own, [], tmp_path / "scratch")
    assert (clear(means), (tmp_path / "scratch" / left.id).is_dir()) == (0, True), "it may be slow, for a minute"
    later = apart(clock=lambda: now() + timedelta(seconds=70))
    assert [clear(DrillMeans(later, [], tmp_path / "scratch")) for _ in range(2)] == [1, 0]
    assert not (tmp_path / "scratch" / left.id).exists()
    done, told = told_of(own, left.id)
    assert (done.state, done.error) == ("failed", "its process ended before it did, at: the second part")
    with own.database.transaction() as conn:
        assert [(one.what, one.outcome, one.told) for one in checks_of(conn, left.id)] == [("process", "failed", done.error)]
    assert (told["id"], told["outcome"], told["by"], told["checks"][0]["told"]) == (left.id, "failed", "killed", done.error)
    assert found(own, "DRILL_FAILED") == 1


def test_a_drill_that_waits_is_withdrawn_with_a_reason_and_proves_nothing(apart: Callable[..., Backups]) -> None:
    """What failed last stays failed, when it passed last stays as it was, and the next can be asked for."""
    own = apart()
    with own.database.transaction() as conn:
        for name, error in ((WORKERS, None), (WORKERS, "it broke")):
            made = ask_for_drill(conn, make_id("drl"), name, backup_id=None, actor="t", now=now())
            start_drill(conn, made.id, now=now())
            note_check(conn, made.id, DrillCheck(1, "x", "failed" if error else "passed", "told", now()))
            end_drill(conn, made.id, measures=DrillMeasures(), evidence="signed", error=error, now=now())
        before = {one.kind.name: (one.last, one.passed_at, one.due_at) for one in standings(conn)}
        waiting = ask_for_drill(conn, make_id("drl"), WORKERS, backup_id=None, actor="t", now=now())
    assert found(own, "DRILL_FAILED") == 1
    with pytest.raises(ReasonRequired):
        withdrawn(own, waiting.id, "")
    assert withdrawn(own, waiting.id) == "withdrawn"
    assert found(own, "DRILL_FAILED") == 1, "it silences nothing"
    done, told = told_of(own, waiting.id)
    assert (done.finished_at is not None, told["outcome"], told["began"], told["checks"]) == (True, "withdrawn", None, [])
    assert (told["withdrawn"]["reason"], "ann-" in told["withdrawn"]["by"]) == ("begun by mistake", True)
    with pytest.raises(TransitionRefused):
        withdrawn(own, waiting.id)
    with own.database.transaction() as conn:
        assert {one.kind.name: (one.last, one.passed_at, one.due_at) for one in standings(conn)} == before
        again = ask_for_drill(conn, make_id("drl"), WORKERS, backup_id=None, actor="t", now=now())
    assert withdrawn(own, again.id) == "withdrawn"


def test_a_drill_that_runs_stops_at_its_next_part_when_it_is_withdrawn(apart: Callable[..., Backups], tmp_path: Path) -> None:
    """And its process says nothing over what the person said."""
    own, parts = apart(), list[str]()

    class Long:
        looked = (("a part", "passed", "x"),)
        measures = DrillMeasures()

        def __init__(self, drill: Drill, progress: Progress) -> None:
            self.drill, self.progress = drill, progress

        def run(self) -> None:
            for part in ("first", "second", "third"):
                self.progress(part)
                parts.append(part)
                if part == "second":
                    withdrawn(own, self.drill.id)

    class Short(Long):
        """Withdrawn at its last part: it comes to its end, which nobody wants any more."""

        def run(self) -> None:
            withdrawn(own, self.drill.id)

    for kind in (Long, Short):
        means = DrillMeans(own, [], tmp_path / "scratch", {WORKERS: lambda _, drill, __, progress, kind=kind: kind(drill, progress)})
        done = run_drill(means, WORKERS, actor="t")
        assert (done.state, told_of(own, done.id)[1]["outcome"]) == ("withdrawn", "withdrawn")
        with own.database.transaction() as conn:
            assert checks_of(conn, done.id) == []
    assert parts == ["first", "second"]


def test_no_restore_is_younger_by_one_that_was_withdrawn(apart: Callable[..., Backups]) -> None:
    own = apart()
    assert found(own, "RESTORE_DRILL_OVERDUE", in_days=40) == 1
    with own.database.transaction() as conn:
        waiting = ask_for_drill(conn, make_id("drl"), RESTORE, backup_id=None, actor="t", now=now())
    withdrawn(own, waiting.id)
    assert found(own, "RESTORE_DRILL_OVERDUE", in_days=40) == 1
