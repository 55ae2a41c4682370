"""What was parked: webhooks and events that failed five times and wait for a person."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path
from fastapi.responses import Response
from psycopg import Connection

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import id_in_path
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Because, ViewModel, WriteResult, answer, shows
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.webhooks.parked import IGNORE_WEBHOOK, REQUEUE_EVENT, REQUEUE_WEBHOOK, ParkedAct
from counterfoil.operations.work.queries import Parked, parked_events, parked_webhooks

router = routes("Queues")
ROWS_MAX = 500
WebhookId = Annotated[str, id_in_path("whi")]
EventId = Annotated[str, Path(min_length=1, max_length=300)]


@shows(Parked, hidden=("total",))
class ParkedView(ViewModel):
    """A thing that failed five times, and its last error."""


class AllParked(ViewModel):
    """Everything that is parked, the oldest first; at most 500 of each."""

    webhooks: list[ParkedView]
    events: list[ParkedView]


class ParkedMove(WriteResult):
    """Where it stands now."""

    id: str
    state: str


@router.get("/admin/parked", response_model=AllParked, operation_id="parked_list", summary="List parked webhooks and events")
def parked(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Webhooks and events that wait for a person."""
    with call.reading() as conn:
        webhooks, events = parked_webhooks(conn, rows_max=ROWS_MAX), parked_events(conn, rows_max=ROWS_MAX)
    return answer(AllParked(webhooks=ParkedView.each(webhooks), events=ParkedView.each(events)))


@router.post(
    "/admin/webhooks-in/{webhook_id}/requeue", response_model=ParkedMove, operation_id="webhook_requeue", summary="Requeue a parked webhook"
)
def requeue(webhook_id: WebhookId, body: Because, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Once its cause is mended."""
    return _move(call, REQUEUE_WEBHOOK, webhook_id, body)


@router.post(
    "/admin/webhooks-in/{webhook_id}/ignore", response_model=ParkedMove, operation_id="webhook_ignore", summary="Ignore a parked webhook"
)
def ignore(webhook_id: WebhookId, body: Because, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """It stays stored and is never applied."""
    return _move(call, IGNORE_WEBHOOK, webhook_id, body)


@router.post("/admin/events/{event_id}/requeue", response_model=ParkedMove, operation_id="event_requeue", summary="Requeue a parked event")
def requeue_one(event_id: EventId, body: Because, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Once its cause is mended."""
    return _move(call, REQUEUE_EVENT, event_id, body)


def _move(call: ApiCall, what: ParkedAct, subject_id: str, body: Because) -> Response:
    def act(conn: Connection[Any]) -> Done:
        state = what.move(conn, subject_id, reason=body.reason, actor=call.actor, now=call.now)
        return Done(subject_id, ParkedMove(id=subject_id, state=state))

    return call.write(what.action, act, asked=body, reason=body.reason)
