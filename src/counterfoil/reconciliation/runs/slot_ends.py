"""How the work of a schedule's moment ended. One that was taken and not ended is never one that was done.

And how schedules stand: each moment that came, whoever took it, how that ended, and those that nobody took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, Literal, LiteralString, NamedTuple, get_args

import structlog
from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import DatabaseAway, Problem
from counterfoil.operations.noun_pages import Narrow, PlainList, SortKey, between_moments
from counterfoil.reconciliation.runs.schedule import LATE_AFTER, SKIPPED_COUNTED_MAX, Slot, take_slot
from counterfoil.reconciliation.runs.schedule import after as next_moment

SlotOutcome = Literal["running", "done", "failed", "never_ended"]
RunOutcome = Literal["running", "done", "failed", "never_ended", "missed"]
OUTCOMES: Final[tuple[RunOutcome, ...]] = get_args(RunOutcome)
ERROR_MAX: Final = 500
_log = structlog.get_logger("counterfoil.schedules")
# How the work of a slot `t` ended: the last word on it counts, since a job by hand may make good what failed. A worker that was not heard
# of for a minute is gone; a process that is none of the workers is given six hours.
_ENDED: Final[LiteralString] = """
    left join lateral (select ended_at, error from schedule_end e where (e.name, e.slot_at) = (t.name, t.slot_at)
                       order by e.number desc limit 1) e on true
    cross join lateral (select case when e.error is not null then 'failed' when e.ended_at is not null then 'done'
                               when t.taken_at < %(now)s - interval '6 hours' or exists (
                                   select from worker w where w.id = t.taken_by and (w.stopped_at is not null
                                                                                     or w.beat_at < %(now)s - interval '1 minute'))
                               then 'never_ended' else 'running' end as outcome) o"""


class SlotEnd(NamedTuple):
    """The newest moment of a schedule that was taken, by whom, and how it ended: not yet, done, with an error, or never."""

    name: str
    slot_at: datetime
    taken_at: datetime
    taken_by: str
    ended_at: datetime | None
    error: str | None
    outcome: SlotOutcome


class ScheduleRun(NamedTuple):
    """A moment of a schedule that came: who took it and how that ended; or, `missed`, so many moments from `first_at` that nobody took,
    with who noticed it."""

    id: str
    name: str
    at: datetime
    first_at: datetime
    missed: int
    outcome: RunOutcome
    taken_at: datetime
    taken_by: str
    ended_at: datetime | None
    error: str | None

    @property
    def times(self) -> str:
        """How many moments were missed; beyond 1,000 they are not counted."""
        return f"{self.missed:,} or more" if self.missed >= SKIPPED_COUNTED_MAX else f"{self.missed:,}"


class ScheduleState(NamedTuple):
    """How a schedule stands: when it last was due, who took that and when, how that ended, and when it is due next."""

    name: str
    cron: str
    since: datetime
    slot_at: datetime | None
    taken_at: datetime | None
    taken_by: str | None
    skipped: int | None
    outcome: SlotOutcome | None
    ended_at: datetime | None
    error: str | None
    next_at: datetime
    overdue_s: int | None  # how long the first moment that nobody took has been waiting, when that is more than five minutes
    late_s: int | None  # how late the last one was taken, when that was more than five minutes


def end_slot(conn: Connection[Any], slot: Slot, *, now: datetime, error: str | None = None) -> None:
    """Its work is done, or ended with an error."""
    conn.execute(
        "insert into schedule_end (name, slot_at, ended_at, error) values (%s, %s, %s, %s)", [slot.name, slot.slot_at, now, error or None]
    )


def do_slot(conn: Connection[Any], name: str, cron: str, *, by: str, now: datetime) -> Slot | None:
    """`take_slot` for work that is written in the same transaction: taken, and done."""
    slot = take_slot(conn, name, cron, by=by, now=now)
    if slot is not None:
        end_slot(conn, slot, now=now)
    return slot


@contextmanager
def at_work(database: Any, slot: Slot, clock: Callable[[], datetime]) -> Iterator[None]:
    """The work of a moment that was taken before: it ends with this block. What it raises is kept as its error, and goes on.

    `database`: a `base.edge.Database`, or books that run transactions as one does.
    """
    try:
        yield
    except Exception as failure:
        why = failure.sentence() if isinstance(failure, Problem) else str(failure).strip()
        try:
            with database.transaction() as conn:
                end_slot(conn, slot, now=clock(), error=(why or type(failure).__name__)[:ERROR_MAX])
        except DatabaseAway:
            _log.warning("how a schedule ended could not be kept", schedule=slot.name)  # the monitor says that it never ended
        raise
    with database.transaction() as conn:
        end_slot(conn, slot, now=clock())


def make_good(conn: Connection[Any], name: str, *, now: datetime) -> None:
    """What the newest moment did not do was done by hand."""
    newest = newest_slots(conn, now=now).get(name)
    if newest is not None and newest.outcome != "done":
        end_slot(conn, Slot(name, newest.slot_at, newest.taken_at, 0), now=now)


def newest_slots(conn: Connection[Any], *, now: datetime) -> dict[str, SlotEnd]:
    """The newest moment of every schedule that was taken, and how it ended."""
    with conn.cursor(row_factory=class_row(SlotEnd)) as cur:
        rows = cur.execute(
            """select s.name, t.slot_at, t.taken_at, t.taken_by, e.ended_at, e.error, o.outcome from reconciliation_schedule s
               cross join lateral (select * from reconciliation_slot t where t.name = s.name order by t.slot_at desc limit 1) t"""
            + _ENDED
            + " order by s.name",
            {"now": now},
        ).fetchall()
    return {one.name: one for one in rows}


def moments_by_id(conn: Connection[Any], ids: Sequence[str], *, now: datetime) -> list[ScheduleRun]:
    """The moments of these ids, in any order, each with how its work ended."""
    given = {"now": now, "ids": list(ids), "names": list({one.rpartition("@")[0] for one in ids}), "rows": len(ids)}
    with conn.cursor(row_factory=class_row(ScheduleRun)) as cur:
        return cur.execute(
            """select t.id, t.name, t.slot_at as at, t.first_at, t.missed,
                      case when t.missed > 0 then 'missed' else o.outcome end as outcome, t.taken_at, t.taken_by, e.ended_at, e.error
               from schedule_moment t"""
            + _ENDED
            + " where t.name = any(%(names)s) and t.id = any(%(ids)s) order by t.id limit %(rows)s",
            given,
        ).fetchall()


# Each is listed by its moment, of those that nobody took by the last.
MOMENT_LIST: Final = PlainList(
    "runs of schedules",
    "",
    "schedule_moment",
    moments_by_id,
    (SortKey("at", datetime, "slot_at"), SortKey("taken_at", datetime)),
    (
        Narrow("schedule", "t.name = %(schedule)s", "Only of this schedule; `schedules list` tells them."),
        Narrow(
            "outcome",
            "case when t.missed > 0 then 'missed' else (select o.outcome from (select) one" + _ENDED + ") end = %(outcome)s",
            "Only those that ended so.",
            "choice",
            choices=OUTCOMES,
        ),
        *between_moments("slot_at", "due"),
    ),
    order="-at",
    by_now=True,
)


def schedules(conn: Connection[Any], crons: Mapping[str, str], *, now: datetime) -> list[ScheduleState]:
    """How each schedule stands, by name."""
    rows = conn.execute(
        """select s.name, s.since, t.slot_at, t.skipped from reconciliation_schedule s
           left join lateral (select slot_at, skipped from reconciliation_slot t where t.name = s.name
                              order by slot_at desc limit 1) t on true
           where s.name = any(%s) order by s.name""",
        [list(crons)],
    ).fetchall()
    ends = newest_slots(conn, now=now)
    return [_due(crons[row[0]], row, ends.get(row[0]), now) for row in rows]


def _due(cron: str, row: tuple[Any, ...], end: SlotEnd | None, now: datetime) -> ScheduleState:
    name, since, slot_at, skipped = row
    # from the first moment that nobody took, not from the last: where nobody comes, each new one would look in time again
    waits = now - next_moment(cron, max(since, slot_at or since))
    late = end.taken_at - end.slot_at if end else timedelta()
    return ScheduleState(
        name,
        cron,
        since,
        slot_at,
        end.taken_at if end else None,
        end.taken_by if end else None,
        skipped,
        end.outcome if end else None,
        end.ended_at if end else None,
        end.error if end else None,
        next_moment(cron, now),
        overdue_s=int(waits.total_seconds()) if waits > LATE_AFTER else None,
        late_s=int(late.total_seconds()) if late > LATE_AFTER else None,
    )
