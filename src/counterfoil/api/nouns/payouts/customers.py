"""Customers: what stands between each of them and the house, and their statements."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import Path, Query
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.bodies import attachment
from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.fields import AssetCode, Instant, Minor, OneProgram
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, ViewModel, answer, shows
from counterfoil.base.formats.amounts import known_assets
from counterfoil.operations.access.access import READ
from counterfoil.operations.listing import ListAsked
from counterfoil.payouts.customers.statement import (
    CUSTOMER_LIST,
    CustomerBalance,
    CustomerDocument,
    CustomerStatement,
    statement_of_customer,
)
from counterfoil.payouts.customers.statement_files import statement_csv, statement_pdf

router = routes("Customers")
CustomerId = Annotated[str, Path(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", examples=["acme"])]


@shows(CustomerBalance)
class CustomerBalanceView(ViewModel):
    """What stands between a customer and the house in one asset; minor units."""

    balance: Minor = Field(description="Above 0 the customer owes it; below 0 it is owed to the customer, or held for them.")
    overdue: Minor = Field(description="What of it is due on invoices, and late.")


@shows(CustomerDocument)
class CustomerDocumentView(ViewModel):
    """One document."""

    about: str | None = Field(description="The invoice or the escrow that it belongs to.")
    balance: Minor = Field(description="After it.")


@shows(CustomerStatement)
class CustomerStatementView(ViewModel):
    """A customer's statement; opening + charged - settled = closing, in minor units."""

    opening: Minor
    closing: Minor
    charged: Minor
    settled: Minor = Field(description="Paid, credited, or given back.")
    balance: Minor = Field(description="Of all documents until now.")
    in_books: Minor = Field(description="What the books say of it now.")
    agrees: bool = Field(description="Are both the same?")
    lines: list[CustomerDocumentView]


@router.get("/customers", response_model=Paged[CustomerBalanceView], operation_id="customer_list", summary="List customers")
def customers(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(CUSTOMER_LIST)],
    program_id: OneProgram = None,
) -> Response:
    """With what each owes or is owed, by name unless sorted otherwise."""
    program = program_id or call.services.wiring.program_id
    return answer_listed(call, page, CUSTOMER_LIST, asked._replace(program_id=program), CustomerBalanceView)


@router.get(
    "/customers/{customer_id}/statement",
    response_model=CustomerStatementView,
    operation_id="customer_statement_show",
    summary="Show a customer's statement",
)
def statement(
    customer_id: CustomerId,
    call: Annotated[ApiCall, may(READ)],
    start_time: Annotated[Instant | None, Query(alias="startTime", description="30 days before the end, if absent.")] = None,
    end_time: Annotated[Instant | None, Query(alias="endTime", description="Not included; now, if absent.")] = None,
    asset: Annotated[AssetCode | None, Query(description="The only one that the customer has, if absent.")] = None,
    program_id: OneProgram = None,
    form: Annotated[Literal["csv", "pdf"] | None, Query(alias="format", description="As a file; the same twice is the same bytes.")] = None,
) -> Response:
    """Every document with the balance after it, at most 10,000: invoices, payments, credit notes, write-offs, refunds,
    chargebacks, escrows."""
    end: datetime = end_time or call.now + timedelta(microseconds=1)  # with what happened at this very moment
    start: datetime = start_time or end - timedelta(days=30)
    with call.reading() as conn:
        found = statement_of_customer(conn, program_id or call.services.wiring.program_id, customer_id, asset=asset, start=start, end=end)
        scale = known_assets(conn)[found.asset].scale
    if form is None:
        return answer(CustomerStatementView.of(found))
    made = statement_csv(found) if form == "csv" else statement_pdf(found, scale)
    name = f"statement-{customer_id}-{start:%Y%m%d}-{end:%Y%m%d}.{made.suffix}"
    return attachment(made.body, made.media_type, name)
