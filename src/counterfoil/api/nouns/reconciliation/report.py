"""The reconciliation report of a time range: as JSON, CSV, workbook or PDF."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.bodies import attachment
from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.fields import EndTime, OneProgram, StartTime, refuse_backwards
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel, answer
from counterfoil.api.nouns.reconciliation.run_schemas import RunInFull
from counterfoil.api.nouns.reconciliation.runs import in_full
from counterfoil.base.formats.amounts import known_assets
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import READ
from counterfoil.reconciliation.period_report.files import write_period_report
from counterfoil.reconciliation.period_report.report import report_of_period
from counterfoil.reconciliation.runs.run import runs_between

router = routes("Reconciliation")
DAYS_MAX = 3_660


RUNS_SHOWN_MAX: Final = 100


class ReportView(ViewModel):
    """The reconciliation report of a time range."""

    start_time: datetime
    end_time: datetime
    verdict: str = Field(description="reconciled, reconciled with accepted items, not reconciled or incomplete.")
    report: dict[str, Any] = Field(description="The canonical report, as `format=json` gives it alone.")
    runs: list[RunInFull] = Field(description="Finished and failed runs whose days touch the range, the newest 100 first.")
    more_runs: bool = Field(description="Are there more? The report is of all of them.")


@router.get("/reconciliation/report", response_model=ReportView, operation_id="report_show", summary="Show the report of a time range")
def report(
    call: Annotated[ApiCall, may(READ)],
    start_time: StartTime,
    end_time: EndTime,
    program_id: OneProgram = None,
    form: Annotated[
        Literal["json", "csv", "xlsx", "pdf"] | None,
        Query(alias="format", description="As a file; the same twice is the same bytes."),
    ] = None,
) -> Response:
    """Sources and how far they reach, footing, breaks by kind and age, what is expected later, and what was not checked and why."""
    refuse_backwards(start_time, end_time)
    first, last = start_time.astimezone(UTC).date(), _last_day(end_time.astimezone(UTC))
    if (last - first).days >= DAYS_MAX:
        raise InvalidInput("endTime", f"at most {DAYS_MAX} days after startTime")
    wiring = call.services.wiring
    program = program_id or wiring.program_id
    with call.reading() as conn:
        today = call.now.astimezone(UTC).date()
        told = report_of_period(conn, list(wiring.pairings().values()), program, first=first, last=last, today=today)
        if form is None:
            runs = runs_between(conn, first=first, last=last, program_id=program, rows_max=RUNS_SHOWN_MAX + 1)
            shown = ReportView(
                start_time=start_time,
                end_time=end_time,
                verdict=told["verdict"],
                report=told,
                runs=[in_full(conn, one, call.now) for one in runs[:RUNS_SHOWN_MAX]],
                more_runs=len(runs) > RUNS_SHOWN_MAX,
            )
            return answer(shown)
        assets = known_assets(conn)
    made = write_period_report(told, form, assets)
    name = f"reconciliation_report-{first}-{last}.{made.suffix}"
    return attachment(made.body, made.media_type, name)


def _last_day(end: datetime) -> date:
    midnight = (end.hour, end.minute, end.second, end.microsecond) == (0, 0, 0, 0)
    return date.fromordinal(end.toordinal() - 1) if midnight else end.date()
