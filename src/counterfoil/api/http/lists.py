"""Lists: the parameters that each takes, and its page as an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeVar

from fastapi import Depends, Query
from fastapi.responses import Response
from psycopg import Connection

from counterfoil.api.http.calls import ApiCall
from counterfoil.api.http.schemas import Paged, ViewModel, answer
from counterfoil.base.paging import CURSOR_MAX, ROWS_DEFAULT, ROWS_MAX, Key, Keyset, KeyTypes, Page

Item = TypeVar("Item", bound=ViewModel)
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=ROWS_MAX, description=f"Rows of a page, at most {ROWS_MAX}.")]
Cursor = Annotated[str | None, Query(max_length=CURSOR_MAX, description="`nextCursor` of the page before; absent for the first.")]
LIMIT = ROWS_DEFAULT


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
