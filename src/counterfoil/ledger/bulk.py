"""Bulk: thousands of movements under one header, with an outcome each.

What they share is stored once. Each movement carries its caller's id and is posted once under it, whatever batch it comes in; an
id is taken only by what was posted. A bulk with a key that was used before is answered as the first time, refusals included.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, KeyReused
from counterfoil.ledger.batch import Decision, decide
from counterfoil.ledger.batch_types import Account, Kind, Movement, Outcome, Terms, Write
from counterfoil.ledger.clock import SEQ_BITS, allocate, recorded_at, to_us
from counterfoil.ledger.ground import EFFECTIVE_AHEAD_MAX_US, Ground, accounts_of, enter, holds_of, known_of
from counterfoil.ledger.journal import KIND_LENGTH_MAX, Source
from counterfoil.ledger.write import (
    Facts,
    Header,
    insert_headers,
    insert_holds,
    insert_postings,
    insert_resolutions,
    journal_id,
    newest_of,
)

MOVEMENTS_MAX: Final = 65_536
BULK_KEY_LENGTH_MAX: Final = 240  # a batch that resolves what it holds has a second header, with a longer key


class Bulk(NamedTuple):
    """What the movements share."""

    key: str
    kind: str
    asset: str
    actor: str
    effective_at: datetime | None = None
    narrative: str | None = None
    source: Source | None = None


class BulkPosted(NamedTuple):
    """An outcome per movement, in order, and the journals that hold what was posted. `existed`: the key was used before, alike."""

    outcomes: list[Outcome]
    journal_ids: list[UUID]
    recorded_at: datetime
    existed: bool = False


def post_many(
    conn: Connection[Any], program_id: str, bulk: Bulk, movements: Sequence[Movement], *, now: datetime
) -> BulkPosted:
    """Post movements under one header: each has its outcome; those that are linked stand or fall together.

    Takes the program alone until the transaction ends. Raises UnknownProgram, KeyReused, InvalidInput.
    """
    _refuse_malformed(bulk, movements)
    ground = enter(conn, program_id, alone=True)
    book = ground.book(bulk.asset)
    request_hash = _request_hash(bulk, movements)
    before = conn.execute(
        "select id, request_hash from journal where program_id = %s and key = %s", [program_id, bulk.key]
    ).fetchone()
    if before is not None:
        if before[1] != request_hash:
            raise KeyReused(key=bulk.key, journal=str(before[0]))
        return _answer_again(conn, program_id, bulk.key, request_hash, len(movements))
    holds = holds_of(conn, book, [m.hold_id for m in movements if m.hold_id is not None])
    names = {m.debit for m in movements} | {m.credit for m in movements}
    names |= {name for hold in holds.values() for name in (hold.debit, hold.credit)}
    accounts = accounts_of(conn, ground, book, names)
    known = known_of(conn, book, [m.id for m in movements if m.id is not None])
    effective_at = bulk.effective_at or now
    latest_us = ground.clock_ms * 1000 + EFFECTIVE_AHEAD_MAX_US
    terms = Terms(to_us(now, "now"), to_us(effective_at), ground.closed_until_us, latest_us)
    decision = decide(accounts, movements, terms, known=known, holds=holds)
    return _write(conn, ground, book, bulk, decision, list(accounts.values()), request_hash, effective_at, now)


def _write(
    conn: Connection[Any],
    ground: Ground,
    book: int,
    bulk: Bulk,
    decision: Decision,
    accounts: Sequence[Account],
    request_hash: bytes,
    effective_at: datetime,
    now: datetime,
) -> BulkPosted:
    writes = decision.writes or [Write([], [], [])]  # all refused: the header keeps the answer
    count = sum(len(write.postings) for write in writes)
    seq = allocate(ground.clock_ms, newest_of(accounts), count)
    at = recorded_at(seq)
    source_type, source_id = bulk.source or (None, None)
    headers = [
        Header(
            journal_id(ground.program_id, _part(bulk.key, nth), seq >> SEQ_BITS, nth),
            book,
            len(write.postings),
            effective_at,
            bulk.kind,
            _part(bulk.key, nth),
            request_hash,
            bulk.actor,
            bulk.narrative,
            source_type,
            source_id,
        )
        for nth, write in enumerate(writes)
    ]
    insert_headers(conn, ground.program_id, headers, recorded_at=at)
    facts = Facts(bulk.kind, bulk.actor, bulk.narrative, source_type, source_id)
    for header, write in zip(headers, writes, strict=True):
        if write.resolutions:
            insert_resolutions(conn, write.resolutions, header.id, actor=bulk.actor, reason=bulk.narrative, now=now)
        if write.postings:
            insert_postings(conn, [(header.id, write.postings)], first_seq=seq)
            seq += len(write.postings)
        if write.holds:
            insert_holds(conn, write.holds, facts, now=now)
    _remember_refusals(conn, headers[0].id, decision.outcomes)
    return BulkPosted(decision.outcomes, [header.id for header in headers], at)


def _part(key: str, nth: int) -> str:
    return key if nth == 0 else f"{key}#{nth + 1}"


def _remember_refusals(conn: Connection[Any], journal: UUID, outcomes: Sequence[Outcome]) -> None:
    if outcomes.count(Outcome.POSTED) == len(outcomes):
        return
    kept = [(place, outcome.value) for place, outcome in enumerate(outcomes) if outcome is not Outcome.POSTED]
    conn.execute(
        """insert into refused_movement (journal_id, place, outcome)
           select %s, * from unnest(%s::int[], %s::text[])""",
        [journal, [place for place, _ in kept], [outcome for _, outcome in kept]],
    )


def _answer_again(conn: Connection[Any], program_id: str, key: str, request_hash: bytes, count: int) -> BulkPosted:
    """The first answer: everything was posted, but what is remembered as something else."""
    headers = conn.execute(
        """select id, recorded_at from journal where program_id = %s and (key = %s or starts_with(key, %s || '#')) and request_hash = %s
           order by recorded_at, id limit %s""",
        [program_id, key, key, request_hash, MOVEMENTS_MAX],
    ).fetchall()
    outcomes = [Outcome.POSTED] * count
    for place, outcome in conn.execute(
        "select place, outcome from refused_movement where journal_id = %s order by place limit %s",
        [headers[0][0], count],
    ):
        outcomes[place] = Outcome(outcome)
    return BulkPosted(outcomes, [id_ for id_, _ in headers], headers[0][1], existed=True)


def _request_hash(bulk: Bulk, movements: Sequence[Movement]) -> bytes:
    """SHA-256 of the request: what is shared, and the ids in their order. What an id stands for is compared movement by movement."""
    effective_us = bulk.effective_at and to_us(bulk.effective_at)
    head = repr((bulk.kind, bulk.asset, effective_us, bulk.narrative, bulk.source, len(movements))).encode()
    return hashlib.sha256(head + b"".join([m.id or m.hold_id or b"" for m in movements])).digest()


def _refuse_malformed(bulk: Bulk, movements: Sequence[Movement]) -> None:
    if not 0 < len(movements) <= MOVEMENTS_MAX:
        raise InvalidInput("movements", f"1 to {MOVEMENTS_MAX}", got=str(len(movements)))
    if not 0 < len(bulk.key) <= BULK_KEY_LENGTH_MAX:
        raise InvalidInput("key", f"1 to {BULK_KEY_LENGTH_MAX} characters", got=bulk.key[:40])
    if not 0 < len(bulk.kind) <= KIND_LENGTH_MAX:
        raise InvalidInput("kind", f"1 to {KIND_LENGTH_MAX} characters", got=bulk.kind[:40])
    for place, movement in enumerate(movements):
        if movement.kind in (Kind.TRANSFER, Kind.HOLD) and (movement.id is None or len(movement.id) != 16):
            raise InvalidInput("id", "16 bytes of a UUID", line=place + 1)
