"""Bills of the source of carbon figures: imported, and held against the books."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import Clean, Day, Minor, OneProgram, ProgramId
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.treasury.carbon.billing import (
    BILL_LINES_MAX,
    BILL_LIST,
    BilledDay,
    BillLine,
    CarbonBill,
    CheckedBill,
    NewBill,
    check_bill,
    check_bills,
    import_bill,
)

router = routes("Carbon")
FIGURE_MAX = 10**15
Figure = Annotated[int, Field(ge=-FIGURE_MAX, le=FIGURE_MAX)]


class BillLineIn(RequestModel):
    """What the source counted of a region's day; below nothing, what it takes back."""

    region: Annotated[str, Field(pattern=r"^[A-Z0-9_]{2,40}$", examples=["CAISO_NORTH"])]
    day: Day = Field(description="UTC, within the bill.", examples=["2025-12-30"])
    watt_hours: Figure = Field(examples=[1200])
    grams: Figure = Field(examples=[435])


class BillRequest(RequestModel):
    """A bill: it speaks of every day from the first to the last, also of those that no line names."""

    program_id: ProgramId
    source: Clean = Field("watttime", min_length=1, max_length=60, description="Who sent it.")
    reference: Clean = Field(min_length=1, max_length=100, description="The bill's own number; each counts once.", examples=["2025-12"])
    first_day: Day = Field(examples=["2025-12-01"])
    last_day: Day = Field(description="The last one, included.", examples=["2025-12-31"])
    lines: list[BillLineIn] = Field(max_length=BILL_LINES_MAX)


@shows(CarbonBill)
class BillImported(WriteResult):
    """The bill is kept; nothing of it is posted."""

    grams: Minor
    final_at: datetime = Field(description="Until then the source may still change its figures of the last day.")


@shows(BilledDay)
class BilledDayView(ViewModel):
    """A region's day that a bill speaks of."""

    bills: list[str] = Field(description="Source and reference of those that name it.")
    billed: Minor = Field(description="Grams on the bills.")
    ledger: Minor = Field(description="Grams in the books.")
    difference: Minor = Field(description="ledger - billed.")
    verdict: str = Field(description="AGREES, SYNC_LAG or BREAK.")
    command: str | None = Field(description="What may mend it, once somebody found that the source is right.")


@shows(CheckedBill, hidden=("days",))
class BillView(ViewModel):
    """A bill held against the books."""

    grams: Minor = Field(description="On this bill.")
    verdict: str = Field(description="The worst of its days: BREAK, SYNC_LAG or AGREES; NOTHING where there was nothing to compare.")
    compared: int = Field(description="Days of regions.")
    agree: int = Field(description="Of these, the same in Wh and grams.")
    billed: Minor = Field(description="Grams of all that was compared, on this bill and on others that name the same days.")
    ledger: Minor = Field(description="Grams of the same in the books.")
    difference: Minor = Field(description="ledger - billed.")


class CheckedBillView(BillView):
    """A bill held against the books, with each day that does not agree."""

    days: list[BilledDayView] = Field(description="Those that do not agree, the oldest first.")


@router.post("/carbon/bills", status_code=201, response_model=BillImported, operation_id="carbon_import_bill", summary="Import a bill")
def import_(body: BillRequest, call: Annotated[ApiCall, may(OPERATE, key=True)]) -> Response:
    """What the source billed, to be held against the books. A bill that is known and says the same is left as it is; one that says
    something else is refused."""

    def act(conn: Connection[Any]) -> Done:
        new = NewBill(body.source, body.reference, body.first_day, body.last_day, [BillLine(**one.model_dump()) for one in body.lines])
        means = call.services.wiring.carbon
        made = import_bill(conn, means, call.make_id("cbill"), body.program_id, new, actor=call.actor, now=call.now)
        return Done(made.id, BillImported.of(made), 201)

    return call.write("carbon.bill", act, asked=body)


@router.get("/carbon/bills", response_model=Paged[BillView], operation_id="carbon_list_bills", summary="List carbon bills")
def bills(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(BILL_LIST)],
    program_id: OneProgram = None,
) -> Response:
    """Bills of the source, newest first unless sorted otherwise, each held against the books."""
    means = call.services.wiring.carbon

    def held(conn: Connection[Any], rows: Sequence[CarbonBill]) -> list[CheckedBill]:
        return check_bills(conn, means, rows, now=call.now)

    return answer_listed(call, page, BILL_LIST, asked._replace(program_id=program_id), BillView, beside=held)


@router.get("/carbon/bills/{bill_id}", response_model=CheckedBillView, operation_id="carbon_check_bill", summary="Check a carbon bill")
def bill(call: Annotated[ApiCall, may(READ)], bill_id: str) -> Response:
    """A bill against the books, every region and day that it speaks of: lag first, then a break."""
    with call.reading() as conn:
        found = check_bill(conn, call.services.wiring.carbon, bill_id, now=call.now)
    return answer(CheckedBillView.of(found))
