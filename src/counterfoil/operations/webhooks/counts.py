"""How many webhooks in wait, are parked, or were refused. Select only."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

TROUBLES_MAX: Final = 20


class WebhookCounts(NamedTuple):
    """Webhooks in: stored and not applied yet, parked after five failures, and refused since the given day. `ever`: did any come?"""

    received: int
    parked: int
    rejected: int
    ever: bool


def webhook_counts(conn: Connection[Any], *, since: datetime) -> WebhookCounts:
    """Webhooks that wait, are parked, or were refused on `since`'s day or later."""
    row = conn.execute(
        """select (select count(*) from webhook_in where state = 'received'),
                  (select count(*) from webhook_in where state = 'parked'),
                  (select coalesce(sum(count), 0)::bigint from webhook_in_rejection where day >= %s),
                  exists (select from webhook_in) or exists (select from webhook_in_rejection)""",
        [since.date()],
    ).fetchone()
    assert row is not None
    return WebhookCounts(*row)


class WebhookTrouble(NamedTuple):
    """Webhooks of one provider that are parked, or were refused, for one reason."""

    provider: str
    what: str
    reason: str
    times: int
    last_at: datetime


def webhook_troubles(conn: Connection[Any], *, since: datetime) -> list[WebhookTrouble]:
    """What is parked, and what was refused on `since`'s day or later, by provider and reason, the latest first; at most 20 of them."""
    with conn.cursor(row_factory=class_row(WebhookTrouble)) as cur:
        return cur.execute(
            """select provider, 'parked' as what, coalesce(last_error, '') as reason, count(*) as times, max(state_at) as last_at
               from webhook_in where state = 'parked' group by provider, last_error
               union all
               select provider, 'refused', reason, sum(count)::bigint, max(last_at) from webhook_in_rejection
               where day >= %s group by provider, reason
               order by last_at desc, provider, reason limit %s""",
            [since.date(), TROUBLES_MAX],
        ).fetchall()
