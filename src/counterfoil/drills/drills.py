"""Drills as a noun: who asked for one, what was looked at, how it ended, and when the next is due."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.backups.backups import show_backup
from counterfoil.backups.store import DUMP
from counterfoil.base.database import name_refusals
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Machine, record_birth, take_step
from counterfoil.base.migrations.runner import began_at
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.base.rows import Records
from counterfoil.drills.evidence import DrillResult
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.noun_pages import SortKey
from counterfoil.operations.verbs import Noun, Part, Verb, VerbCall, VerbResult, of_all

ACTOR: Final = "system:drills"
SILENT_AFTER: Final = timedelta(minutes=1)  # a drill that lives says so every five seconds
RESTORE: Final = "restore"
RECOVERY: Final = "recovery"
WORKERS: Final = "workers"
WEBHOOKS: Final = "webhooks"
DATABASE: Final = "database"
DRILL: Final = Machine(
    name="drill",
    table="drill",
    initial=("waiting",),
    transitions={
        ("waiting", "start"): "running",
        ("running", "pass"): "passed",
        ("running", "fail"): "failed",
        ("waiting", "withdraw"): "withdrawn",
        ("running", "withdraw"): "withdrawn",
    },
    reasoned=frozenset({"withdraw"}),
)
EVENT_KINDS: Final = declare(
    debug={"drill_passed": "A drill went as it must; its evidence is signed."},
    warning={"drill_withdrawn": "A person withdrew a drill before it had ended: it proves nothing, and does not count as done."},
    critical={"drill_failed": "A drill did not go as it must: what it practises would fail on the day that it is needed."},
)


class DrillWaits(Problem):
    """This drill is asked for already, or runs."""

    todo = "See how it goes with `counterfoil drills list`."


name_refusals(constraints={"drill_runs_once": DrillWaits})


class DrillKind(NamedTuple):
    """A drill that there is: what it does, and within how many days it is due again."""

    name: str
    title: str
    says: str
    days: int


KINDS: Final[Sequence[DrillKind]] = (
    DrillKind(
        RESTORE,
        "Restore a backup",
        "Restores the newest backup into a scratch database that cannot send, asks every check, and holds it against what was signed.",
        31,
    ),
    DrillKind(
        RECOVERY,
        "Recover to a second",
        "Recovers the books as they were at a second, by default the last, from a copy of the server and its log, and asks the same.",
        31,
    ),
    DrillKind(
        WORKERS,
        "Kill workers",
        "Kills workers at every point of a payment, at the simulator: nothing is lost, nothing is paid twice.",
        92,
    ),
    DrillKind(
        WEBHOOKS,
        "Lose the provider's webhooks",
        "Not one webhook of the simulator arrives: what happened there is learnt all the same.",
        92,
    ),
    DrillKind(
        DATABASE,
        "Stop the database",
        "Kills the database under payments at the simulator, and stops it for a while: every process waits for it and goes on.",
        92,
    ),
)
ENDED: Final = ("passed", "failed")  # one that was withdrawn says nothing of what it practises
KIND_BY_NAME: Final = {one.name: one for one in KINDS}


class Drill(NamedTuple):
    """A drill. Of a restore: which backup, how long until the database answered, and what a loss at the beginning of the drill would have
    cost: `lost_s` seconds with `lost_entries` entries of the log. `evidence`: what was looked at and found, as a signed note."""

    id: str
    name: str
    actor: str
    asked_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: str | None
    backup_id: str | None
    restore_ms: int | None
    lost_s: int | None
    lost_entries: int | None
    root_matches: bool | None
    recover_to: datetime | None
    evidence: str | None
    error: str | None
    state: str


class DrillCheck(NamedTuple):
    """What a drill looked at: `passed`, `failed`, or `not_checked` because it did not come to it."""

    place: int
    what: str
    outcome: str
    told: str
    at: datetime


class DrillMeasures(NamedTuple):
    """What a drill measured; a restore drill passes with all of it."""

    backup_id: str | None = None
    restore_ms: int | None = None
    lost_s: int | None = None
    lost_entries: int | None = None
    root_matches: bool | None = None


class DrillStanding(NamedTuple):
    """How a drill stands: its newest end, when it last passed, and until when it must pass again."""

    kind: DrillKind
    last: Drill | None
    passed_at: datetime | None
    due_at: datetime | None


DRILLS: Final = Records(
    Drill,
    """select id, name, actor, asked_at, started_at, finished_at, progress, backup_id, restore_ms, lost_s, lost_entries, root_matches,
              recover_to, evidence, error, state from drill""",
    "drill",
)
CHECKS: Final = Records(DrillCheck, "select place, what, outcome, told, at from drill_check", "drill check")
show_drill: Final = DRILLS.show


def list_drills(conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> list[Drill]:
    """Drills, newest first."""
    return DRILLS.newest(conn, rows_max=rows_max, after=after, state=state)


def checks_of(conn: Connection[Any], drill_id: str) -> list[DrillCheck]:
    """What it looked at, in order."""
    return CHECKS.read(conn, "where drill_id = %s order by place", [drill_id])


def ask_for_drill(
    conn: Connection[Any],
    drill_id: str,
    name: str,
    *,
    backup_id: str | None,
    actor: str,
    now: datetime,
    recover_to: datetime | None = None,
) -> Drill:
    """Have a worker run it. Raises InvalidInput, DrillWaits."""
    if name not in KIND_BY_NAME:
        raise InvalidInput("name", f"one of {', '.join(KIND_BY_NAME)}", got=name[:40])
    if backup_id is not None and name != RESTORE:
        raise InvalidInput("backupId", f"nothing, but of the drill {RESTORE}", got=backup_id[:40])
    if recover_to is not None and name != RECOVERY:
        raise InvalidInput("recoverTo", f"nothing, but of the drill {RECOVERY}", got=recover_to.isoformat())
    for one in DRILLS.read(conn, "where name = %s and state in ('waiting', 'running')", [name]):
        raise DrillWaits(drill=one.id, state=one.state)
    conn.execute(
        """insert into drill (id, name, actor, asked_at, backup_id, recover_to, state, state_at)
           values (%s, %s, %s, %s, %s, %s, 'waiting', %s)""",
        [drill_id, name, actor, now, backup_id, recover_to, now],
    )
    record_birth(conn, DRILL, [drill_id], "waiting", actor=actor, at=now)
    return show_drill(conn, drill_id)


def refuse_impossible(conn: Connection[Any], backup_id: str | None, recover_to: datetime | None, *, now: datetime) -> None:
    """What is asked of a worker must be there: only what is kept, and is a dump of the books, can be restored, and nothing of the future.
    On a machine of one's own a drill finds that out by itself, and fails. Raises NotFound, InvalidInput."""
    if recover_to is not None and recover_to > now:
        raise InvalidInput("recoverTo", f"not later than now, {now.isoformat()}", got=recover_to.isoformat())
    if backup_id is None:
        return
    one = show_backup(conn, backup_id)
    if one.state != "kept":
        raise InvalidInput("backupId", f"a backup that is kept; this one is {one.state}", got=one.id)
    if one.kind != DUMP:
        raise InvalidInput("backupId", f"a backup of the kind {DUMP}; from a {one.kind} the drill {RECOVERY} recovers", got=one.id)


def start_next(conn: Connection[Any], names: Sequence[str], *, now: datetime) -> Drill | None:
    """Take the oldest drill that waits, of those that this process can run; None when there is none."""
    row = conn.execute(
        "select id from drill where state = 'waiting' and name = any(%s) order by id limit 1 for update skip locked", [list(names)]
    ).fetchone()
    return None if row is None else start_drill(conn, row[0], now=now)


def start_drill(conn: Connection[Any], drill_id: str, *, now: datetime) -> Drill:
    """Take this one, which waits."""
    conn.execute("update drill set started_at = %s, beat_at = %s where id = %s", [now, now, drill_id])
    take_step(conn, DRILL, drill_id, "waiting", "start", actor=ACTOR, at=now)
    return show_drill(conn, drill_id)


def running_drills(conn: Connection[Any]) -> list[Drill]:
    """Those that run."""
    return DRILLS.read(conn, "where state = 'running' order by id", [])


def note_beat(conn: Connection[Any], drill_id: str, progress: str, *, now: datetime) -> bool:
    """Say that it lives, and at what it is; whether it runs still: somebody may have said meanwhile that it is over."""
    done = conn.execute("update drill set progress = %s, beat_at = %s where id = %s and state = 'running'", [progress, now, drill_id])
    return done.rowcount == 1


def note_check(conn: Connection[Any], drill_id: str, check: DrillCheck) -> None:
    """Keep what it looked at, as soon as it is known."""
    conn.execute("insert into drill_check (drill_id, place, what, outcome, told, at) values (%s, %s, %s, %s, %s, %s)", [drill_id, *check])


def lock_drill(conn: Connection[Any], drill_id: str) -> Drill:
    """One drill, locked: nobody else ends it meanwhile. Raises NotFound."""
    conn.execute("select from drill where id = %s for update", [drill_id])
    return show_drill(conn, drill_id)


def end_drill(conn: Connection[Any], drill_id: str, *, measures: DrillMeasures, evidence: str, error: str | None, now: datetime) -> Drill:
    """It is over: passed when nothing is the matter, and then the database looks at its checks and measures once more."""
    conn.execute(
        """update drill set finished_at = %s, progress = null, backup_id = %s, restore_ms = %s, lost_s = %s, lost_entries = %s,
                  root_matches = %s, evidence = %s, error = %s where id = %s""",
        [now, *measures, evidence, error, drill_id],
    )
    _step(conn, drill_id, error, now)
    return show_drill(conn, drill_id)


def _step(conn: Connection[Any], drill_id: str, error: str | None, now: datetime) -> None:
    drill = show_drill(conn, drill_id)
    take_step(conn, DRILL, drill_id, "running", "fail" if error else "pass", actor=ACTOR, at=now, cause=error[:200] if error else None)
    name = "drill_failed" if error else "drill_passed"
    emit(conn, [NewEvent(name, "", drill_id, {"drill": drill.name, "error": error})], at=now)


def bury_drills(conn: Connection[Any], make_id: MakeId, *, now: datetime) -> int:
    """Drills whose process was killed have failed: each with a signed result that says so, and at what it was; how many they are."""
    rows = conn.execute(
        "select id, progress from drill where state = 'running' and beat_at < %s order by id for update skip locked", [now - SILENT_AFTER]
    ).fetchall()
    for drill_id, progress in rows:
        drill = show_drill(conn, drill_id)
        error = "its process ended before it did" + (f", at: {progress}" if progress else "")
        note_check(conn, drill_id, DrillCheck(1, "process", "failed", error, now))
        measures = DrillMeasures(backup_id=drill.backup_id)
        result = DrillResult(
            drill_id, drill.name, drill.actor, drill.started_at, "failed", measures._asdict(), [("process", "failed", error)]
        )
        end_drill(conn, drill_id, measures=measures, evidence=result.signed(conn, make_id, now=now), error=error, now=now)
    return len(rows)


def withdraw_drill(one: VerbCall) -> VerbResult:
    """It was begun by mistake, or nobody ends it. Whoever runs it stops at its next part; when it passed last stays as it was."""
    drill = lock_drill(one.conn, one.subject_id)
    DRILL.next_state(drill.state, "withdraw", reason=one.reason)
    because = {"by": one.actor, "reason": one.reason}
    result = DrillResult(drill.id, drill.name, drill.actor, drill.started_at, "withdrawn", {}, [], because)
    one.conn.execute(
        "update drill set finished_at = %s, progress = null, evidence = %s where id = %s",
        [one.now, result.signed(one.conn, one.make_id, now=one.now), drill.id],
    )
    state = take_step(one.conn, DRILL, drill.id, drill.state, "withdraw", actor=one.actor, at=one.now, reason=one.reason)
    emit(one.conn, [NewEvent("drill_withdrawn", "", drill.id, {"drill": drill.name, "reason": one.reason})], at=one.now)
    return VerbResult(state)


def standings(conn: Connection[Any]) -> list[DrillStanding]:
    """How each drill stands. One that never passed is due when its days are over since the first program was opened."""
    found = []
    for kind in KINDS:
        last = DRILLS.read(conn, "where name = %s and state = any(%s) order by finished_at desc limit 1", [kind.name, list(ENDED)])
        row = conn.execute(
            """select (select max(finished_at) from drill where name = %s and state = 'passed')""",
            [kind.name],
        ).fetchone()
        assert row is not None
        since = row[0] or began_at(conn)
        found.append(DrillStanding(kind, last[0] if last else None, row[0], since and since + timedelta(days=kind.days)))
    return found


DRILL_NOUN: Final = Noun(
    "drill",
    "drills",
    "drl",
    DRILL,
    (
        Verb(
            "withdraw",
            OPERATE,
            "Withdraw",
            "It was begun by mistake, or nobody ends it. It proves nothing and does not count as done: what is due stays due, what failed "
            "last stays failed. A process that runs it stops at its next part.",
            do=withdraw_drill,
        ),
    ),
    show_drill,
    row=Drill,
    rows=list_drills,
    by_id=DRILLS.by_id,
    sorts=(SortKey("asked_at", datetime),),
    help="What must work on the worst day, practised: each drill with its outcome and signed evidence.",
    parts=(Part("checks", DrillCheck, of_all(checks_of)),),
    columns=("id", "name", "state", "finished_at", "backup_id", "restore_ms", "lost_s", "lost_entries", "root_matches", "error"),
)
