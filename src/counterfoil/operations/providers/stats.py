"""How providers do: measured from the calls that were recorded, over a span that is said with the figures."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

SPAN: Final = timedelta(hours=24)
SPAN_MAX: Final = timedelta(days=31)


class CallStats(NamedTuple):
    """The calls that were announced to a provider in a span, by what came of them.

    `no_answer`: nothing came before their horizon; `open`: they may still be answered. Latency from the announcement to the stored
    answer, in milliseconds, of calls that were answered; None without any. `availability_bps`: in ten-thousandths, how many of the
    calls that are over got a definite answer; "later" is none. None when no call is over.
    """

    provider: str
    calls: int
    accepted: int
    refused: int
    later: int
    unclear: int
    no_answer: int
    open: int
    latency_p50_ms: int | None
    latency_p95_ms: int | None
    latency_p99_ms: int | None
    last_call_at: datetime | None
    last_success_at: datetime | None
    last_failure_at: datetime | None

    @property
    def availability_bps(self) -> int | None:
        """See above; rounded down, so that it is never whole with one failure."""
        over = self.calls - self.open
        return (self.accepted + self.refused) * 10_000 // over if over else None


def call_stats(conn: Connection[Any], names: Iterable[str], *, start: datetime, end: datetime) -> dict[str, CallStats]:
    """What was measured of each of these providers, from `start` until before `end`; one without calls is there with zeros.

    The last success is the newest of the span, too: what is older is not looked for.
    """
    wanted = sorted(names)
    with conn.cursor(row_factory=class_row(CallStats)) as cur:
        rows = cur.execute(
            """select n.name as provider, count(c.id) as calls,
                      count(*) filter (where c.kind = 'accepted') as accepted, count(*) filter (where c.kind = 'refused') as refused,
                      count(*) filter (where c.kind = 'later') as later, count(*) filter (where c.kind = 'unclear') as unclear,
                      count(*) filter (where c.id is not null and c.kind is null and c.horizon_at <= %(end)s) as no_answer,
                      count(*) filter (where c.id is not null and c.kind is null and c.horizon_at > %(end)s) as open,
                      ceil(percentile_cont(0.50) within group (order by c.ms))::bigint as latency_p50_ms,
                      ceil(percentile_cont(0.95) within group (order by c.ms))::bigint as latency_p95_ms,
                      ceil(percentile_cont(0.99) within group (order by c.ms))::bigint as latency_p99_ms,
                      max(c.announced_at) as last_call_at,
                      max(c.answered_at) filter (where c.kind = 'accepted') as last_success_at,
                      max(coalesce(c.answered_at, c.horizon_at))
                          filter (where c.kind in ('later', 'unclear') or (c.kind is null and c.horizon_at <= %(end)s)) as last_failure_at
               from unnest(%(names)s::text[]) as n (name)
               left join lateral (
                   select id, announced_at, horizon_at, kind, answered_at,
                          extract(epoch from answered_at - announced_at) * 1000 as ms
                   from call_standing where provider = n.name and announced_at >= %(start)s and announced_at < %(end)s) c on true
               group by n.name order by n.name""",
            {"names": wanted, "start": start, "end": end},
        ).fetchall()
    return {one.provider: one for one in rows}
