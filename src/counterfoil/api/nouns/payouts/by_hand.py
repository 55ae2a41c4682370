"""What a person does with a payout that does not go by itself. Each asks its guards again under lock and says the true reason."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Path
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import Call, Done, may
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Because, Minor, Reason, Written
from counterfoil.api.nouns.operations.approvals import ApprovalShown, shown
from counterfoil.api.nouns.payouts.payouts import AskedAgain, PayoutId, PayoutMoved
from counterfoil.operations.access.access import OPERATE
from counterfoil.payouts.payouts.by_hand import close_payout, reissue_payout, rerun_payout
from counterfoil.payouts.provider_payouts.attempts_by_hand import cancel_attempt, quarantine_attempt, release_attempt
from counterfoil.payouts.provider_payouts.paired import TO, propose_end_of_conflict, propose_for_attempt
from counterfoil.payouts.provider_payouts.records import paid_by_webhook

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

    to: Literal["unknown", "queued", "cancelled"] = Field(
        default="unknown",
        description="unknown: the provider is asked, at once. queued (when no call of it ever began) and cancelled (when the provider "
        "can have nothing of it) are proposed, and done when a second person approves.",
    )


class FinalizeAsked(Because):
    """Book it as paid, on the provider's own record."""

    webhook_id: str = Field(
        pattern="^whi_[0-9A-HJKMNP-TV-Z]{26}$",
        description="A stored webhook, such as a parked one, that says that this very payout was paid: key, amount and asset.",
    )


class FailedAsked(Because):
    """Give its money back, on evidence that the provider has not paid and will not."""

    evidence: Reason = Field(description="Where it can be seen.")
    seen_at: datetime = Field(description="When it was seen; after the last call can no longer arrive.")


class ConflictEndAsked(Because):
    """What became of the attempt; the reason is the evidence."""

    found: Literal["paid", "not_paid"]


class Proposed(ApprovalShown, Written):
    """Nothing is done until another person approves exactly this, within 24 hours (`POST /api/approvals/{id}/approve`)."""


class Released(Written):
    """The attempt's state, or the proposal that waits for a second person."""

    id: str
    provider_payout_state: str
    proposal_id: str | None = None
    payload_sha256: str | None = None


@router.post("/payouts/{payout_id}/reissue", response_model=Reissued, summary="Issue a payout anew")
def reissue(payout_id: PayoutId, body: Because, call: Annotated[Call, may(OPERATE)]) -> Response:
    """A new payout of what is still owed, with three tries of its own; after a cancellation, a return, or three failures."""

    def act(conn: Connection[Any]) -> Done:
        new = reissue_payout(conn, payout_id, call.make_id("po"), reason=body.reason, actor=call.actor, now=call.now)
        made = Reissued(
            id=new.id, reissue_of=payout_id, key=new.key, amount=new.amount, asset=new.asset, state=new.state
        )
        return Done(payout_id, made)

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


@router.post("/admin/ops/payouts/{payout_id}/release", response_model=Released, summary="End a quarantine")
def release(payout_id: PayoutId, body: ReleaseAsked, call: Annotated[Call, may(OPERATE)]) -> Response:
    """The provider is asked what became of the attempt; what gives money back or sends it takes two people."""

    def act(conn: Connection[Any]) -> Done:
        if body.to == "unknown":
            state = release_attempt(conn, payout_id, body.to, reason=body.reason, actor=call.actor, now=call.now)
            return Done(payout_id, Released(id=payout_id, provider_payout_state=state))
        verb = {to: verb for verb, to in TO.items()}[body.to]
        made = propose_for_attempt(
            conn, call.make_id("prop"), payout_id, verb, evidence=body.reason, by=call.caller, now=call.now
        )
        waits = Released(
            id=payout_id, provider_payout_state="quarantined", proposal_id=made.id, payload_sha256=made.payload_sha256
        )
        return Done(payout_id, waits)

    return call.write("payout.release", act, asked=body, reason=body.reason)


@router.post(
    "/admin/ops/payouts/{payout_id}/force-finalize", response_model=Proposed, summary="Propose to book it as paid"
)
def finalize(payout_id: PayoutId, body: FinalizeAsked, call: Annotated[Call, may(OPERATE)]) -> Response:
    """On the provider's own record of this payout, which was never applied. Done when a second person approves; once per attempt."""

    def act(conn: Connection[Any]) -> Done:
        fact = paid_by_webhook(conn, body.webhook_id, call.services.wiring.providers)
        made = propose_for_attempt(
            conn, call.make_id("prop"), payout_id, "force_finalize", evidence=body.reason, by=call.caller, now=call.now,
            fact=fact,
        )  # fmt: skip
        return Done(payout_id, Proposed(**shown(made, call.now)))

    return call.write("payout.force_finalize", act, asked=body, reason=body.reason)


@router.post("/payouts/{payout_id}/mark-failed", response_model=Proposed, summary="Propose to give its money back")
def failed(payout_id: PayoutId, body: FailedAsked, call: Annotated[Call, may(OPERATE)]) -> Response:
    """Only while nobody knows what became of it, and no call of it can arrive any more. Done when a second person approves."""

    def act(conn: Connection[Any]) -> Done:
        made = propose_for_attempt(
            conn, call.make_id("prop"), payout_id, "mark_failed", evidence=body.evidence, by=call.caller, now=call.now,
            error=body.reason, seen_at=body.seen_at,
        )  # fmt: skip
        return Done(payout_id, Proposed(**shown(made, call.now)))

    return call.write("payout.mark_failed", act, asked=body, reason=body.reason)


@router.post("/admin/ops/conflicts/{conflict_id}/end", response_model=Proposed, summary="Propose how a conflict ends")
def end(
    conflict_id: Annotated[str, Path(pattern=r"^pp_[0-9A-HJKMNP-TV-Z]{26}\.[0-9]{1,6}$")],
    body: ConflictEndAsked,
    call: Annotated[Call, may(OPERATE)],
) -> Response:
    """What was found paid is booked, what was booked and not paid is booked as returned. Done when a second person approves."""

    def act(conn: Connection[Any]) -> Done:
        made = propose_end_of_conflict(
            conn, call.make_id("prop"), conflict_id, body.found, evidence=body.reason, by=call.caller, now=call.now
        )
        return Done(conflict_id, Proposed(**shown(made, call.now)))

    return call.write("payout.end_conflict", act, asked=body, reason=body.reason)
