"""Journals: one, many, and the reversal of one. Each is posted whole or not at all, once per key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection

from counterfoil.base.money import asset_code
from counterfoil.base.problems import InvalidInput, KeyReused, Problem
from counterfoil.ledger.clock import SEQ_BITS, from_us, recorded_at, to_us
from counterfoil.ledger.journals.batch import decide
from counterfoil.ledger.journals.batch_types import AccountTotals, LateRow, Movement, MovementOutcome, PostingRow, Terms
from counterfoil.ledger.journals.key_spaces import REVERSAL, SPACES, KeySpace, word_of
from counterfoil.ledger.journals.write import (
    Header,
    Lines,
    PostingPlace,
    insert_headers,
    insert_journal,
    insert_late,
    insert_postings,
    journal_id,
    newest_of,
)
from counterfoil.ledger.problems import AlreadyReversed, HoldPromised, KeyReserved, MoneyInTransit, UnknownJournal, UnknownProgram, refusal
from counterfoil.ledger.write_context import EFFECTIVE_AHEAD_MAX_US, Ground, accounts_of, enter, enter_for_one

JOURNALS_MAX: Final = 8_192  # in one call
LINES_MAX: Final = 10_000  # of one journal, and of all in one call together
KEY_LENGTH_MAX: Final = 255
KIND_LENGTH_MAX: Final = 64
NARRATIVE_LENGTH_MAX: Final = 2_000

Source = tuple[str, str]
_ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)


class NewPosting(NamedTuple):
    """`minor` units move from the right side of one account to the left of another: debit here, credit there."""

    debit: str
    credit: str
    minor: int


class NewJournal(NamedTuple):
    """A journal to post. `key` makes it happen once; `source` says what it was posted for: (type, id)."""

    key: str
    kind: str
    lines: Sequence[NewPosting | tuple[str, str, int]]
    asset: str
    actor: str
    effective_at: datetime | None = None
    narrative: str | None = None
    source: Source | None = None
    reverses: UUID | None = None
    reverses_line: int | None = None
    space: KeySpace | None = None  # that the key lies in; a caller's key lies in none

    def request_hash(self) -> bytes:
        """SHA-256 of what is asked for. Not of who asks, and not of a time that was not given: a retry has another."""
        asked: list[Any] = [self.kind, self.asset, [list(line) for line in self.lines], self.narrative, self.source]
        asked += [
            self.effective_at and to_us(self.effective_at),
            self.reverses and str(self.reverses),
            self.reverses_line,
        ]
        return hashlib.sha256(json.dumps(asked, separators=(",", ":")).encode()).digest()


class Posted(NamedTuple):
    """A journal that stands. `existed`: it was posted before, by the same key and the same request."""

    journal_id: UUID
    recorded_at: datetime
    effective_at: datetime
    existed: bool = False


def post(
    conn: Connection[Any],
    program_id: str,
    *,
    key: str,
    kind: str,
    lines: Sequence[NewPosting | tuple[str, str, int]],
    asset: str,
    actor: str,
    now: datetime,
    effective_at: datetime | None = None,
    narrative: str | None = None,
    source: Source | None = None,
    space: KeySpace | None = None,
) -> Posted:
    """Post one journal, all its lines or none. Effective `now` when not said otherwise; recorded by the database's clock.

    `space` is the key space that the key lies in, of a part of the product that has one. Raises KeyReserved, InvalidInput, KeyReused,
    UnknownProgram, UnknownAccount, AccountClosed, AccountFrozen, PeriodClosed, InsufficientFunds.
    """
    new = NewJournal(key, kind, lines, asset, actor, effective_at, narrative, source, space=space)
    return _post_one(conn, program_id, new, now)


def reverse(
    conn: Connection[Any],
    program_id: str,
    journal_id: UUID,
    *,
    key: str,
    reason: str,
    actor: str,
    now: datetime,
    line: int | None = None,
    effective_at: datetime | None = None,
) -> Posted:
    """Move everything back that a journal moved, or one line of it, by a new journal, from its last line to its first.

    Raises UnknownJournal, AlreadyReversed, MoneyInTransit, HoldPromised, and what `post` raises: money that has moved on cannot be moved
    back.
    """
    if not reason.strip():
        raise InvalidInput("reason", "at least one word")
    rows = conn.execute(
        """select p.line, d.name, c.name, p.amount, b.asset, r.reversed_by, j.key, o.key, h.id, h.source_type || ' ' || h.source_id
           from posting p
           join journal o on o.id = p.journal_id
           join account d on d.id = p.debit
           join account c on c.id = p.credit
           join book b on b.id = d.book_id
           left join reversal r on r.journal_id = p.journal_id and r.line = p.line
           left join journal j on j.id = r.reversed_by
           left join hold_resolution x on x.journal_id = p.journal_id and x.line = p.line
           left join hold h on h.id = x.hold_id and h.promised
           where p.journal_id = %s and b.program_id = %s and p.line = coalesce(%s, p.line)
           order by p.line desc limit %s""",
        [journal_id, program_id, line, LINES_MAX],
    ).fetchall()
    if not rows:
        raise UnknownJournal(program=program_id, journal=str(journal_id), line=line)
    if before := next((row for row in rows if row[5] is not None and row[6] != key), None):
        raise AlreadyReversed(journal=str(journal_id), line=before[0], by=str(before[5]))
    if (taken := SPACES.get(word_of(rows[0][7]) or "")) is not None and not taken.is_reversible:
        raise MoneyInTransit(journal=str(journal_id), journal_kind=taken.kind)
    if promised := next((row for row in rows if row[8] is not None), None):  # the other side of a transaction has got it
        raise HoldPromised(hold=str(promised[8]), source=promised[9])
    asset = rows[0][4]
    lines = [NewPosting(credit, debit, minor) for _, debit, credit, minor, *_ in rows]
    space = REVERSAL if word_of(key) == REVERSAL.word else None
    journal = NewJournal(key, "reversal", lines, asset, actor, effective_at, reason, None, journal_id, line, space)
    return _post_one(conn, program_id, journal, now)


def post_journals(conn: Connection[Any], program_id: str, journals: Sequence[NewJournal], *, now: datetime) -> list[Posted | Problem]:
    """Post many journals, each whole or not at all; a result each, in order: what is refused is a Problem, returned.

    They are decided one after the other, so a later one may spend what an earlier one brought. Takes the program alone when
    there is more than one: call it before single posts in the same transaction. Raises UnknownProgram, InvalidInput (too many).
    """
    if len(journals) > JOURNALS_MAX:
        raise InvalidInput("journals", f"at most {JOURNALS_MAX} in one call", got=str(len(journals)))
    if sum(len(journal.lines) for journal in journals) > LINES_MAX:
        raise InvalidInput("lines", f"at most {LINES_MAX} of all journals in one call together")
    requests = [_JournalRequest(journal) for journal in journals]
    first: dict[str, _JournalRequest] = {}
    for request in requests:
        if request.result is None:
            first.setdefault(request.new.key, request)
    if len(journals) == 1:
        _settle_one(conn, program_id, requests[0], to_us(now, "now"))
    elif journals:
        _settle(conn, program_id, list(first.values()), to_us(now, "now"))
    for request in requests:
        if request.result is None:  # its key occurs twice in this call
            request.repeat(first[request.new.key])
    return [request.result for request in requests if request.result is not None]


def _post_one(conn: Connection[Any], program_id: str, journal: NewJournal, now: datetime) -> Posted:
    (result,) = post_journals(conn, program_id, [journal], now=now)
    if isinstance(result, Problem):
        raise result
    return result


class _JournalRequest:
    """A journal on its way through `post_journals`."""

    __slots__ = ("book", "hash", "late", "new", "newest", "result", "rows")

    def __init__(self, new: NewJournal) -> None:
        self.new = new
        self.result: Posted | Problem | None = _shortcoming(new)
        self.hash = new.request_hash() if self.result is None else b""
        self.book = 0
        self.rows: list[PostingRow] = []
        self.late: list[LateRow] = []
        self.newest = 0  # seq on any account of its batch

    def answer(self, hash_: bytes, posted: Posted) -> None:
        """Its key was used before."""
        self.result = posted if hash_ == self.hash else KeyReused(key=self.new.key, journal=str(posted.journal_id))

    def repeat(self, first: _JournalRequest) -> None:
        """Its key was used in the same call."""
        if isinstance(first.result, Posted):
            self.answer(first.hash, first.result._replace(existed=True))
        else:
            self.result = first.result if first.hash == self.hash else KeyReused(key=self.new.key)


def _settle(conn: Connection[Any], program_id: str, requests: Sequence[_JournalRequest], now_us: int) -> None:
    """Many, by who has the program alone: answer those whose key is known, decide the others book by book, write what stands."""
    ground = enter(conn, program_id, alone=True, postings=sum(len(request.new.lines) for request in requests))
    _answer_known(conn, program_id, requests)
    by_asset: dict[str, list[_JournalRequest]] = {}
    for request in requests:
        if request.result is None and request.new.asset not in ground.books:
            request.result = UnknownProgram(program=program_id, asset=request.new.asset)
        elif request.result is None:
            by_asset.setdefault(request.new.asset, []).append(request)
    for asset, group in by_asset.items():
        names = {name for request in group for line in request.new.lines for name in line[:2]}
        _decide(ground, group, accounts_of(conn, ground, asset, names), now_us)
    standing = [request for request in requests if request.rows]
    if standing:
        seq, headers = _allocate(ground, standing)
        at = recorded_at(seq)
        insert_headers(conn, program_id, headers, recorded_at=at)
        lines = [_lines(header, request) for header, request in zip(headers, standing, strict=True)]
        insert_postings(conn, lines, PostingPlace(seq, ground.segment))
        insert_late(conn, [(one.journal_id, row, one.before) for one, r in zip(lines, standing, strict=True) for row in r.late])
        for header, request in zip(headers, standing, strict=True):
            request.result = Posted(header.id, at, header.effective_at)


def _settle_one(conn: Connection[Any], program_id: str, request: _JournalRequest, now_us: int) -> None:
    """One, sharing the program with other single posts: two round trips."""
    if request.result is not None:
        return
    new = request.new
    names = {name for line in new.lines for name in line[:2]}
    ground, known, accounts = enter_for_one(conn, program_id, new.asset, new.key, names)
    if known is not None:
        request.answer(known[0], Posted(known[1], known[2], known[3], existed=True))
        return
    ground.book(new.asset)
    _decide(ground, [request], accounts, now_us)
    if not request.rows:
        return
    seq, (header,) = _allocate(ground, [request])
    at = recorded_at(seq)
    lines = _lines(header, request)
    if insert_journal(conn, program_id, header, lines, recorded_at=at, place=PostingPlace(seq, ground.segment)):
        insert_late(conn, [(header.id, row, lines.before) for row in request.late])
        request.result = Posted(header.id, at, header.effective_at)
    else:  # another has used its key between our look and our insert, and has committed
        _answer_known(conn, program_id, [request])


def _answer_known(conn: Connection[Any], program_id: str, requests: Sequence[_JournalRequest]) -> None:
    """Answer those whose key stands in a journal already: the first answer again, or KeyReused."""
    rows = conn.execute(
        """select key, request_hash, id, recorded_at, effective_at from journal
           where program_id = %s and key = any(%s)""",
        [program_id, [request.new.key for request in requests]],
    ).fetchall()
    found = {key: (hash_, Posted(id_, recorded, effective, existed=True)) for key, hash_, id_, recorded, effective in rows}
    for request in requests:
        if request.new.key in found:
            request.answer(*found[request.new.key])


def _decide(ground: Ground, group: Sequence[_JournalRequest], accounts: Mapping[str, AccountTotals], now_us: int) -> None:
    """Give each of one book its rows or its refusal."""
    # What says no time of its own happens now; a close of the books up to this very moment does not refuse it.
    at_us = max(now_us, ground.closed_until_us)
    movements = [movement for request in group for movement in _movements(request.new, at_us)]
    terms = Terms(now_us, now_us, ground.closed_until_us, ground.clock_ms * 1000 + EFFECTIVE_AHEAD_MAX_US)
    decision = decide(accounts, movements, terms)
    rows = iter(decision.writes[0].postings if decision.writes else [])
    late = decision.writes[0].late if decision.writes else []
    newest = newest_of(accounts.values())
    start = 0
    for request in group:
        lines = slice(start, start := start + len(request.new.lines))
        if decision.outcomes[lines][0] is MovementOutcome.POSTED:
            request.book, request.newest = ground.books[request.new.asset], newest
            request.rows = [next(rows) for _ in request.new.lines]
            request.late = [row for row in late if lines.start <= row.place < lines.stop] if late else []
        else:
            request.result = _refusal(decision.outcomes[lines], movements[lines], request.new.asset)


def _allocate(ground: Ground, requests: Sequence[_JournalRequest]) -> tuple[int, list[Header]]:
    """The first seq, and the headers."""
    newest = max(request.newest for request in requests)
    seq = ground.seq(newest, sum(len(request.rows) for request in requests))
    return seq, [_header(ground.program_id, request, seq >> SEQ_BITS, nth) for nth, request in enumerate(requests)]


def _lines(header: Header, request: _JournalRequest) -> Lines:
    return Lines(header.id, request.rows, request.rows[0][0] - 1)


def _header(program_id: str, request: _JournalRequest, recorded_ms: int, nth: int) -> Header:
    new = request.new
    return Header(
        id=journal_id(program_id, new.key, recorded_ms, nth),
        book_id=request.book,
        lines=len(request.rows),
        effective_at=from_us(request.rows[0][6]),
        kind=new.kind,
        key=new.key,
        request_hash=request.hash,
        actor=new.actor,
        narrative=new.narrative,
        source_type=new.source[0] if new.source else None,
        source_id=new.source[1] if new.source else None,
        reverses=new.reverses,
        reverses_line=new.reverses_line,
    )


def _movements(new: NewJournal, now_us: int) -> list[Movement]:
    """A journal as a linked set."""
    effective_us = now_us if new.effective_at is None else to_us(new.effective_at)
    last = len(new.lines) - 1
    space = new.space
    is_late_ok, is_fact = (space.is_late_ok, space.is_fact) if space else (False, False)
    return [
        Movement(
            None,
            debit,
            credit,
            minor,
            effective_us=effective_us,
            linked=place < last,
            is_late_ok=is_late_ok,
            is_fact=is_fact,
        )
        for place, (debit, credit, minor) in enumerate(new.lines)
    ]


def _refusal(outcomes: Sequence[MovementOutcome], movements: Sequence[Movement], asset: str) -> Problem:
    """Why a journal was refused: the reason of the line that was, counted from 1."""
    place = next(place for place, outcome in enumerate(outcomes) if outcome is not MovementOutcome.LINKED_REFUSED)
    return refusal(outcomes[place], movements[place], asset, line=place + 1)


def _shortcoming(new: NewJournal) -> Problem | None:
    """What is wrong with a journal before anything is looked up."""
    for field, value, longest in (
        ("key", new.key, KEY_LENGTH_MAX),
        ("kind", new.kind, KIND_LENGTH_MAX),
        ("actor", new.actor, KEY_LENGTH_MAX),
        ("narrative", new.narrative or "-", NARRATIVE_LENGTH_MAX),
    ):
        if not 0 < len(value) <= longest:
            return InvalidInput(field, f"1 to {longest} characters", got=value[:40])
    if word_of(new.key) != (new.space.word if new.space else None):
        return KeyReserved(field="key", got=new.key[:40])
    if not new.lines:
        return InvalidInput("lines", "at least one")
    for number, line in enumerate(new.lines, 1):
        if type(line[2]) is not int:
            return InvalidInput("minor", "a whole number of minor units", line=number, got=repr(line[2])[:40])
    try:
        asset_code(new.asset)
        to_us(new.effective_at or _ANY_TIME)
    except InvalidInput as problem:
        return problem
    return None
