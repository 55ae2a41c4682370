"""What leases and fences are for, each time that it was needed: a lease that was taken over, a late write that was refused."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from psycopg import Connection


def note_mishap(
    conn: Connection[Any], kind: Literal["lease_rescued", "stale_write"], queue: str, number: int, *, worker: str, now: datetime
) -> None:
    """Keep that it happened so many times, if it did: rows of their own, so that nobody waits to count."""
    if number:
        conn.execute(
            "insert into work_mishap (kind, queue, number, worker, at) values (%s, %s, %s, %s, %s)", [kind, queue, number, worker, now]
        )
