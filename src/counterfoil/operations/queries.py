"""What is asked of queues and webhooks beside their verbs. Select only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection, sql

from counterfoil.operations.work import Queue


class QueueStatus(NamedTuple):
    """A queue: what is due now, what waits for its time, what somebody holds, and since when the oldest has been due."""

    name: str
    depth: int
    waiting: int
    leased: int
    oldest_due_at: datetime | None


class WebhookCounts(NamedTuple):
    """Webhooks in: stored and not applied yet, parked after five failures, and refused since the given day."""

    received: int
    parked: int
    rejected: int


def queue_status(conn: Connection[Any], queues: Sequence[Queue], *, now: datetime) -> list[QueueStatus]:
    """How each queue stands, in the order given."""
    found = []
    for queue in queues:
        row = conn.execute(
            sql.SQL("""
            select count(*) filter (where due_at <= %(now)s),
                   count(*) filter (where due_at > %(now)s),
                   count(*) filter (where lease_until > %(now)s),
                   min(due_at) filter (where due_at <= %(now)s)
            from {table} where state = any(%(states)s) and due_at is not null""").format(
                table=sql.Identifier(queue.table)
            ),
            {"now": now, "states": list(queue.states)},
        ).fetchone()
        assert row is not None
        found.append(QueueStatus(queue.name, *row))
    return found


def webhook_counts(conn: Connection[Any], *, since: datetime) -> WebhookCounts:
    """Webhooks that wait, are parked, or were refused on `since`'s day or later."""
    row = conn.execute(
        """select (select count(*) from webhook_in where state = 'received'),
                  (select count(*) from webhook_in where state = 'parked'),
                  (select coalesce(sum(count), 0)::bigint from webhook_in_rejection where day >= %s)""",
        [since.date()],
    ).fetchone()
    assert row is not None
    return WebhookCounts(*row)
