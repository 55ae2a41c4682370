"""The pages of customers: what stands between each of them and the house, and one customer's statement."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from counterfoil.base.money import Money
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, plain_export, plain_page
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.payouts.customers.statement import CUSTOMER_LIST, CustomerBalance, statement_of_customer

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
    """What the list of customers shows."""

    program_id: str
    rows: tuple[CustomerLine, ...]
    after: str | None
    asked: AskedPage
    assets: tuple[str, ...]  # that it may be narrowed to
    asset: str | None
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
    """Customers, by name unless sorted otherwise. Raises InvalidInput, CursorBroken."""
    program = ask.program_id or ask.extra.wiring.program_id
    page = plain_page(ask, CUSTOMER_LIST, rows_max=CUSTOMERS_SHOWN_MAX, program_id=program)
    kept = ask.conn.execute("select asset from book where program_id = %s order by asset", [program]).fetchall()
    rows = tuple(_line(one) for one in page.rows)
    assets, asset = tuple(row[0] for row in kept), ask.params.get("asset") or None
    return CustomersAnswer(program, rows, page.after, page.asked, assets, asset, ask.clock())


def customers_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of them as rows of a file, narrowed and sorted as the page is."""
    asked = asked_here(ask, CUSTOMER_LIST, ask.program_id or ask.extra.wiring.program_id)
    return plain_export(ask, CUSTOMER_LIST, CustomerLine._fields, lambda _, rows, __: [_line(one) for one in rows], asked=asked)


def _line(one: CustomerBalance) -> CustomerLine:
    return CustomerLine(one.customer_id, Money(one.balance, one.asset), Money(one.overdue, one.asset), one.documents, one.last_at)


def statement_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """The documents of the same days as rows of a file, the names of the columns first. Raises NotFound, InvalidInput, TooLarge."""
    yield StatementRow._fields
    yield from map(tuple, statement_answer(ask).rows)


def statement_answer(ask: SectionContext) -> StatementAnswer:
    """A customer's statement: the last 30 days, or those that are asked for. Raises NotFound, InvalidInput, TooLarge."""
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
