"""Batches: imports of files as they stand; one that is half applied is rolled forward."""

from __future__ import annotations

import base64
import hashlib
import tempfile
from datetime import datetime
from pathlib import Path as FilePath
from typing import Annotated, Final

from fastapi import Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.bodies import file_body
from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.lists import Listing, PageWanted
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, ViewModel, WriteResult, answer, shows
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.importing.batches import ImportBatch, batch_of_file, list_batches, repair_batch, show_batch, valid_batch_id
from counterfoil.ledger.importing.map import load_map
from counterfoil.operations.access.access import POST_JOURNAL, READ

router = routes("Journals")
BatchId = Annotated[str, Path(max_length=80, examples=["b" * 64])]


@shows(ImportBatch)
class BatchView(ViewModel):
    """An import of a file as it stands. `state`: complete, or half applied when it was broken off."""

    rows_applied: int = Field(description="How many of its rows are in the books.")


BATCHES: Final = Listing("journal_batches", BatchView, lambda row: (row.begun_at, row.id), (datetime, str))


class BatchRepaired(WriteResult):
    """What was lacking is posted. `posted`: journals that were not there before."""

    id: str
    rows: int
    resumed_at: int = Field(description="Rows that were applied before.")
    posted: int
    existed: int


@router.get("/finance/batches", response_model=Paged[BatchView], operation_id="journal_batch_list", summary="List batches")
def batches(call: Annotated[ApiCall, may(READ)], page: PageWanted) -> Response:
    """Imports of files, the one that was begun last first."""
    return BATCHES.answer(call, page, list_batches)


@router.get("/finance/batches/{batch_id}", response_model=BatchView, operation_id="journal_batch_show", summary="Show a batch")
def batch(batch_id: BatchId, call: Annotated[ApiCall, may(READ)]) -> Response:
    """How many of its rows are applied."""
    with call.reading() as conn:
        return answer(BatchView.of(show_batch(conn, valid_batch_id(batch_id))))


@router.post(
    "/finance/batches/{batch_id}/repair",
    response_model=BatchRepaired,
    operation_id="journal_batch_repair",
    summary="Roll a batch forward",
    openapi_extra=file_body(),
)
async def repair(
    batch_id: BatchId,
    request: Request,
    call: Annotated[ApiCall, may(POST_JOURNAL, key=True)],
    map_: Annotated[str, Query(alias="map", min_length=1, max_length=16_000, description="The map of the import: TOML, in base64.")],
) -> Response:
    """The body is the file that the import was begun with. What is lacking is posted, once; a complete batch stays as it is.

    Refused for another file or another map, in a dry run, too, which says how far it is and posts nothing.
    """
    body, mapped = await request.body(), load_map(_text(map_))
    asked = {"batchId": batch_id, "sha256": hashlib.sha256(body).hexdigest()}

    def act() -> Done:
        services = call.services
        with services.database.transaction() as conn:
            one = show_batch(conn, valid_batch_id(batch_id))
        with tempfile.TemporaryDirectory(prefix="batch-") as folder:
            path = FilePath(folder) / f"file{FilePath(one.file_name).suffix}"
            path.write_bytes(body)
            if call.dry_run:
                with services.database.transaction() as conn:
                    one = batch_of_file(conn, one.id, path, mapped)
                return Done(one.id, BatchRepaired(id=one.id, rows=one.rows, resumed_at=one.rows_applied, posted=0, existed=0))
            made = repair_batch(services.database.transaction, one.id, path, mapped, clock=services.wiring.clock)
        shown = BatchRepaired(id=one.id, rows=made.rows, resumed_at=made.resumed_at, posted=made.posted, existed=made.existed)
        return Done(one.id, shown)

    return await run_in_threadpool(call.write_outside, "journal.batch_repair", act, asked=asked)


def _text(given: str) -> str:
    try:
        return base64.b64decode(given, validate=True).decode()
    except ValueError:
        raise InvalidInput("map", "base64 of a TOML file in UTF-8", got=given[:40]) from None
