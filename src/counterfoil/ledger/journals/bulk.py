"""Bulk: thousands of movements under one header, with an outcome each.

What they share is stored once. Each movement carries its caller's id and is posted once under it, whatever batch it comes in; an
id is taken only by what was posted. A bulk with a key that was used before is answered as the first time, refusals included.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, KeyReused
from counterfoil.ledger.clock import SEQ_BITS, from_us, recorded_at, to_us
from counterfoil.ledger.journals.batch import Batch, same_request
from counterfoil.ledger.journals.batch_types import Movement, MovementKind, MovementOutcome, Terms
from counterfoil.ledger.journals.journal import KEY_LENGTH_MAX, KIND_LENGTH_MAX, Source
from counterfoil.ledger.journals.key_spaces import word_of
from counterfoil.ledger.journals.memory import Memory
from counterfoil.ledger.journals.write import (
    COPY_ROWS_MIN,
    Facts,
    Header,
    Lines,
    PostingPlace,
    copy_postings,
    insert_headers,
    insert_holds,
    insert_late,
    insert_postings,
    insert_resolutions,
    journal_id,
)
from counterfoil.ledger.problems import KeyReserved
from counterfoil.ledger.write_context import EFFECTIVE_AHEAD_MAX_US, enter_for_bulk, holds_of, known_of

MOVEMENTS_MAX: Final = 65_536
PART_ROWS: Final = 512  # decided, encoded and sent while the server writes those before
ID_BYTES: Final = 16
_LAST_ID: Final = UUID(bytes=b"\xff" * ID_BYTES)
_RETURNED: Final = (MovementKind.VOID_HOLD, MovementKind.EXPIRE_HOLD)  # these post nothing, and go by their hold


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
    """An outcome per movement, in order, and the journal that holds what was posted, each under its place as line number.

    `existed`: the key was used before, for the same request.
    """

    outcomes: list[MovementOutcome]
    journal_id: UUID
    recorded_at: datetime
    existed: bool = False


def post_many(
    conn: Connection[Any],
    program_id: str,
    bulk: Bulk,
    movements: Sequence[Movement],
    *,
    now: datetime,
    memory: Memory | None = None,
) -> BulkPosted:
    """Post movements under one header: each has its outcome; those that are linked stand or fall together.

    Takes the program alone until the transaction ends. A writer of many batches gives them one `memory`. Raises UnknownProgram,
    KeyReused, InvalidInput.
    """
    ids = _checked(bulk, movements)
    request_hash = _request_hash(bulk, ids, movements)
    names = {movement.debit for movement in movements} | {movement.credit for movement in movements}
    memory = memory or Memory()
    ground, seen = enter_for_bulk(conn, program_id, bulk.key, max(ids), memory.journal, postings=len(movements))
    book = ground.book(bulk.asset)
    if seen.before is not None:
        if seen.before[1] != request_hash and not _same_of_old(conn, book, bulk, ids, movements, seen.before):
            raise KeyReused(key=bulk.key, journal=str(seen.before[0]))
        return _answer_again(conn, seen.before[0], seen.before[2], len(movements))
    holds = holds_of(conn, book, [m.hold_id for m in movements if m.hold_id is not None])
    names |= {name for hold in holds.values() for name in (hold.debit, hold.credit)}
    accounts, newest = memory.recall(conn, ground, bulk.asset, names, stands=seen.stands)
    known = known_of(conn, book, ids, newest_posted=seen.newest_posted, newest_held=seen.newest_held, kind=bulk.kind)
    # What says no time of its own happens now; a close of the books up to this very moment does not refuse it.
    at = bulk.effective_at or max(now, from_us(max(ground.closed_until_us, 0)))
    latest_us = ground.clock_ms * 1000 + EFFECTIVE_AHEAD_MAX_US
    terms = Terms(to_us(now, "now"), to_us(at), ground.closed_until_us, latest_us)
    batch = Batch(accounts, terms, known=known, holds=holds, ids_differ=len(set(ids)) == len(movements))
    seq = ground.seq(newest, len(movements))
    header = _header(program_id, book, bulk, at, len(movements), request_hash, seq)
    insert_headers(conn, program_id, [header], recorded_at=recorded_at(seq))
    writing = _Writing(conn, header, bulk, now, PostingPlace(seq, ground.segment))
    plain = len(movements) >= COPY_ROWS_MIN and all(movement.kind is MovementKind.TRANSFER for movement in movements)
    outcomes = writing.stream(batch, movements) if plain else writing.whole(batch, movements)
    insert_late(conn, [(header.id, row, -1) for write in batch.writes for row in write.late])
    if not plain or outcomes.count(MovementOutcome.POSTED) < len(outcomes):
        _remember_unposted(conn, header.id, movements, outcomes)
    memory.keep(version=ground.version + writing.statements, newest=seq + len(movements), journal=header.id)
    return BulkPosted(outcomes, header.id, recorded_at(seq))


class _Writing:
    """The rows of a bulk on their way. Counts the statements that move the program's version on."""

    def __init__(self, conn: Connection[Any], header: Header, bulk: Bulk, now: datetime, place: PostingPlace) -> None:
        self.conn = conn
        self.header = header
        self.bulk = bulk
        self.now = now
        self.place = place
        self.statements = 0

    def stream(self, batch: Batch, movements: Sequence[Movement]) -> list[MovementOutcome]:
        """Transfers alone: the server writes one part while the next is decided."""
        outcomes: list[MovementOutcome] = []

        def parts() -> Iterator[Lines]:
            for part in _parts(movements):
                outcomes.extend(batch.take(part))
                yield Lines(self.header.id, batch.drain())

        copy_postings(self.conn, parts(), self.place)
        self.statements = 1 if MovementOutcome.POSTED in outcomes else 0
        return outcomes

    def whole(self, batch: Batch, movements: Sequence[Movement]) -> list[MovementOutcome]:
        """Holds and their ends among them: everything is decided, then written in as few parts as there can be."""
        outcomes = batch.take(movements)
        facts = Facts(self.bulk.kind, self.bulk.actor, self.bulk.narrative, self.header.source_type, self.header.source_id)
        for write in batch.writes:
            if write.resolutions:
                insert_resolutions(
                    self.conn,
                    write.resolutions,
                    self.header.id,
                    actor=facts.actor,
                    reason=facts.narrative,
                    now=self.now,
                )
            if write.postings:
                insert_postings(self.conn, [Lines(self.header.id, write.postings)], self.place)
                self.place = self.place.after(len(write.postings))
            if write.holds:
                insert_holds(self.conn, write.holds, facts, now=self.now)
            self.statements += sum(1 for rows in (write.resolutions, write.postings, write.holds) if rows)
        return outcomes


def _parts(movements: Sequence[Movement]) -> Iterator[Sequence[Movement]]:
    """Some hundred movements at a time, no linked set torn apart."""
    start = 0
    while start < len(movements):
        end = min(start + PART_ROWS, len(movements))
        while end < len(movements) and movements[end - 1].linked:
            end += 1
        yield movements[start:end]
        start = end


def _header(program_id: str, book: int, bulk: Bulk, effective_at: datetime, lines: int, request_hash: bytes, seq: int) -> Header:
    id_ = journal_id(program_id, bulk.key, seq >> SEQ_BITS, 0)
    source_type, source_id = bulk.source or (None, None)
    return Header(
        id_,
        book,
        lines,
        effective_at,
        bulk.kind,
        bulk.key,
        request_hash,
        bulk.actor,
        bulk.narrative,
        source_type,
        source_id,
    )


def _remember_unposted(conn: Connection[Any], journal: UUID, movements: Sequence[Movement], outcomes: Sequence[MovementOutcome]) -> None:
    kept = [
        (line, movement.kind.value if outcome is MovementOutcome.POSTED else outcome.value)
        for line, (movement, outcome) in enumerate(zip(movements, outcomes, strict=True), 1)
        if outcome is not MovementOutcome.POSTED or movement.kind not in (MovementKind.TRANSFER, MovementKind.POST_HOLD)
    ]
    if kept:
        conn.execute(
            """insert into unposted_line (journal_id, line, outcome)
               select %s, * from unnest(%s::int[], %s::text[])""",
            [journal, [line for line, _ in kept], [outcome for _, outcome in kept]],
        )


def _answer_again(conn: Connection[Any], journal: UUID, at: datetime, count: int) -> BulkPosted:
    """The first answer: everything was posted, but what is remembered as something else."""
    outcomes = [MovementOutcome.POSTED] * count
    kinds = {kind.value for kind in MovementKind}
    for line, outcome in conn.execute(
        "select line, outcome from unposted_line where journal_id = %s order by line limit %s", [journal, count]
    ):
        if outcome not in kinds:
            outcomes[line - 1] = MovementOutcome(outcome)
    return BulkPosted(outcomes, journal, at, existed=True)


def _request_hash(bulk: Bulk, ids: Sequence[bytes], movements: Sequence[Movement]) -> bytes:
    """SHA-256 of the whole request: what is shared, and all that each movement says, in their order.

    Column by column: thousands of movements as text one by one would take longer than deciding them.
    """
    found = hashlib.sha256(_head(bulk, ids) + b"".join(ids))
    _, debits, credits_, minors, kinds, effective, linked, hold_ids, expiries, *_ = zip(*movements, strict=True)
    for names in (debits, credits_):
        found.update(json.dumps(names, separators=(",", ":")).encode())
    try:
        found.update(array("q", minors).tobytes())
    except OverflowError:  # refused as out of range, and remembered as what it was
        found.update(repr(minors).encode())
    for column, usual in (
        (kinds, MovementKind.TRANSFER),
        (effective, None),
        (linked, False),
        (hold_ids, None),
        (expiries, None),
    ):
        if column.count(usual) != len(column):
            found.update(repr([one.value if isinstance(one, MovementKind) else one for one in column]).encode())
        found.update(b"\n")
    return found.digest()


def _head(bulk: Bulk, ids: Sequence[bytes]) -> bytes:
    effective_us = bulk.effective_at and to_us(bulk.effective_at)
    return repr((bulk.kind, bulk.asset, effective_us, bulk.narrative, bulk.source, len(ids))).encode()


def _same_of_old(
    conn: Connection[Any],
    book: int,
    bulk: Bulk,
    ids: Sequence[bytes],
    movements: Sequence[Movement],
    before: tuple[Any, ...],
) -> bool:
    """Whether a bulk that an earlier version posted was this one: it hashed the ids alone, so what stands is compared one by one."""
    if before[1] != hashlib.sha256(_head(bulk, ids) + b"".join(ids)).digest():
        return False
    known = known_of(conn, book, ids, newest_posted=_LAST_ID, newest_held=_LAST_ID)
    return all(same_request(known[id_], again) for id_, again in zip(ids, movements, strict=True) if id_ in known)


def _checked(bulk: Bulk, movements: Sequence[Movement]) -> list[bytes]:
    """The id of each movement. Raises InvalidInput."""
    if not 0 < len(movements) <= MOVEMENTS_MAX:
        raise InvalidInput("movements", f"1 to {MOVEMENTS_MAX}", got=str(len(movements)))
    for field, value, longest in (("key", bulk.key, KEY_LENGTH_MAX), ("kind", bulk.kind, KIND_LENGTH_MAX)):
        if not 0 < len(value) <= longest:
            raise InvalidInput(field, f"1 to {longest} characters", got=value[:40])
    if word_of(bulk.key) is not None:
        raise KeyReserved(field="key", got=bulk.key[:40])
    ids = [movement.id or (movement.hold_id if movement.kind in _RETURNED else None) or b"" for movement in movements]
    if set(map(len, ids)) != {ID_BYTES}:
        line = next(line for line, id_ in enumerate(ids, 1) if len(id_) != ID_BYTES)
        raise InvalidInput("id", f"{ID_BYTES} bytes of a UUID", line=line)
    return ids
