"""The pages of carbon: a day's grams against the source's figures, and everything that was billed, asked, bought and retired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import NotFound
from counterfoil.dashboard.finding.ordering import ColumnOrder, orders_of
from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, cell_of, plain_export, plain_page
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.operations.noun_pages import PlainList
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


class CarbonList(NamedTuple):
    """A list of carbon's: its title, whether each row is of a program, and the columns that are shown."""

    title: str
    which: PlainList
    of_program: bool
    columns: tuple[str, ...]


class CarbonListed(NamedTuple):
    """What the page of such a list shows: of each row its id and its cells."""

    name: str
    title: str
    command: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Any, ...]], ...]
    after: str | None
    asked: AskedPage
    others: Mapping[str, str]  # of the lists beside it: the title by the name
    measured_at: datetime


LISTS: Final[Mapping[str, CarbonList]] = {
    "bills": CarbonList(
        "Bills of the source",
        BILL_LIST,
        True,
        (
            *("id", "program_id", "source", "reference", "first_day", "last_day", "lines", "watt_hours", "grams"),
            *("billed", "ledger", "difference", "agree", "compared", "verdict", "actor", "at"),
        ),
    ),
    "syncs": CarbonList("Times that the source was asked", SYNC_LIST, False, CarbonSync._fields[:-1]),
    "credits": CarbonList("Credits that were bought", CREDIT_LIST, True, CarbonCredit._fields),
    "retirements": CarbonList("Credits that were retired", RETIREMENT_LIST, True, CarbonRetirement._fields),
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


def carbon_list_answer(ask: SectionContext) -> CarbonListed:
    """One of the lists, newest first unless sorted otherwise. Raises NotFound, InvalidInput, CursorBroken."""
    name, one = _chosen(ask)
    page = plain_page(ask, one.which, rows_max=CARBON_SHOWN_MAX, program_id=ask.program_id if one.of_program else None)
    told = _told(ask, name)(ask.conn, page.rows, ask.clock())
    rows = tuple((row.id, tuple(cell_of(row, column) for column in one.columns)) for row in told)
    others = {other: each.title for other, each in LISTS.items() if other != name}
    return CarbonListed(name, one.title, f"counterfoil carbon {name}", one.columns, rows, page.after, page.asked, others, ask.clock())


def carbon_list_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of it as rows of a file, sorted as the page is. Raises NotFound, InvalidInput."""
    name, one = _chosen(ask)
    asked = asked_here(ask, one.which, ask.program_id if one.of_program else None)
    return plain_export(ask, one.which, one.columns, _told(ask, name), asked=asked)


def _chosen(ask: SectionContext) -> tuple[str, CarbonList]:
    name = ask.params["list"]
    if name not in LISTS:
        raise NotFound(what="list", id=name[:40])
    return name, LISTS[name]


def _told(ask: SectionContext, name: str) -> Any:
    """What gives for each row what is shown of it: a bill is held against the books."""
    means: CarbonMeans = ask.extra.wiring.carbon

    def told(conn: Connection[Any], rows: Sequence[Any], now: datetime) -> Sequence[Any]:
        return check_bills(conn, means, rows, now=now) if name == "bills" else rows

    return told
