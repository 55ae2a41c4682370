"""What a person asks of a day: what was invoiced, what came in, what was settled, and how long it took. Select only, bounded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection

from counterfoil.base.money import Money
from counterfoil.settlement.intents.intents import MOVING

FAST_BELOW: Final = timedelta(seconds=5)  # "Average processing time"
SLOW_ABOVE: Final = timedelta(seconds=15)
PROCESSED_LAST: Final = 100
GROUPS_MAX: Final = 500

Pace = Literal["fast", "degraded", "slow"]


class InvoicesInState(NamedTuple):
    """Invoices of a span that are in one state now."""

    state: str
    number: int
    total: Money
    paid: Money


class PaymentsReceived(NamedTuple):
    """What customers paid in a span, in one asset: amount = applied + excess + unidentified. `fee` is what providers kept."""

    provider: str
    number: int
    amount: Money
    applied: Money
    excess: Money  # of invoices that were paid with more than was asked: owed back
    unidentified: Money  # of no invoice of ours: in suspense
    fee: Money


class SettlementsMade(NamedTuple):
    """What was settled in a span, in one asset: gross = platform fee + validator fee + holdback + net."""

    number: int
    gross: Money
    platform_fee: Money
    validator_fee: Money
    holdback: Money
    net: Money


class Processing(NamedTuple):
    """How long the last intents took, from the customer's payment to the settlement."""

    number: int
    average: timedelta
    p95: timedelta
    slowest: timedelta
    last_completed_at: datetime

    @property
    def pace(self) -> Pace:
        """Fast below 5 s on average, degraded up to 15 s, then slow."""
        if self.average < FAST_BELOW:
            return "fast"
        return "degraded" if self.average <= SLOW_ABOVE else "slow"


class IntentInNeed(NamedTuple):
    """An intent that a person should look at; `total` counts all there are."""

    id: str
    invoice_id: str
    customer_id: str
    amount: Money
    state: str
    since: datetime
    error: str | None
    total: int


def invoices_of(conn: Connection[Any], *, start: datetime, end: datetime, program_id: str | None = None) -> list[InvoicesInState]:
    """Invoices issued from `start` until before `end`, by the state they are in now, in the order of the machine."""
    rows = conn.execute(
        """select state, asset, count(*), sum(total)::bigint, sum(paid)::bigint from invoice
           where issued_at >= %(start)s and issued_at < %(end)s and (%(program)s::text is null or program_id = %(program)s)
           group by state, asset order by asset, array_position(%(order)s::text[], state), state limit %(rows_max)s""",
        {
            "start": start,
            "end": end,
            "program": program_id,
            "order": ["paid", "partially_paid", "overdue", "pending", "draft", "disputed", "refunded", "cancelled"],
            "rows_max": GROUPS_MAX,
        },
    ).fetchall()
    return [InvoicesInState(row[0], row[2], Money(row[3], row[1]), Money(row[4], row[1])) for row in rows]


def payments_of_span(conn: Connection[Any], *, start: datetime, end: datetime, program_id: str | None = None) -> list[PaymentsReceived]:
    """Payments recorded from `start` until before `end`, by asset and provider."""
    rows = conn.execute(
        """select provider, asset, count(*), sum(amount)::bigint, sum(applied)::bigint,
                  coalesce(sum(amount - applied) filter (where invoice_id is not null), 0)::bigint,
                  coalesce(sum(amount - applied) filter (where invoice_id is null), 0)::bigint, sum(fee)::bigint
           from payment
           where recorded_at >= %(start)s and recorded_at < %(end)s
             and (%(program)s::text is null or program_id = %(program)s)
           group by asset, provider order by asset, provider limit %(rows_max)s""",
        {"start": start, "end": end, "program": program_id, "rows_max": GROUPS_MAX},
    ).fetchall()
    return [PaymentsReceived(row[0], row[2], *(Money(minor, row[1]) for minor in row[3:])) for row in rows]


def settlements_of_span(conn: Connection[Any], *, start: datetime, end: datetime, program_id: str | None = None) -> list[SettlementsMade]:
    """Settlements made from `start` until before `end`, by asset."""
    rows = conn.execute(
        """select asset, count(*), sum(gross)::bigint, sum(platform_fee)::bigint, sum(validator_fee)::bigint,
                  sum(holdback)::bigint, sum(net)::bigint
           from settlement
           where at >= %(start)s and at < %(end)s and (%(program)s::text is null or program_id = %(program)s)
           group by asset order by asset limit %(rows_max)s""",
        {"start": start, "end": end, "program": program_id, "rows_max": GROUPS_MAX},
    ).fetchall()
    return [SettlementsMade(row[1], *(Money(minor, row[0]) for minor in row[2:])) for row in rows]


def processing_of_last(conn: Connection[Any], *, last: int = PROCESSED_LAST) -> Processing | None:
    """How long the `last` completed intents took; None when none was completed yet."""
    row = conn.execute(
        """with latest as (select invoice_id, completed_at from intent where state = 'completed'
                           order by state_at desc, id desc limit %s),
           took as (select l.completed_at, l.completed_at - (select max(p.recorded_at) from payment p
                                                            where p.invoice_id = l.invoice_id
                              and p.recorded_at <= l.completed_at) as span from latest l)
           select count(span), avg(span), percentile_cont(0.95) within group (order by span), max(span), max(completed_at)
           from took where span is not null""",
        [last],
    ).fetchone()
    return Processing(*row) if row is not None and row[0] else None


def intents_in_need(conn: Connection[Any], *, stuck_before: datetime, rows_max: int, program_id: str | None = None) -> list[IntentInNeed]:
    """Intents that failed, and those that move by themselves but have not since `stuck_before`; the oldest first."""
    rows = conn.execute(
        """select i.id, i.invoice_id, v.customer_id, v.total, v.asset, i.state, i.state_at, i.last_error, count(*) over ()
           from intent i join invoice v on v.id = i.invoice_id
           where (i.state = 'failed' or (i.state = any(%(moving)s) and i.state_at < %(stuck)s))
             and (%(program)s::text is null or i.program_id = %(program)s)
           order by i.state_at, i.id limit %(rows_max)s""",
        {"moving": list(MOVING), "stuck": stuck_before, "program": program_id, "rows_max": rows_max},
    ).fetchall()
    return [IntentInNeed(row[0], row[1], row[2], Money(row[3], row[4]), *row[5:]) for row in rows]
