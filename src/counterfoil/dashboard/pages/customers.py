"""The pages of customers: what stands between each of them and the house, and one customer's statement."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.payouts.customers.statement import balances_of_customers, statement_of_customer

CUSTOMERS_SHOWN_MAX: Final = 20
SPAN: Final = timedelta(days=30)


class CustomerLine(NamedTuple):
    """A customer in the list."""

    customer_id: str
    balance: Money
    overdue: Money
    documents: int
    last_at: datetime


class CustomersAnswer(NamedTuple):
    """What the list of customers shows; `after` asks for the next page."""

    program_id: str
    rows: tuple[CustomerLine, ...]
    after: str | None
    measured_at: datetime


class StatementRow(NamedTuple):
    """One document of a statement."""

    at: datetime
    kind: str
    document_id: str
    about: str | None
    amount: Money
    balance: Money


class StatementAnswer(NamedTuple):
    """What a customer's page shows; `agrees`: do the documents say what the books say?"""

    customer_id: str
    program_id: str
    asset: str
    first_on: date
    last_on: date
    opening: Money
    charged: Money
    settled: Money
    closing: Money
    balance: Money
    in_books: Money
    agrees: bool
    rows: tuple[StatementRow, ...]
    measured_at: datetime


def customers_answer(ask: SectionContext) -> CustomersAnswer:
    """Customers by name, 200 at a time."""
    program = ask.program_id or ask.extra.wiring.program_id
    customer, _, asset = ask.params.get("after", "").partition(":")
    after = (customer, asset) if customer else None
    found = balances_of_customers(ask.conn, program, rows_max=CUSTOMERS_SHOWN_MAX + 1, after=after)
    rows = tuple(
        CustomerLine(one.customer_id, Money(one.balance, one.asset), Money(one.overdue, one.asset), one.documents, one.last_at)
        for one in found[:CUSTOMERS_SHOWN_MAX]
    )
    more = f"{rows[-1].customer_id}:{rows[-1].balance.asset}" if len(found) > CUSTOMERS_SHOWN_MAX else None
    return CustomersAnswer(program, rows, more, ask.clock())


def statement_answer(ask: SectionContext) -> StatementAnswer:
    """A customer's statement: the last 30 days, or those that are asked for. Raises NotFound, InvalidInput."""
    program = ask.program_id or ask.extra.wiring.program_id
    last = _day(ask.params.get("until"), "until") or ask.clock().astimezone(UTC).date()
    first = _day(ask.params.get("since"), "since") or last - SPAN
    found = statement_of_customer(
        ask.conn,
        program,
        ask.params["id"],
        asset=ask.params.get("asset") or None,
        start=_start(first),
        end=_start(last + timedelta(days=1)),
    )

    def money(minor: int) -> Money:
        return Money(minor, found.asset)

    rows = tuple(StatementRow(one.at, one.kind, one.document_id, one.about, money(one.amount), money(one.balance)) for one in found.lines)
    return StatementAnswer(
        found.customer_id,
        program,
        found.asset,
        first,
        last,
        money(found.opening),
        money(found.charged),
        money(found.settled),
        money(found.closing),
        money(found.balance),
        money(found.in_books),
        found.agrees,
        rows,
        ask.clock(),
    )


def _start(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _day(given: str | None, field: str) -> date | None:
    if not given:
        return None
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise InvalidInput(field, "a day such as 2026-11-20", got=given[:40]) from None
