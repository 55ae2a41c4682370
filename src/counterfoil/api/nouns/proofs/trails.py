"""The audit trail of an account or an agent, as JSON or CSV."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.bodies import attachment
from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.fields import Instant, OneProgram
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel, answer, shows
from counterfoil.base.formats.csv_text import csv_text
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import AUDIT
from counterfoil.proofs.trails import COLUMNS, TrailRow, account_of_agent, trail_of

router = routes("Audit")
CSV: Final = "text/csv"


@shows(TrailRow)
class TrailRowView(ViewModel):
    """One thing that happened, in the order of the log."""

    place: int = Field(description="In the log.")
    amount: str = Field(
        description="What was added to the balance, in minor units, negative for what was taken; empty for what moves nothing."
    )
    balance: str = Field(description="After it, on the account's normal side, counted from its first entry.")


class TrailView(ViewModel):
    """Everything that moved an account, and everything that people did with it."""

    program_id: str
    account: str
    rows: list[TrailRowView]


@router.get(
    "/audit/export",
    response_model=TrailView,
    operation_id="audit_export",
    summary="Export an audit trail",
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
def export(
    call: Annotated[ApiCall, may(AUDIT)],
    agent_id: Annotated[str | None, Query(alias="agentId", max_length=180, description="An agent of the treasury.")] = None,
    account: Annotated[str | None, Query(max_length=200, description="Or any account, by its name.")] = None,
    program_id: OneProgram = None,
    start_time: Annotated[Instant | None, Query(alias="startTime")] = None,
    end_time: Annotated[Instant | None, Query(alias="endTime", description="Not included.")] = None,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """Out of the log, so that a trail that was handed out can be compared with one of later (`counterfoil audit diff`)."""
    if (agent_id is None) == (account is None):
        raise InvalidInput("agentId", "either an agent or an account")
    name = account or account_of_agent(str(agent_id))
    program = program_id or call.services.wiring.program_id
    with call.reading() as conn:
        rows = trail_of(conn, program, name, start=start_time, end=end_time)
    if form == "json":
        return answer(TrailView(program_id=program, account=name, rows=TrailRowView.each(rows)))
    return attachment(csv_text(COLUMNS, rows), CSV, "audit.csv")
