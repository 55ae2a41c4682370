"""What payees owe, and giving it up."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, cast

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, ProposedVerb, may
from counterfoil.api.http.lists import LIMIT, Cursor, Limit, page_of
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, Amount, Minor, Paged, Reason, RequestModel, ViewModel, WriteResult
from counterfoil.base.paging import Keyset
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.payouts.payouts.payable import Purse
from counterfoil.payouts.refunds.debts import debts_of, write_off_debt

router = routes("Debts")


class DebtView(ViewModel):
    """What a payee owes; its next payouts pay it."""

    program_id: str
    payee_id: str
    asset: str
    amount: Minor
    since: datetime = Field(description="The last time something was added to it.")


class WriteOffRequest(RequestModel):
    """Which debt, how much of it, and why it is given up."""

    program_id: str = Field("main", max_length=64, examples=["main"])
    payee_id: str = Field(min_length=1, max_length=100, examples=["payee-1"])
    asset: str = Field(min_length=1, max_length=16, examples=["EUR"])
    amount: Amount = Field(examples=["4500"])
    reason: Reason


class WrittenOff(WriteResult):
    """It is given up, and booked as bad debt."""

    id: str
    payee_id: str
    asset: str
    left: Minor = Field(description="What the payee still owes.")


DEBTS = Keyset("debts", (str, int, str))


@router.get("/debts", response_model=Paged[DebtView], operation_id="debt_list", summary="List debts of payees")
def debts(
    call: Annotated[ApiCall, may(READ)],
    program_id: Annotated[str | None, Query(alias="programId", max_length=64)] = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Response:
    """By asset, in each the most first. A debt comes of a refund or a chargeback after the payee's money had gone out."""
    after = cast("tuple[str, int, str] | None", DEBTS.after(cursor))
    program = program_id or call.services.wiring.program_id
    with call.reading() as conn:
        show_program(conn, program)
        rows = debts_of(conn, program, rows_max=limit + 1, after=after)
    return page_of(DebtView, DEBTS.page(rows, limit, lambda row: (row.asset, row.amount, row.payee_id)))


@router.post("/debts/write-off", response_model=WrittenOff, responses=BY_TWO, operation_id="debt_write_off", summary="Write a debt off")
def write_off(body: WriteOffRequest, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """Give up what a payee owes, or a part of it: it becomes bad debt, and the payee's payouts go on. Takes two people."""
    purse = Purse(body.program_id, body.payee_id, body.asset)

    def act(conn: Connection[Any]) -> Done:
        show_program(conn, body.program_id)
        made = call.make_id("wo")
        left = write_off_debt(conn, made, purse, int(body.amount), reason=body.reason, actor=call.actor, now=call.now)
        return Done(made, WrittenOff(id=made, payee_id=body.payee_id, asset=body.asset, left=left))

    said = ProposedVerb("receivable", "write_off", ":".join(purse), {"amount": body.amount}, body.program_id)
    return call.by_two("receivable.write_off", act, said, asked=body, reason=body.reason)
