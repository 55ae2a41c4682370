"""The pages of carbon: a day's grams against the source's figures, and everything that was billed, asked, bought and retired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from counterfoil.dashboard.finding.ordering import ColumnOrder, orders_of
from counterfoil.dashboard.finding.plain_lists import ListOfPage, PlainListed, Told, asked_here, one_exported, one_of
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.treasury.carbon.billing import BILL_LIST, CheckedBill, check_bills, list_bills
from counterfoil.treasury.carbon.credits import CREDIT_LIST, RETIREMENT_LIST, list_credits
from counterfoil.treasury.carbon.model import CarbonCredit, CarbonMeans, CarbonRetirement, CarbonSync
from counterfoil.treasury.carbon.syncing import SYNC_LIST, list_syncs
from counterfoil.treasury.carbon.verify import CarbonDay, verify_day

CARBON_SHOWN_MAX: Final = 20


class CarbonAnswer(NamedTuple):
    """What the page of carbon shows: a day, the source's bills, the last times that it was asked, and the credits. `orders`: by the list
    and the column, what its page is sorted by."""

    source: str | None
    found: CarbonDay
    bills: tuple[CheckedBill, ...]
    syncs: tuple[CarbonSync, ...]
    credits: tuple[CarbonCredit, ...]
    measured_at: datetime
    orders: Mapping[str, Mapping[str, ColumnOrder]]


def _checked(ask: SectionContext) -> Told:
    """Bills as they are held against the books."""
    means: CarbonMeans = ask.extra.wiring.carbon
    return lambda conn, rows, now: check_bills(conn, means, rows, now=now)


LISTS: Final[Mapping[str, ListOfPage]] = {
    "bills": ListOfPage(
        "Bills of the source",
        BILL_LIST,
        (
            *("id", "program_id", "source", "reference", "first_day", "last_day", "lines", "watt_hours", "grams"),
            *("billed", "ledger", "difference", "agree", "compared", "verdict", "actor", "at"),
        ),
        "counterfoil carbon bills",
        _checked,
    ),
    "syncs": ListOfPage(
        "Times that the source was asked", SYNC_LIST, CarbonSync._fields[:-1], "counterfoil carbon syncs", of_program=False
    ),
    "credits": ListOfPage("Credits that were bought", CREDIT_LIST, CarbonCredit._fields, "counterfoil carbon credits"),
    "retirements": ListOfPage("Credits that were retired", RETIREMENT_LIST, CarbonRetirement._fields, "counterfoil carbon retirements"),
}


def carbon_answer(ask: SectionContext) -> CarbonAnswer:
    """The chosen day's grams against the source's figures."""
    means: CarbonMeans = ask.extra.wiring.carbon
    now = ask.clock()
    return CarbonAnswer(
        means.source.name if means.source else None,
        verify_day(ask.conn, means, ask.day.on, now=now, program_id=ask.program_id),
        tuple(list_bills(ask.conn, means, now=now, rows_max=CARBON_SHOWN_MAX, program_id=ask.program_id)),
        tuple(list_syncs(ask.conn, rows_max=CARBON_SHOWN_MAX)),
        tuple(list_credits(ask.conn, rows_max=CARBON_SHOWN_MAX, program_id=ask.program_id)),
        now,
        {name: orders_of(one.which, asked_here(ask, one.which)) for name, one in LISTS.items()},
    )


def carbon_list_answer(ask: SectionContext) -> PlainListed:
    """One of the lists, newest first unless sorted otherwise. Raises NotFound, InvalidInput, CursorBroken."""
    return one_of(ask, LISTS, rows_max=CARBON_SHOWN_MAX)


def carbon_list_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of it as rows of a file, sorted as the page is. Raises NotFound, InvalidInput."""
    return one_exported(ask, LISTS)
