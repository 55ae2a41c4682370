"""Statements of an account, and whether it is right."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from fastapi.responses import Response
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, may
from counterfoil.api.http.fields import Instant, Minor
from counterfoil.api.http.lists import PageWanted
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import ViewModel, answer, shows
from counterfoil.api.nouns.ledger.accounts import AssetParameter, Clock, Name, ProgramParameter, book_named
from counterfoil.base.paging import Keyset
from counterfoil.ledger.reads.explain import BalanceGap, Explanation, Missing, explain
from counterfoil.ledger.reads.statements import AccountStatement, StatementPlace, statement
from counterfoil.operations.access.access import READ

router = routes("Accounts")
PLACES = Keyset("statement", (datetime, int, int))
Start = Annotated[Instant, Query(alias="startTime", description="The first moment.", examples=["2026-11-01T00:00:00Z"])]
End = Annotated[Instant, Query(alias="endTime", description="The first moment that is too late.")]
MaybeStart = Annotated[Instant | None, Query(alias="startTime", description="Look for faults from here on.")]
MaybeEnd = Annotated[Instant | None, Query(alias="endTime", description="Look for faults before here.")]


class StatementLineView(ViewModel):
    """One posting as the account sees it, and its balance after it on its normal side."""

    recorded_at: datetime
    effective_at: datetime
    occurred_at: datetime | None = Field(
        description="Of what came late: when it happened, in a period that was closed by then. Otherwise null."
    )
    journal_id: UUID
    line: int
    kind: str
    key: str
    other: str = Field(description="The account on the other side.")
    debit: Minor
    credit: Minor
    balance: Minor
    actor: str
    narrative: str | None
    source_type: str | None
    source_id: str | None


class StatementView(ViewModel):
    """A page of a statement. Opening plus the lines of all pages is closing."""

    program_id: str
    account: str
    asset: str
    normal: str
    start_time: datetime
    end_time: datetime
    clock: str
    opening: Minor
    closing: Minor
    data: list[StatementLineView]
    next_cursor: str | None


@shows(BalanceGap)
class BalanceGapView(ViewModel):
    """The balance jumps here: a posting of the difference is missing before it, or the one before is double or altered."""

    expected: Minor
    found: Minor


@shows(Missing)
class MissingView(ViewModel):
    """A line that its journal counts and that is not there."""


class StrayView(ViewModel):
    """A posting that no journal counts."""

    journal_id: UUID
    line: int
    amount: Minor


class SuspectView(ViewModel):
    """Postings that look alike under different keys: perhaps one thing was booked twice."""

    source_type: str
    source_id: str
    kind: str
    amount: Minor
    keys: list[str]


class ExplanationView(ViewModel):
    """What the account says of itself, and what its postings say. `drift` is the first less the second."""

    program_id: str
    account: str
    asset: str
    normal: str
    sound: bool
    entries: int
    drift: Minor
    cached_debits: Minor
    cached_credits: Minor
    posted_debits: Minor
    posted_credits: Minor
    cached_held: Minor
    open_holds: Minor
    gaps: list[BalanceGapView]
    missing: list[MissingView]
    stray: list[StrayView]
    suspects: list[SuspectView]


@router.get(
    "/accounts/{name:path}/statement",
    response_model=StatementView,
    operation_id="account_show_statement",
    summary="Show an account's statement",
)
def show_statement(
    name: Name,
    call: Annotated[ApiCall, may(READ)],
    wanted: PageWanted,
    start_time: Start,
    end_time: End,
    program_id: ProgramParameter = None,
    asset: AssetParameter = None,
    clock: Clock = "recorded",
) -> Response:
    """What it had, what moved, what it has; in the order of the clock that was chosen."""
    after: Any = PLACES.after(wanted.cursor)
    with call.reading() as conn:
        program, code = book_named(conn, call, program_id, asset)
        page = statement(
            conn,
            program,
            name,
            asset=code,
            start=start_time,
            end=end_time,
            clock=clock,
            after=StatementPlace(*after) if after else None,
            rows_max=wanted.limit,
        )
    return answer(_statement(program, page))


def _statement(program: str, page: AccountStatement) -> StatementView:
    lines = []
    for one in page.lines:
        fields = one._asdict()
        lines.append(StatementLineView(debit=fields.pop("debit_minor"), credit=fields.pop("credit_minor"), **fields))
    return StatementView(
        program_id=program,
        account=page.account,
        asset=page.asset,
        normal=page.normal,
        start_time=page.start,
        end_time=page.end,
        clock=page.clock,
        opening=page.opening,
        closing=page.closing,
        data=lines,
        next_cursor=PLACES.cursor(*page.following) if page.following else None,
    )


@router.get(
    "/accounts/{name:path}/explain", response_model=ExplanationView, operation_id="account_explain", summary="Explain an account's balance"
)
def show_explanation(
    name: Name,
    call: Annotated[ApiCall, may(READ)],
    program_id: ProgramParameter = None,
    asset: AssetParameter = None,
    start_time: MaybeStart = None,
    end_time: MaybeEnd = None,
) -> Response:
    """Recomputes it from its postings; names what is missing, stray, or looks double. Reads every posting of the account."""
    with call.reading() as conn:
        program, code = book_named(conn, call, program_id, asset)
        found = explain(conn, program, name, asset=code, start=start_time, end=end_time)
    return answer(_explanation(program, found))


def _explanation(program: str, found: Explanation) -> ExplanationView:
    lists = ("gaps", "missing", "stray", "suspects")
    plain = {field: value for field, value in found._asdict().items() if field not in lists}
    return ExplanationView(
        program_id=program,
        sound=found.sound,
        gaps=BalanceGapView.each(found.gaps),
        missing=MissingView.each(found.missing),
        stray=[StrayView(journal_id=one.journal_id, line=one.line, amount=one.minor) for one in found.stray],
        suspects=[
            SuspectView(source_type=one.source_type, source_id=one.source_id, kind=one.kind, amount=one.minor, keys=one.keys)
            for one in found.suspects
        ],
        **plain,
    )
