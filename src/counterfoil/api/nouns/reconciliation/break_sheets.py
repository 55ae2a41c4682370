"""Breaks as a spreadsheet: fetched with ids and states, filled in by people, sent back, carried out whole or not at all."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, Final, Literal

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from psycopg import Connection

from counterfoil.api.http.bodies import attachment
from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.program_scope import rows_of
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import answer
from counterfoil.api.nouns.reconciliation.break_schemas import SheetCarriedOut, SheetView
from counterfoil.api.nouns.reconciliation.breaks import Narrow, OfCause, OfOwner, filter_of
from counterfoil.base.formats.amounts import known_assets
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.verbs import VerbCall
from counterfoil.reconciliation.breaks import sheet
from counterfoil.reconciliation.breaks.queries import list_breaks

router = routes("Breaks")
CSV: Final = "text/csv"
XLSX: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
BODY: Final = {"requestBody": {"required": True, "content": {CSV: {"schema": {"type": "string"}}, XLSX: BINARY}}}


@router.get(
    "/breaks/export",
    response_model=SheetView,
    operation_id="break_export",
    summary="Export breaks as a spreadsheet",
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}, XLSX: BINARY}}},
)
def export(
    call: Annotated[ApiCall, may(READ)],
    form: Annotated[Literal["json", "csv", "xlsx"], Query(alias="format")] = "json",
    state: Annotated[str | None, Query(max_length=40, description="A state, `live` or `closed`.")] = "live",
    kind: Narrow = None,
    cause: OfCause = None,
    severity: Narrow = None,
    owner: OfOwner = None,
    source: Narrow = None,
    program_id: Annotated[str | None, Query(alias="programId", max_length=64)] = None,
    run_id: Annotated[str | None, Query(alias="runId", max_length=64)] = None,
) -> Response:
    """At most 10,000, newest first. Fill in `action`, `reason`, `assign_to`, `comment`, and send it to `/api/breaks/import`."""
    by = filter_of(program_id, source, state, kind, cause, severity, owner, run_id)
    with call.reading() as conn:
        rows = list(sheet.sheet_rows(list_breaks(conn, by, rows_max=sheet.ROWS_MAX), known_assets(conn)))
    if form == "json":
        return answer(SheetView(columns=list(sheet.COLUMNS), rows=rows))
    body, kind_of = (sheet.as_csv(rows), CSV) if form == "csv" else (sheet.as_xlsx(rows), XLSX)
    return attachment(body, kind_of, f"breaks.{form}")


@router.post(
    "/breaks/import",
    response_model=SheetCarriedOut,
    operation_id="break_import",
    summary="Import a spreadsheet of decided breaks",
    openapi_extra=BODY,
)
@rows_of("break_id", sheet.ids_in)
async def carry_in(request: Request, call: Annotated[ApiCall, may(OPERATE)]) -> Response:
    """CSV or XLSX. When a break is no longer in its `expected_state`, nothing is done, and every such line is named. Whoever has
    roles of single programs needs one in the program of each break; to whom a break is not shown, it is not there, and nothing is done."""
    body = await request.body()
    asked = {"sha256": hashlib.sha256(body).hexdigest()}

    def act(conn: Connection[Any]) -> Done:
        rows, lines = sheet.read_sheet(body)
        done = sheet.carry_out(VerbCall(conn, "", call.caller, call.now, call.make_id), rows, lines)
        shown = SheetCarriedOut(rows=done.rows, done=done.done, states=dict(done.states))
        return Done(asked["sha256"], shown)

    return await run_in_threadpool(call.write, "break.import", act, asked=asked)
