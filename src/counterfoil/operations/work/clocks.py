"""The database's clock, which all workers share, whatever their own say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

from psycopg import Connection

Clock = Callable[[], datetime]
DatabaseClock = Callable[[Connection[Any]], datetime]


def database_now(conn: Connection[Any]) -> datetime:
    """This moment by the database's clock."""
    row = conn.execute("select clock_timestamp()").fetchone()
    assert row is not None
    return cast("datetime", row[0])


def beginning(conn: Connection[Any], clock: DatabaseClock) -> datetime:
    """The moment at which this transaction began: it came with its limits, so the database is not asked again. For its first words
    only; whoever has waited for a lock since asks `clock`."""
    known: datetime | None = getattr(conn, "begun_at", None)
    return clock(conn) if known is None or clock is not database_now else known
