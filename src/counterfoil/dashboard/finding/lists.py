"""The list of a noun, derived from its declaration: what there is of it, narrowed to a state, page by page, and as a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from psycopg import Connection

from counterfoil.base.edge import keep_to_program
from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.paging import Key
from counterfoil.base.problems import InvalidInput, check
from counterfoil.base.text import camel
from counterfoil.dashboard.finding.ordering import EXPORTED_MAX, ColumnOrder, after_of, behind_of, order_words, orders_of
from counterfoil.dashboard.finding.plain_lists import cell_of, narrowed_here
from counterfoil.dashboard.web.navigation import PAGES, DashboardPage
from counterfoil.dashboard.web.nouns import refuse_whole
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.ledger.reads.books import known_programs
from counterfoil.operations.listing import ListAsked, asked_of, read_listed, state_of
from counterfoil.operations.noun_pages import First, SavedView, ViewElsewhere
from counterfoil.operations.verbs import AMOUNTS, Begin, Field, Noun

THINGS_SHOWN_MAX: Final = 20
COLUMNS_MAX: Final = 11
FIELDS_MAX: Final = 100


class ListedThing(NamedTuple):
    """One row. `cells` are under the list's columns; the first is its id."""

    id: str
    state: str
    cells: tuple[Any, ...]


class ViewOffer(NamedTuple):
    """A ready filter: its name in the address and its words."""

    name: str
    words: str


class BeginOffer(NamedTuple):
    """The form that makes a new one; `programs` and `assets`: those that there are."""

    label: str
    effect: str
    permission: str
    takes: tuple[Field, ...]
    programs: tuple[str, ...]
    assets: tuple[str, ...]


class NarrowOffer(NamedTuple):
    """A field that narrows the list: its name in the address, what it says, and what was given."""

    name: str
    words: str
    help: str
    kind: str
    given: str
    choices: tuple[str, ...] = ()


class ListAnswer(NamedTuple):
    """What a list shows. `after`: behind what the next page begins; None on the last. `query`: what it is narrowed to and sorted by, as it
    stands in addresses."""

    noun: str
    plural: str
    help: str
    columns: tuple[str, ...]
    rows: tuple[ListedThing, ...]
    states: tuple[str, ...]
    state: str | None
    views: tuple[ViewOffer, ...]
    view: ViewOffer | None
    views_elsewhere: tuple[ViewElsewhere, ...]
    is_first: bool
    fields_left_out: int  # of each row: its own page and the files have them
    after: str | None
    begin: BeginOffer | None
    first: First | None  # where the first of them comes from
    area: str  # as in a scope
    measured_at: datetime
    orders: Mapping[str, ColumnOrder] = {}  # by the columns
    order: str | None = None  # in words
    narrows: tuple[NarrowOffer, ...] = ()
    is_narrowed: bool = False  # by one of these
    query: str = ""
    unsorted: str = ""  # without the order


def list_pages_of(nouns: Sequence[Noun]) -> list[tuple[Noun, DashboardPage]]:
    """Every noun that has no page of its own for its list, with the one that follows from its declaration."""
    own = {page.path for page in PAGES}
    return [(one, list_page(one)) for one in nouns if f"/admin/{one.plural}" not in own]


def list_page(noun: Noun) -> DashboardPage:
    """The page at `/admin/{plural}`."""

    def answer(ask: SectionContext) -> ListAnswer:
        _kept(ask, noun)
        asked = asked_by(ask, noun)
        state, view, after = asked.state, asked.view, after_of(noun, asked, ask.params.get("after"))
        found = things(ask.conn, noun, asked, rows_max=THINGS_SHOWN_MAX + 1, after=after, now=ask.clock())
        shown = found[:THINGS_SHOWN_MAX]
        columns = columns_of(noun, shown)
        return ListAnswer(
            noun.name,
            noun.plural,
            noun.help,
            columns,
            tuple(ListedThing(row.id, row.state, tuple(cell_of(row, name) for name in columns)) for row in shown),
            tuple(noun.machine.states()),
            state,
            tuple(ViewOffer(one.name, one.words) for one in noun.views),
            ViewOffer(view.name, view.words) if view else None,
            noun.views_elsewhere,
            after is None,
            len(columns_of(noun, shown, most=FIELDS_MAX)) - len(columns),
            behind_of(noun, asked, shown[-1]) if len(found) > THINGS_SHOWN_MAX else None,
            _begin(ask, noun.begin) if noun.begin else None,
            noun.first if not shown else None,
            noun.area,
            ask.clock(),
            orders_of(noun, asked),
            order_words(asked),
            _narrows(ask, noun),
            bool(asked.narrowed),
            _query(ask, noun, "sort"),
            _query(ask, noun),
        )

    wants = ("state", "view", "after", *(("sort",) if noun.sorts else ()), *(camel(one.name) for one in noun.narrows))
    return DashboardPage(f"/admin/{noun.plural}", words_of(noun), answer, "list.html", words_of(noun), wants)


def _narrows(ask: SectionContext, noun: Noun) -> tuple[NarrowOffer, ...]:
    return tuple(
        NarrowOffer(camel(one.name), one.name.replace("_", " "), one.help, one.kind, ask.params.get(camel(one.name), ""), one.choices)
        for one in noun.narrows
    )


def _query(ask: SectionContext, noun: Noun, *more: str) -> str:
    """What was asked, as it stands in an address."""
    names = ("state", "view", *(camel(one.name) for one in noun.narrows), *more)
    return urlencode([(name, ask.params[name]) for name in names if ask.params.get(name)])


def _begin(ask: SectionContext, one: Begin) -> BeginOffer:
    first = ask.program_id or ask.extra.wiring.program_id  # what is most likely meant stands first
    programs = sorted(known_programs(ask.conn), key=lambda program: (program != first, program)) if ask.program_id is None else [first]
    kept = [row[0] for row in ask.conn.execute("select asset from book where program_id = %s order by asset", [first]).fetchall()]
    assets = sorted(known_assets(ask.conn), key=lambda asset: (asset not in kept, asset))
    return BeginOffer(one.label, one.effect, one.permission, one.takes, tuple(programs), tuple(assets))


def words_of(noun: Noun) -> str:
    """The plural as people read it."""
    return noun.plural.replace("_", " ").replace("-", " ").capitalize()


def exported(ask: SectionContext, noun: Noun) -> Iterator[tuple[Any, ...]]:
    """The whole list as rows of a file, the names of its columns first; a last one says where it was cut. Amounts are `Money`."""
    _kept(ask, noun)
    asked, after, count = asked_by(ask, noun), None, 0
    now = ask.clock()
    columns: tuple[str, ...] = ()
    while found := things(ask.conn, noun, asked, rows_max=1_000, after=after, now=now):
        if not columns:
            columns = columns_of(noun, found, most=FIELDS_MAX)
            yield columns
        for row in found:
            if count == EXPORTED_MAX:
                yield (f"cut at {EXPORTED_MAX} rows: narrow the list, or page through the API",)
                return
            count += 1
            yield tuple(cell_of(row, name) for name in columns)
        after = asked.place(found[-1])
    if not columns:
        yield noun.columns or ("id", "state")


def asked_by(ask: SectionContext, noun: Noun) -> ListAsked:
    """What the address asks of the list. Amounts are in major units, moments in UTC. Raises InvalidInput."""
    state = state_of(noun, ask.params.get("state"))
    view = view_of(noun, ask.params.get("view"), state)
    return asked_of(noun, state=state, sort=ask.params.get("sort"), given=narrowed_here(ask, noun), view=view)


def things(
    conn: Connection[Any], noun: Noun, asked: ListAsked, *, rows_max: int, after: Sequence[Key] | None, now: datetime | None = None
) -> Sequence[Any]:
    """Rows of a noun, newest first unless another order is asked for."""
    if not asked.is_plain:
        return read_listed(conn, noun, asked, rows_max=rows_max, after=after, now=now)
    rows = noun.rows or noun.listed
    check(rows is not None, "a noun with a page of its list has rows", noun=noun.name)
    assert rows is not None
    return rows(conn, rows_max=rows_max, after=str(after[0]) if after else None, state=asked.state)


def view_of(noun: Noun, given: str | None, state: str | None) -> SavedView | None:
    """The ready filter that is asked for. Raises InvalidInput, which names them."""
    if not given:
        return None
    if state is not None:
        raise InvalidInput("view", "a view or a state, not both", got=given[:40])
    found = next((one for one in noun.views if one.name == given), None)
    if found is None:
        raise InvalidInput("view", f"one of {', '.join(one.name for one in noun.views)}" if noun.views else "nothing", got=given[:40])
    return found


def columns_of(noun: Noun, rows: Sequence[Any], *, most: int = COLUMNS_MAX) -> tuple[str, ...]:
    """The declared columns, or the fields of the rows, with the id first and the state after it; an asset stands with its amounts."""
    fields = noun.columns or tuple(rows[0]._fields if rows else ("id", "state"))
    first = [name for name in ("id", "state") if name in fields or rows]
    left = [name for name in fields if name not in ("id", "state") and not (name == "asset" and AMOUNTS & set(fields))]
    return tuple((*first, *left)[:most])


def _kept(ask: SectionContext, noun: Noun) -> None:
    """The chosen program alone is shown, by the database itself. Raises WholeInstallation."""
    refuse_whole(ask.conn, noun, ask.program_id)
    if ask.program_id is not None and ask.only is None:
        keep_to_program(ask.conn, ask.program_id)
