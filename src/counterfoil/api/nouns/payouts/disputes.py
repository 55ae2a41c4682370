"""Opening a dispute, and its evidence; everything else of disputes is derived from their noun."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Path, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.bodies import file_answer, file_body, saved_under
from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import FileName, LongReason, Minor, id_in_body, id_in_path
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult, answer, shows
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.payouts.disputes.disputes import open_dispute, show_dispute
from counterfoil.payouts.disputes.evidence import Evidence, add_evidence, evidence_file, evidence_of

router = routes("Disputes")
OCTETS: Final = "application/octet-stream"
DisputeId = Annotated[str, id_in_path("dsp")]


class DisputeRequest(RequestModel):
    """Which invoice is disputed, and why."""

    invoice_id: str = id_in_body("inv")
    reason: LongReason


class DisputeOpened(WriteResult):
    """It is open, and what is not paid out is held."""

    id: str
    invoice_id: str
    asset: str
    amount: Minor = Field(description="What it is about: all that was paid and has not gone back.")
    state: str
    due_at: datetime | None = Field(description="If nobody takes it up until then, it goes up a level.")


class EvidenceKept(WriteResult):
    """A file that was handed in."""

    id: str
    number: int
    sha256: str


@shows(Evidence)
class EvidenceView(ViewModel):
    """A file, by its number and its SHA-256."""


class EvidenceList(ViewModel):
    """What was handed in, the first one first."""

    data: list[EvidenceView]


@router.post("/disputes", status_code=201, response_model=DisputeOpened, operation_id="dispute_open", summary="Open a dispute")
def open_(body: DisputeRequest, call: Annotated[ApiCall, may(OPERATE, key=True)]) -> Response:
    """What is not paid out of the invoice is held at once. A send that has begun is left; then the payee's holdback and next payouts
    wait."""

    def act(conn: Connection[Any]) -> Done:
        made = open_dispute(
            conn,
            call.make_id("dsp"),
            body.invoice_id,
            cause=body.reason,
            make_id=call.make_id,
            by=call.caller,
            now=call.now,
        )
        return Done(made.id, DisputeOpened.of(made), 201)

    return call.write("dispute.open", act, asked=body)


@router.post(
    "/disputes/{dispute_id}/evidence",
    status_code=201,
    response_model=EvidenceKept,
    operation_id="dispute_evidence_add",
    summary="Hand in a file",
    openapi_extra=file_body(example="The parcel came empty."),
)
async def hand_in(
    request: Request,
    dispute_id: DisputeId,
    call: Annotated[ApiCall, may(OPERATE, key=True)],
    file_name: FileName = "evidence",
) -> Response:
    """The file is the body, 1 byte to 5 MB. The same file again is the one that is there."""
    content = await request.body()

    def act(conn: Connection[Any]) -> Done:
        number, sha256 = add_evidence(conn, dispute_id, content, name=file_name, by=call.caller, now=call.now)
        return Done(dispute_id, EvidenceKept(id=dispute_id, number=number, sha256=sha256), 201)

    asked = {"id": dispute_id, "name": file_name, "sha256": hashlib.sha256(content).hexdigest()}
    return await run_in_threadpool(call.write, "dispute.evidence", act, asked=asked)


@router.get("/disputes/{dispute_id}/evidence", response_model=EvidenceList, operation_id="dispute_evidence_list", summary="List evidence")
def evidence(dispute_id: DisputeId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """Each file with its SHA-256."""
    with call.reading() as conn:
        show_dispute(conn, dispute_id)
        return answer(EvidenceList(data=EvidenceView.each(evidence_of(conn, dispute_id))))


@router.get(
    "/disputes/{dispute_id}/evidence/{number}",
    operation_id="dispute_evidence_export",
    summary="Download a file",
    response_class=Response,
    responses=file_answer(OCTETS),
)
def evidence_download(
    dispute_id: DisputeId, number: Annotated[int, Path(ge=1, le=2_000_000_000, examples=[1])], call: Annotated[ApiCall, may(READ)]
) -> Response:
    """The file as it was handed in; the header `X-Content-SHA256` is its hash. It is never shown in a browser: who disputes made it."""
    with call.reading() as conn:
        found = evidence_file(conn, dispute_id, number)
    headers = {
        "Content-Disposition": saved_under(found.name),
        "X-Content-SHA256": found.sha256,
        "X-Content-Type-Options": "nosniff",
    }
    return Response(found.content, media_type=OCTETS, headers=headers)
