"""Bulk: thousands of movements under one header, with an outcome each.

What they share is stored once. Each movement carries its caller's id and is posted once under it, whatever batch it comes in; an
id is taken only by what was posted. A bulk with a key that was used before is answered as the first time, refusals included.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection

from counterfoil.base.failpoints import reached
from counterfoil.base.postgres.ahead import hear, speaks_ahead
from counterfoil.base.problems import InvalidInput, KeyReused, Problem, check
from counterfoil.ledger.clock import SEQ_BITS, from_us, recorded_at, to_us
from counterfoil.ledger.journals.batch import Batch, same_request
from counterfoil.ledger.journals.batch_types import LateRow, Movement, MovementKind, MovementOutcome, Terms
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
    insert_bulk,
    insert_headers,
    insert_holds,
    insert_late,
    insert_postings,
    insert_resolutions,
    journal_id,
)
from counterfoil.ledger.problems import KeyReserved
from counterfoil.ledger.write_context import EFFECTIVE_AHEAD_MAX_US, Ground, Seen, enter_for_bulks, holds_of, known_of

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


class PreparedBulk(NamedTuple):
    """A bulk that was looked at before anything is asked of the database: see `prepare`."""

    shared: Bulk
    movements: Sequence[Movement]
    ids: list[bytes]
    names: set[str]  # of the accounts that the movements name
    request_hash: bytes
    plain: bool  # transfers alone

    def joins(self, other: PreparedBulk) -> bool:
        """Whether both may be written together."""
        return self.plain and other.plain and (self.shared.asset, self.shared.kind) == (other.shared.asset, other.shared.kind)


def prepare(bulk: Bulk, movements: Sequence[Movement]) -> PreparedBulk:
    """What can be done for a bulk ahead of its turn. Raises InvalidInput."""
    ids = _checked(bulk, movements)
    columns = list(zip(*movements, strict=True))
    _, debits, credits_, _, kinds, *_ = columns
    plain = kinds.count(MovementKind.TRANSFER) == len(kinds)
    return PreparedBulk(bulk, movements, ids, {*debits, *credits_}, _request_hash(bulk, ids, columns), plain)


def post_many(
    conn: Connection[Any],
    program_id: str,
    bulk: Bulk,
    movements: Sequence[Movement],
    *,
    now: datetime,
    memory: Memory | None = None,
    entered: Callable[[], None] | None = None,
) -> BulkPosted:
    """Post movements under one header: each has its outcome; those that are linked stand or fall together.

    Takes the program alone until the transaction ends. A writer of many batches gives them one `memory`. Who begins a batch while another
    is under way gives `entered`, which is called as soon as the program is ours, and takes its turn of the memory in it (`Memory.turn`).
    Raises UnknownProgram, KeyReused, InvalidInput.
    """
    (result,) = post_bulks(conn, program_id, [prepare(bulk, movements)], now=now, memory=memory, entered=entered)
    if isinstance(result, Problem):
        raise result
    return result


def post_bulks(
    conn: Connection[Any],
    program_id: str,
    bulks: Sequence[PreparedBulk],
    *,
    now: datetime,
    memory: Memory | None = None,
    entered: Callable[[], None] | None = None,
) -> list[BulkPosted | Problem]:
    """Post bulks one after the other, each under its own header; KeyReused of one is returned, and stops no other.

    Several are written as one: the database moves and checks the totals of an account once for all of them. They must join (see
    `PreparedBulk.joins`), and their keys differ. Takes the program alone until the transaction ends. Raises UnknownProgram.
    """
    check(len({one.shared.key for one in bulks}) == len(bulks), "bulks that are written together have different keys")
    check(all(bulks[0].joins(one) for one in bulks[1:]), "bulks that are written together join")
    check(len(bulks) == 1 or not speaks_ahead(conn), "a transaction that speaks ahead writes one bulk")
    memory = memory or Memory()
    last_id, count = max(max(one.ids) for one in bulks), sum(len(one.movements) for one in bulks)
    asked = None if entered else memory.journal  # of who takes turns it is known that it stands
    ground, seen = enter_for_bulks(conn, program_id, [one.shared.key for one in bulks], last_id, asked, postings=count)
    if entered is not None:
        entered()
        seen = seen._replace(stands=True)
    reached("ledger.locked")
    book = ground.book(bulks[0].shared.asset)
    results: dict[str, BulkPosted | Problem] = {}
    for one in bulks:
        if (before := seen.before.get(one.shared.key)) is not None:
            results[one.shared.key] = _answer_again(conn, book, one, before)
    fresh = [one for one in bulks if one.shared.key not in results]
    if fresh:
        results |= _Writing(conn, ground, book, fresh, now).post(seen, memory)
    return [results[one.shared.key] for one in bulks]


class _Writing:
    """Bulks on their way. Counts the statements that move the program's version on."""

    def __init__(self, conn: Connection[Any], ground: Ground, book: int, bulks: Sequence[PreparedBulk], now: datetime) -> None:
        self.conn = conn
        self.ground = ground
        self.book = book
        self.bulks = bulks
        self.now = now
        self.count = sum(len(one.movements) for one in bulks)
        self.statements = 0

    def post(self, seen: Seen, memory: Memory) -> dict[str, BulkPosted | Problem]:
        """Decide and write them; what became of each, by its key."""
        ground, first = self.ground, self.bulks[0].shared
        ids = [id_ for one in self.bulks for id_ in one.ids]
        with_holds = [movement for one in self.bulks if not one.plain for movement in one.movements]
        holds = holds_of(self.conn, self.book, [movement.hold_id for movement in with_holds if movement.hold_id is not None])
        names = set[str]().union(*(one.names for one in self.bulks))
        names |= {name for hold in holds.values() for name in (hold.debit, hold.credit)}
        accounts, newest = memory.recall(self.conn, ground, first.asset, names, stands=seen.stands)
        known = known_of(self.conn, self.book, ids, newest_posted=seen.newest_posted, newest_held=seen.newest_held, kind=first.kind)
        batch = Batch(accounts, self.terms(first), known=known, holds=holds, ids_differ=len(set(ids)) == self.count)
        seq = ground.seq(newest, self.count)
        headers = [_header(ground.program_id, self.book, one, self.at(one.shared), seq, nth) for nth, one in enumerate(self.bulks)]
        place = PostingPlace(seq, ground.segment)
        if speaks_ahead(self.conn) and self.bulks[0].plain:
            outcomes = [self.at_once(batch, headers[0], place)]
        else:
            insert_headers(self.conn, ground.program_id, headers, recorded_at=recorded_at(seq))
            reached("ledger.header_written")
            if len(self.bulks) > 1 or (self.bulks[0].plain and self.count >= COPY_ROWS_MIN):
                outcomes = self.stream(batch, headers, place)
            else:
                outcomes = [self.whole(batch, headers[0], place)]
        for header, one, came in zip(headers, self.bulks, outcomes, strict=True):
            if not one.plain or came.count(MovementOutcome.POSTED) < len(came):
                _remember_unposted(self.conn, header.id, one.movements, came)
        hear(self.conn)
        reached("ledger.before_commit")
        memory.keep(version=ground.version + self.statements, newest=seq + self.count, journal=headers[-1].id)
        return {header.key: BulkPosted(came, header.id, recorded_at(seq)) for header, came in zip(headers, outcomes, strict=True)}

    def at(self, bulk: Bulk) -> datetime:
        """When it happens. What says no time of its own happens now; a close of the books up to this very moment does not refuse it."""
        return bulk.effective_at or max(self.now, from_us(max(self.ground.closed_until_us, 0)))

    def terms(self, bulk: Bulk) -> Terms:
        """What bounds the movements of this one."""
        latest_us = self.ground.clock_ms * 1000 + EFFECTIVE_AHEAD_MAX_US
        return Terms(to_us(self.now, "now"), to_us(self.at(bulk)), self.ground.closed_until_us, latest_us)

    def stream(self, batch: Batch, headers: Sequence[Header], place: PostingPlace) -> list[list[MovementOutcome]]:
        """Transfers alone: the server writes one part while the next is decided."""
        outcomes: list[list[MovementOutcome]] = []
        late: list[tuple[UUID, LateRow, int]] = []

        def parts() -> Iterator[Lines]:
            for header, one in zip(headers, self.bulks, strict=True):
                batch.terms = self.terms(one.shared)
                before, came = batch.place - 1, list[MovementOutcome]()
                outcomes.append(came)
                for part in _parts(one.movements):
                    came.extend(batch.take(part))
                    yield Lines(header.id, batch.drain(), before)
                late.extend((header.id, row, before) for row in batch.drain_late())

        copy_postings(self.conn, parts(), place)
        self.statements = int(any(MovementOutcome.POSTED in came for came in outcomes))
        insert_late(self.conn, late)
        return outcomes

    def at_once(self, batch: Batch, header: Header, place: PostingPlace) -> list[MovementOutcome]:
        """Transfers of one bulk, with their header, in one statement."""
        outcomes = batch.take(self.bulks[0].movements)
        insert_bulk(
            self.conn, self.ground.program_id, header, Lines(header.id, batch.drain()), recorded_at=recorded_at(place.seq), place=place
        )
        self.statements = int(MovementOutcome.POSTED in outcomes)
        insert_late(self.conn, [(header.id, row, -1) for row in batch.drain_late()])
        return outcomes

    def whole(self, batch: Batch, header: Header, place: PostingPlace) -> list[MovementOutcome]:
        """Holds and their ends among them: everything is decided, then written in as few parts as there can be."""
        outcomes = batch.take(self.bulks[0].movements)
        shared = self.bulks[0].shared
        facts = Facts(shared.kind, shared.actor, shared.narrative, header.source_type, header.source_id)
        for write in batch.writes:
            if write.resolutions:
                insert_resolutions(
                    self.conn,
                    write.resolutions,
                    header.id,
                    actor=facts.actor,
                    reason=facts.narrative,
                    now=self.now,
                )
            if write.postings:
                insert_postings(self.conn, [Lines(header.id, write.postings)], place)
                place = place.after(len(write.postings))
            if write.holds:
                insert_holds(self.conn, write.holds, facts, now=self.now)
            self.statements += sum(1 for rows in (write.resolutions, write.postings, write.holds) if rows)
        insert_late(self.conn, [(header.id, row, -1) for write in batch.writes for row in write.late])
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


def _header(program_id: str, book: int, one: PreparedBulk, effective_at: datetime, seq: int, place: int) -> Header:
    bulk = one.shared
    id_ = journal_id(program_id, bulk.key, seq >> SEQ_BITS, place)
    source_type, source_id = bulk.source or (None, None)
    return Header(
        id_,
        book,
        len(one.movements),
        effective_at,
        bulk.kind,
        bulk.key,
        one.request_hash,
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


def _answer_again(conn: Connection[Any], book: int, one: PreparedBulk, before: tuple[UUID, bytes, datetime]) -> BulkPosted | Problem:
    """The first answer, if this is the same request: everything was posted, but what is remembered as something else."""
    journal, request_hash, at = before
    if request_hash != one.request_hash and not _same_of_old(conn, book, one, request_hash):
        return KeyReused(key=one.shared.key, journal=str(journal))
    outcomes = [MovementOutcome.POSTED] * len(one.movements)
    kinds = {kind.value for kind in MovementKind}
    for line, outcome in conn.execute(
        "select line, outcome from unposted_line where journal_id = %s order by line limit %s", [journal, len(outcomes)]
    ):
        if outcome not in kinds:
            outcomes[line - 1] = MovementOutcome(outcome)
    return BulkPosted(outcomes, journal, at, existed=True)


def _request_hash(bulk: Bulk, ids: Sequence[bytes], columns: Sequence[Sequence[Any]]) -> bytes:
    """SHA-256 of the whole request: what is shared, and all that each movement says, in their order.

    By the columns of the movements: thousands of them as text one by one would take longer than deciding them.
    """
    found = hashlib.sha256(_head(bulk, ids) + b"".join(ids))
    _, debits, credits_, minors, kinds, effective, linked, hold_ids, expiries, *_ = columns
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


def _same_of_old(conn: Connection[Any], book: int, one: PreparedBulk, request_hash: bytes) -> bool:
    """Whether a bulk that an earlier version posted was this one: it hashed the ids alone, so what stands is compared one by one."""
    if request_hash != hashlib.sha256(_head(one.shared, one.ids) + b"".join(one.ids)).digest():
        return False
    known = known_of(conn, book, one.ids, newest_posted=_LAST_ID, newest_held=_LAST_ID)
    return all(same_request(known[id_], again) for id_, again in zip(one.ids, one.movements, strict=True) if id_ in known)


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
