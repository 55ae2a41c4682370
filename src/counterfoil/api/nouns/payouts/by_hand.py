"""What a person does with a payout that does not go by itself. Each asks its guards again under lock and says the true reason."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import Call, Done, may
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Because, Minor, Written
from counterfoil.api.nouns.payouts.payouts import AskedAgain, PayoutId, PayoutMoved
from counterfoil.operations.access.access import OPERATE
from counterfoil.payouts.payouts.by_hand import close_payout, reissue_payout, rerun_payout
from counterfoil.payouts.provider_payouts.attempts_by_hand import cancel_attempt, quarantine_attempt, release_attempt

router = routes("Payouts")


class Reissued(Written):
    """The new payout, for what is still owed."""

    id: str
    reissue_of: str
    key: str
    amount: Minor
    asset: str
    state: str


class ReleaseAsked(Because):
    """Where the attempt goes when its quarantine ends."""

    to: Literal["unknown"] = Field(
        default="unknown",
        description="unknown: the provider is asked what became of it. Back to the queue, or cancelled, takes two people.",
    )


@router.post("/payouts/{payout_id}/reissue", response_model=Reissued, summary="Issue a payout anew")
def reissue(payout_id: PayoutId, body: Because, call: Annotated[Call, may(OPERATE)]) -> Response:
    """A new payout of what is still owed, with three tries of its own; after a cancellation, a return, or three failures."""

    def act(conn: Connection[Any]) -> Done:
        new = reissue_payout(conn, payout_id, call.make_id("po"), reason=body.reason, actor=call.actor, now=call.now)
        shown = Reissued(
            id=new.id, reissue_of=payout_id, key=new.key, amount=new.amount, asset=new.asset, state=new.state
        )
        return Done(payout_id, shown)

    return call.write("payout.reissue", act, asked=body, reason=body.reason)


@router.post("/payouts/{payout_id}/close", response_model=PayoutMoved, summary="Close a returned payout")
def close(payout_id: PayoutId, body: Because, call: Annotated[Call, may(OPERATE)]) -> Response:
    """Only when nothing is owed for its settlement any more."""

    def act(conn: Connection[Any]) -> Done:
        state = close_payout(conn, payout_id, reason=body.reason, actor=call.actor, now=call.now)
        return Done(payout_id, PayoutMoved(id=payout_id, state=state))

    return call.write("payout.close", act, asked=body, reason=body.reason)


@router.post("/payouts/{payout_id}/cancel-attempt", response_model=AskedAgain, summary="Cancel a queued attempt")
def cancel_queued(payout_id: PayoutId, body: Because, call: Annotated[Call, may(OPERATE)]) -> Response:
    """Only one of which the provider can have nothing. Its money is owed to the payee again, and the payout is failed."""

    def act(conn: Connection[Any]) -> Done:
        state = cancel_attempt(conn, payout_id, reason=body.reason, actor=call.actor, now=call.now)
        return Done(payout_id, AskedAgain(id=payout_id, provider_payout_state=state))

    return call.write("payout.cancel_attempt", act, asked=body, reason=body.reason)


@router.post("/payouts/{payout_id}/rerun", response_model=AskedAgain, summary="Do now what is to be done next")
@router.post(
    "/admin/ops/payouts/{payout_id}/rerun-outbox", response_model=AskedAgain, summary="Do now what is to be done next"
)
def rerun(payout_id: PayoutId, call: Annotated[Call, may(OPERATE)]) -> Response:
    """Sets it aside, sends it, or asks the provider, without waiting for its time. Never sends again what was sent."""

    def act(conn: Connection[Any]) -> Done:
        state = rerun_payout(conn, payout_id, now=call.now)
        return Done(payout_id, AskedAgain(id=payout_id, provider_payout_state=state))

    return call.write("payout.rerun", act)


@router.post(
    "/admin/ops/payouts/{payout_id}/quarantine", response_model=AskedAgain, summary="Stop an attempt from being sent"
)
def quarantine(payout_id: PayoutId, body: Because, call: Annotated[Call, may(OPERATE)]) -> Response:
    """It is not sent while that lasts. What the provider says of it is booked all the same."""

    def act(conn: Connection[Any]) -> Done:
        state = quarantine_attempt(conn, payout_id, reason=body.reason, actor=call.actor, now=call.now)
        return Done(payout_id, AskedAgain(id=payout_id, provider_payout_state=state))

    return call.write("payout.quarantine", act, asked=body, reason=body.reason)


@router.post("/admin/ops/payouts/{payout_id}/release", response_model=AskedAgain, summary="End a quarantine")
def release(payout_id: PayoutId, body: ReleaseAsked, call: Annotated[Call, may(OPERATE)]) -> Response:
    """The provider is asked what became of the attempt, and its answer decides."""

    def act(conn: Connection[Any]) -> Done:
        state = release_attempt(conn, payout_id, body.to, reason=body.reason, actor=call.actor, now=call.now)
        return Done(payout_id, AskedAgain(id=payout_id, provider_payout_state=state))

    return call.write("payout.release", act, asked=body, reason=body.reason)
