"""The page of webhooks: what partners are told and do not take, and what providers told us that is not applied."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from psycopg import Connection

from counterfoil.base.formats.counting import counted
from counterfoil.dashboard.web.sections import Grade, SectionContext
from counterfoil.operations.webhooks.counts import WebhookCounts, WebhookTrouble, webhook_counts, webhook_troubles
from counterfoil.operations.webhooks.parked import PARKED_ACTS
from counterfoil.operations.webhooks_out.model import ENDPOINT, Endpoint, FailingGroup, failing_groups, list_endpoints
from counterfoil.operations.work.queries import Parked, parked_events, parked_webhooks

ENDPOINTS_SHOWN_MAX: Final = 20
FAILING_SHOWN_MAX: Final = 20
PARKED_SHOWN_MAX: Final = 20


class EndpointRow(NamedTuple):
    """An endpoint and how it does: `said` in a few words. `host`: of its address."""

    endpoint: Endpoint
    host: str
    grade: Grade
    said: str


class ParkedRow(NamedTuple):
    """A webhook in or an event that waits for a person; `acts`: what may be done with it, each with its label."""

    parked: Parked
    kind: str
    acts: Mapping[str, str]


class WebhooksAnswer(NamedTuple):
    """What the page shows. `failing`: what does not arrive, grouped by its cause; `cut`: there are more groups."""

    rows: tuple[EndpointRow, ...]
    more: bool
    failing: tuple[FailingGroup, ...]
    cut: bool
    received: WebhookCounts | None  # None: it is of the whole installation, and who looks sees one program
    troubles: tuple[WebhookTrouble, ...]
    parked: tuple[ParkedRow, ...]
    parked_total: int
    measured_at: datetime


def webhooks_answer(ask: SectionContext) -> WebhooksAnswer:
    """Endpoints, those in trouble first; deliveries that do not arrive; webhooks in that are parked or were refused today."""
    now = ask.clock()
    found = list_endpoints(ask.conn, rows_max=ENDPOINTS_SHOWN_MAX + 1, program_id=ask.program_id)
    rows = sorted((_row(one) for one in found[:ENDPOINTS_SHOWN_MAX]), key=lambda one: (_ORDER[one.grade], one.endpoint.id))
    failing = failing_groups(ask.conn, rows_max=FAILING_SHOWN_MAX + 1, program_id=ask.program_id)
    return WebhooksAnswer(
        tuple(rows),
        len(found) > ENDPOINTS_SHOWN_MAX,
        tuple(failing[:FAILING_SHOWN_MAX]),
        len(failing) > FAILING_SHOWN_MAX,
        *_received(ask.conn, now, ask.only),
        *_parked(ask.conn, ask.only),
        now,
    )


_ORDER: Final[dict[Grade, int]] = {"wrong": 0, "attention": 1, "right": 2, "unknown": 3, "plain": 4, "accepted": 5}


def _received(conn: Connection[Any], now: datetime, only: str | None) -> tuple[WebhookCounts | None, tuple[WebhookTrouble, ...]]:
    if only is not None:
        return None, ()
    return webhook_counts(conn, since=now), tuple(webhook_troubles(conn, since=now))


def _parked(conn: Connection[Any], only: str | None) -> tuple[tuple[ParkedRow, ...], int]:
    """Webhooks in and events that were tried in vain, the oldest of each first, and how many there are."""
    if only is not None:
        return (), 0
    webhooks, events = parked_webhooks(conn, rows_max=PARKED_SHOWN_MAX), parked_events(conn, rows_max=PARKED_SHOWN_MAX)
    rows = [
        ParkedRow(one, kind, {name: act.label for name, act in PARKED_ACTS.items() if act.kind == kind})
        for kind, found in (("webhook", webhooks), ("event", events))
        for one in found
    ]
    return tuple(rows[:PARKED_SHOWN_MAX]), sum(found[0].total for found in (webhooks, events) if found)


def _row(one: Endpoint) -> EndpointRow:
    host = urlsplit(one.url).netloc
    if one.state == "removed" or one.state in ENDPOINT.initial:
        return EndpointRow(one, host, "plain", "two administrators enable it" if one.state in ENDPOINT.initial else "is told nothing more")
    if one.state not in ENDPOINT.before("disable"):
        return EndpointRow(one, host, "attention", f"nothing goes there; {one.kept} kept")
    if one.failures:
        return EndpointRow(one, host, "wrong", f"{counted(one.failures, 'attempt')} in a row failed")
    if one.failed or one.kept:
        return EndpointRow(one, host, "attention", f"{one.failed + one.kept} deliveries wait for a person")
    if one.delivered_at is None:
        return EndpointRow(one, host, "unknown", "nothing was sent yet; try it")
    return EndpointRow(one, host, "right", "took what was sent last")
