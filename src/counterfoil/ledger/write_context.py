"""What a writer stands on: the program's lock, its books, the clock, the limit of closed periods, and the accounts as they are.

Locks are taken in one order: the program, then accounts by number. A batch takes the program alone and needs no locks on rows:
8,000 row locks cost more than everything else, and two such batches would wait for each other row by row. A single post shares
the program with other single posts and locks its few accounts, so that two posts on one account decide one after the other and
cannot both spend the same money.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection, Cursor

from counterfoil.base.postgres.ahead import hear, heard, speaks_ahead
from counterfoil.base.problems import check
from counterfoil.ledger.clock import allocate
from counterfoil.ledger.journals.batch_types import BEGINNING_US, AccountTotals, HoldState, Movement, MovementKind
from counterfoil.ledger.problems import UnknownProgram

EFFECTIVE_AHEAD_MAX_US = 366 * 86_400_000_000
# Whoever is silent for so long with a program's lock is frozen: the database ends its transaction, and the program's others go on.
SILENT_MAX_MS = 20_000


class Ground(NamedTuple):
    """What is the case while the program's lock is held."""

    program_id: str
    clock_ms: int
    closed_until_us: int
    books: dict[str, int]  # by asset
    version: int  # moves on with every write to the program
    incarnation: str  # another server, or another database in it, or a restored one, has another
    alone: bool
    segment: int  # of the program's postings that is written now
    segment_seq: int  # none of its postings has a smaller seq

    def seq(self, newest: int, count: int) -> int:
        """The first of `count` seqs: by the clock, after `newest`, and in the segment."""
        return allocate(self.clock_ms, max(newest, self.segment_seq - 1), count)

    def book(self, asset: str) -> int:
        """The number of the book in an asset. Raises UnknownProgram."""
        if asset not in self.books:
            raise UnknownProgram(program=self.program_id, asset=asset)
        return self.books[asset]


def enter(conn: Connection[Any], program_id: str, *, alone: bool, postings: int = 0) -> Ground:
    """Take the program's lock until the transaction ends and read what it guards: alone, or shared with single posts.

    `postings`, the most that will be written, tells who is alone whether they still fit into the segment.
    """
    cursor = _ask_to_enter(conn.cursor(binary=True), program_id, alone=alone, postings=postings)
    return ground_of(cursor, program_id, alone=alone)


def _ask_to_enter(cursor: Cursor[Any], program_id: str, *, alone: bool, postings: int = 0) -> Cursor[Any]:
    return cursor.execute(
        """select clock_ms, closed_until_us, version, incarnation, assets, books, segment, segment_seq
           from set_config('idle_in_transaction_session_timeout', %s, true), enter_program(%s, %s, %s)""",
        [str(SILENT_MAX_MS), program_id, alone, postings],
    )


def ground_of(cursor: Cursor[Any], program_id: str, *, alone: bool) -> Ground:
    """The ground out of the database's answer. Raises UnknownProgram."""
    row = cursor.fetchone()
    if row is None or not row[5]:
        raise UnknownProgram(program=program_id)
    clock_ms, closed_until_us, version, incarnation, assets, books, segment, segment_seq = row
    closed = BEGINNING_US if closed_until_us is None else closed_until_us
    by_asset = dict(zip(assets, books, strict=True))
    return Ground(program_id, clock_ms, closed, by_asset, version, incarnation, alone, segment, segment_seq)


_COLUMNS: Final = "id, debits, credits, debits_pending, credits_pending, last_seq, debit_normal, no_overdraft, frozen, closed"


def enter_for_one(
    conn: Connection[Any], program_id: str, asset: str, key: str, names: Collection[str]
) -> tuple[Ground, tuple[Any, ...] | None, dict[str, AccountTotals]]:
    """All that one journal needs, in one round trip: the ground, the journal that has its key if there is one, its accounts, locked."""
    entering, known, locked = conn.cursor(binary=True), conn.cursor(binary=True), conn.cursor(binary=True)
    with conn.pipeline():
        _ask_to_enter(entering, program_id, alone=False)
        known.execute(
            "select request_hash, id, recorded_at, effective_at from journal where program_id = %s and key = %s",
            [program_id, key],
        )
        _ask_to_lock(locked, program_id, asset, names)
    ground = ground_of(entering, program_id, alone=False)
    return ground, known.fetchone(), {row[0]: AccountTotals(*row[1:]) for row in locked}


def _ask_to_lock(cursor: Cursor[Any], program_id: str, asset: str, names: Collection[str]) -> Cursor[Any]:
    return cursor.execute(f"select name, {_COLUMNS} from lock_accounts(%s, %s, %s)", [program_id, asset, list(names)])


def accounts_of(conn: Connection[Any], ground: Ground, asset: str, names: Collection[str]) -> dict[str, AccountTotals]:
    """The accounts of these names as they are; locked, unless the program is ours alone. Unknown names are left out."""
    with conn.cursor(binary=True) as cursor:
        if ground.alone:
            query = f"select name, {_COLUMNS} from account where book_id = %s and name = any(%s)"
            cursor.execute(query, [ground.books[asset], list(names)])
        else:
            _ask_to_lock(cursor, ground.program_id, asset, names)
        return {row[0]: AccountTotals(*row[1:]) for row in heard(cursor)}


def refresh(conn: Connection[Any], ground: Ground, accounts: Collection[AccountTotals]) -> int:
    """Read the totals and flags of these accounts anew, and return the newest seq on any of them.

    Only for who has the program alone. The numbers come packed, column by column: as rows they would take twice as long.
    """
    check(ground.alone, "totals are read without locks only by who is alone in the program")
    by_number = {account.id: account for account in accounts}
    with conn.cursor(binary=True) as cursor:
        cursor.execute(
            """select max(last_seq), string_agg(int8send(id), ''), string_agg(int8send(debits), ''), string_agg(int8send(credits), ''),
                      string_agg(int8send(debits_pending), ''), string_agg(int8send(credits_pending), ''),
                      string_agg(int8send((frozen::int + closed::int * 2 + no_overdraft::int * 4)::bigint), '')
               from account join unnest(%b::bigint[]) as asked (id) using (id)""",
            [list(by_number)],
            prepare=False,  # a plan for these: most of a book is read in one go
        )
        row = heard(cursor).fetchone()
    newest, *packed = row or (0,)
    columns = [_unpack(column or b"") for column in packed]
    check(len(columns[0]) == len(by_number), "an account that is there stays there")
    for number, debits, credits, debits_pending, credits_pending, flags in zip(*columns, strict=True):  # noqa: A001
        by_number[number].load(debits, credits, debits_pending, credits_pending, flags)
    return int(newest)


def _unpack(column: bytes) -> array[int]:
    numbers = array("q", column)
    if sys.byteorder == "little":
        numbers.byteswap()
    return numbers


class Seen(NamedTuple):
    """What bulks meet, beside the ground: the journals that have their keys, the newest ids up to their last, whether a journal stands."""

    before: dict[str, tuple[UUID, bytes, datetime]]  # by key: id, request hash, recorded at
    newest_posted: UUID | None
    newest_held: UUID | None
    stands: bool


def enter_for_bulks(
    conn: Connection[Any], program_id: str, keys: Sequence[str], last_id: bytes, journal: UUID | None, *, postings: int
) -> tuple[Ground, Seen]:
    """All that bulks ask before they read accounts, in one round trip."""
    entering, known, newest = conn.cursor(binary=True), conn.cursor(binary=True), conn.cursor(binary=True)
    with nullcontext() if speaks_ahead(conn) else conn.pipeline():
        _ask_to_enter(entering, program_id, alone=True, postings=postings)
        known.execute(
            "select key, id, request_hash, recorded_at from journal where program_id = %s and key = any(%s)", [program_id, list(keys)]
        )
        newest.execute(
            """select (select movement from posting where movement <= %(last)s order by movement desc limit 1),
                      (select id from hold where id <= %(last)s order by id desc limit 1),
                      exists (select from journal where id = %(journal)s)""",
            {"last": UUID(bytes=last_id), "journal": journal},
        )
    hear(conn)
    ground = ground_of(entering, program_id, alone=True)
    return ground, Seen({row[0]: row[1:] for row in known}, *(newest.fetchone() or (None, None, False)))


def known_of(
    conn: Connection[Any],
    book: int,
    ids: Sequence[bytes],
    *,
    newest_posted: UUID | None,
    newest_held: UUID | None,
    kind: str | None = None,
) -> dict[bytes, Movement]:
    """Which of these ids were posted before, and for what, given the newest ids there are up to the last of these.

    What was posted with another `kind` than this counts as something else. An id after those needs no look-up: so ids that sort by
    time cost none. The unique index still refuses what another program
    slips in between.
    """
    posted, held = _up_to(ids, newest_posted), _up_to(ids, newest_held)
    found = _known_postings(conn, book, posted, kind) if posted else {}
    return found | _known_holds(conn, book, held) if held else found


def _known_postings(conn: Connection[Any], book: int, ids: str, kind: str | None) -> dict[bytes, Movement]:
    asked = conn.execute(
        """select p.movement, d.name, c.name, p.amount,
                  (extract(epoch from coalesce(l.occurred_at, p.effective_at)) * 1000000)::bigint,
                  r.hold_id, d.book_id = %s and j.kind = coalesce(%s, j.kind)
           from posting p
           join journal j on j.id = p.journal_id
           left join late_posting l on l.journal_id = p.journal_id and l.line = p.line
           join account d on d.id = p.debit
           join account c on c.id = p.credit
           left join hold_resolution r on r.journal_id = p.journal_id and r.line = p.line
           where p.movement = any(%s::uuid[])""",
        [book, kind, ids],
    )
    rows = heard(asked).fetchall()
    found = {}
    for id_, debit, credit, minor, effective_us, hold_id, ours in rows:
        was = MovementKind.TRANSFER if hold_id is None else MovementKind.POST_HOLD
        hold = None if hold_id is None else hold_id.bytes
        found[id_.bytes] = Movement(id_.bytes, debit if ours else "", credit, minor, was, effective_us, False, hold)
    return found


def _known_holds(conn: Connection[Any], book: int, ids: str) -> dict[bytes, Movement]:
    asked = conn.execute(
        """select h.id, d.name, c.name, h.amount, (extract(epoch from h.expires_at) * 1000000)::bigint, d.book_id = %s
           from hold h join account d on d.id = h.debit join account c on c.id = h.credit
           where h.id = any(%s::uuid[])""",
        [book, ids],
    )
    rows = heard(asked).fetchall()
    return {
        id_.bytes: Movement(id_.bytes, debit if ours else "", credit, minor, MovementKind.HOLD, expires_us=expires_us)
        for id_, debit, credit, minor, expires_us, ours in rows
    }


def _up_to(ids: Sequence[bytes], newest: UUID | None) -> str | None:
    """Those of the ids that may be there, as PostgreSQL writes an array; None if there are none."""
    last = b"" if newest is None else newest.bytes
    asked = ",".join([id_.hex() for id_ in ids if id_ <= last])
    return f"{{{asked}}}" if asked else None


def holds_of(conn: Connection[Any], book: int, ids: Sequence[bytes]) -> dict[bytes, HoldState]:
    """The holds of this book with these ids, with how they were resolved, if they were."""
    if not ids:
        return {}
    asked = conn.execute(
        """select h.id, d.name, c.name, h.amount, (extract(epoch from h.expires_at) * 1000000)::bigint, r.verb, r.amount
           from hold h
           join account d on d.id = h.debit
           join account c on c.id = h.credit
           left join hold_resolution r on r.hold_id = h.id
           where h.id = any(%s::uuid[]) and d.book_id = %s""",
        ["{" + ",".join([id_.hex() for id_ in ids]) + "}", book],
    )
    rows = heard(asked).fetchall()
    return {
        id_.bytes: HoldState(debit, credit, minor, expires_us, MovementKind(verb) if verb else None, posted or 0)
        for id_, debit, credit, minor, expires_us, verb, posted in rows
    }
