"""The monthly report: as JSON, CSV, workbook or PDF."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.bodies import attachment
from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.fields import ProgramId
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel, answer
from counterfoil.operations.access.access import READ
from counterfoil.reports.files import write_monthly
from counterfoil.reports.monthly import month_of, monthly_report
from counterfoil.settlement.usage.usage import assets_of

router = routes("Reports")


class MonthlyReportView(ViewModel):
    """The report of a program's month."""

    month: str
    verdict: str = Field(description="complete, or not final; then the report's `notes` say why.")
    report: dict[str, Any] = Field(description="The canonical report, as `format=json` gives it alone.")


@router.get("/reports/monthly", response_model=MonthlyReportView, operation_id="report_show_monthly", summary="Show the report of a month")
def monthly(
    call: Annotated[ApiCall, may(READ)],
    month: Annotated[str, Query(description="Such as 2025-12, of UTC.", min_length=7, max_length=7, examples=["2025-12"])],
    program_id: Annotated[ProgramId | None, Query(alias="programId")] = None,
    form: Annotated[
        Literal["json", "csv", "xlsx", "pdf"] | None,
        Query(alias="format", description="As a file; the same twice is the same bytes."),
    ] = None,
) -> Response:
    """Opening and closing balances, movements, agents, transactions, fees, payouts, disputes, breaks, carbon and service levels, each with
    where its figures come from; and what keeps it from being final."""
    wiring = call.services.wiring
    wanted = month_of(month, program_id or wiring.program_id, now=call.now)
    with call.reading() as conn:
        told = monthly_report(conn, list(wiring.pairings().values()), wiring.carbon, wanted, now=call.now)
        assets = assets_of(conn, wanted.program_id)
    if form is None:
        return answer(MonthlyReportView(month=told["month"], verdict=told["verdict"], report=told))
    made = write_monthly(told, form, assets)
    name = f"monthly_report-{wanted.program_id}-{told['month']}.{made.suffix}"
    return attachment(made.body, made.media_type, name)
