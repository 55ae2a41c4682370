"""How the workers stand, as a whole: healthy, degraded against what is usual here, or down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection

from counterfoil.base.invariant import Invariant
from counterfoil.operations.work.queries import workers_seen
from counterfoil.settlement.queries import FAST_BELOW, PROCESSED_LAST

Status = Literal["healthy", "degraded", "down"]
STANDINGS: Final[tuple[Status, ...]] = ("healthy", "degraded", "down")
LATELY: Final = timedelta(hours=1)
BASELINE: Final = 1_000  # intents before that hour
COMPLETED_COUNTED_MAX: Final = 100_000  # of this hour
BASELINE_MIN: Final = 100  # below it nobody knows what is usual
SLOWER_THAN: Final = 2  # times


class Pace(NamedTuple):
    """Median of the last 100 intents of this hour, and of up to 1,000 before it; within what 95 % of them were complete; None where there
    are too few to tell. `completed`: how many of this hour, counted up to 100,000."""

    latest: timedelta | None
    usual: timedelta | None
    latest_p95: timedelta | None
    usual_p95: timedelta | None
    completed: int

    @property
    def more(self) -> bool:
        """Were there more than are counted?"""
        return self.completed == COMPLETED_COUNTED_MAX

    @property
    def slow(self) -> bool:
        """More than twice as slow as usual, and slower than what is promised."""
        return self.latest is not None and self.usual is not None and self.latest > max(SLOWER_THAN * self.usual, FAST_BELOW)


class WorkersStanding(NamedTuple):
    """How they stand, why, and how fast they are."""

    status: Status
    why: str
    pace: Pace


def pace_of(conn: Connection[Any], *, now: datetime) -> Pace:
    """From the customer's last payment to the intent's completion: within the last hour, and before it, as is usual here."""
    row = conn.execute(
        """with lately as (select invoice_id, completed_at from intent where state = 'completed' and state_at > %(since)s
                           order by state_at desc, id desc limit %(last)s),
                before as (select invoice_id, completed_at from intent where state = 'completed' and state_at <= %(since)s
                           order by state_at desc, id desc limit %(all)s),
                took as (select usual, completed_at - (select max(p.recorded_at) from payment p where p.invoice_id = l.invoice_id
                              and p.recorded_at <= l.completed_at) as span
                         from (select false as usual, * from lately union all select true, * from before) l)
           select percentile_cont(0.5) within group (order by span) filter (where not usual),
                  percentile_cont(0.95) within group (order by span) filter (where not usual),
                  percentile_cont(0.5) within group (order by span) filter (where usual),
                  percentile_cont(0.95) within group (order by span) filter (where usual), count(span) filter (where usual),
                  (select count(*) from (select from intent where state = 'completed' and state_at > %(since)s limit %(most)s) l)
           from took""",
        {"since": now - LATELY, "last": PROCESSED_LAST, "all": BASELINE, "most": COMPLETED_COUNTED_MAX},
    ).fetchone()
    latest, latest_p95, usual, usual_p95, number, completed = row or (None, None, None, None, 0, 0)
    known = number >= BASELINE_MIN
    return Pace(latest, usual if known else None, latest_p95, usual_p95 if known else None, completed)


def workers_standing(conn: Connection[Any], *, now: datetime) -> WorkersStanding:
    """Of all workers together. Where none ever worked they are down: nothing is being done."""
    seen, pace = workers_seen(conn, now=now), pace_of(conn, now=now)
    alive = [one for one in seen if one.health in ("healthy", "failing")]
    if not alive:
        return WorkersStanding("down", "no worker was heard of for 60 seconds", pace)
    if failing := sorted({job for one in alive for job in one.failing}):
        return WorkersStanding("degraded", f"jobs that fail: {', '.join(failing)}", pace)
    if pace.slow and pace.latest is not None and pace.usual is not None:
        told = f"intents take {pace.latest.total_seconds():.1f} s, usual are {pace.usual.total_seconds():.1f} s"
        return WorkersStanding("degraded", told, pace)
    return WorkersStanding("healthy", "", pace)


class Slow(NamedTuple):
    """What takes longer than usual, in seconds."""

    what: str
    latest_s: str
    usual_s: str


def _slow(conn: Connection[Any], now: datetime) -> Sequence[Slow]:
    pace = pace_of(conn, now=now)
    if not pace.slow or pace.latest is None or pace.usual is None:
        return []
    return [Slow("intents", f"{pace.latest.total_seconds():.1f}", f"{pace.usual.total_seconds():.1f}")]


MONITORS: Final = (
    Invariant(
        "PROCESSING_SLOW",
        "Do intents take at most twice as long as usual here?",
        _slow,
        "warning",
        "Workers are slow: a provider, the database, or too much work for them.",
        "P19",
        monitor=True,
    ),
)
