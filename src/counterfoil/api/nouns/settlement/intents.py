"""Settlement intents: the thread from the customer's payment until the invoice is settled."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Minor, ProgramFilter, Reason, id_in_body, id_in_path
from counterfoil.api.http.history import WithHistory, history
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, RequestModel, ViewModel, answer, shows
from counterfoil.api.http.verbs import VerbSaid
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.payouts.invoices.noun import INTENT_NOUN
from counterfoil.settlement.details import count_intents
from counterfoil.settlement.intents.intents import MOVING, UNPAID, Intent, ListedIntent, retry_intent, show_intent, stuck_since
from counterfoil.settlement.queries import processing_of_last

router = routes("Intents")
IntentId = Annotated[str, id_in_path("int")]


@shows(Intent)
class IntentView(ViewModel):
    """Where the settlement of one invoice stands."""

    state: str = Field(description="created, payment_pending, verifying, processing, completed, failed, cancelled or expired.")
    next_try_at: datetime | None = Field(description="While it waits for its next try: when that is. Why it does is `lastError`.")


@shows(ListedIntent)
class ListedIntentView(ViewModel):
    """Where the settlement of one invoice stands, whose it is and how much it is about."""

    amount: Minor = Field(description="Of its invoice.")
    paid: Minor = Field(description="What of it is paid.")
    state: str = Field(description="created, payment_pending, verifying, processing, completed, failed, cancelled or expired.")
    next_try_at: datetime | None = Field(description="While it waits for its next try: when that is. Why it does is `lastError`.")
    waits_until: date | None = Field(description="While it is payment_pending: the last day on which its payment is waited for.")
    in_state_s: int = Field(description="For how long it has been in this state, in seconds.")
    is_stuck: bool = Field(description="It should move by itself and has not for too long.")


class IntentInFull(WithHistory, IntentView):
    """An intent with its history."""


class RetryRequest(RequestModel):
    """Which intent to take up again, and why."""

    intent_id: str = id_in_body("int")
    reason: Reason


class TimesView(ViewModel):
    """How long the last 100 completed intents took, from payment to settlement. No figure when none was completed."""

    measured: int = Field(description="How many completed intents the figures are of.")
    average_ms: int | None
    p95_ms: int | None
    slowest_ms: int | None
    pace: str | None = Field(description="fast (below 5 s on average), degraded (up to 15 s) or slow.")
    last_completed_at: datetime | None
    moving: int
    stuck: int
    failed: int
    measured_at: datetime


def times_shown(conn: Connection[Any], *, now: datetime, stuck_after: timedelta) -> TimesView:
    """The figures, measured now."""
    found = processing_of_last(conn)
    counts = count_intents(conn, stuck_before=now - stuck_after)
    return TimesView(
        measured=found[0] if found else 0,
        average_ms=_ms(found.average) if found else None,
        p95_ms=_ms(found.p95) if found else None,
        slowest_ms=_ms(found.slowest) if found else None,
        pace=found.pace if found else None,
        last_completed_at=found.last_completed_at if found else None,
        moving=counts.moving,
        stuck=counts.stuck,
        failed=counts.failed,
        measured_at=now,
    )


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)


@router.get("/intents", response_model=Paged[ListedIntentView], operation_id="intent_list", summary="List intents")
def intents(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(INTENT_NOUN)],
    program_id: ProgramFilter = None,
    stuck: Annotated[bool, Query(description="Only those that should move by themselves and have not for too long.")] = False,
    unpaid: Annotated[
        bool, Query(description="Only those that wait for the payment of an overdue invoice, or waited for it in vain.")
    ] = False,
) -> Response:
    """Newest first, unless another order is asked for. How long is too long is a setting, ten minutes unless told otherwise; a payment is
    waited for until sixty days after the invoice's due date."""
    stuck_before = call.now - call.services.stuck_after

    def shown(row: ListedIntent) -> ListedIntentView:
        is_stuck = row.state in MOVING and row.state_at < stuck_before
        return ListedIntentView(**row._asdict(), in_state_s=(call.now - row.state_at) // timedelta(seconds=1), is_stuck=is_stuck)

    also = (*((stuck_since(stuck_before),) if stuck else ()), *((UNPAID,) if unpaid else ()))
    return answer_listed(call, page, INTENT_NOUN, asked._replace(also=also), ListedIntentView, shown, program_id=program_id)


@router.get("/intents/stats", response_model=TimesView, operation_id="intent_show_durations", summary="Show how long intents take")
def stats(call: Annotated[ApiCall, may(READ)], program_id: ProgramFilter = None) -> Response:
    """Of the last 100 that were completed, and how many move, are stuck or failed."""
    with call.reading(program_id) as conn:
        return answer(times_shown(conn, now=call.now, stuck_after=call.services.stuck_after))


@router.get("/intents/{intent_id}", response_model=IntentInFull, operation_id="intent_show", summary="Show an intent")
def intent(intent_id: IntentId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """With its history."""
    with call.reading() as conn:
        one = show_intent(conn, intent_id)
        return answer(IntentInFull(**one._asdict(), **history(conn, one.id)))


@router.post("/admin/reconciliation/retry-intent", response_model=VerbSaid, operation_id="intent_retry_alias", summary="Retry an intent")
def retry_named(body: RetryRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """The same as `POST /api/intents/{id}/retry`, under the address of the runbook."""

    def act(conn: Connection[Any]) -> Done:
        state = retry_intent(conn, body.intent_id, reason=body.reason, actor=call.actor, now=call.now)
        return Done(body.intent_id, VerbSaid(id=body.intent_id, state=state, made=None, told=None))

    return call.write("intent.retry", act, asked=body, reason=body.reason)
