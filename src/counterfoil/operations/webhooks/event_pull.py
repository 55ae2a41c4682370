"""Pulling a provider's events: what its webhooks should have told and did not. Stored as if they had come, each once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from psycopg import Connection

from counterfoil.operations.providers import Provider, Unclear
from counterfoil.operations.webhooks.inbound import receive
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.runner import Runner, Tally

MakeId = Callable[[str], str]
_log = structlog.get_logger("counterfoil.event_pull")


def pull_events(runner: Runner, providers: Mapping[str, Provider], make_id: MakeId) -> Tally:
    """One tick: the next page of every provider's events. A webhook that is lost, for ever, costs a delay and no money."""
    handled = failed = 0
    for name, provider in sorted(providers.items()):
        with runner.database.transaction() as conn:
            cursor = _cursor(conn, name)
        page = provider.events(cursor)
        if isinstance(page, Unclear):
            _log.warning("the provider's events could not be read", provider=name, error=page.error)
            failed += 1
            continue
        if not page:
            continue
        with runner.database.transaction() as conn:
            now = runner.clock(conn)
            if not _advance(conn, name, cursor, page[-1].event_id):
                continue  # another worker read this page meanwhile
            for event in page:
                receive(
                    conn,
                    make_id("whi"),
                    provider=name,
                    event_id=event.event_id,
                    event_type=event.event_type,
                    body=event.body,
                    now=now,
                    pulled=True,
                )
            handled += len(page)
    return Tally(handled=handled, failed=failed)


def _cursor(conn: Connection[Any], provider: str) -> str | None:
    row = conn.execute("select last_event_id from provider_cursor where provider = %s", [provider]).fetchone()
    return row[0] if row else None


def _advance(conn: Connection[Any], provider: str, before: str | None, after: str) -> bool:
    moved = conn.execute(
        """insert into provider_cursor as c (provider, last_event_id) values (%s, %s)
           on conflict (provider) do update set last_event_id = excluded.last_event_id where c.last_event_id = %s""",
        [provider, after, before],
    ).rowcount
    return moved == 1


JOBS: Final = (
    Job(
        "pull-events",
        None,
        lambda c, lane: pull_events(c.runner, c.of(lane), c.make_id),
        "Asks providers for the events whose webhooks did not come.",
        every=lambda c: c.silent_after.total_seconds(),
        per_provider=True,
    ),
)
