"""Opening a refund; everything else of refunds is derived from their noun."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Amount, LongReason, Minor, id_in_body, id_in_path
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.payouts.refunds.refunds import Refund, book_refund, lock_invoice, refundable
from counterfoil.settlement.invoices.invoices import show_invoice

router = routes("Refunds")


class RefundRequest(RequestModel):
    """How much of what was paid on an invoice goes back to its customer, and why."""

    invoice_id: str = id_in_body("inv")
    amount: Amount = Field(examples=["1250"])
    reason: LongReason


@shows(Refund)
class RefundBooked(WriteResult):
    """amount + credited = escrow + platform fee + validator fee + own holdback + payable + holdback + receivable, in minor units."""

    escrow: Minor = Field(description="Before the settlement, all of it comes from here.")
    own_holdback: Minor = Field(description="Of what was held back of this settlement, its part.")
    payable: Minor = Field(description="Of what was still to be paid out for the settlement.")
    holdback: Minor = Field(description="Of what is held back of the payee, the oldest first.")
    receivable: Minor = Field(description="What the payee owes now; its next payout pays it.")
    credited: Minor = Field(description="What the payee got where the fees gave back more than the refund: at most 2 units.")
    state: str = Field(description="owed, or executed once the customer has the money.")


class RefundableView(ViewModel):
    """What can still go back of an invoice."""

    invoice_id: str
    asset: str
    amount: Minor


@router.post("/refunds", status_code=201, response_model=RefundBooked, operation_id="refund_open", summary="Owe a customer a refund")
def open_(body: RefundRequest, call: Annotated[ApiCall, may(OPERATE, key=True)]) -> Response:
    """Before the settlement it comes from escrow; after it, from fees, from what is not paid out yet, from holdback, and the rest is owed
    by the payee. Money that may be on its way is left alone."""

    def act(conn: Connection[Any]) -> Done:
        made = book_refund(
            conn,
            call.make_id("ref"),
            lock_invoice(conn, body.invoice_id),
            body.amount,
            cause=body.reason,
            make_id=call.make_id,
            actor=call.actor,
            now=call.now,
        )
        return Done(made.id, RefundBooked.of(made), 201)

    return call.write("refund.open", act, asked=body)


@router.get(
    "/invoices/{invoice_id}/refundable",
    response_model=RefundableView,
    operation_id="invoice_refundable_show",
    summary="Show what can still go back of an invoice",
)
def refundable_(invoice_id: Annotated[str, id_in_path("inv")], call: Annotated[ApiCall, may(READ)]) -> Response:
    """What was paid on it less what went back."""
    with call.reading() as conn:
        one = show_invoice(conn, invoice_id)
        return answer(RefundableView(invoice_id=one.id, asset=one.asset, amount=refundable(conn, one)))
