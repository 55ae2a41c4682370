"""Movements: single transfers between two accounts, many at once, with a result for each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.bodies import body_of, parsed
from counterfoil.api.http.calls import ApiCall, Done, call_of, may
from counterfoil.api.http.fields import AccountName, Amount, AssetCode, Instant, Key, Kind, Narrative, ProgramId
from counterfoil.api.http.routing import direct, routes
from counterfoil.api.http.schemas import RequestModel, ViewModel, WriteResult, answer, found_again
from counterfoil.ledger.clock import to_us
from counterfoil.ledger.group_commit import Lane
from counterfoil.ledger.journals.batch_types import Movement, MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk, BulkPosted, post_many
from counterfoil.ledger.problems import MovementByHand, refusal
from counterfoil.operations.access.access import POST_JOURNAL

router = routes("Movements")
MOVEMENTS_MAX = 8_192
BULK_KEY_LENGTH_MAX = 200
ROOM_SECONDS_MAX = 5.0  # that a bulk waits for room in its program's line
STANDS = (MovementOutcome.POSTED, MovementOutcome.EXISTS)


class MovementRequest(RequestModel):
    """Move `amount`: debit one account, credit another."""

    id: UUID = Field(description="The caller's. The same id is posted once; ids that sort by time (version 7) are quickest.")
    debit: AccountName
    credit: AccountName
    amount: Amount
    effective_at: Instant | None = None
    linked: bool = Field(False, description="With the next one: they stand or fall together.")


class SingleMovementRequest(RequestModel):
    """Move `amount` in one program and asset: debit one account, credit another."""

    program_id: ProgramId
    asset: AssetCode
    id: UUID = Field(description="The caller's, and its idempotency key: the same id is posted once for ever.")
    debit: AccountName
    credit: AccountName
    amount: Amount
    effective_at: Instant | None = Field(None, description="When it happened; now, if absent.")
    kind: Kind = "transfer"


class BulkRequest(RequestModel):
    """Up to 8,192 movements of one program in one asset. What they share is said once."""

    program_id: ProgramId
    asset: AssetCode
    key: Key = Field(
        max_length=BULK_KEY_LENGTH_MAX,
        description="Of the batch: the same key with the same movements gets the first answer, refusals included.",
    )
    movements: list[MovementRequest] = Field(min_length=1, max_length=MOVEMENTS_MAX)
    kind: Kind = "transfer"
    narrative: Narrative | None = None


class MovementResult(ViewModel):
    """What became of one movement."""

    id: UUID
    outcome: str = Field(description="posted, exists (it was posted before), or the first reason that it was refused for.")


class OneView(MovementResult, WriteResult):
    """It is durable. `exists`: it was posted before, alike."""


class BulkView(WriteResult):
    """A result for each movement, in their order."""

    journal_id: UUID = Field(description="Of the journal that holds what was posted.")
    recorded_at: datetime
    existed: bool = Field(description="The key was used before, for the same movements: this is the first answer.")
    posted: int
    refused: int
    results: list[MovementResult]


@router.post(
    "/movements",
    status_code=201,
    response_model=OneView,
    responses=found_again(OneView),
    operation_id="movement_post",
    summary="Post a movement",
    openapi_extra=body_of(SingleMovementRequest),
)
@direct
async def one(request: Request) -> Response:
    """For services. Fast: what many callers ask at the same moment is gathered into one commit, and each gets its own answer after it.

    Safe to send again: the `id` decides, so no Idempotency-Key is needed. Who posted stands in the header of its journal.
    """
    call = await call_of(request, POST_JOURNAL)
    _refuse_by_hand(call)
    body = parsed(SingleMovementRequest, await request.body())
    movement = Movement(body.id.bytes, body.debit, body.credit, body.amount, effective_us=_us(body.effective_at))
    if call.dry_run:
        outcome = await run_in_threadpool(_tried, call, body, movement)
    else:
        lane = Lane(body.program_id, body.asset, body.kind, call.actor)
        outcome = await call.services.gatherer.move_soon(lane, movement)
    if outcome not in STANDS:
        raise refusal(outcome, movement, body.asset)
    shown = OneView(id=body.id, outcome=outcome.value, dry_run=call.dry_run)
    return answer(shown, 201 if outcome is MovementOutcome.POSTED else 200)


one.needs = POST_JOURNAL  # type: ignore[attr-defined]  # who asks is known before the body is read, as of every other route


def _refuse_by_hand(call: ApiCall) -> None:
    if call.caller.is_person:
        raise MovementByHand(route="POST /api/finance/journal")


def _tried(call: ApiCall, body: SingleMovementRequest, movement: Movement) -> MovementOutcome:
    shared = Bulk(f"dry-run:{call.request_id}", body.kind, body.asset, call.actor)
    with call.services.database.transaction(commit=False, program_id=call.caller.program_id) as conn:
        return post_many(conn, body.program_id, shared, [movement], now=call.now).outcomes[0]


def _us(moment: datetime | None) -> int | None:
    return to_us(moment.astimezone(UTC)) if moment else None


@router.post("/movements/bulk", response_model=BulkView, operation_id="movement_post_many", summary="Post many movements")
def bulk(body: BulkRequest, call: Annotated[ApiCall, may(POST_JOURNAL)]) -> Response:
    """For services. Each movement has its own result; one that is refused stops no other, unless they are linked. What several ask for in
    one program at the same moment is written in one commit, each with its own answer after it."""
    _refuse_by_hand(call)
    shared = Bulk(body.key, body.kind, body.asset, call.actor, None, body.narrative)
    movements = [_movement(one) for one in body.movements]

    def done(posted: BulkPosted) -> Done:
        return Done(body.key, _shown(body, posted), new=not posted.existed)

    def tried(conn: Connection[Any]) -> Done:
        return done(post_many(conn, body.program_id, shared, movements, now=call.now))

    def together(record: Callable[[Connection[Any], str], None]) -> Done:
        def written(conn: Connection[Any], posted: BulkPosted) -> None:
            if not posted.existed:
                record(conn, body.key)

        kept = call.caller.program_id is not None
        sent = call.services.bulks.send(body.program_id, shared, movements, record=written, kept=kept, timeout_s=ROOM_SECONDS_MAX)
        return done(sent.result())

    asked = {
        **body.model_dump(mode="json", exclude={"movements"}),
        "movements": len(movements),
        "sha256": hashlib.sha256(body.model_dump_json().encode()).hexdigest(),
    }
    if call.dry_run:
        return call.write("movements.post", tried, asked=asked, remembered=False)
    # The ledger remembers the batch by its key, refusals included: thousands of results are not stored a second time.
    return call.write_together("movements.post", together, asked=asked)


def _movement(one: MovementRequest) -> Movement:
    return Movement(one.id.bytes, one.debit, one.credit, one.amount, effective_us=_us(one.effective_at), linked=one.linked)


def _shown(body: BulkRequest, posted: BulkPosted) -> BulkView:
    stands = sum(outcome in STANDS for outcome in posted.outcomes)
    return BulkView(
        journal_id=posted.journal_id,
        recorded_at=posted.recorded_at,
        existed=posted.existed,
        posted=stands,
        refused=len(posted.outcomes) - stands,
        results=[MovementResult(id=one.id, outcome=outcome.value) for one, outcome in zip(body.movements, posted.outcomes, strict=True)],
    )
