"""Writing to the owner of an endpoint that was disabled because it took nothing. Whoever runs counterfoil is told by the event itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.base.ids import MakeId
from counterfoil.operations.events.events import Event, Follower
from counterfoil.operations.notices.channels import Channels
from counterfoil.operations.notices.notices import Telling, tell
from counterfoil.operations.webhooks_out.model import show_endpoint

DISABLED: Final = "endpoint_disabled"
OWNERS_CHANNEL: Final = "Set COUNTERFOIL_NOTICE_CHANNELS with a channel `name:owners=mailtos://…`: they hear of it when theirs is disabled."


def owner_tellers(channels: Channels, make_id: MakeId) -> dict[str, Follower]:
    """Who follows that an endpoint was disabled, to write to its owner. Without a channel of owners nobody does."""

    def follow(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
        for one in events:
            tell(conn, _telling(conn, one), channels.of_owners, make_id=make_id, now=now)

    return {DISABLED: follow} if channels.of_owners else {}


def owners_named(conn: Connection[Any]) -> int:
    """How many endpoints are not removed: each has an owner to write to."""
    row = conn.execute("select count(*) from webhook_endpoint where state <> 'removed'").fetchone()
    return int(row[0]) if row else 0


def _telling(conn: Connection[Any], one: Event) -> Telling:
    """What an owner is told: which endpoint, why, and what becomes of what happens meanwhile. Of the address its host alone: the rest may
    be a secret between the partner and us."""
    endpoint = show_endpoint(conn, one.subject_id)
    host, why = urlsplit(endpoint.url).hostname, str(one.payload.get("why", ""))
    failing = f" It has failed since {_minute(endpoint.failing_since)}." if endpoint.failing_since else ""
    lines = (
        f"Your webhook endpoint {endpoint.id} at {host} was disabled at {_minute(one.at)}: {why}.{failing}",
        f"What happens from now on is kept for it; {counted(endpoint.kept, 'event waits', 'events wait')} already.",
        "Mend it, and ask whoever runs counterfoil to enable it and to send what was kept.",
    )
    title = f"Your webhook endpoint at {host} was disabled"
    return Telling(f"{DISABLED}:{endpoint.id}:{one.id}", "critical", title, "\n".join(lines), recipient=endpoint.owner_email)


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
