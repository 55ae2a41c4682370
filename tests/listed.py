"""The rows of a list, as a page of it reads them."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from counterfoil.operations.listing import ListAsked, Listed, read_listed


def newest(conn: Connection[Any], which: Listed, rows_max: int = 9) -> list[Any]:
    """The newest of it first."""
    return read_listed(conn, which, ListAsked(), rows_max=rows_max, after=None, now=None)
