"""Movements: single transfers between two accounts, many at once, with a result for each."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.calls import Call, Done, may
from counterfoil.api.routing import routes
from counterfoil.api.shapes import (
    AccountName,
    Amount,
    Asked,
    AssetCode,
    Instant,
    Key,
    Kind,
    Narrative,
    ProgramId,
    Shown,
    Written,
)  # fmt: skip
from counterfoil.ledger.batch_types import Movement, Outcome
from counterfoil.ledger.bulk import Bulk, BulkPosted, post_many
from counterfoil.ledger.clock import to_us
from counterfoil.operations.access import POST_JOURNAL

router = routes("Movements")
MOVEMENTS_MAX = 8_192
BULK_KEY_LENGTH_MAX = 200


class MovementAsked(Asked):
    """Move `amount`: debit one account, credit another."""

    id: UUID = Field(
        description="The caller's. The same id is posted once; ids that sort by time (version 7) are quickest."
    )
    debit: AccountName
    credit: AccountName
    amount: Amount
    effective_at: Instant | None = None
    linked: bool = Field(False, description="With the next one: they stand or fall together.")


class BulkAsked(Asked):
    """Up to 8,192 movements of one program in one asset. What they share is said once."""

    program_id: ProgramId
    asset: AssetCode
    key: Key = Field(
        max_length=BULK_KEY_LENGTH_MAX,
        description="Of the batch: the same key with the same movements gets the first answer, refusals included.",
    )
    movements: list[MovementAsked] = Field(min_length=1, max_length=MOVEMENTS_MAX)
    kind: Kind = "transfer"
    narrative: Narrative | None = None


class MovementResult(Shown):
    """What became of one movement."""

    id: UUID
    outcome: str = Field(
        description="posted, exists (it was posted before), or the first reason that it was refused for."
    )


class BulkShown(Written):
    """A result for each movement, in their order."""

    journal_id: UUID = Field(description="Of the journal that holds what was posted.")
    recorded_at: datetime
    existed: bool = Field(description="The key was used before, for the same movements: this is the first answer.")
    posted: int
    refused: int
    results: list[MovementResult]


@router.post("/movements/bulk", response_model=BulkShown, summary="Post many movements")
def bulk(body: BulkAsked, call: Annotated[Call, may(POST_JOURNAL)]) -> Response:
    """In one commit. Each movement has its own result; one that is refused does not stop the others, unless they are linked."""
    shared = Bulk(body.key, body.kind, body.asset, call.actor, None, body.narrative)
    movements = [_movement(one) for one in body.movements]

    def act(conn: Connection[Any]) -> Done:
        posted = post_many(conn, body.program_id, shared, movements, now=call.now)
        return Done(body.key, _shown(body, posted), new=not posted.existed)

    asked = {
        **body.model_dump(mode="json", exclude={"movements"}),
        "movements": len(movements),
        "sha256": hashlib.sha256(body.model_dump_json().encode()).hexdigest(),
    }
    # The ledger remembers the batch by its key, refusals included: thousands of results are not stored a second time.
    return call.write("movements.post", act, asked=asked, remembered=False)


def _movement(one: MovementAsked) -> Movement:
    effective_us = to_us(one.effective_at.astimezone(UTC)) if one.effective_at else None
    return Movement(one.id.bytes, one.debit, one.credit, one.amount, effective_us=effective_us, linked=one.linked)


def _shown(body: BulkAsked, posted: BulkPosted) -> BulkShown:
    stands = sum(outcome in (Outcome.POSTED, Outcome.EXISTS) for outcome in posted.outcomes)
    return BulkShown(
        journal_id=posted.journal_id,
        recorded_at=posted.recorded_at,
        existed=posted.existed,
        posted=stands,
        refused=len(posted.outcomes) - stands,
        results=[
            MovementResult(id=one.id, outcome=outcome.value)
            for one, outcome in zip(body.movements, posted.outcomes, strict=True)
        ],
    )
