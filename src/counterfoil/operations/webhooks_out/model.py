"""Endpoints and deliveries: their states, and their rows as they are read.

A delivery is written by the database in the statement of its event (`deliver_events`), for each endpoint that is told of it. While an
endpoint is disabled, what would have gone to it is kept.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.encryption.confidential import Confidential
from counterfoil.base.machine import Machine
from counterfoil.base.rows import Records
from counterfoil.operations.events.events import declare
from counterfoil.operations.noun_pages import ListCondition
from counterfoil.operations.work.runner import Queue

ENDPOINT: Final = Machine(
    name="endpoint",
    table="webhook_endpoint",
    initial=("draft",),
    transitions={
        ("draft", "enable"): "enabled",
        ("enabled", "disable"): "disabled",
        ("disabled", "enable"): "enabled",
        ("draft", "remove"): "removed",
        ("enabled", "remove"): "removed",
        ("disabled", "remove"): "removed",
    },
    reasoned=frozenset({"enable", "disable", "remove"}),
    paired=frozenset({"enable"}),
)
DELIVERY: Final = Machine(
    name="delivery",
    table="webhook_delivery",
    initial=("due", "kept"),
    transitions={
        ("due", "deliver"): "delivered",
        ("due", "fail"): "failed",
        ("due", "keep"): "kept",
        ("due", "cancel"): "cancelled",
        ("kept", "deliver"): "delivered",
        ("kept", "cancel"): "cancelled",
        ("failed", "cancel"): "cancelled",
        ("kept", "retry"): "due",
        ("failed", "retry"): "due",
        ("delivered", "retry"): "due",
    },
    reasoned=frozenset({"retry"}),
    ended=frozenset({"delivered"}),
)
DELIVERIES: Final = Queue("deliveries", "webhook_delivery", ("due",), lane="endpoint_id")
CONFIDENTIAL: Final = Confidential("webhook_secret", ("id",), ("secret", "seed"), "secrets of endpoints")
EVENT_KINDS: Final = declare(
    debug={"endpoint_pinged": "Somebody tried an endpoint; this is told to that endpoint alone."},
    critical={"endpoint_disabled": "An endpoint took nothing for 24 hours, or is gone: what happens is kept for it."},
)


class Endpoint(NamedTuple):
    """Where a partner is told of events. `program_id` None: of every program. `events` empty: of every name. `failures`: attempts that
    failed since the last one that did not, the first of them at `failing_since`. `not_before`: it asked to be left alone until then."""

    id: str
    state: str
    url: str
    program_id: str | None
    events: list[str]
    min_level: str
    owner_email: str
    about: str
    public_key: str
    failures: int
    failing_since: datetime | None
    delivered_at: datetime | None
    not_before: datetime | None
    waiting: int
    kept: int
    failed: int
    created_by: str
    created_at: datetime


class WebhookDelivery(NamedTuple):
    """An event on its way to an endpoint. `attempts` were made in all, `status` and `error` came of the last; `next_at`: of the next."""

    id: str
    state: str
    endpoint_id: str
    url: str
    event: str
    event_id: str
    subject_id: str
    attempts: int
    status: int | None
    error: str | None
    next_at: datetime | None
    created_at: datetime


class Attempt(NamedTuple):
    """One attempt: when it began, how long it took, and what came back, the first 4 KB. `error` is empty for one that was taken."""

    number: int
    at: datetime
    took_ms: int
    status: int | None
    error: str
    answer: str


ENDPOINTS: Final = Records(
    Endpoint,
    """select w.id, w.state, w.url, w.program_id, w.events, w.min_level, w.owner_email, w.about,
              (select public_key from webhook_secret s where s.endpoint_id = w.id order by number desc limit 1) as public_key,
              w.failures, w.failing_since, w.delivered_at, w.not_before,
              (select count(*) from webhook_delivery d where d.endpoint_id = w.id and d.due_at is not null) as waiting,
              (select count(*) from webhook_delivery d where d.endpoint_id = w.id and d.state = 'kept') as kept,
              (select count(*) from webhook_delivery d where d.endpoint_id = w.id and d.state = 'failed') as failed,
              w.created_by, w.created_at
       from webhook_endpoint w""",
    "endpoint",
    "w.",
)
show_endpoint: Final = ENDPOINTS.show
list_endpoints: Final = ENDPOINTS.newest
DELIVERY_ROWS: Final = Records(
    WebhookDelivery,
    """select d.id, d.state, d.endpoint_id, w.url, e.name as event, d.event_id, e.subject_id, coalesce(a.number, 0) as attempts, a.status,
              coalesce(nullif(a.error, ''), d.last_error) as error, d.due_at as next_at, d.created_at
       from webhook_delivery d join webhook_endpoint w on w.id = d.endpoint_id join event e on e.id = d.event_id
            left join lateral (select number, status, error from webhook_attempt t where t.delivery_id = d.id
                               order by number desc limit 1) a on true""",
    "delivery",
    "d.",
)
show_delivery: Final = DELIVERY_ROWS.show
list_deliveries: Final = DELIVERY_ROWS.newest
FAILING: Final = ListCondition(
    """t.state in ('due', 'kept', 'failed')
       and (select a.error from webhook_attempt a where a.delivery_id = t.id order by a.number desc limit 1) <> ''"""
)  # whose last attempt failed, and that are to be told still


class FailingGroup(NamedTuple):
    """Deliveries to one endpoint that do not arrive for one reason: how many, since when, and when the first of them is tried next."""

    endpoint_id: str
    url: str
    event: str
    state: str
    error: str
    times: int
    since: datetime
    next_at: datetime | None


def failing_groups(conn: Connection[Any], *, rows_max: int, program_id: str | None = None) -> list[FailingGroup]:
    """What does not arrive, by endpoint, event, state and reason: those first of which there are the most; with `program_id` what the
    endpoints of that program are not told."""
    with conn.cursor(row_factory=class_row(FailingGroup)) as cur:
        return cur.execute(
            """select d.endpoint_id, w.url, e.name as event, d.state, a.error, count(*) as times, min(d.created_at) as since,
                      min(d.due_at) as next_at
               from webhook_delivery d join webhook_endpoint w on w.id = d.endpoint_id join event e on e.id = d.event_id
                    cross join lateral (select error from webhook_attempt t where t.delivery_id = d.id order by number desc limit 1) a
               where d.state in ('due', 'kept', 'failed') and a.error <> '' and (%s::text is null or w.program_id = %s)
               group by d.endpoint_id, w.url, e.name, d.state, a.error
               order by times desc, since, d.endpoint_id, event limit %s""",
            [program_id, program_id, rows_max],
        ).fetchall()


def attempts_of(conn: Connection[Any], delivery_id: str, *, rows_max: int) -> list[Attempt]:
    """The attempts of a delivery, the first one first."""
    with conn.cursor(row_factory=class_row(Attempt)) as cur:
        return cur.execute(
            "select number, at, took_ms, status, error, answer from webhook_attempt where delivery_id = %s order by number limit %s",
            [delivery_id, rows_max],
        ).fetchall()
