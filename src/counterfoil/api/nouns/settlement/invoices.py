"""Usage and invoices: what was used, what is asked for it, what was paid."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Minor, ProgramFilter, ProgramId, id_in_path
from counterfoil.api.http.history import SHOWN_MAX, WithHistory, history
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.payouts.invoices.crediting import CreditNote, credit_notes_of
from counterfoil.payouts.invoices.noun import INVOICE_NOUN
from counterfoil.settlement.details import settlement_of_invoice
from counterfoil.settlement.invoices.invoices import (
    STATES,
    Invoice,
    InvoiceLine,
    invoice_lines,
    issue_invoices,
    show_invoice,
)
from counterfoil.settlement.payments.payments import Payment, payments_of

router = routes("Invoices")
InvoiceId = Annotated[str, id_in_path("inv")]


@shows(Invoice)
class InvoiceView(ViewModel):
    """What a customer owes for what one payee delivered. Amounts in minor units."""

    total: Minor
    paid: Minor
    credited: Minor = Field(description="By credit notes: no longer asked for.")
    written_off: Minor = Field(description="Given up; the house pays it in the customer's place.")
    due: Minor = Field(description="What its customer still has to pay.")
    state: str = Field(description="draft, pending, partially_paid, paid, overdue, disputed, refunded or cancelled.")


@shows(InvoiceLine)
class InvoiceLineView(ViewModel):
    """One line: a usage record at its price."""

    quantity_micro: Minor = Field(description="Millionths of a unit.")
    price_micro: Minor = Field(description="Millionths of a minor unit.")
    amount: Minor


@shows(
    Payment,
    hidden=(
        "invoice_id",
        "reference",
        "account",
    ),
)
class PaymentView(ViewModel):
    """What a customer paid through a provider."""

    amount: Minor
    applied: Minor = Field(description="To this invoice; the rest is owed back.")
    fee: Minor = Field(description="What the provider kept.")


@shows(CreditNote, hidden=("invoice_id",))
class CreditNoteView(ViewModel):
    """What is no longer asked for; minor units."""

    amount: Minor
    against_due: Minor = Field(description="Of what was not paid yet.")
    refunded: Minor = Field(description="Of what was paid already: owed back, by the refund that is named.")


class InvoiceInFull(WithHistory, InvoiceView):
    """An invoice with everything that belongs to it."""

    settlement_id: str | None
    lines: list[InvoiceLineView]
    payments: list[PaymentView]
    credit_notes: list[CreditNoteView]


class IssueRequest(RequestModel):
    """Bill what was used and is on no invoice yet."""

    program_id: ProgramId
    provider: str | None = Field(None, description="Through which provider customers pay; the only one, if absent.")


class IssuedView(WriteResult):
    """What was issued. `waiting`: groups of usage below one unit, which wait for more; `tooLarge`: groups above 10¹⁸ units."""

    invoice_ids: list[str]
    waiting: int
    too_large: int


@router.post(
    "/invoices/issue",
    status_code=201,
    response_model=IssuedView,
    operation_id="invoice_issue",
    summary="Issue invoices for unbilled usage",
)
def issue(body: IssueRequest, call: Annotated[ApiCall, may(OPERATE, key=True)]) -> Response:
    """One invoice for each customer, payee and asset, at most 10,000 at once. Payment is asked for; no money moves."""
    provider = chosen_provider(call, body.provider)

    def act(conn: Connection[Any]) -> Done:
        issued = issue_invoices(conn, body.program_id, provider=provider, make_id=call.make_id, actor=call.actor, now=call.now)
        return Done(body.program_id, IssuedView.of(issued), 201)

    return call.write("invoice.issue", act, asked=body)


def chosen_provider(call: ApiCall, given: str | None) -> str:
    """The provider that was named, or the only one there is. Raises InvalidInput."""
    names = sorted(call.services.wiring.providers)
    chosen = given or (names[0] if len(names) == 1 else "")
    if chosen not in names:
        known = f"one of {', '.join(names)}" if names else "a provider that is set up; none is (`counterfoil setup` asks for one)"
        raise InvalidInput("provider", known, got=given)
    return chosen


@router.get("/invoices", response_model=Paged[InvoiceView], operation_id="invoice_list", summary="List invoices")
def invoices(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(INVOICE_NOUN, state=False)],
    status: Annotated[str | None, Query(max_length=40, description="Only in this state.", examples=["paid"])] = None,
    program_id: ProgramFilter = None,
) -> Response:
    """Newest first, unless another order is asked for."""
    if status is not None and status not in STATES:
        raise InvalidInput("status", f"one of {', '.join(STATES)}", got=status[:40])
    return answer_listed(call, page, INVOICE_NOUN, asked._replace(state=status, program_id=program_id), InvoiceView)


@router.get("/invoices/{invoice_id}", response_model=InvoiceInFull, operation_id="invoice_show", summary="Show an invoice")
def invoice(invoice_id: InvoiceId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """With its lines, payments, settlement, steps, and what was done to it by hand."""
    with call.reading() as conn:
        return answer(_in_full(conn, show_invoice(conn, invoice_id)))


def _in_full(conn: Connection[Any], one: Invoice) -> InvoiceInFull:
    lines, payments = invoice_lines(conn, one.id, rows_max=SHOWN_MAX + 1), payments_of(conn, [one.id], rows_max=SHOWN_MAX + 1)
    notes = credit_notes_of(conn, one.id, rows_max=SHOWN_MAX + 1)
    return InvoiceInFull(
        **one._asdict(),
        due=one.due,
        settlement_id=settlement_of_invoice(conn, one.id),
        lines=InvoiceLineView.each(lines[:SHOWN_MAX]),
        payments=PaymentView.each(payments[:SHOWN_MAX]),
        credit_notes=CreditNoteView.each(notes[:SHOWN_MAX]),
        **history(conn, one.id, lines=lines, payments=payments, credit_notes=notes),
    )
