"""What payees and customers owe, paying it, and giving it up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Amount, Minor, Reason, Reference, Text
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, Paged, RequestModel, ViewModel, WriteResult
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.by_two import ProposedVerb
from counterfoil.operations.listing import ListAsked
from counterfoil.payouts.payouts.payable import Purse
from counterfoil.payouts.refunds.customer_debts import Said, pay_debt, write_off_customer
from counterfoil.payouts.refunds.debts import DEBT_LIST, Debt, write_off_debt
from counterfoil.settlement.escrow.taken_back import CustomerPurse
from counterfoil.settlement.payments.paying_back import BANK

router = routes("Debts")


class DebtView(ViewModel):
    """What a payee or a customer owes. A payee's next payouts pay it; a customer pays it back; two people give it up."""

    program_id: str
    owed_by: Literal["payee", "customer"]
    payee_id: str | None = Field(description="Of a payee's debt.")
    customer_id: str | None = Field(description="Of a customer's debt.")
    asset: str
    amount: Minor
    undecided: Minor = Field(
        description="What of it is not given up yet: a bank has not decided a chargeback; it may come back, or an escrow pays it then."
    )
    since: datetime = Field(description="The last time something was added to it.")


class WriteOffRequest(RequestModel):
    """Whose debt, how much of it, and why it is given up: of a payee or of a customer, one of them."""

    program_id: str = Field("main", max_length=64, examples=["main"])
    payee_id: str | None = Field(None, min_length=1, max_length=100, examples=["payee-1"])
    customer_id: str | None = Field(None, min_length=1, max_length=100)
    asset: str = Field(min_length=1, max_length=16, examples=["EUR"])
    amount: Amount = Field(examples=["4500"])
    reason: Reason


class PayDebtRequest(RequestModel):
    """Which customer paid how much of a debt, through whom, and under which reference."""

    program_id: str = Field("main", max_length=64, examples=["main"])
    customer_id: str = Field(min_length=1, max_length=100, examples=["ann"])
    asset: str = Field(min_length=1, max_length=16, examples=["EUR"])
    amount: Amount = Field(examples=["4500"])
    provider: Text = Field(max_length=40, description="The provider that took the payment, or bank.", examples=["bank"])
    reference: Reference = Field(description="The provider's id of the payment, or the bank's reference.", examples=["2026-11-26/81"])
    reason: Reason


class WrittenOff(WriteResult):
    """It is given up, and booked as bad debt."""

    id: str
    payee_id: str | None
    customer_id: str | None
    asset: str
    left: Minor = Field(description="What is still owed.")


class DebtPaid(WriteResult):
    """It is booked."""

    id: str
    customer_id: str
    asset: str
    left: Minor = Field(description="What the customer still owes.")


@router.get("/debts", response_model=Paged[DebtView], operation_id="debt_list", summary="List debts")
def debts(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(DEBT_LIST)],
    program_id: Annotated[str | None, Query(alias="programId", max_length=64)] = None,
) -> Response:
    """Within each asset the most first, unless sorted otherwise. A payee's debt comes of a refund or a chargeback after the money had
    gone out; a customer's, of a chargeback of what had gone back already or had funded an escrow."""
    program = program_id or call.services.wiring.program_id
    with call.reading() as conn:
        show_program(conn, program)
    return answer_listed(call, page, DEBT_LIST, asked._replace(program_id=program), DebtView, _shown)


def _shown(one: Debt) -> DebtView:
    return DebtView(
        program_id=one.program_id,
        owed_by="payee" if one.owed_by == "payee" else "customer",
        payee_id=one.party_id if one.owed_by == "payee" else None,
        customer_id=one.party_id if one.owed_by == "customer" else None,
        asset=one.asset,
        amount=one.amount,
        undecided=one.undecided,
        since=one.since,
    )


@router.post("/debts/write-off", response_model=WrittenOff, responses=BY_TWO, operation_id="debt_write_off", summary="Write a debt off")
def write_off(body: WriteOffRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Give up what a payee or a customer owes, or a part of it: it becomes bad debt, and a payee's payouts go on. Takes two people."""
    if (body.payee_id is None) == (body.customer_id is None):
        raise InvalidInput("payeeId", "payeeId or customerId, one of them")
    party = body.payee_id or body.customer_id or ""

    def act(conn: Connection[Any]) -> Done:
        show_program(conn, body.program_id)
        made, amount = call.make_id("wo"), int(body.amount)
        if body.payee_id is not None:
            purse = Purse(body.program_id, party, body.asset)
            left = write_off_debt(conn, made, purse, amount, reason=body.reason, actor=call.actor, now=call.now)
        else:
            said = Said(made, call.actor, body.reason, call.now)
            left = write_off_customer(conn, CustomerPurse(body.program_id, party, body.asset), amount, said)
        return Done(made, WrittenOff(id=made, payee_id=body.payee_id, customer_id=body.customer_id, asset=body.asset, left=left))

    machine = "receivable" if body.payee_id is not None else "customer_receivable"
    said = ProposedVerb(machine, "write_off", f"{body.program_id}:{party}:{body.asset}", {"amount": body.amount}, body.program_id)
    return call.by_two("receivable.write_off", act, said, asked=body, reason=body.reason)


@router.post("/debts/pay", response_model=DebtPaid, responses=BY_TWO, operation_id="debt_pay", summary="Record a debt as paid")
def pay(body: PayDebtRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """A customer paid back what was owed: with a payment that a provider told of and that lies in suspense, or by a transfer to the client
    money account, of which no provider told; then two people look at the bank's record of it."""
    purse = CustomerPurse(body.program_id, body.customer_id, body.asset)

    def act(conn: Connection[Any]) -> Done:
        show_program(conn, body.program_id)
        said = Said(call.make_id("cde"), call.actor, body.reason, call.now)
        left = pay_debt(conn, purse, int(body.amount), said, provider=body.provider, reference=body.reference)
        return Done(said.entry_id, DebtPaid(id=said.entry_id, customer_id=body.customer_id, asset=body.asset, left=left))

    if body.provider != BANK:
        if body.provider not in call.services.wiring.providers:
            known = ", ".join(sorted({*call.services.wiring.providers, BANK}))
            raise InvalidInput("provider", f"one of {known}", got=body.provider[:40])
        return call.write("customer_receivable.pay", act, asked=body, reason=body.reason)
    payload = {"amount": body.amount, "reference": body.reference}
    said = ProposedVerb("customer_receivable", "pay", ":".join(purse), payload, body.program_id)
    return call.by_two("customer_receivable.pay", act, said, asked=body, reason=body.reason)
