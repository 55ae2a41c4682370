"""Approvals: what one person proposed and another decides. Only a person who logged in decides, and never on their own."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Reason, id_in_path
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Because, Paged, ViewModel, WriteResult, answer
from counterfoil.operations import approvals
from counterfoil.operations.access.access import READ
from counterfoil.operations.approval_inbox import PROPOSAL_LIST, STILL_WAITING
from counterfoil.operations.listing import ListAsked
from counterfoil.wiring import PAIRED

router = routes("Approvals")
ProposalId = Annotated[str, id_in_path("prop")]
State = Literal["proposed", "approved", "done", "rejected", "withdrawn", "expired"]


class ApprovalView(ViewModel):
    """A proposal: exactly this verb of exactly this thing with exactly this payload, and what became of it."""

    id: str
    machine: str = Field(examples=["break"], description="The noun.")
    subject_id: str
    verb: str = Field(examples=["write_off"])
    program_id: str | None
    payload: dict[str, Any]
    payload_sha256: str = Field(description="What is approved: SHA-256 of the payload in canonical JSON.")
    reason: str
    maker: str
    made_at: datetime
    expires_at: datetime = Field(description="24 hours after it was made.")
    state: State
    checker: str | None
    decided_at: datetime | None
    decision_reason: str | None
    used_at: datetime | None = Field(description="When it was done; an approval is used once.")
    result_id: str | None = Field(description="What it made, such as a journal.")


class ApprovalDecided(ApprovalView, WriteResult):
    """It is decided."""


class DecisionRequest(Because):
    """Approve exactly what this hash names."""

    payload_sha256: str = Field(pattern="^[0-9a-fA-F]{64}$")


class RejectionRequest(Because):
    """Turn a proposal down, or take back one's own."""

    reason: Reason


def shown(one: approvals.Proposal, now: datetime) -> dict[str, Any]:
    """A proposal's fields as they are shown."""
    return {**one._asdict(), "state": one.state(now)}


@router.get("/approvals", response_model=Paged[ApprovalView], operation_id="proposal_list", summary="List proposals")
def proposals(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(PROPOSAL_LIST)],
    state: Annotated[Literal["waiting", "all"], Query()] = "waiting",
) -> Response:
    """Those that wait for a second person, or all."""
    which = asked._replace(also=(STILL_WAITING,) if state == "waiting" else ())
    return answer_listed(call, page, PROPOSAL_LIST, which, ApprovalView, lambda one: ApprovalView(**shown(one, call.now)))


@router.get("/approvals/{proposal_id}", response_model=ApprovalView, operation_id="proposal_show", summary="Show a proposal")
def proposal(proposal_id: ProposalId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """With its payload, which is what is approved."""
    with call.reading() as conn:
        return answer(ApprovalView(**shown(approvals.find_proposal(conn, proposal_id), call.now)))


@router.post(
    "/approvals/{proposal_id}/approve", response_model=ApprovalDecided, operation_id="proposal_approve", summary="Approve a proposal"
)
def approve(proposal_id: ProposalId, body: DecisionRequest, call: Annotated[ApiCall, may(READ)]) -> Response:
    """By the login of another person than the one who proposed it, within 24 hours. Where the verb can be done at once, it is
    done in the same transaction; else whoever proposed it sends their request again."""

    def act(conn: Connection[Any]) -> Done:
        done = approvals.approve_and_do(
            conn, proposal_id, PAIRED, payload_sha256=body.payload_sha256, reason=body.reason, by=call.caller, now=call.now
        )
        return Done(proposal_id, ApprovalDecided(**shown(done, call.now)))

    return call.write("approval.approve", act, asked=body, reason=body.reason)


@router.post(
    "/approvals/{proposal_id}/reject",
    response_model=ApprovalDecided,
    operation_id="proposal_reject",
    summary="Reject or withdraw a proposal",
)
def reject(proposal_id: ProposalId, body: RejectionRequest, call: Annotated[ApiCall, may(READ)]) -> Response:
    """Nothing is done. Whoever made it withdraws it; others reject it."""

    def act(conn: Connection[Any]) -> Done:
        done = approvals.reject_and_tell(conn, proposal_id, PAIRED, reason=body.reason, by=call.caller, now=call.now)
        return Done(proposal_id, ApprovalDecided(**shown(done, call.now)))

    return call.write("approval.reject", act, asked=body, reason=body.reason)
