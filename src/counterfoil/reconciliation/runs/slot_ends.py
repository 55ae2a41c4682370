"""How the work of a schedule's moment ended. One that was taken and not ended is never one that was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

import structlog
from psycopg import Connection

from counterfoil.base.problems import DatabaseAway, Problem
from counterfoil.reconciliation.runs.schedule import Slot, take_slot

ERROR_MAX: Final = 500
_log = structlog.get_logger("counterfoil.schedules")


class SlotEnd(NamedTuple):
    """The newest moment of a schedule that was taken, by whom, and how it ended: not yet, done, or with an error."""

    name: str
    slot_at: datetime
    taken_at: datetime
    taken_by: str
    ended_at: datetime | None
    error: str | None


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
    newest = newest_slots(conn).get(name)
    if newest is not None and (newest.ended_at is None or newest.error is not None):
        end_slot(conn, Slot(name, newest.slot_at, newest.taken_at, 0), now=now)


def newest_slots(conn: Connection[Any]) -> dict[str, SlotEnd]:
    """The newest moment of every schedule that was taken, and how it ended."""
    rows = conn.execute(
        """select s.name, t.slot_at, t.taken_at, t.taken_by, e.ended_at, e.error from reconciliation_schedule s
           cross join lateral (select * from reconciliation_slot t where t.name = s.name order by t.slot_at desc limit 1) t
           left join lateral (select ended_at, error from schedule_end e where (e.name, e.slot_at) = (t.name, t.slot_at)
                              order by e.number desc limit 1) e on true
           order by s.name"""
    ).fetchall()
    return {row[0]: SlotEnd(*row) for row in rows}
