"""A list on a page of its own: in the order that the headers of its columns ask for, page by page, and as a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from psycopg import Connection

from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.money import Asset, Money
from counterfoil.base.paging import Key
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.base.text import camel
from counterfoil.dashboard.finding.ordering import EXPORTED_MAX, ColumnOrder, after_of, behind_of, order_words, orders_of
from counterfoil.dashboard.web.fields import DAY_LENGTH, READ
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.operations.listing import ListAsked, Listed, asked_of, read_listed
from counterfoil.operations.noun_pages import NARROW_MAX, Narrow, PlainList
from counterfoil.operations.verbs import AMOUNTS, Field, Noun

Told = Callable[[Connection[Any], Sequence[Any], datetime], Sequence[Any]]
_AT_ONCE = 1_000


class PlainPage(NamedTuple):
    """One page. `after`: behind what the next begins, None on the last; `order` in words; `query`: what it is narrowed to and sorted by, as
    it stands in an address, `unsorted` without the order."""

    rows: Sequence[Any]
    after: str | None
    is_first: bool
    orders: Mapping[str, ColumnOrder]
    order: str | None
    query: str
    unsorted: str

    @property
    def asked(self) -> AskedPage:
        """All of it but its rows and where the next begins."""
        return AskedPage(*self[2:])


class AskedPage(NamedTuple):
    """How a page of a list was asked for; see `PlainPage`."""

    is_first: bool
    orders: Mapping[str, ColumnOrder]
    order: str | None
    query: str
    unsorted: str


class ListOfPage(NamedTuple):
    """One of the lists of a page: its title, its columns, the command that gives it, and what gives for each row what is shown of it;
    `of_program`: its rows are of a program each."""

    title: str
    which: PlainList
    columns: tuple[str, ...]
    command: str
    told: Callable[[SectionContext], Told] | None = None
    of_program: bool = True


class PlainListed(NamedTuple):
    """What the page of one of several lists shows: of each row its id and its cells."""

    name: str
    title: str
    command: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Any, ...]], ...]
    after: str | None
    asked: AskedPage
    others: Mapping[str, str]  # of the lists beside it: the title by the name
    measured_at: datetime


def one_of(ask: SectionContext, lists: Mapping[str, ListOfPage], *, rows_max: int) -> PlainListed:
    """The list that the address names, newest first unless sorted otherwise. Raises NotFound, InvalidInput, CursorBroken."""
    name, one = _named(ask, lists)
    page = plain_page(ask, one.which, rows_max=rows_max, program_id=ask.program_id if one.of_program else None)
    told = one.told(ask)(ask.conn, page.rows, ask.clock()) if one.told else page.rows
    rows = tuple((row.id, tuple(cell_of(row, column) for column in one.columns)) for row in told)
    others = {other: each.title for other, each in lists.items() if other != name}
    return PlainListed(name, one.title, one.command, one.columns, rows, page.after, page.asked, others, ask.clock())


def one_exported(ask: SectionContext, lists: Mapping[str, ListOfPage]) -> Iterator[tuple[Any, ...]]:
    """All of it as rows of a file, sorted as the page is. Raises NotFound, InvalidInput."""
    _, one = _named(ask, lists)
    asked = asked_here(ask, one.which, ask.program_id if one.of_program else None)
    return plain_export(ask, one.which, one.columns, one.told(ask) if one.told else None, asked=asked)


def _named(ask: SectionContext, lists: Mapping[str, ListOfPage]) -> tuple[str, ListOfPage]:
    name = ask.params["list"]
    if name not in lists:
        raise NotFound(what="list", id=name[:40])
    return name, lists[name]


def plain_page(ask: SectionContext, which: Listed, *, rows_max: int, program_id: str | None = None) -> PlainPage:
    """The page that the address asks for, with a program of its alone. Raises InvalidInput, CursorBroken."""
    asked = asked_here(ask, which, program_id)
    after = after_of(which, asked, ask.params.get("after"))
    found = read_listed(ask.conn, which, asked, rows_max=rows_max + 1, after=after, now=ask.clock())
    rows = found[:rows_max]
    behind = behind_of(which, asked, rows[-1]) if len(found) > rows_max else None
    return PlainPage(rows, behind, *_asked_page(ask, which, asked, after))


def asked_page(ask: SectionContext, which: Listed, program_id: str | None = None) -> AskedPage:
    """How the address asks for a page, read before anything of it is. Raises InvalidInput, CursorBroken."""
    asked = asked_here(ask, which, program_id)
    return _asked_page(ask, which, asked, after_of(which, asked, ask.params.get("after")))


def _asked_page(ask: SectionContext, which: Listed, asked: ListAsked, after: Sequence[Key] | None) -> AskedPage:
    orders, words = orders_of(which, asked), order_words(asked)
    return AskedPage(after is None, orders, words, _query(ask, which, "sort"), _query(ask, which))


def plain_export(
    ask: SectionContext, which: Listed, columns: Sequence[str], told: Told | None = None, *, asked: ListAsked
) -> Iterator[tuple[Any, ...]]:
    """The whole list as rows of a file, the names of its columns first; a last one says where it was cut. `told` gives for each row what
    has these columns, if it has not."""
    after, count = None, 0
    yield tuple(columns)
    while found := read_listed(ask.conn, which, asked, rows_max=_AT_ONCE, after=after, now=ask.clock()):
        for row in found if told is None else told(ask.conn, found, ask.clock()):
            if count == EXPORTED_MAX:
                yield (f"cut at {EXPORTED_MAX} rows: page through the API",)
                return
            count += 1
            yield tuple(cell_of(row, name) for name in columns)
        after = asked.place(found[-1])


def asked_here(ask: SectionContext, which: Listed, program_id: str | None = None) -> ListAsked:
    """What the address asks of the list, with a program of its alone. Raises InvalidInput."""
    state = ask.params.get("state") if isinstance(which, Noun) else None
    return asked_of(which, state=state, sort=ask.params.get("sort"), given=narrowed_here(ask, which))._replace(program_id=program_id)


def narrowed_here(ask: SectionContext, which: Listed) -> dict[str, Any]:
    """What the address narrows the list to. Amounts are in major units, moments in UTC. Raises InvalidInput."""
    given = {one.name: ask.params.get(camel(one.name), "").strip() for one in which.narrows}
    asset = known_assets(ask.conn).get(given["asset"]) if given.get("asset") else None
    if given.get("asset") and asset is None:
        raise InvalidInput("asset", "one that the books know", got=given["asset"][:40])
    for one in which.narrows:
        if one.kind == "amount" and given[one.name] and asset is None:
            raise InvalidInput("asset", "given with an amount: amounts of two assets are not compared")
    return {one.name: _typed(one, given[one.name], asset) for one in which.narrows if given[one.name]}


def _typed(one: Narrow, given: str, asset: Asset | None) -> Any:
    if one.kind == "moment" and len(given) == DAY_LENGTH:
        given = f"{given}T00:00"  # a day begins at midnight
    return READ[one.kind](Field(camel(one.name), one.help, length_max=NARROW_MAX, choices=one.choices), given, asset)


def _query(ask: SectionContext, which: Listed, *more: str) -> str:
    names = (*(("state",) if isinstance(which, Noun) else ()), *(camel(one.name) for one in which.narrows), *more)
    return urlencode([(name, ask.params[name]) for name in names if ask.params.get(name)])


def cell_of(row: Any, name: str) -> Any:
    """A field as it stands in a file; an amount with the asset of its row."""
    value, asset = getattr(row, name), getattr(row, "asset", None)
    if isinstance(value, Sequence) and not isinstance(value, str | Money):
        return value if all(isinstance(one, Money) for one in value) else ", ".join(map(str, value))
    return Money(value, asset) if name in AMOUNTS and asset and isinstance(value, int) else value
