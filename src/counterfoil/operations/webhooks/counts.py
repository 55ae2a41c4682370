"""How many webhooks in wait, are parked, or were refused. Select only."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection


class WebhookCounts(NamedTuple):
    """Webhooks in: stored and not applied yet, parked after five failures, and refused since the given day."""

    received: int
    parked: int
    rejected: int


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
