"""The rows of a list, as a page of it reads them."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from counterfoil.operations.listing import Listed, asked_of, read_listed


def newest(conn: Connection[Any], which: Listed, rows_max: int = 9, *, program_id: str | None = None, **given: Any) -> list[Any]:
    """Its first page, in the order that it has when nothing is asked; `given` narrows it."""
    asked = asked_of(which, state=None, sort=None, given=given)._replace(program_id=program_id)
    return read_listed(conn, which, asked, rows_max=rows_max, after=None, now=None)
