"""Usage in: a CSV of what was used, all of it or nothing."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field
from starlette.datastructures import UploadFile

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import WriteResult, shows
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import OPERATE
from counterfoil.settlement.usage.rules import COLUMNS
from counterfoil.settlement.usage.usage import UsageImport, import_usage

router = routes("Usage")
CSV_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": f"{','.join(COLUMNS)}\nr-1,acme,bolt,EUR,2.5,10.00,2026-11-20T12:00:00Z,hours\n",
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
        },
    }
}


@shows(UsageImport)
class UsageImported(WriteResult):
    """What an import did. `existed`: this very file was imported before, and nothing was added."""

    new: int = Field(description="Records that were not known yet.")


@router.post(
    "/usage",
    status_code=201,
    response_model=UsageImported,
    operation_id="usage_import",
    summary="Import usage from CSV",
    openapi_extra=CSV_BODY,
)
async def usage(
    request: Request,
    call: Annotated[ApiCall, may(OPERATE, key=True)],
    program_id: Annotated[str, Query(alias="programId", min_length=1, max_length=64)],
    file_name: Annotated[str, Query(alias="fileName", min_length=1, max_length=200)] = "usage.csv",
) -> Response:
    """The CSV is the body, or the part `file` of a form. Mistakes are named by line and column, and then nothing is recorded.

    The same file again changes nothing. A record that is known and says something else is refused.
    """
    body, name = await _file(request, file_name)
    asked = {"programId": program_id, "fileName": name, "sha256": hashlib.sha256(body).hexdigest()}

    def act(conn: Connection[Any]) -> Done:
        made = import_usage(conn, program_id, body, file_name=name, make_id=call.make_id, actor=call.actor, now=call.now)
        return Done(made.id, UsageImported.of(made), 200 if made.existed else 201)

    return await run_in_threadpool(call.write, "usage.import", act, asked=asked)


async def _file(request: Request, file_name: str) -> tuple[bytes, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return await request.body(), file_name
    async with request.form(max_files=1, max_fields=1) as form:
        given = form.get("file")
        if not isinstance(given, UploadFile):
            raise InvalidInput("file", "a part named file that holds the CSV")
        return await given.read(), given.filename or file_name
