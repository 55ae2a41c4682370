"""Schedules: each moment of a cron expression is taken once, by one worker; who comes late says how late, and makes nothing up twice."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from croniter import croniter  # type: ignore[import-untyped]
from psycopg import Connection

from counterfoil.base.problems import InvalidInput

SKIPPED_COUNTED_MAX: Final = 1_000
LATE_AFTER: Final = timedelta(minutes=5)


class Slot(NamedTuple):
    """A moment of a schedule that is ours. `skipped` moments before it passed with nobody there; they are not made up for."""

    name: str
    slot_at: datetime
    taken_at: datetime
    skipped: int


class Due(NamedTuple):
    """How a schedule stands: when it last was due, who took that and when, when it is due next."""

    name: str
    cron: str
    since: datetime
    slot_at: datetime | None
    taken_at: datetime | None
    taken_by: str | None
    skipped: int | None
    next_at: datetime
    overdue_s: int | None  # how long a moment that is past has been waiting for somebody
    late_s: int | None  # how late the last one was taken, when that was more than five minutes


def valid_cron(text: str, field: str = "cron") -> str:
    """`text`, if it is a cron expression of five fields. Raises InvalidInput."""
    if len(text.split()) != 5 or not croniter.is_valid(text):
        raise InvalidInput(field, "a cron expression of five fields, such as 0 2 * * *", got=text[:60])
    return text


def take_slot(conn: Connection[Any], name: str, cron: str, *, by: str, now: datetime) -> Slot | None:
    """The latest moment of a schedule that is past and that nobody has taken, now ours; None when there is none.

    The first look at a schedule only notes it: what was due before it was known is not made up for.
    """
    conn.execute(
        """insert into reconciliation_schedule (name, cron, since) values (%s, %s, %s)
           on conflict (name) do update set cron = excluded.cron, since = excluded.since
           where reconciliation_schedule.cron <> excluded.cron""",
        [name, valid_cron(cron), now],
    )
    row = conn.execute(
        """select greatest(s.since, max(t.slot_at)) from reconciliation_schedule s left join reconciliation_slot t on t.name = s.name
           where s.name = %s group by s.since""",
        [name],
    ).fetchone()
    slot_at = before(cron, now)
    if row is None or slot_at <= row[0]:
        return None
    skipped = between(cron, row[0], slot_at)
    done = conn.execute(
        """insert into reconciliation_slot (name, slot_at, taken_at, taken_by, skipped) values (%s, %s, %s, %s, %s)
           on conflict do nothing""",
        [name, slot_at, now, by, skipped],
    )
    return Slot(name, slot_at, now, skipped) if done.rowcount else None


def schedules(conn: Connection[Any], crons: Mapping[str, str], *, now: datetime) -> list[Due]:
    """How each schedule stands, by name."""
    rows = conn.execute(
        """select s.name, s.since, t.slot_at, t.taken_at, t.taken_by, t.skipped from reconciliation_schedule s
           left join lateral (select slot_at, taken_at, taken_by, skipped from reconciliation_slot t
                              where t.name = s.name order by slot_at desc limit 1) t on true
           where s.name = any(%s) order by s.name limit 100""",
        [list(crons)],
    ).fetchall()
    return [_due(crons[row[0]], row, now) for row in rows]


def _due(cron: str, row: tuple[Any, ...], now: datetime) -> Due:
    name, since, slot_at, taken_at, taken_by, skipped = row
    waits = before(cron, now)
    overdue = waits > max(since, slot_at or since) and now - waits > LATE_AFTER
    late = taken_at - slot_at if taken_at and slot_at else timedelta()
    return Due(
        name, cron, since, slot_at, taken_at, taken_by, skipped, after(cron, now),
        overdue_s=int((now - waits).total_seconds()) if overdue else None,
        late_s=int(late.total_seconds()) if late > LATE_AFTER else None,
    )  # fmt: skip


def before(cron: str, now: datetime) -> datetime:
    """The last moment of a cron expression (UTC) at or before `now`."""
    found: datetime = croniter(cron, now.astimezone(UTC) + timedelta(microseconds=1)).get_prev(datetime)
    return found


def after(cron: str, now: datetime) -> datetime:
    """The first moment after `now`."""
    found: datetime = croniter(cron, now.astimezone(UTC)).get_next(datetime)
    return found


def between(cron: str, start: datetime, end: datetime) -> int:
    """How many moments lie strictly between the two, counted up to 1,000."""
    moments = croniter(cron, start.astimezone(UTC))
    count = 0
    while count < SKIPPED_COUNTED_MAX and moments.get_next(datetime) < end:
        count += 1
    return count
