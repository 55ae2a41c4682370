"""Lists: the parameters that each takes, and its page as an answer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, Protocol, TypeVar, get_args

from fastapi import Depends, Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import StringConstraints

from counterfoil.api.http.calls import ApiCall
from counterfoil.api.http.fields import AmountFromZero, AssetCode, Day, Instant
from counterfoil.api.http.schemas import Paged, ViewModel, answer
from counterfoil.base.formats.csv_text import csv_text
from counterfoil.base.formats.workbook import workbook
from counterfoil.base.paging import CURSOR_MAX, ROWS_DEFAULT, ROWS_MAX, Key, Keyset, KeyTypes, Page
from counterfoil.base.text import camel
from counterfoil.operations.listing import ListAsked, Listed, asked_of, keyset_of, order_of, read_listed
from counterfoil.operations.noun_pages import NARROW_MAX, Narrow, PlainList
from counterfoil.operations.verbs import Noun

Item = TypeVar("Item", bound=ViewModel)
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=ROWS_MAX, description=f"Rows of a page, at most {ROWS_MAX}.")]
Cursor = Annotated[str | None, Query(max_length=CURSOR_MAX, description="`nextCursor` of the page before; absent for the first.")]
LIMIT = ROWS_DEFAULT
_ShortText = Annotated[str, StringConstraints(max_length=40)]
_Text = Annotated[str, StringConstraints(min_length=1, max_length=NARROW_MAX)]
_KINDS: Final[Mapping[str, Any]] = {"text": _Text, "asset": AssetCode, "moment": Instant, "amount": AmountFromZero, "day": Day}


class PageQuery(NamedTuple):
    """Which page is asked for."""

    limit: int
    cursor: str | None


async def _page_query(limit: Limit = LIMIT, cursor: Cursor = None) -> PageQuery:
    return PageQuery(limit, cursor)


PageWanted = Annotated[PageQuery, Depends(_page_query)]


class PageRows(Protocol):
    """Reads the rows of a list: at most `rows_max`, those behind `after` (one value, or several as a tuple; None: from the first)."""

    def __call__(self, conn: Connection[Any], *, rows_max: int, after: Any) -> Sequence[Any]:
        """The rows in the order of the list."""


def _by_id(row: Any) -> tuple[Key, ...]:
    return (row.id,)


class Listing(Generic[Item]):
    """A list: what it shows of each row, and by which values of a row its pages go on."""

    def __init__(self, name: str, shape: type[Item], by: Callable[[Any], tuple[Key, ...]] = _by_id, types: KeyTypes = (str,)) -> None:
        """`name` stands in its cursors, and `by` gives values of `types`: the id of a row, unless told otherwise."""
        self._keyset, self._shape, self._by = Keyset(name, types), shape, by

    def after(self, wanted: PageQuery) -> Any:
        """Behind which row the page begins: its value, or a tuple of its values; None for the first page. Raises CursorBroken."""
        values = self._keyset.after(wanted.cursor)
        return values[0] if values and len(values) == 1 else values

    def page(self, rows: Sequence[Row], wanted: PageQuery) -> Page[Row]:
        """A page out of `rows`, which were read with one more than its limit."""
        return self._keyset.page(rows, wanted.limit, self._by)

    def answer(
        self,
        call: ApiCall,
        wanted: PageQuery,
        rows: PageRows,
        shown: Callable[[Any], Item] | None = None,
        *,
        program_id: str | None = None,
    ) -> Response:
        """The page that is asked for, read in one transaction; `shown` makes of a row what the shape does not read off it by itself.

        With a program, the database shows that program alone.
        """
        after = self.after(wanted)
        with call.reading(program_id) as conn:
            page = self.page(rows(conn, rows_max=wanted.limit + 1, after=after), wanted)
        return page_of(self._shape, page if shown is None else Page([shown(one) for one in page.rows], page.next_cursor))


def page_of(shape: type[Item], page: Page[Row]) -> Response:
    """A page of rows as an answer."""
    return answer(Paged[shape](data=shape.each(page.rows), next_cursor=page.next_cursor))  # type: ignore[valid-type]


def whole(shape: type[Item], rows: Sequence[Any]) -> Response:
    """A list that is always shown whole."""
    return page_of(shape, Page(rows, None))


def list_query(noun: Listed, *, state: bool = True) -> Any:
    """What is asked of a list, as parameters: an order and what narrows it, by its declaration. Without `state` the route takes that by
    itself, if it is the list of a noun."""

    async def asked(**given: Any) -> ListAsked:
        return asked_of(noun, state=given.get("state"), sort=given.get("sort"), given=given)

    found = {one.name: (_kind_of(one), Query(alias=camel(one.name), description=one.help)) for one in noun.narrows}
    if noun.sorts:
        words = ", ".join(f"`{camel(one.name)}`" for one in noun.sorts)
        order = order_of(noun, noun.order) if isinstance(noun, PlainList) else None
        first = "Newest first" if order is None or order.is_newest_first else f"By `{order.word}`"
        by = f"By {'one of ' if len(noun.sorts) > 1 else ''}{words}"
        said = f"{by}; with - in front from the greatest or the latest down. {first}, if absent."
        if any(one.money for one in noun.sorts):
            said += " Amounts are sorted within each asset."
        found["sort"] = (_ShortText, Query(description=said, examples=[f"-{camel(noun.sorts[-1].name)}"]))
    if state and isinstance(noun, Noun):
        found["state"] = (_ShortText, Query(description="Only in this state.", examples=[next(iter(noun.machine.states()))]))
    plain = inspect.Parameter.KEYWORD_ONLY
    parameters = [
        inspect.Parameter(name, plain, annotation=Annotated[kind | None, query], default=None) for name, (kind, query) in found.items()
    ]
    asked.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return Depends(asked)


def _kind_of(one: Narrow) -> Any:
    return Literal[one.choices] if one.kind == "choice" else _KINDS[one.kind]


def answer_listed(
    call: ApiCall,
    wanted: PageQuery,
    noun: Listed,
    asked: ListAsked,
    shape: type[ViewModel],
    shown: Callable[[Any], ViewModel] | None = None,
    *,
    program_id: str | None = None,
    beside: Callable[[Connection[Any], Sequence[Any]], Sequence[Any]] | None = None,
) -> Response:
    """The page of a list that is asked for, in its order; `shown` and `program_id` as a `Listing` has them. `beside` reads in the same
    transaction what is told with the rows, and gives for each what is shown."""
    keyset = keyset_of(noun, asked.order)
    after = keyset.after(wanted.cursor)
    with call.reading(program_id) as conn:
        rows = read_listed(conn, noun, asked, rows_max=wanted.limit + 1, after=after, now=call.now)
        page = keyset.page(rows, wanted.limit, asked.place)
        if beside is not None:
            page = Page(beside(conn, page.rows), page.next_cursor)
    return page_of(shape, page if shown is None else Page([shown(one) for one in page.rows], page.next_cursor))


CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
NEXT_CURSOR: Final = "Next-Cursor"


def list_shape(model: Any) -> type[ViewModel] | None:
    """Of what a route's list consists; None for a route that answers no list."""
    if not (isinstance(model, type) and issubclass(model, Paged)):
        return None
    shape = get_args(model.model_fields["data"].annotation)[0]
    return shape if isinstance(shape, type) and issubclass(shape, ViewModel) else None


def as_file(response: Response, shape: type[ViewModel], accept: str) -> Response:
    """A page of a list as CSV or as a workbook, for who accepts no JSON; amounts stay whole minor units. The cursor is a header then."""
    wanted = {one.partition(";")[0].strip() for one in accept.split(",")}
    media_type = CSV if CSV in wanted else XLSX if XLSX in wanted else None
    if media_type is None or response.status_code != HTTPStatus.OK or "application/json" in wanted:
        return response
    page = json.loads(bytes(response.body))
    names = [one.serialization_alias or one.alias or name for name, one in shape.model_fields.items()]
    lines = [[_cell(row.get(name)) for name in names] for row in page["data"]]
    body = csv_text(names, lines).encode() if media_type == CSV else workbook(names, lines)
    told = Response(body, media_type=f"{CSV}; charset=utf-8" if media_type == CSV else XLSX)
    if page["nextCursor"] is not None:
        told.headers[NEXT_CURSOR] = page["nextCursor"]
    return told


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value
