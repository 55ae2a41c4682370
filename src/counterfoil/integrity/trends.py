"""Trends: how long intents took, how deep queues were by the hour of the day, how late payouts went out. An hour or a day that nobody
measured is not one in which nothing was to be seen."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

DAYS_MAX: Final = 92
DAYS: Final = 28


class ProcessingDay(NamedTuple):
    """A day of intents: from the customer's payment to the completion, in seconds; None where none was completed."""

    day: date
    intents: int
    median_s: float | None
    p95_s: float | None


class QueueHour(NamedTuple):
    """An hour of the day (UTC) and a queue: its depth over the minutes that were measured, of so many hours."""

    hour: int
    queue: str
    depth_mean: float
    depth_max: int
    oldest_max_s: int
    hours: int
    minutes_measured: int


class PayoutDay(NamedTuple):
    """A day of batches, by their approval: how many payouts, from approval to execution in hours, and how many were late or wait still."""

    day: date
    payouts: int
    median_h: float | None
    p95_h: float | None
    late: int


class Trends(NamedTuple):
    """What was measured from `since` until `until`."""

    since: datetime
    until: datetime
    processing: list[ProcessingDay]
    queues: list[QueueHour]
    payouts: list[PayoutDay]


def trends(conn: Connection[Any], *, days: int, now: datetime) -> Trends:
    """The last `days` days, today with them, in UTC."""
    since = (now - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    given = {"since": since, "now": now}
    return Trends(
        since,
        now,
        _rows(conn, ProcessingDay, _PROCESSING, given),
        _rows(conn, QueueHour, _QUEUES, given),
        _rows(conn, PayoutDay, _PAYOUTS, given),
    )


def _rows(conn: Connection[Any], kind: type[Any], query: str, given: dict[str, Any]) -> list[Any]:
    with conn.cursor(row_factory=class_row(kind)) as cur:
        return cur.execute(query.encode(), given).fetchall()


_DAYS: Final = "select d::date as day from generate_series(%(since)s at time zone 'UTC', %(now)s at time zone 'UTC', interval '1 day') d"
_PROCESSING: Final = f"""
    with days as ({_DAYS}), took as (
        select (completed_at at time zone 'UTC')::date as day,
               extract(epoch from completed_at - (select max(p.recorded_at) from payment p where p.invoice_id = i.invoice_id
                              and p.recorded_at <= i.completed_at)) as s
        from intent i where state = 'completed' and completed_at >= %(since)s and completed_at <= %(now)s)
    select d.day, count(t.s)::int as intents, round((percentile_cont(0.5) within group (order by t.s))::numeric, 3)::float as median_s,
           round((percentile_cont(0.95) within group (order by t.s))::numeric, 3)::float as p95_s
    from days d left join took t using (day) group by d.day order by d.day"""
_QUEUES: Final = """
    select extract(hour from hour at time zone 'UTC')::int as hour, queue,
           round(sum(depth_sum)::numeric / sum(samples), 2)::float as depth_mean, max(depth_max)::int as depth_max,
           max(oldest_max_s)::int as oldest_max_s, count(*)::int as hours,
           sum(samples)::int as minutes_measured
    from queue_hour where hour >= %(since)s and hour <= %(now)s group by 1, 2 order by 2, 1"""
_PAYOUTS: Final = f"""
    with days as ({_DAYS}), took as (
        select (approved_at at time zone 'UTC')::date as day, lines, extract(epoch from executed_at - approved_at) / 3600 as h,
               coalesce(executed_at, %(now)s) > approved_at + interval '24 hours' as late
        from payout_batch where approved_at >= %(since)s and approved_at <= %(now)s and state not in ('rejected', 'cancelled'))
    select d.day, coalesce(sum(t.lines), 0)::int as payouts,
           round((percentile_cont(0.5) within group (order by t.h))::numeric, 2)::float as median_h,
           round((percentile_cont(0.95) within group (order by t.h))::numeric, 2)::float as p95_h,
           coalesce(sum(t.lines) filter (where t.late), 0)::int as late
    from days d left join took t using (day) group by d.day order by d.day"""
