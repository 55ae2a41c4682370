"""Service levels: what is promised, how much of it was kept, and how fast the rest is used up.

Each objective counts events of a span: good ones, and all. Its budget is the share that may be bad within 30 days; burning at 1 uses it
up in just that time. What was not measured is said, and never counts as kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import listed
from counterfoil.settlement.intents.intents import MOVING

PERIOD: Final = timedelta(days=30)
WITHIN: Final = timedelta(seconds=5)  # an intent, from the customer's payment to its completion
EXECUTED_WITHIN: Final = timedelta(hours=24)  # a batch, from its approval
WINDOWS: Final[Mapping[str, timedelta]] = {
    "5m": timedelta(minutes=5),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "3d": timedelta(days=3),
}


class Burning(NamedTuple):
    """Both windows burn faster than `rate`: the long one says that it matters, the short one that it still goes on."""

    rate: float
    long: str
    short: str
    severity: str


# From the workbook of site reliability: 2 % of a month's budget in an hour, 5 % in six, and a ticket at 10 % in three days.
BAD_MIN: Final = 3  # bad events: of a quiet hour one alone would be a burn
BURNS: Final = (Burning(14.4, "1h", "5m", "critical"), Burning(6.0, "6h", "30m", "critical"), Burning(1.0, "3d", "6h", "warning"))


class Count(NamedTuple):
    """Events of a span: the good ones, and all that were measured."""

    good: int
    counted: int


@dataclass(frozen=True)
class Objective:
    """Something that is promised: `target` of all, as a share; of what, in words; how it is counted from `since` until `now`."""

    name: str
    target: float
    says: str
    count: Callable[[Connection[Any], datetime, datetime], Count]
    event: str

    @property
    def budget(self) -> float:
        """The share that may be bad; 0: nothing may."""
        return round(1 - self.target, 6)


class Level(NamedTuple):
    """How an objective stands. `kept` is the share of good ones, None where nothing was measured; `budget_used`: 1 is all of it; `burn`:
    by window, how fast it is used up, None where nothing happened in it; `burning`: the alert that follows, if one does."""

    name: str
    says: str
    target: float
    verdict: str
    good: int
    counted: int
    kept: float | None
    budget_used: float | None
    burn: dict[str, float | None]
    burning: str | None
    since: datetime
    measured_at: datetime


def _available(conn: Connection[Any], since: datetime, now: datetime) -> Count:
    """Whole minutes since the first in which a server was ever asked; one in which nobody asked is not one in which it was there."""
    row = conn.execute(
        """with span as (select greatest(%(since)s, min(minute)) as first, %(end)s::timestamptz as end
                         from minute_sample where available is not null having count(*) > 0)
           select count(*) filter (where available), greatest(0, extract(epoch from span.end - span.first) / 60)::integer
           from span left join minute_sample s on s.minute >= span.first and s.minute < span.end
           group by span.first, span.end""",
        {"since": since.replace(second=0, microsecond=0), "end": now.replace(second=0, microsecond=0)},  # the minute that runs is not over
    ).fetchone()
    return Count(row[0], row[1]) if row else Count(0, 0)


def _intents(conn: Connection[Any], since: datetime, now: datetime) -> Count:
    """Of intents whose customer paid in the span: those that were complete in time. One that may still be in time is not counted yet.

    What a customer pays once an intent is complete says nothing of how long it took.
    """
    row = conn.execute(
        f"""with paid as (select i.state, i.completed_at, max(p.recorded_at) as paid_at from intent i
                          join payment p on p.invoice_id = i.invoice_id
                          where p.recorded_at >= %(since)s and p.recorded_at <= least(%(now)s, coalesce(i.completed_at, %(now)s))
                          group by i.id)
            select count(*) filter (where state = 'completed' and completed_at - paid_at <= %(within)s), count(*) from paid
            where state = 'completed' or state = 'failed' or (state in {listed(MOVING)} and paid_at < %(now)s - %(within)s)""".encode(),
        {"since": since, "now": now, "within": WITHIN},
    ).fetchone()
    return Count(*row) if row else Count(0, 0)


def _balanced(conn: Connection[Any], since: datetime, now: datetime) -> Count:
    """Each time that the sentinel asked whether debits are credits; one that could not be asked is not kept."""
    row = conn.execute(
        """select count(*) filter (where outcome = 'holds'), count(*) from sentinel_check
           where code in ('LEDGER_UNBALANCED', 'TRIAL_BALANCE_NONZERO') and at >= %s and at <= %s""",
        [since, now],
    ).fetchone()
    return Count(*row) if row else Count(0, 0)


def _executed(conn: Connection[Any], since: datetime, now: datetime) -> Count:
    """Payouts of batches, each at the moment when it was known how it is: executed in time, or 24 hours after the approval without it.

    By the moment of the approval no window of a few hours would ever see a bad one.
    """
    row = conn.execute(
        """with told as (
               select lines, executed_at <= approved_at + %(within)s as good, least(executed_at, approved_at + %(within)s) as at
               from payout_batch where approved_at >= %(since)s - %(within)s
                 and (state not in ('rejected', 'cancelled') or state_at > approved_at + %(within)s))  -- given up only when it was too late
           select coalesce(sum(lines) filter (where good), 0), coalesce(sum(lines), 0) from told where at >= %(since)s and at <= %(now)s""",
        {"since": since, "now": now, "within": EXECUTED_WITHIN},
    ).fetchone()
    return Count(int(row[0]), int(row[1])) if row else Count(0, 0)


OBJECTIVES: Final = (
    Objective("availability", 0.999, "The system answers in 99.9 % of all minutes.", _available, "minute"),
    Objective("intents", 0.95, "95 % of intents are complete within 5 seconds of the customer's payment.", _intents, "intent"),
    Objective("ledger", 1.0, "Debits are credits each time that it is asked; there is no budget.", _balanced, "question"),
    Objective("payouts", 0.95, "95 % of payouts of batches are executed within 24 hours of their approval.", _executed, "payout"),
)


def service_levels(conn: Connection[Any], *, now: datetime) -> list[Level]:
    """Every objective over the last 30 days, and how fast its budget is used up now."""
    return [_level(conn, one, now) for one in OBJECTIVES]


class LevelDay(NamedTuple):
    """A day (UTC) of an objective: the good ones, and all that were counted; today until now."""

    day: date
    good: int
    counted: int

    @property
    def bad_share(self) -> float | None:
        """The share that was not kept; None where nothing was counted."""
        return (self.counted - self.good) / self.counted if self.counted else None


def levels_by_day(conn: Connection[Any], *, days: int, now: datetime) -> dict[str, list[LevelDay]]:
    """Every objective by its name, each of the last `days` days by itself, the oldest first, as it is known now."""
    first = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=days - 1)
    starts = [first + timedelta(days=number) for number in range(days)]
    return {one.name: [LevelDay(at.date(), *one.count(conn, at, min(at + timedelta(days=1), now))) for at in starts] for one in OBJECTIVES}


def _level(conn: Connection[Any], one: Objective, now: datetime) -> Level:
    since = now - PERIOD
    count, counts = one.count(conn, since, now), _counts(conn, one, now)
    burn = {name: burn_of(one, each) for name, each in counts.items()}
    kept = count.good / count.counted if count.counted else None
    used = round((count.counted - count.good) / count.counted / one.budget, 4) if count.counted and one.budget else None
    verdict = "not_measured" if kept is None else "kept" if kept >= one.target else "missed"
    hot = hottest(one, counts)
    burning = f"{hot.severity}: faster than {hot.rate:g} over {hot.long} and {hot.short}" if hot else None
    return Level(one.name, one.says, one.target, verdict, count.good, count.counted, kept, used, burn, burning, since, now)


def _counts(conn: Connection[Any], one: Objective, now: datetime) -> dict[str, Count]:
    return {name: one.count(conn, now - span, now) for name, span in WINDOWS.items()}


def burn_of(one: Objective, count: Count) -> float | None:
    """How many times faster than it lasts the budget is used; without a budget, how many were bad. None where nothing happened."""
    if count.counted == 0:
        return None
    bad = count.counted - count.good
    return round(bad / count.counted / (one.budget or 1 / count.counted), 2)


def hottest(one: Objective, counts: Mapping[str, Count]) -> Burning | None:
    """The gravest alert that these counts are; None where there is none, or where it would be one of a few events."""
    for each in BURNS:
        long = counts[each.long]
        rates = [burn_of(one, counts[window]) or 0.0 for window in (each.long, each.short)]
        if one.budget and min(rates) > each.rate and long.counted - long.good >= BAD_MIN:
            return each
    return None


class Burnt(NamedTuple):
    """An objective whose budget is used up too fast."""

    objective: str
    rate: str
    long: str
    short: str
    severity: str


def _burning(conn: Connection[Any], now: datetime) -> Sequence[Burnt]:
    """Each objective by the fastest rate that it exceeds; of the ledger, which has no budget, an invariant tells."""
    found = [(one.name, hottest(one, _counts(conn, one, now))) for one in OBJECTIVES]
    return [Burnt(name, f"{hot.rate:g}", hot.long, hot.short, hot.severity) for name, hot in found if hot is not None]


MONITORS: Final = (
    Invariant(
        "SERVICE_LEVEL_BURN",
        "Is no service level's budget used up faster than it lasts: 14.4 times in an hour, 6 times in six, or at all in three days?",
        _burning,
        "warning",
        "What was promised to customers will not be kept this month, if it goes on like this.",
        "P19",
        monitor=True,
    ),
)
