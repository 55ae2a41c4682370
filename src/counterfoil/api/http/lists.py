"""Parameters and answers that every list shares."""

from __future__ import annotations

from typing import Annotated, TypeVar

from fastapi import Query
from fastapi.responses import Response

from counterfoil.api.http.schemas import Paged, ViewModel, answer
from counterfoil.base.paging import CURSOR_MAX, ROWS_DEFAULT, ROWS_MAX, Page

Item = TypeVar("Item", bound=ViewModel)
Row = TypeVar("Row")

Limit = Annotated[int, Query(ge=1, le=ROWS_MAX, description=f"Rows of a page, at most {ROWS_MAX}.")]
Cursor = Annotated[str | None, Query(max_length=CURSOR_MAX, description="`nextCursor` of the page before; absent for the first.")]
LIMIT = ROWS_DEFAULT


def page_of(shape: type[Item], page: Page[Row]) -> Response:
    """A page of rows as an answer."""
    return answer(Paged[shape](data=shape.each(page.rows), next_cursor=page.next_cursor))  # type: ignore[valid-type]
