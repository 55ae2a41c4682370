"""The treasury of fees: its summary of a range, distribution to validators, and withdrawal by two people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Amount, AssetCode, Instant, Minor, ProgramId, Reference
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, Because, Paged, ViewModel, WriteResult, answer, shows
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import POST_JOURNAL, READ
from counterfoil.operations.by_two import ProposedVerb
from counterfoil.operations.listing import ListAsked
from counterfoil.settlement.treasury.treasury import MOVEMENT_LIST, TreasuryMovement, TreasurySummary, move_fees, paid_from, summarize

router = routes("Treasury")


class FeesRequest(Because):
    """How much of the fees, and under which reference of the bank; each reference counts once."""

    program_id: ProgramId
    asset: AssetCode
    amount: Amount = Field(examples=["10000"])
    reference: Reference = Field(examples=["2026-11-26/81"])


@shows(TreasurySummary)
class TreasuryAssetView(ViewModel):
    """Fees of the range in one asset; minor units. opening + in - given back - out = held, of the platform's and of the validators'."""

    opening: Minor
    fees_in: Minor
    given_back: Minor = Field(description="With refunds, or by journals by hand.")
    withdrawn: Minor
    held: Minor = Field(description="Earned and not withdrawn.")
    validator_opening: Minor
    validator_in: Minor
    validator_given_back: Minor
    distributed: Minor
    validator_held: Minor = Field(description="Owed to validators and not distributed.")
    adds_up: bool = Field(description="Do all postings together give the balances of both accounts?")


class TreasurySummaryView(ViewModel):
    """Fees of a range, from the postings, by when they were effective."""

    program_id: str
    start_time: datetime
    end_time: datetime
    assets: list[TreasuryAssetView]


@shows(TreasuryMovement)
class TreasuryMovementView(ViewModel):
    """Fees that were distributed to validators, or withdrawn."""

    amount: Minor
    kind: str = Field(description="distribution or withdrawal.")


@shows(TreasuryMovement)
class TreasuryMoved(WriteResult):
    """It is booked."""

    amount: Minor
    paid_from: str = Field(description="The account that it is paid from.")
    account_balance: Minor = Field(description="Of that account, with this movement.")
    told: str = Field(description="What that means, in a sentence; also when the account goes below zero.")


@router.get(
    "/treasury/summary",
    response_model=TreasurySummaryView,
    operation_id="treasury_show_summary",
    summary="Show the treasury of fees in a range",
)
def summary(
    call: Annotated[ApiCall, may(READ)],
    start_time: Annotated[Instant, Query(alias="startTime")],
    end_time: Annotated[Instant, Query(alias="endTime", description="Not included.")],
    program_id: Annotated[ProgramId | None, Query(alias="programId")] = None,
) -> Response:
    """Fees in, given back, distributed, withdrawn and held."""
    if end_time <= start_time:
        raise InvalidInput("endTime", "later than startTime")
    program = program_id or call.services.wiring.program_id
    with call.reading() as conn:
        show_program(conn, program)
        found = summarize(conn, program, start=start_time, end=end_time)
    shown = TreasuryAssetView.each(found)
    return answer(TreasurySummaryView(program_id=program, start_time=start_time, end_time=end_time, assets=shown))


@router.get(
    "/treasury/movements", response_model=Paged[TreasuryMovementView], operation_id="treasury_list", summary="List treasury movements"
)
def movements(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(MOVEMENT_LIST)],
    program_id: Annotated[ProgramId | None, Query(alias="programId")] = None,
) -> Response:
    """What was distributed and withdrawn, newest first unless sorted otherwise."""
    return answer_listed(call, page, MOVEMENT_LIST, asked._replace(program_id=program_id), TreasuryMovementView)


@router.post(
    "/treasury/distributions",
    status_code=201,
    response_model=TreasuryMoved,
    operation_id="treasury_distribute",
    summary="Distribute fees to validators",
)
def distribute(body: FeesRequest, call: Annotated[ApiCall, may(POST_JOURNAL, key=True)]) -> Response:
    """Validators have this much of what is owed to them, by a transfer from the client money account."""
    return call.write("treasury.distribute", _moving(call, body, "distribution"), asked=body, reason=body.reason)


@router.post(
    "/treasury/withdrawals",
    status_code=201,
    response_model=TreasuryMoved,
    responses=BY_TWO,
    operation_id="treasury_withdraw",
    summary="Withdraw earned fees",
)
def withdraw(body: FeesRequest, call: Annotated[ApiCall, may(POST_JOURNAL, key=True)]) -> Response:
    """From the client money account to the house's own, no more than was earned and not withdrawn. Takes two people; told as a critical
    event."""
    payload = {"amount": str(body.amount), "reference": body.reference}
    said = ProposedVerb("treasury", "withdraw", f"{body.program_id}:{body.asset}", payload, body.program_id)
    return call.by_two("treasury.withdraw", _moving(call, body, "withdrawal"), said, asked=body, reason=body.reason)


def _moving(call: ApiCall, body: FeesRequest, kind: str) -> Any:
    def act(conn: Connection[Any]) -> Done:
        show_program(conn, body.program_id)
        given = (body.program_id, body.asset, kind, body.amount, body.reference, body.reason, call.actor, call.now)
        made = move_fees(conn, TreasuryMovement(call.make_id("trm"), *given))
        left = paid_from(conn, made)
        shown = {**made._asdict(), "paid_from": left.account, "account_balance": left.balance, "told": left.told}
        return Done(made.id, TreasuryMoved.model_validate(shown), 201)

    return act
