"""Schedules: each moment of a cron expression is taken once, by one worker; who comes late says how late, and makes nothing up twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from croniter import CroniterBadDateError, croniter
from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import InvalidInput

SKIPPED_COUNTED_MAX: Final = 1_000
LATE_AFTER: Final = timedelta(minutes=5)
WISH_COUNTS: Final = timedelta(minutes=4)  # for so long after it was said last: workers look each 20 s
FORGOTTEN: Final = timedelta(days=1)
ANY_MOMENT: Final = datetime(2000, 1, 1, tzinfo=UTC)
MISSED_LISTED_MAX: Final = 31
GAPS_SHOWN_MAX: Final = 20


class Slot(NamedTuple):
    """A moment of a schedule that is ours. `skipped` moments before it passed with nobody there; `missed` are the last of them."""

    name: str
    slot_at: datetime
    taken_at: datetime
    skipped: int
    missed: tuple[datetime, ...] = ()


class ScheduleGap(NamedTuple):
    """Moments of a schedule that passed with nobody there, from the first to the last, as whoever came next noticed."""

    name: str
    first_at: datetime
    last_at: datetime
    missed: int
    noticed_at: datetime
    noticed_by: str

    @property
    def times(self) -> str:
        """How many moments it was; beyond 1,000 they are not counted."""
        return f"{self.missed:,} or more" if self.missed >= SKIPPED_COUNTED_MAX else f"{self.missed:,}"


def valid_cron(text: str, field: str = "cron") -> str:
    """`text`, if it is a cron expression of five fields. Raises InvalidInput."""
    if len(text.split()) != 5 or not croniter.is_valid(text):
        raise InvalidInput(field, "a cron expression of five fields, such as 0 2 * * *", got=text[:60])
    try:
        after(text, ANY_MOMENT)
    except CroniterBadDateError:
        raise InvalidInput(field, "a cron expression of a day that comes, such as 0 2 1 * *", got=text[:60]) from None
    return text


def take_slot(conn: Connection[Any], name: str, cron: str, *, by: str, now: datetime) -> Slot | None:
    """The latest moment of a schedule that is past and that nobody has taken, now ours; None when there is none.

    Where another worker that lives has other settings, the schedule stays as it is, and whoever wants it so takes its moments.

    The first look at a schedule only notes it: what was due before it was known is nobody's fault. What passed with nobody there since is
    kept as a gap, also when the schedule was changed meanwhile.
    """
    known = _known(conn, name)
    contested = _contested(conn, name, valid_cron(cron), by=by, now=now)
    if known is None or known[0] != cron:
        if contested and known is not None and known[0]:
            return None
        if known is not None and known[0]:
            _keep_gap(conn, name, moments(known[0], known[1], now), by, now, until=before(known[0], now))
        conn.execute(
            """insert into reconciliation_schedule (name, cron, since) values (%s, %s, %s)
               on conflict (name) do update set cron = excluded.cron, since = excluded.since""",
            [name, cron, now],
        )
        return None
    slot_at = before(cron, now)
    if slot_at <= known[1]:
        return None
    missed = moments(cron, known[1], slot_at - timedelta(microseconds=1))
    done = conn.execute(
        """insert into reconciliation_slot (name, slot_at, taken_at, taken_by, skipped) values (%s, %s, %s, %s, %s)
           on conflict do nothing""",
        [name, slot_at, now, by, len(missed)],
    )
    if not done.rowcount:
        return None
    _keep_gap(conn, name, missed, by, now, until=before(cron, slot_at - timedelta(microseconds=1)))
    return Slot(name, slot_at, now, len(missed), tuple(missed[-MISSED_LISTED_MAX:]))


def take_set_slot(conn: Connection[Any], name: str, cron: str | None, *, by: str, now: datetime) -> Slot | None:
    """`take_slot` of a schedule that a setting gives; without one it is withdrawn, and nothing of it is due."""
    if not cron:
        withdraw(conn, [name], by=by, now=now)
        return None
    return take_slot(conn, name, cron, by=by, now=now)


def withdraw(conn: Connection[Any], names: Iterable[str], *, by: str, now: datetime) -> None:
    """We do not want these. Once no worker that lives does, nothing of them is due, and nothing missed, until they are set again."""
    set_ones = conn.execute("select name from reconciliation_schedule where name = any(%s) and cron <> ''", [list(names)]).fetchall()
    for (name,) in set_ones:
        if not _contested(conn, name, "", by=by, now=now):
            conn.execute("update reconciliation_schedule set cron = '' where name = %s", [name])


def _contested(conn: Connection[Any], name: str, cron: str, *, by: str, now: datetime) -> bool:
    """Say what we want, and hear whether another worker that lives wants something else."""
    conn.execute(
        """insert into schedule_wish as w (name, worker, cron, since, said_at) values (%(name)s, %(by)s, %(cron)s, %(now)s, %(now)s)
           on conflict (name, worker) do update
               set cron = excluded.cron, said_at = excluded.said_at,
                   since = case when w.cron = excluded.cron then w.since else excluded.since end
               where w.cron <> excluded.cron or w.said_at < %(now)s - %(half)s""",
        {"name": name, "by": by, "cron": cron, "now": now, "half": WISH_COUNTS / 4},
    )
    conn.execute("delete from schedule_wish where name = %s and said_at < %s", [name, now - FORGOTTEN])
    found = conn.execute(
        "select from schedule_wish where name = %s and worker <> %s and cron <> %s and said_at > %s limit 1",
        [name, by, cron, now - WISH_COUNTS],
    ).fetchone()
    return found is not None


def _known(conn: Connection[Any], name: str) -> tuple[str, datetime] | None:
    """The schedule as it is known, and since when nobody has taken a moment of it."""
    row = conn.execute(
        """select s.cron, greatest(s.since, max(t.slot_at)) from reconciliation_schedule s
           left join reconciliation_slot t on t.name = s.name where s.name = %s group by s.cron, s.since""",
        [name],
    ).fetchone()
    return (str(row[0]), row[1]) if row else None


def _keep_gap(conn: Connection[Any], name: str, missed: list[datetime], by: str, now: datetime, *, until: datetime) -> None:
    """Keep the moments that passed with nobody there; `until` is the last of them, also where there are too many to count."""
    if missed:
        conn.execute(
            """insert into reconciliation_gap (name, first_at, last_at, missed, noticed_at, noticed_by)
               values (%s, %s, %s, %s, %s, %s) on conflict do nothing""",
            [name, missed[0], until if len(missed) >= SKIPPED_COUNTED_MAX else missed[-1], len(missed), now, by],
        )


def gaps(conn: Connection[Any], *, rows_max: int = GAPS_SHOWN_MAX) -> list[ScheduleGap]:
    """Moments that nobody took, the newest first."""
    with conn.cursor(row_factory=class_row(ScheduleGap)) as cur:
        return cur.execute(
            """select name, first_at, last_at, missed, noticed_at, noticed_by from reconciliation_gap
               order by last_at desc, name limit %s""",
            [rows_max],
        ).fetchall()


def set_schedules(conn: Connection[Any]) -> dict[str, str]:
    """The cron expression of every schedule that a worker wants, by name."""
    rows = conn.execute("select name, cron from reconciliation_schedule where cron <> '' order by name").fetchall()
    return {str(name): str(cron) for name, cron in rows}


def given_up_at(cron: str, completed_at: datetime) -> datetime:
    """When a schedule that was completed last at `completed_at` counts as not run: a second moment has passed, and five minutes.

    Not a multiple of the time between two moments: on working days alone, or on the 1st of a month, that is another each time.
    """
    return after(cron, after(cron, completed_at)) + LATE_AFTER


def before(cron: str, now: datetime) -> datetime:
    """The last moment of a cron expression (UTC) at or before `now`."""
    found: datetime = croniter(cron, now.astimezone(UTC) + timedelta(microseconds=1)).get_prev(datetime)
    return found


def after(cron: str, now: datetime) -> datetime:
    """The first moment after `now`."""
    found: datetime = croniter(cron, now.astimezone(UTC)).get_next(datetime)
    return found


def moments(cron: str, start: datetime, end: datetime) -> list[datetime]:
    """The moments after `start`, up to `end`, the first 1,000 of them."""
    ticking = croniter(cron, start.astimezone(UTC))
    found: list[datetime] = []
    while len(found) < SKIPPED_COUNTED_MAX and (at := ticking.get_next(datetime)) <= end:
        found.append(at)
    return found
