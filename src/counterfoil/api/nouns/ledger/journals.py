"""Journals: what was moved between which accounts. Posted whole, corrected by reversal, never changed."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.fields import AssetCode, Instant, Key, Kind, Minor, ProgramId, Reason, id_of
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import BY_TWO, LineRequest, Paged, RequestModel, ViewModel, WriteResult, answer, found_again, shows
from counterfoil.base.problems import InvalidInput
from counterfoil.integrity.incidents.queries import refuse_other_incident
from counterfoil.ledger.journals.journal import NewPosting, Posted, post, reverse
from counterfoil.ledger.journals.key_spaces import REVERSAL, word_of
from counterfoil.ledger.problems import KeyReserved
from counterfoil.ledger.reads.listing import JOURNAL_LIST, ShownJournal, ShownLine, show_journal
from counterfoil.operations.access.access import POST_JOURNAL, READ
from counterfoil.operations.by_two import ProposedVerb
from counterfoil.operations.listing import ListAsked

router = routes("Journals")
LINES_MAX = 8_192
BY_HAND = ("key:", "person:")  # who posts a journal under their own name; all others are posted by the product


@shows(ShownLine)
class JournalLineView(ViewModel):
    """One movement. The balances are those of the accounts after it, each on its normal side."""

    debit_balance: Minor
    credit_balance: Minor


@shows(ShownJournal)
class JournalView(ViewModel):
    """A journal: movements that were posted together or not at all. Of a long one the first lines are shown."""

    effective_at: datetime = Field(description="When it happened; of what came late, the first open day.")
    occurred_at: datetime | None = Field(
        description="Of what came late: when it happened, in a period that was closed by then. Otherwise null."
    )
    recorded_at: datetime = Field(description="When it was written.")
    lines: list[JournalLineView]


class JournalRequest(RequestModel):
    """One journal. It balances by construction: every line debits and credits the same amount."""

    program_id: ProgramId
    asset: AssetCode
    key: Key = Field(description="Posted once for ever; the same key with another content is refused.")
    lines: list[LineRequest] = Field(min_length=1, max_length=LINES_MAX)
    kind: Kind = "adjustment"
    reason: Reason = Field(description="Why a person posts it; kept as its narrative and in the action log.")
    effective_at: Instant | None = Field(None, description="When it happened; now, if absent.")
    source_type: Kind | None = Field(None, description="What kind of thing it belongs to, with `sourceId`.")
    source_id: Key | None = None
    incident_id: Annotated[str, id_of("inc")] | None = Field(None, description="The incident that it corrects; it is posted for it.")


class JournalPosted(WriteResult):
    """It is in the books. `existed`: it was before, and nothing was added."""

    id: UUID
    recorded_at: datetime
    effective_at: datetime
    existed: bool


class ReversalRequest(RequestModel):
    """Take a journal back by posting its opposite: all of it, or one line."""

    key: Key | None = Field(None, description="Of the reversing journal; made from the Idempotency-Key, if absent.")
    reason: Reason
    line: int | None = Field(None, ge=1, le=2**31 - 1)
    effective_at: Instant | None = None


@router.post(
    "/finance/journal",
    status_code=201,
    response_model=JournalPosted,
    responses=BY_TWO | found_again(JournalPosted),
    operation_id="journal_post",
    summary="Post a journal",
)
def post_journal(body: JournalRequest, call: Annotated[ApiCall, may(POST_JOURNAL, key=True)]) -> Response:
    """All its lines are posted, or none. Accounts must be open; an account that must not be overdrawn refuses it.

    By hand it takes two people: when a person who logged in posts it, or a key that belongs to one. A service's key posts alone.
    """
    if body.incident_id and (body.source_type or body.source_id):
        raise InvalidInput("incidentId", "without sourceType and sourceId: a correction is posted for its incident")
    source = (body.source_type, body.source_id) if body.source_type and body.source_id else None
    source = ("incident", body.incident_id) if body.incident_id else source

    def act(conn: Connection[Any]) -> Done:
        if body.incident_id:
            refuse_other_incident(conn, body.incident_id, body.program_id)
        posted = post(
            conn,
            body.program_id,
            key=body.key,
            kind=body.kind,
            lines=[NewPosting(one.debit, one.credit, one.amount) for one in body.lines],
            asset=body.asset,
            actor=call.actor,
            now=call.now,
            effective_at=body.effective_at,
            narrative=body.reason,
            source=source,
        )
        return journal_posted(posted)

    if call.caller.is_person:
        said = ProposedVerb("journal", "post", f"{body.program_id}:{body.key}", body.model_dump(mode="json"), body.program_id)
        return call.by_two("journal.post", act, said, asked=body, reason=body.reason)
    return call.write("journal.post", act, asked=body, reason=body.reason)


def journal_posted(posted: Posted, subject_id: str | None = None) -> Done:
    """What a journal that was posted is told by; it is about `subject_id`, or about itself."""
    shown = JournalPosted(id=posted.journal_id, recorded_at=posted.recorded_at, effective_at=posted.effective_at, existed=posted.existed)
    return Done(subject_id or str(posted.journal_id), shown, 200 if posted.existed else 201)


@router.get("/journals", response_model=Paged[JournalView], operation_id="journal_list", summary="List journals")
def journals(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(JOURNAL_LIST)],
    program_id: Annotated[str, Query(alias="programId", max_length=64)],
) -> Response:
    """Newest first unless sorted otherwise, each with its first 20 lines."""
    return answer_listed(call, page, JOURNAL_LIST, asked._replace(program_id=program_id), JournalView)


@router.get("/journals/{journal_id}", response_model=JournalView, operation_id="journal_show", summary="Show a journal")
def journal(journal_id: UUID, call: Annotated[ApiCall, may(READ)]) -> Response:
    """With its lines, of a very long one the first 10,000."""
    with call.reading() as conn:
        return answer(JournalView.of(show_journal(conn, journal_id)))


@router.post(
    "/journals/{journal_id}/reverse",
    status_code=201,
    response_model=JournalPosted,
    responses=BY_TWO | found_again(JournalPosted),
    operation_id="journal_reverse",
    summary="Reverse a journal",
)
def reverse_journal(journal_id: UUID, body: ReversalRequest, call: Annotated[ApiCall, may(POST_JOURNAL, key=True)]) -> Response:
    """Posts the opposite, once. The original stays as it was: a reversal is the only eraser.

    Takes two people when a person does it, and whoever does it when the product itself posted the journal.
    """

    def act(conn: Connection[Any]) -> Done:
        original = show_journal(conn, journal_id, lines_max=0)
        if body.key is not None and word_of(body.key) is not None:
            raise KeyReserved(field="key", got=body.key[:40])
        key = body.key or REVERSAL.key(str(journal_id), call.key_digest())
        posted = reverse(
            conn,
            original.program_id,
            journal_id,
            key=key,
            reason=body.reason,
            actor=call.actor,
            now=call.now,
            line=body.line,
            effective_at=body.effective_at,
        )
        return journal_posted(posted)

    with call.reading() as conn:
        original = show_journal(conn, journal_id, lines_max=0)
    if call.caller.is_person or not original.actor.startswith(BY_HAND):
        payload = {"line": body.line, "effectiveAt": body.effective_at.isoformat() if body.effective_at else None}
        said = ProposedVerb("journal", "reverse", str(journal_id), payload, original.program_id)
        return call.by_two("journal.reverse", act, said, asked=body, reason=body.reason)
    return call.write("journal.reverse", act, asked=body, reason=body.reason)
