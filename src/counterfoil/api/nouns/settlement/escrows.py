"""Opening an escrow; everything else of escrows is derived from their noun."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Amount, AssetCode, Clean, Instant, Minor, ProgramId, Reference
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import RequestModel, WriteResult, shows
from counterfoil.operations.access.access import OPERATE
from counterfoil.settlement.escrow.escrows import NewEscrow, open_escrow
from counterfoil.settlement.escrow.model import Escrow
from counterfoil.settlement.escrow.rules import CONDITIONS_MAX, SIGNERS_MAX, Condition, ConditionKind, micro_of

router = routes("Escrows")
Party = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["ann"])]


class ConditionRequest(RequestModel):
    """One thing that must hold before anything is released. Of kind time with notBefore; signature with one signer; m_of_n with signers and
    needed; usage or score with least."""

    kind: ConditionKind
    not_before: Instant | None = None
    signers: list[Annotated[Clean, Field(max_length=110, examples=["person:anna"])]] = Field(
        default_factory=list, max_length=SIGNERS_MAX, description="As records name them: person:anna, key:portal."
    )
    needed: int | None = Field(None, description="How many of the signers.")
    least: str | None = Field(
        None,
        max_length=20,
        description="A quantity that the customer used of the payee since the escrow began, or a score.",
        examples=["4.5"],
    )


class EscrowRequest(RequestModel):
    """Whose money waits for whom, how much of it, until when, and for what."""

    program_id: ProgramId
    customer_id: Party
    payee_id: Party
    asset: AssetCode
    amount: Amount = Field(examples=["10000"])
    reference: Reference = Field(description="What it is for.", examples=["order 1042"])
    expires_at: Instant = Field(description="From this instant on what is in it goes back by itself.")
    conditions: list[ConditionRequest] = Field(default_factory=list, max_length=CONDITIONS_MAX, description="All of them have to hold.")


@shows(Escrow)
class EscrowOpened(WriteResult):
    """It waits for its money: payments that name its id as their reference fund it by themselves."""

    amount: Minor
    funded: Minor
    released: Minor
    refunded: Minor
    repaid: Minor
    remaining: Minor
    rate_version: int = Field(description="Of the program's rates: every release is charged by them.")
    state: str = Field(description="pending until it is funded in full.")


@router.post(
    "/escrows",
    status_code=201,
    response_model=EscrowOpened,
    operation_id="escrow_open",
    summary="Open an escrow",
)
def open_(body: EscrowRequest, call: Annotated[ApiCall, may(OPERATE, key=True)]) -> Response:
    """A customer's money that waits until every condition holds; then it is released to the payee, in parts or at once. What is left when
    its time is over goes back."""
    conditions = [_condition(number, one) for number, one in enumerate(body.conditions, start=1)]
    new = NewEscrow(body.program_id, body.customer_id, body.payee_id, body.asset, body.amount, body.reference, body.expires_at, conditions)

    def act(conn: Connection[Any]) -> Done:
        made = open_escrow(conn, call.make_id("esc"), new, actor=call.actor, now=call.now)
        return Done(made.id, EscrowOpened.of(made), 201)

    return call.write("escrow.open", act, asked=body)


def _condition(number: int, one: ConditionRequest) -> Condition:
    least = None if one.least is None else micro_of(one.least, f"conditions[{number}].least")
    return Condition(one.kind, one.not_before, tuple(one.signers), one.needed, least)
