"""Webhooks in: verified, stored raw, answered. They are applied later, by the worker. The signature is the key."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.bodies import signed_headers
from counterfoil.api.http.calls import Services, services_of
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel, answer
from counterfoil.base.edge import Database
from counterfoil.base.failpoints import reached
from counterfoil.base.problems import InvalidInput, NotAuthenticated, NotFound, Problem
from counterfoil.operations.webhooks.inbound import NewWebhook, count_rejection, receive_all
from counterfoil.operations.work.runner import wake

router = routes("Webhooks in", prefix="/webhooks")


class WebhookTaken(ViewModel):
    """It is stored. `duplicate`: it was stored before, and will not be applied twice."""

    received: bool = True
    duplicate: bool = Field(examples=[False])


@router.post("/{provider}", response_model=WebhookTaken, operation_id="webhook_receive", summary="Receive a provider's webhook")
async def webhook(request: Request, provider: Annotated[str, Path(pattern="^[a-z][a-z0-9_-]{0,39}$")]) -> Response:
    """Answers 200 once it is stored durably, also when it came before. 401 when the signature does not hold."""
    services, body = services_of(request), await request.body()
    new = await run_in_threadpool(_take, services, provider, body, request, services.wiring.clock())
    return answer(WebhookTaken(duplicate=not new))


def _take(services: Services, provider: str, body: bytes, request: Request, now: datetime) -> bool:
    known = services.wiring.providers.get(provider)
    if known is None:
        raise NotFound(what="provider", id=provider)
    try:
        event_id, event_type = known.verify(body, signed_headers(request), now=now)
    except (NotAuthenticated, InvalidInput) as refusal:
        _count(services, provider, refusal, now)
        raise
    new = NewWebhook(services.wiring.make_id("whi"), provider, event_id, event_type, body, now)
    return services.webhooks((new, known.tells.get(event_type) == "pull"))


def store_webhooks(database: Database, came: Sequence[tuple[NewWebhook, bool]]) -> list[bool]:
    """Store these, each with whether it tells that there is something to pull, in one transaction: was each new?"""
    kinds = {one.event_type for one, _ in came}
    with database.transaction() as conn:
        stored = receive_all(conn, [one for one, _ in came])
        if any(new and pulls for new, (_, pulls) in zip(stored, came, strict=True)):
            wake(conn)  # the job that pulls events sleeps for minutes otherwise
        reached("webhook_in.before_commit", *kinds)
    reached("webhook_in.after_commit", *kinds)
    return stored


def _count(services: Services, provider: str, refusal: Problem, now: datetime) -> None:
    with services.database.transaction() as conn:
        count_rejection(conn, provider, type(refusal).__name__, now=now)
