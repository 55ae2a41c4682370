"""The entries of the log, read from one on in their order; memory stays flat, however many lines a journal has."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

ENTRIES: Final = 2_000  # of a page
PAGE_BYTES: Final = 500_000  # of their records, unless one alone has more


class LogEntry(NamedTuple):
    """A leaf: its place in the log, what it tells of, when that was recorded, its hash, and its text."""

    place: int
    relation: str
    row_id: str
    recorded_at: datetime
    leaf_hash: bytes
    record: str


def entry_pages(conn: Connection[Any], begin: int = 0, end: int | None = None) -> Iterator[list[LogEntry]]:
    """Entries from `begin` on and before `end`, page by page; the last one is the newest when there is no end."""
    # How long a text is stands beside it in the database: none is read that is not given.
    query = """select index, relation, row_id, recorded_at, leaf_hash, record
               from (select *, sum(octet_length(record)) over (order by index) - octet_length(record) as before
                     from (select * from log_entry where index >= %s and index < %s order by index limit %s) e) e
               where before < %s order by index"""
    limit = 2**62 if end is None else end
    while page := [LogEntry(*row) for row in conn.execute(query, [begin, limit, ENTRIES, PAGE_BYTES]).fetchall()]:
        yield page
        begin = page[-1].place + 1
