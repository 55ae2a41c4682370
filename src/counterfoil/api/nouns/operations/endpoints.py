"""Making endpoints and changing their secrets; deliveries to them. What may be done with one is derived from their nouns."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Clean, ProgramFilter, ProgramId, Reason, id_in_path
from counterfoil.api.http.history import SHOWN_MAX, WithVerbs, history
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, Paged, RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.base.edge import entropy
from counterfoil.base.problems import InvalidInput
from counterfoil.base.text import EMAIL_MAX
from counterfoil.operations.access.access import ADMINISTER, READ
from counterfoil.operations.by_two import ProposedVerb
from counterfoil.operations.events.events import Level, event_kinds
from counterfoil.operations.listing import ListAsked
from counterfoil.operations.webhooks_out.addresses import URL_MAX
from counterfoil.operations.webhooks_out.endpoints import ABOUT_MAX, NAMES_MAX, OVERLAP_DAYS_MAX, create_endpoint, rotate_secret
from counterfoil.operations.webhooks_out.model import (
    DELIVERY,
    FAILING,
    Attempt,
    Endpoint,
    WebhookDelivery,
    attempts_of,
    show_delivery,
)
from counterfoil.operations.webhooks_out.noun import DELIVERY_NOUN
from counterfoil.operations.webhooks_out.sending import schema_of
from counterfoil.operations.webhooks_out.signing import ENTROPY_BYTES, new_pair

endpoints = routes("Endpoints")
deliveries = routes("Deliveries")
EndpointId = Annotated[str, id_in_path("whe")]
FAILING_STATE: Final = "failing"  # no state of its own: what a list is narrowed to beside the states


class EndpointRequest(RequestModel):
    """Where a partner is to be told of what happens here. None of this can be changed: make another, and remove this one."""

    url: Clean = Field(min_length=8, max_length=URL_MAX, examples=["https://partner.example/hooks"])
    program_id: ProgramId | None = Field(None, description="Of this program only; of every one, if absent.")
    events: list[Clean] = Field(
        [], max_length=NAMES_MAX, description="Names of events, such as payout_failed; every one, if empty.", examples=[["payout_failed"]]
    )
    min_level: Level = Field("info", description="Of this level or a graver one.")
    owner_email: Clean = Field(min_length=3, max_length=EMAIL_MAX, description="Who mends it.", examples=["hooks@partner.example"])
    about: Clean = Field("", max_length=ABOUT_MAX, description="What it is for.")


@shows(Endpoint)
class EndpointMade(WriteResult):
    """It is a draft: two administrators enable it. `secret` is in this answer alone."""

    state: str = Field(description="draft.")
    secret: str | None = Field(default=None, description="`whsec_…`: verifies `v1`. A repetition of this request does not have it.")
    public_key: str = Field(description="`whpk_…`: verifies `v1a`.")


class SecretRequest(RequestModel):
    """A new secret and a new key."""

    overlap_days: int = Field(1, ge=0, le=OVERLAP_DAYS_MAX, description="For so long the ones before them sign, too.")
    reason: Reason = Field(description="Why. Kept in the action log.")


class SecretMade(WriteResult):
    """It signs from now on. `secret` is in this answer alone."""

    id: str = Field(description="The endpoint's.")
    public_key: str
    secret: str | None = Field(default=None, description="A repetition of this request does not have it.")


@shows(WebhookDelivery)
class DeliveryView(ViewModel):
    """An event on its way to an endpoint."""

    state: str = Field(description=f"{', '.join(DELIVERY.states())}.")
    status: int | None = Field(description="The HTTP status that the last attempt was answered with; null when no answer came.")
    error: str | None = Field(description="Why the last attempt failed.")


@shows(Attempt)
class AttemptView(ViewModel):
    """One attempt. `error` is empty for one that was taken."""

    answer: str = Field(description="The first 4 KB of what came back.")


class DeliveryInFull(WithVerbs, DeliveryView):
    """A delivery with its attempts, what may be done with it, and what was done."""

    attempts_made: list[AttemptView]


class EventKindView(ViewModel):
    """A kind of event: what it means, and what an endpoint is sent of it."""

    name: str
    level: str = Field(description="debug, info, warning or critical.")
    says: str = Field(description="What it means.")
    json_schema: dict[str, Any] = Field(description="JSON schema (2020-12) of a webhook's body.")


@endpoints.get("/event-kinds", response_model=Paged[EventKindView], operation_id="event_kind_list", summary="List the kinds of events")
def kinds(call: Annotated[ApiCall, may(READ)]) -> Response:  # noqa: ARG001 - it may be asked by whoever may read
    """All of them, by name: what an endpoint may be told, and in which form."""
    shown = [EventKindView(**one._asdict(), json_schema=schema_of(one)) for one in event_kinds()]
    return answer(Paged[EventKindView](data=shown, next_cursor=None))


@endpoints.post("/endpoints", status_code=201, response_model=EndpointMade, operation_id="endpoint_create", summary="Create an endpoint")
def create(body: EndpointRequest, call: Annotated[ApiCall, may(ADMINISTER, key=True)]) -> Response:
    """A draft, to which nothing goes until two administrators enabled it. Its secret is shown once, here."""
    pair = new_pair(entropy(ENTROPY_BYTES))

    def act(conn: Connection[Any]) -> Done:
        made = create_endpoint(
            conn,
            call.make_id("whe"),
            pair,
            **body.model_dump(),
            networks=call.services.wiring.webhook_networks,
            make_id=call.make_id,
            actor=call.actor,
            now=call.now,
        )
        return Done(made.id, EndpointMade.of(made), 201, {} if call.dry_run else {"secret": pair.secret})

    return call.write("endpoint.create", act, asked=body)


@endpoints.post(
    "/endpoints/{id}/rotate", response_model=SecretMade, responses=BY_TWO, operation_id="endpoint_rotate", summary="Rotate its secret"
)
def rotate(id: EndpointId, body: SecretRequest, call: Annotated[ApiCall, may(ADMINISTER, key=True)]) -> Response:  # noqa: A002
    """Takes two administrators. The secret is shown once, here, to whoever proposed it, when it is approved and asked for again."""
    pair = new_pair(entropy(ENTROPY_BYTES))

    def act(conn: Connection[Any]) -> Done:
        made = rotate_secret(conn, id, call.make_id("whs"), pair, overlap_days=body.overlap_days, actor=call.actor, now=call.now)
        return Done(id, SecretMade(id=id, public_key=made.public_key), 200, {} if call.dry_run else {"secret": pair.secret})

    said = ProposedVerb("endpoint", "rotate", id, {"overlapDays": body.overlap_days})
    return call.by_two("endpoint.rotate", act, said, asked=body, reason=body.reason)


@deliveries.get("/deliveries", response_model=Paged[DeliveryView], operation_id="delivery_list", summary="List deliveries")
def listed(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(DELIVERY_NOUN, state=False)],
    program_id: ProgramFilter = None,
    state: Annotated[
        str | None, Query(max_length=40, description="Only in this state; or failing: the last attempt failed, and it is not delivered.")
    ] = None,
) -> Response:
    """Newest first, by when its event happened, unless another order is asked for."""
    if state is not None and state not in (*DELIVERY.states(), FAILING_STATE):
        raise InvalidInput("state", f"one of {', '.join((FAILING_STATE, *DELIVERY.states()))}", got=state[:40])
    wanted = asked._replace(also=(FAILING,)) if state == FAILING_STATE else asked._replace(state=state)
    return answer_listed(call, page, DELIVERY_NOUN, wanted, DeliveryView, program_id=program_id)


@deliveries.get("/deliveries/{id}", response_model=DeliveryInFull, operation_id="delivery_show", summary="Show a delivery")
def show(id: Annotated[str, id_in_path("whd")], call: Annotated[ApiCall, may(READ)]) -> Response:  # noqa: A002
    """With every attempt, and what may be done."""
    with call.reading() as conn:
        one, attempts = show_delivery(conn, id), attempts_of(conn, id, rows_max=SHOWN_MAX + 1)
        return answer(
            DeliveryInFull(
                **one._asdict(),
                attempts_made=AttemptView.each(attempts[:SHOWN_MAX]),
                allowed=DELIVERY_NOUN.allowed(conn, id, now=call.now),
                **history(conn, id, attempts_made=attempts),
            )
        )
