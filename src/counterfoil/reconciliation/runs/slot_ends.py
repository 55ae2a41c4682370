"""How the work of a schedule's moment ended. One that was taken and not ended is never one that was done.

And how schedules stand: each moment that came, whoever took it, how that ended, and those that nobody took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, Literal, LiteralString, NamedTuple, get_args

import structlog
from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import DatabaseAway, Problem
from counterfoil.reconciliation.runs.schedule import LATE_AFTER, SKIPPED_COUNTED_MAX, Slot, take_slot
from counterfoil.reconciliation.runs.schedule import after as next_moment

SlotOutcome = Literal["running", "done", "failed", "never_ended"]
RunOutcome = Literal["running", "done", "failed", "never_ended", "missed"]
OUTCOMES: Final[tuple[RunOutcome, ...]] = get_args(RunOutcome)
ERROR_MAX: Final = 500
GONE_AFTER: Final = timedelta(minutes=1)  # a worker that was not heard of for so long
WORK_MAX: Final = timedelta(hours=6)  # of a moment that a process took which is none of the workers
_log = structlog.get_logger("counterfoil.schedules")
# How the work of a slot `t` ended: the last word on it counts, since a job by hand may make good what failed.
_ENDED: Final[LiteralString] = """
    left join lateral (select ended_at, error from schedule_end e where (e.name, e.slot_at) = (t.name, t.slot_at)
                       order by e.number desc limit 1) e on true
    cross join lateral (select case when e.error is not null then 'failed' when e.ended_at is not null then 'done'
                               when t.taken_at < %(now)s - %(work_max)s or exists (
                                   select from worker w where w.id = t.taken_by and (w.stopped_at is not null
                                                                                     or w.beat_at < %(now)s - %(gone_after)s))
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

    @property
    def place(self) -> tuple[datetime, str, int]:
        """Where it stands in the list."""
        return (self.at, self.name, self.missed)


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
            _limits(now),
        ).fetchall()
    return {one.name: one for one in rows}


def _limits(now: datetime) -> dict[str, Any]:
    return {"now": now, "work_max": WORK_MAX, "gone_after": GONE_AFTER}


def schedule_runs(
    conn: Connection[Any],
    *,
    now: datetime,
    rows_max: int,
    after: tuple[datetime, str, int] | None = None,
    name: str | None = None,
    outcome: RunOutcome | None = None,
) -> list[ScheduleRun]:
    """Every moment that came, the newest first, behind `after`: those that somebody took, with how they ended, and those that nobody did;
    of one schedule, or that ended in one way."""
    at, of, missed = after or (None, None, None)
    given = {**_limits(now), "rows": rows_max, "at": at, "of": of, "missed": missed, "name": name, "outcome": outcome}
    with conn.cursor(row_factory=class_row(ScheduleRun)) as cur:
        return cur.execute(
            """select * from (
                   (select t.name, t.slot_at as at, t.slot_at as first_at, 0 as missed, o.outcome, t.taken_at, t.taken_by,
                           e.ended_at, e.error
                    from reconciliation_slot t"""
            + _ENDED
            + """   where (%(name)s::text is null or t.name = %(name)s) and (%(outcome)s::text is null or o.outcome = %(outcome)s)
                      and (%(at)s::timestamptz is null or (t.slot_at, t.name, 0) < (%(at)s, %(of)s, %(missed)s::integer))
                    order by t.slot_at desc, t.name desc limit %(rows)s)
                   union all
                   (select g.name, g.last_at, g.first_at, g.missed, 'missed', g.noticed_at, g.noticed_by, null, null
                    from reconciliation_gap g
                    where (%(name)s::text is null or g.name = %(name)s) and coalesce(%(outcome)s::text, 'missed') = 'missed'
                      and (%(at)s::timestamptz is null or (g.last_at, g.name, g.missed) < (%(at)s, %(of)s, %(missed)s::integer))
                    order by g.last_at desc, g.name desc limit %(rows)s)) r
               order by at desc, name desc, missed desc limit %(rows)s""",
            given,
        ).fetchall()


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
