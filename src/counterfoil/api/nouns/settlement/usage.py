"""Usage in: what was used, as CSV, NDJSON or JSON, whole or part by part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field
from starlette.datastructures import UploadFile

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import FileName, ProgramId
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, ViewModel, WriteResult, answer, found_again, shows
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.listing import ListAsked
from counterfoil.settlement.usage.files import FILES, LINES_MAX, USAGE_FILE_LIST, Standing, UsageFile, file_part, note_part, whole_file
from counterfoil.settlement.usage.rules import COLUMNS, UsageMistake
from counterfoil.settlement.usage.usage import UsageImport, import_usage

router = routes("Usage")
USAGE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "text/csv": {
                "schema": {"type": "string"},
                "example": f"{','.join(COLUMNS)}\nr-1,acme,bolt,EUR,2.5,10.00,2026-11-20T12:00:00Z,hours\n",
            },
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"recordId":"r-1","customerId":"acme","payeeId":"bolt","asset":"EUR","quantity":"2.5","unitPrice":"10.00",'
                '"occurredAt":"2026-11-20T12:00:00Z","description":"hours"}\n',
            },
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"records": {"type": "array", "items": {"type": "object"}}},
                    "required": ["records"],
                },
                "example": {
                    "records": [
                        {
                            "recordId": "r-1",
                            "customerId": "acme",
                            "payeeId": "bolt",
                            "asset": "EUR",
                            "quantity": "2.5",
                            "unitPrice": "10.00",
                            "occurredAt": "2026-11-20T12:00:00Z",
                            "description": "hours",
                        }
                    ]
                },
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


@shows(UsageMistake)
class UsageMistakeView(ViewModel):
    """Why one line was not recorded."""

    line: int = Field(description="Of the file; of JSON the number of the record, from 1.")
    column: int | None = Field(description="Of a CSV, from 1.")
    limit: str = Field(description="What the field must be.")
    got: str | None = Field(description="What it is.")


@shows(UsageImport)
class UsageImported(WriteResult):
    """What an import did. `existed`: all of it was imported before, and nothing was added."""

    records: int = Field(description="Good records.")
    new: int = Field(description="Records that were not known yet.")
    rejected: int = Field(description="Lines with a mistake: they were not recorded, and the others were.")
    mistakes: list[UsageMistakeView] = Field(description="The first 1,000 of them, in the order of their lines.")


@shows(UsageFile)
class UsageFileView(ViewModel):
    """A file of usage that comes in, or came in."""

    sha256: str = Field(description="Of the whole file.")
    lines: int = Field(description="Of the whole file, its header and empty ones too.")
    lines_done: int = Field(description="How many of them are taken in, from the first on without a gap.")
    new: int = Field(description="Records that were not known before.")
    rejected: int = Field(description="Lines with a mistake: they were not recorded, and the others were.")
    heard_at: datetime = Field(description="When the last part of it came.")
    ended_at: datetime | None = Field(description="When its last line was taken in.")
    standing: Standing = Field(description="`under_way`; `silent`, when no part of it came for two minutes; or `done`.")


@router.post(
    "/usage",
    status_code=201,
    response_model=UsageImported,
    responses=found_again(UsageImported),
    operation_id="usage_import",
    summary="Import usage",
    openapi_extra=USAGE_BODY,
)
async def usage(
    request: Request,
    call: Annotated[ApiCall, may(OPERATE, key=True)],
    program_id: Annotated[str, Query(alias="programId", min_length=1, max_length=64)],
    file_name: FileName = "usage.csv",
    from_line: Annotated[
        int | None,
        Query(alias="fromLine", ge=1, le=2**31, description="Of a part of a file: the line of its first record in the whole."),
    ] = None,
    of_file: Annotated[
        str | None, Query(alias="ofFile", pattern="^[0-9a-f]{64}$", description="Of a part of a file: the SHA-256 of the whole.")
    ] = None,
    of_lines: Annotated[int | None, Query(alias="ofLines", ge=1, le=LINES_MAX, description="How many lines the whole file has.")] = None,
    until_line: Annotated[
        int | None, Query(alias="untilLine", ge=1, le=LINES_MAX, description="The line of its last record in the whole file.")
    ] = None,
) -> Response:
    """CSV or NDJSON is the body, or the part `file` of a form; JSON holds `records`. Every good line is recorded, and each mistake is named
    by line and field: nothing is lost for the mistake of another.

    The same file again changes nothing, so what was cut off is sent again; a large file may come in parts, each with its header. A record
    that is known and says something else is a mistake, and stays as it was. Parts that say of which file they are (`ofFile`, `ofLines` and
    `untilLine`) are listed as one import, with how far it is.
    """
    part = file_part(of_file, of_lines, from_line, until_line)
    body, name = await _file(request, file_name)
    asked = {"programId": program_id, "fileName": name, "fromLine": from_line, "sha256": hashlib.sha256(body).hexdigest()}
    asked |= {} if part is None else {"ofFile": of_file, "ofLines": of_lines, "untilLine": until_line}

    def act(conn: Connection[Any]) -> Done:
        given: dict[str, Any] = {"file_name": name, "from_line": from_line, "make_id": call.make_id, "actor": call.actor, "now": call.now}
        made = import_usage(conn, program_id, body, **given)
        if part is not None or from_line is None:  # a part that does not say of what is no file
            said: dict[str, Any] = {"file_name": name, "make_id": call.make_id, "actor": call.actor, "now": call.now}
            note_part(conn, program_id, part or whole_file(body), made, **said)
        return Done(made.id, UsageImported.of(made), 200 if made.existed else 201)

    return await run_in_threadpool(call.write, "usage.import", act, asked=asked)


@router.get("/usage/imports", response_model=Paged[UsageFileView], operation_id="usage_import_list", summary="List usage imports")
def imports(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(USAGE_FILE_LIST)],
    program_id: Annotated[ProgramId | None, Query(alias="programId")] = None,
) -> Response:
    """Files of usage and how far each is, newest first unless sorted otherwise. One that is silent goes on when it is sent again."""
    return answer_listed(call, page, USAGE_FILE_LIST, asked._replace(program_id=program_id), UsageFileView, _view(call))


@router.get("/usage/imports/{id}", response_model=UsageFileView, operation_id="usage_import_show", summary="Show a usage import")
def one_import(id: Annotated[str, Path(max_length=64)], call: Annotated[ApiCall, may(READ)]) -> Response:  # noqa: A002 - as the path says
    """How far a file of usage is, and when a part of it last came."""
    with call.reading() as conn:
        found = FILES.show(conn, id)
    return answer(_view(call)(found))


def _view(call: ApiCall) -> Callable[[UsageFile], UsageFileView]:
    return lambda one: UsageFileView(**{**one._asdict(), "sha256": one.sha256.hex(), "standing": one.standing(call.now)})


async def _file(request: Request, file_name: str) -> tuple[bytes, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        return _lines_of(await request.body()), file_name
    if kind != "multipart/form-data":
        return await request.body(), file_name
    async with request.form(max_files=1, max_fields=1) as form:
        given = form.get("file")
        if not isinstance(given, UploadFile):
            raise InvalidInput("file", "a part named file that holds CSV or NDJSON")
        return await given.read(), given.filename or file_name


def _lines_of(body: bytes) -> bytes:
    """Records of a JSON request as lines; numbers stay as they were written."""
    try:
        given = json.loads(body, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        raise InvalidInput("body", "JSON") from None
    records = given.get("records") if isinstance(given, dict) else None
    if not isinstance(records, list) or not records or set(given) != {"records"}:
        raise InvalidInput("records", "a list of usage records, and nothing beside it")
    return "\n".join(json.dumps(one) for one in records).encode()
