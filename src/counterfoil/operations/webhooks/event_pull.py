"""Pulling a provider's events: what its webhooks should have told and did not. Stored as if they had come, each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import structlog
from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.problems import DatabaseAway
from counterfoil.operations.providers import Provider, PulledEvent, Unclear
from counterfoil.operations.webhooks.inbound import count_rejection, is_stored, known_as_said, receive
from counterfoil.operations.work.circuit_rules import Health
from counterfoil.operations.work.circuits import note_health, pass_gate
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.runner import ERROR_TEXT_MAX, Runner, Tally

QUEUE: Final = "pull-events"  # no rows of ours: its circuit is called as its job
_log = structlog.get_logger("counterfoil.event_pull")


def pull_events(runner: Runner, providers: Mapping[str, Provider], make_id: MakeId) -> Tally:
    """One tick: the next page of every provider's events. A webhook that is lost, for ever, costs a delay and no money."""
    handled = failed = 0
    for name, provider in sorted(providers.items()):
        with runner.database.transaction() as conn:
            cursor = _cursor(conn, name)
            said, _ = pass_gate(conn, name, QUEUE, name, now=runner.clock(conn), limits=runner.circuits, probe_for=2 * runner.call_limit)
        if said == "wait":
            continue
        page = provider.events(cursor)
        with runner.database.transaction() as conn:
            health = Health(False, page.error) if isinstance(page, Unclear) else Health(True)
            note_health(conn, name, QUEUE, health, now=runner.clock(conn), limits=runner.circuits)
        if isinstance(page, Unclear):
            _log.warning("the provider's events could not be read", provider=name, error=page.error)
            failed += 1
        elif page:
            taken, refused = _take(runner, name, cursor, page, make_id)
            handled, failed = handled + taken, failed + refused
    return Tally(handled=handled, failed=failed)


def _take(runner: Runner, name: str, cursor: str | None, page: Sequence[PulledEvent], make_id: MakeId) -> tuple[int, int]:
    """Store a page and move the cursor behind it. An event that cannot be stored is counted, and is not what all later ones wait for."""
    try:
        with runner.database.transaction() as conn:
            if not _advance(conn, name, cursor, page[-1].event_id):
                return 0, 0  # another worker read this page meanwhile
            known = known_as_said(conn, name, {event.event_id: event.body for event in page})
            for event in page:
                if event.event_id in known:
                    continue  # nearly all of them: their webhooks came
                _store(conn, name, event, make_id, runner.clock(conn))
        return len(page), 0
    except DatabaseAway:
        raise
    except Exception as error:  # noqa: BLE001 - one event must not stop the others
        _log.warning("page failed, storing its events singly", provider=name, error=str(error)[:ERROR_TEXT_MAX])
    refused = sum(not _store_alone(runner, name, event, make_id) for event in page)
    with runner.database.transaction() as conn:
        _advance(conn, name, cursor, page[-1].event_id)
    return len(page) - refused, refused


def _store_alone(runner: Runner, name: str, event: PulledEvent, make_id: MakeId) -> bool:
    try:
        with runner.database.transaction() as conn:
            _store(conn, name, event, make_id, runner.clock(conn))
        return True
    except DatabaseAway:
        raise
    except Exception as error:  # noqa: BLE001 - one event must not stop the others
        _log.exception("an event that was pulled could not be stored or compared", provider=name, event_id=event.event_id)
        with runner.database.transaction() as conn:
            missed = "not compared" if is_stored(conn, name, event.event_id) else "not stored"
            count_rejection(conn, name, f"pulled, {missed}: {type(error).__name__}", now=runner.clock(conn))
        return False


def _store(conn: Connection[Any], name: str, event: PulledEvent, make_id: MakeId, now: datetime) -> None:
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
