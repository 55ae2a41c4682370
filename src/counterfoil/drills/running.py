"""Run a drill and keep what came of it: each check, the measures, and the evidence, signed by the log's key.

A drill that runs says so every few seconds. One whose process was killed says nothing any more: whoever looks next says that it did not
end, and takes away what it left on this machine.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from counterfoil.backups.making import Backups
from counterfoil.backups.restoring import refuse_nameless
from counterfoil.base.ids import valid_id
from counterfoil.base.invariant import Invariant
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.drills.drills import (
    RECOVERY,
    RESTORE,
    Drill,
    DrillCheck,
    DrillMeasures,
    ask_for_drill,
    bury_drills,
    end_drill,
    lock_drill,
    note_beat,
    note_check,
    running_drills,
    show_drill,
    start_drill,
    start_next,
)
from counterfoil.drills.evidence import DrillResult
from counterfoil.drills.recover import RecoveryDrill
from counterfoil.drills.restore import RestoreDrill
from counterfoil.drills.scratch import Looked, Progress, shortened

BEAT_S: Final = 5.0


class DrillRun(Protocol):
    """A run of a drill: what it looked at and measured."""

    looked: list[Looked]
    measures: DrillMeasures

    def run(self) -> None:
        """All of it; whatever goes wrong is a check that failed."""


class MakeRun(Protocol):
    """Makes a run of a drill in a folder of its own."""

    def __call__(self, means: DrillMeans, drill: Drill, folder: Path, progress: Progress) -> DrillRun:
        """The run."""


@dataclass(frozen=True)
class DrillMeans:
    """What drills are run with. `scratch`: where each has a folder while it runs; `more`: those that take processes of this machine."""

    backups: Backups
    invariants: Sequence[Invariant]
    scratch: Path
    more: Mapping[str, MakeRun] = field(default_factory=dict)

    @property
    def makers(self) -> Mapping[str, MakeRun]:
        """Every drill that this process can run."""
        return {RESTORE: _restore, RECOVERY: _recovery, **self.more}


def _restore(means: DrillMeans, drill: Drill, folder: Path, progress: Progress) -> DrillRun:
    return RestoreDrill(means.backups, means.invariants, folder, means.backups.clock(), progress, wanted=drill.backup_id)


def _recovery(means: DrillMeans, drill: Drill, folder: Path, progress: Progress) -> DrillRun:
    return RecoveryDrill(means.backups, means.invariants, folder, means.backups.clock(), progress, at=drill.recover_to)


def run_drill(means: DrillMeans, name: str, *, actor: str, wanted: str | None = None, at: datetime | None = None) -> Drill:
    """A drill of this kind, from its beginning to its signed end. Raises DrillWaits while another runs, InvalidInput."""
    clear(means)
    if name not in means.makers:
        raise InvalidInput("name", f"one of {', '.join(means.makers)}", got=name[:40])
    if wanted is not None:
        refuse_nameless(wanted)
    with means.backups.database.transaction() as conn:
        asked = ask_for_drill(
            conn, means.backups.make_id("drl"), name, backup_id=wanted, recover_to=at, actor=actor, now=means.backups.clock()
        )
        started = start_drill(conn, asked.id, now=means.backups.clock())
    return _run(means, started)


def run_waiting(means: DrillMeans) -> Drill | None:
    """The oldest drill that waits for somebody who can run it, from its beginning to its signed end; None when there is none."""
    clear(means)
    with means.backups.database.transaction() as conn:
        started = start_next(conn, list(means.makers), now=means.backups.clock())
    return None if started is None else _run(means, started)


def clear(means: DrillMeans) -> int:
    """Say of drills whose process is gone that they did not end, and take away what is left of them here; how many there were."""
    with means.backups.database.transaction() as conn:
        buried = bury_drills(conn, means.backups.make_id, now=means.backups.clock())
        living = {one.id for one in running_drills(conn)}
    left = means.scratch.iterdir() if means.scratch.exists() else iter(())
    for folder in [one for one in left if _is_drill(one.name) and one.name not in living]:
        shutil.rmtree(folder, ignore_errors=True)
    return buried


def _is_drill(name: str) -> bool:
    try:
        return valid_id(name, "drl", "id") == name
    except InvalidInput:
        return False


class DrillIsOver(Exception):
    """A drill that was withdrawn, or told of as one whose process is gone, while it ran: it stops at its next part."""


def _run(means: DrillMeans, started: Drill) -> Drill:
    with _beating(means, started.id) as progress:
        run = means.makers[started.name](means, started, means.scratch / started.id, progress)
        try:
            run.run()
        except DrillIsOver:
            with means.backups.database.transaction(read_only=True) as conn:
                return show_drill(conn, started.id)
        except BaseException as error:  # told to stop, or a fault of ours: it has not ended as it must, and says so
            run.looked.append(("drill", "failed", f"it was broken off: {type(error).__name__}: {error}"))
            _ended(means.backups, started, run)
            raise
    return _ended(means.backups, started, run)


@contextmanager
def _beating(means: DrillMeans, drill_id: str) -> Iterator[Progress]:
    """Say every few seconds that it lives, and at what it is. What is said of a drill that is over raises DrillIsOver."""
    ended, at = threading.Event(), [""]

    def beat() -> None:
        while not ended.wait(BEAT_S):
            say()

    def say() -> bool:
        with suppress(Problem), means.backups.database.transaction() as conn:
            return note_beat(conn, drill_id, at[0], now=means.backups.clock())
        return True

    def progress(part: str) -> None:
        at[0] = part
        if not say():
            raise DrillIsOver(drill_id)

    thread = threading.Thread(target=beat, name="drill", daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        ended.set()
        thread.join()


def _ended(backups: Backups, started: Drill, run: DrillRun) -> Drill:
    now = backups.clock()
    error = "; ".join(f"{what}: {told}" for what, outcome, told in run.looked if outcome == "failed")[:500] or None
    if error is None and any(outcome != "passed" for _, outcome, _ in run.looked):
        missing = "; ".join(f"{what}: {told}" for what, outcome, told in run.looked if outcome != "passed")
        error = f"not everything was looked at: {missing}"[:500]
    with backups.database.transaction() as conn:
        if (found := lock_drill(conn, started.id)).state != "running":
            return found
        for place, (what, outcome, told) in enumerate(run.looked, start=1):
            note_check(conn, started.id, DrillCheck(place, what, outcome, shortened(told), now))
        outcome = "failed" if error else "passed"
        result = DrillResult(started.id, started.name, started.actor, started.started_at, outcome, run.measures._asdict(), run.looked)
        note = result.signed(conn, backups.make_id, now=now)
        return end_drill(conn, started.id, measures=run.measures, evidence=note, error=error, now=now)
