"""Periods: until when a program's books are closed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Instant, ProgramId, Reason
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult, answer
from counterfoil.ledger.periods import close_period, closed_until, propose_reopening
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import CLOSE_PERIOD, READ

router = routes("Periods")


class CloseRequest(RequestModel):
    """Close the books of everything effective before `until`."""

    until: Instant
    reason: Reason


class PeriodView(ViewModel):
    """Nothing effective before `closedUntil` is posted any more; null when nothing is closed."""

    program_id: str
    closed_until: datetime | None = Field(examples=["2026-11-01T00:00:00Z"])


class ClosedPeriodView(PeriodView, WriteResult):
    """It is closed."""


class ReopeningRequest(RequestModel):
    """Reopen the books of what is effective at or after `until`."""

    until: Instant
    reason: Reason


class ReopeningProposed(WriteResult):
    """It waits for another person, who approves it by its hash within 24 hours (`POST /api/approvals/{id}/approve`)."""

    id: str
    program_id: str
    until: datetime
    payload_sha256: str
    expires_at: datetime


@router.get(
    "/programs/{program_id}/period", response_model=PeriodView, operation_id="period_show", summary="Show until when the books are closed"
)
def period(program_id: ProgramId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """The latest close."""
    with call.reading() as conn:
        show_program(conn, program_id)
        return answer(PeriodView(program_id=program_id, closed_until=closed_until(conn, program_id)))


@router.post("/programs/{program_id}/period/close", response_model=ClosedPeriodView, operation_id="period_close", summary="Close the books")
def close(program_id: ProgramId, body: CloseRequest, call: Annotated[ApiCall, may(CLOSE_PERIOD, key=True)]) -> Response:
    """Waits for those who are writing; whoever posts an earlier date later is refused."""

    def act(conn: Connection[Any]) -> Done:
        close_period(conn, program_id, until=body.until, reason=body.reason, actor=call.actor, now=call.now)
        return Done(program_id, ClosedPeriodView(program_id=program_id, closed_until=body.until))

    return call.write("period.close", act, asked=body, reason=body.reason)


@router.post(
    "/programs/{program_id}/period/reopen",
    status_code=201,
    response_model=ReopeningProposed,
    operation_id="period_reopen",
    summary="Propose to reopen the books",
)
def reopen(program_id: ProgramId, body: ReopeningRequest, call: Annotated[ApiCall, may(CLOSE_PERIOD, key=True)]) -> Response:
    """Takes two people: this proposes it, and another person approves exactly that. What was booked late meanwhile stays where it is."""

    def act(conn: Connection[Any]) -> Done:
        one = propose_reopening(conn, program_id, call.make_id("prop"), until=body.until, reason=body.reason, by=call.caller, now=call.now)
        shown = ReopeningProposed(
            id=one.id,
            program_id=program_id,
            until=body.until,
            payload_sha256=one.payload_sha256,
            expires_at=one.expires_at,
        )
        return Done(one.id, shown, 201)

    return call.write("period.propose_reopening", act, asked=body, reason=body.reason)
