"""Holds: money set aside on its way between two accounts, resolved once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import AccountName, Amount, AssetCode, Instant, Key, Kind, Minor, Narrative, ProgramId, Reason
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, RequestModel, ViewModel, WriteResult, answer, found_again
from counterfoil.api.nouns.ledger.accounts import ProgramParameter
from counterfoil.api.nouns.ledger.journals import JournalPosted, journal_posted
from counterfoil.ledger.holds import Hold, get_hold, post_hold, take_hold, void_hold
from counterfoil.operations.access.access import POST_JOURNAL, READ
from counterfoil.operations.by_two import ProposedVerb

router = routes("Holds")


class HoldRequest(RequestModel):
    """Set `amount` aside on its way from `debit` to `credit`."""

    program_id: ProgramId
    asset: AssetCode
    key: Key = Field(description="The same key with the same accounts and amount is the same hold.")
    debit: AccountName
    credit: AccountName
    amount: Amount
    expires_at: Instant | None = Field(None, description="From then on it cannot be posted, and its money returns.")
    kind: Kind = "hold"
    narrative: Narrative | None = None


class HoldView(ViewModel):
    """A hold as it stands."""

    id: UUID
    debit: str
    credit: str
    amount: Minor
    asset: str
    state: str = Field(description="held, post, void or expire.")
    posted: Minor = Field(description="What of it was posted.")
    taken_at: datetime
    expires_at: datetime | None
    kind: str
    narrative: str | None
    promised: bool = Field(description="Somebody builds on it: no expiry, and only who took it gives it back.")


class HoldTaken(HoldView, WriteResult):
    """It is set aside."""


class PostRequest(RequestModel):
    """Post what is held, or a part of it: the rest returns."""

    program_id: ProgramId
    amount: Amount | None = Field(None, description="All of it, if absent.")
    effective_at: Instant | None = None
    narrative: Narrative | None = None


class VoidRequest(RequestModel):
    """Give back what is held, and why."""

    program_id: ProgramId
    reason: Reason


def _fields(one: Hold) -> dict[str, Any]:
    fields = one._asdict()
    return {**fields, "amount": fields.pop("minor"), "posted": fields.pop("posted_minor")}


@router.post("/holds", status_code=201, response_model=HoldTaken, operation_id="hold_create", summary="Create a hold")
def take(body: HoldRequest, call: Annotated[ApiCall, may(POST_JOURNAL, key=True)]) -> Response:
    """The money stays on its account and leaves what is available."""

    def act(conn: Connection[Any]) -> Done:
        hold = take_hold(
            conn,
            body.program_id,
            key=body.key,
            debit=body.debit,
            credit=body.credit,
            minor=body.amount,
            asset=body.asset,
            actor=call.actor,
            now=call.now,
            expires_at=body.expires_at,
            kind=body.kind,
            narrative=body.narrative,
        )
        return Done(str(hold.id), HoldTaken(**_fields(hold)), 201)

    return call.write("hold.take", act, asked=body)


@router.get("/holds/{hold_id}", response_model=HoldView, operation_id="hold_show", summary="Show a hold")
def hold(hold_id: UUID, call: Annotated[ApiCall, may(READ)], program_id: ProgramParameter = None) -> Response:
    """As it stands."""
    with call.reading() as conn:
        return answer(HoldView(**_fields(get_hold(conn, program_id or call.services.wiring.program_id, hold_id))))


@router.post(
    "/holds/{hold_id}/post",
    status_code=201,
    response_model=JournalPosted,
    responses=BY_TWO | found_again(JournalPosted),
    operation_id="hold_post",
    summary="Post a hold",
)
def post(hold_id: UUID, body: PostRequest, call: Annotated[ApiCall, may(POST_JOURNAL, key=True)]) -> Response:
    """Moves the money that was held, or a part of it; the rest returns. Once. By hand, as a journal, it takes two people."""

    def act(conn: Connection[Any]) -> Done:
        posted = post_hold(
            conn,
            body.program_id,
            hold_id,
            actor=call.actor,
            now=call.now,
            minor=body.amount,
            effective_at=body.effective_at,
            narrative=body.narrative,
        )
        return journal_posted(posted, str(hold_id))

    if call.caller.is_person:
        payload = body.model_dump(mode="json")
        said = ProposedVerb("hold", "post", str(hold_id), payload, body.program_id)
        return call.by_two("hold.post", act, said, asked=body, reason=body.narrative or f"post hold {hold_id}")
    return call.write("hold.post", act, asked=body)


@router.post("/holds/{hold_id}/void", response_model=HoldTaken, operation_id="hold_void", summary="Void a hold")
def void(hold_id: UUID, body: VoidRequest, call: Annotated[ApiCall, may(POST_JOURNAL, key=True)]) -> Response:
    """Gives back what was held. Again: nothing happens."""

    def act(conn: Connection[Any]) -> Done:
        void_hold(conn, body.program_id, hold_id, reason=body.reason, actor=call.actor, now=call.now)
        return Done(str(hold_id), HoldTaken(**_fields(get_hold(conn, body.program_id, hold_id))))

    return call.write("hold.void", act, asked=body, reason=body.reason)
