"""Write what a batch decided: headers, postings, holds and resolutions. The database's triggers move the totals and check it all."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.types.numeric import Int4, Int8

from counterfoil.base.failpoints import reached
from counterfoil.base.postgres.ahead import speaks_ahead
from counterfoil.base.postgres.columns import Ids, Moments, Numbers
from counterfoil.ledger.clock import OFF_CLOCK_US, SEQ_BITS, from_us
from counterfoil.ledger.journals.batch_types import AccountTotals, HoldRow, LateRow, MovementKind, PostingRow, ResolutionRow

COPY_ROWS_MIN: Final = 4  # below this an insert is as quick as opening a COPY
COPY_BYTES_MIN: Final = 16_384  # sent at a time: journals of a line or two would cost more in sending than in writing
_PG_EPOCH_US: Final = 946_684_800_000_000  # PostgreSQL counts from 2000
_COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TAIL: Final = b"\xff\xff"
_ROW: Final = struct.Struct(">hi16siqiqiqiqiqiqiqiiiiibi16s").pack  # with the movement's id
_ROW_BARE: Final = struct.Struct(">hi16siqiqiqiqiqiqiqiiiiibi").pack  # without
_HEADER_COLUMNS: Final = """program_id, recorded_at, id, book_id, lines, effective_at, kind, key, request_hash, actor, narrative,
    source_type, source_id, reverses, reverses_line"""
_POSTING_COLUMNS: Final = """journal_id, line, off_clock, segment, debit, credit, amount, debit_balance, credit_balance, effective_at, seq,
    movement"""
_POSTING_VALUES: Final = f"(%s::uuid, %s::int, %s, %s::int, {', '.join(['%s::bigint'] * 5)}, %s, %s::bigint, %s::uuid)"


class Header(NamedTuple):
    """A journal's header. What a bulk journal's movements share is stored here once."""

    id: UUID
    book_id: int
    lines: int
    effective_at: datetime
    kind: str
    key: str
    request_hash: bytes
    actor: str
    narrative: str | None = None
    source_type: str | None = None
    source_id: str | None = None
    reverses: UUID | None = None
    reverses_line: int | None = None


class Facts(NamedTuple):
    """What a hold keeps beside its amount."""

    kind: str
    actor: str
    narrative: str | None
    source_type: str | None
    source_id: str | None
    promised: bool = False


def journal_id(program_id: str, key: str, recorded_ms: int, place: int) -> UUID:
    """A version 7 UUID: sorts by time, then by place in its batch; the rest comes from the key, which is unique in its program."""
    tail = int.from_bytes(hashlib.sha256(f"{program_id}\n{key}".encode()).digest()[:8]) & (1 << 62) - 1
    return UUID(int=(recorded_ms & (1 << 48) - 1) << 80 | 7 << 76 | (place & 0xFFF) << 64 | 2 << 62 | tail)


class PostingPlace(NamedTuple):
    """Where postings go: the seq of the next one, and the segment of their program that is written now."""

    seq: int
    segment: int

    def after(self, postings: int) -> PostingPlace:
        """The place behind so many."""
        return PostingPlace(self.seq + postings, self.segment)


class Lines(NamedTuple):
    """Postings of one journal. A line's number is its place in the batch less `before`, the places before the journal's first."""

    journal_id: UUID
    rows: Sequence[PostingRow]
    before: int = -1


def insert_journal(
    conn: Connection[Any], program_id: str, header: Header, lines: Lines, *, recorded_at: datetime, place: PostingPlace
) -> bool:
    """Write one journal whole, in one statement; False, and nothing written, when its key was used in the meantime."""
    rows = [value for row in _postings([lines], place) for value in row]
    return bool(
        conn.execute(
            f"""with header as (
                    insert into journal ({_HEADER_COLUMNS}) values ({", ".join(["%s"] * 15)})
                    on conflict (program_id, key) do nothing
                    returning id
                )
                insert into posting ({_POSTING_COLUMNS})
                select * from (values {", ".join([_POSTING_VALUES] * len(lines.rows))}) as p
                where (select count(*) from header) = 1""",
            [program_id, recorded_at, *header, *rows],
        ).rowcount
    )


def insert_headers(conn: Connection[Any], program_id: str, headers: Sequence[Header], *, recorded_at: datetime) -> None:
    """Write headers. Only for who has the program alone, and has looked for their keys."""
    columns = list(zip(*headers, strict=True))
    conn.execute(
        f"""insert into journal ({_HEADER_COLUMNS})
            select %s, %s, * from unnest(%b::uuid[], %b::int[], %b::int[], %b::timestamptz[], %b::text[], %b::text[], %b::bytea[],
                                         %b::text[], %b::text[], %b::text[], %b::text[], %b::uuid[], %b::int[])""",
        [program_id, recorded_at, *map(list, columns)],
    )


def insert_postings(conn: Connection[Any], journals: Sequence[Lines], place: PostingPlace) -> None:
    """Write postings in order, from this place on."""
    if sum(len(lines.rows) for lines in journals) >= COPY_ROWS_MIN and not speaks_ahead(conn):
        copy_postings(conn, iter(journals), place)
        return
    conn.execute(
        f"""insert into posting ({_POSTING_COLUMNS})
            select * from unnest(%s::uuid[], %s::int[], %s::boolean[], %s::int[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
                                 %s::bigint[], %s::timestamptz[], %s::bigint[], %s::uuid[])""",
        [list(column) for column in zip(*_postings(journals, place), strict=True)],
    )


def _postings(journals: Sequence[Lines], place: PostingPlace) -> list[tuple[Any, ...]]:
    recorded_us = (place.seq >> SEQ_BITS) * 1000
    rows = [(lines.journal_id, row[0] - lines.before, *row[1:]) for lines in journals for row in lines.rows]
    return [
        (
            id_,
            line,
            abs(effective_us - recorded_us) > OFF_CLOCK_US,
            place.segment,
            debit,
            credit,
            minor,
            debit_balance,
            credit_balance,
            from_us(effective_us),
            seq,
            UUID(bytes=movement) if movement else None,
        )
        for seq, (id_, line, debit, credit, minor, debit_balance, credit_balance, effective_us, movement) in enumerate(rows, place.seq)
    ]


def insert_bulk(
    conn: Connection[Any], program_id: str, header: Header, lines: Lines, *, recorded_at: datetime, place: PostingPlace
) -> None:
    """Write a journal and its postings in one statement, column by column. Up to some hundred postings it costs the server what a COPY
    does, which takes trips of its own. Only for who has the program alone, and has looked for the key."""
    if not lines.rows:
        insert_headers(conn, program_id, [header], recorded_at=recorded_at)
        return
    places, debits, credits_, minors, debit_balances, credit_balances, effective_us, movements = zip(*lines.rows, strict=True)
    recorded_us = (place.seq >> SEQ_BITS) * 1000
    conn.execute(
        f"""with header as (insert into journal ({_HEADER_COLUMNS}) values ({", ".join(["%s"] * 15)}))
            insert into posting ({_POSTING_COLUMNS})
            select %b, (place - %b)::int, effective_at not between %b and %b, %b, debit, credit, amount, debit_balance, credit_balance,
                   effective_at, %b + nth, movement
            from unnest(%b, %b, %b, %b, %b, %b, %b, %b) with ordinality
                 as p (place, debit, credit, amount, debit_balance, credit_balance, effective_at, movement, nth)""",
        [
            program_id,
            recorded_at,
            *header,
            header.id,
            Int8(lines.before),
            from_us(recorded_us - OFF_CLOCK_US),
            from_us(recorded_us + OFF_CLOCK_US),
            Int4(place.segment),
            Int8(place.seq - 1),
            *map(Numbers, (places, debits, credits_, minors, debit_balances, credit_balances)),
            Moments(effective_us),
            Ids(movements),
        ],
    )


def copy_postings(conn: Connection[Any], journals: Iterator[Lines], place: PostingPlace) -> None:
    """Write postings by COPY, each part sent as it comes: the server works on one while the next is decided and encoded."""
    with conn.cursor().copy("copy posting from stdin (format binary)") as copy:
        waiting = [_COPY_HEAD]
        size = 0
        for lines in journals:
            waiting.append(encode(lines, place))
            place = place.after(len(lines.rows))
            size += len(waiting[-1])
            if size >= COPY_BYTES_MIN:
                copy.write(b"".join(waiting))
                waiting, size = [], 0
                reached("ledger.copying")
        copy.write(b"".join([*waiting, _COPY_TAIL]))


def encode(lines: Lines, where: PostingPlace) -> bytes:
    """Rows in PostgreSQL's binary COPY format. Columns as in the table."""
    first_seq, segment = where
    recorded_us = (first_seq >> SEQ_BITS) * 1000
    low, high = recorded_us - OFF_CLOCK_US, recorded_us + OFF_CLOCK_US
    name, before = lines.journal_id.bytes, lines.before
    return b"".join(
        [
            (_ROW_BARE if movement is None else _ROW)(
                12,
                16,
                name,
                8,
                debit,
                8,
                credit,
                8,
                minor,
                8,
                debit_balance,
                8,
                credit_balance,
                8,
                effective_us - _PG_EPOCH_US,
                8,
                seq,
                4,
                place - before,
                4,
                segment,
                1,
                not low <= effective_us <= high,
                *((-1,) if movement is None else (16, movement)),
            )
            for seq, (place, debit, credit, minor, debit_balance, credit_balance, effective_us, movement) in enumerate(
                lines.rows, first_seq
            )
        ]
    )


def insert_holds(conn: Connection[Any], rows: Sequence[HoldRow], facts: Facts, *, now: datetime) -> None:
    """Write holds that share their facts; the trigger counts them as pending."""
    insert_holds_of(conn, rows, [facts] * len(rows), now=now)


def insert_holds_of(conn: Connection[Any], rows: Sequence[HoldRow], facts: Sequence[Facts], *, now: datetime) -> None:
    """Write holds, each with its facts."""
    if not rows:
        return
    conn.execute(
        """insert into hold (id, debit, credit, amount, expires_at, taken_at, kind, actor, narrative, source_type, source_id, promised)
           select id, debit, credit, amount, expires_at, %s, kind, actor, narrative, source_type, source_id, promised
           from unnest(%b::uuid[], %b::bigint[], %b::bigint[], %b::bigint[], %b::timestamptz[], %b::text[], %b::text[], %b::text[],
                       %b::text[], %b::text[], %b::boolean[])
                as h (id, debit, credit, amount, expires_at, kind, actor, narrative, source_type, source_id, promised)""",
        [
            now,
            [UUID(bytes=row.id) for row in rows],
            [row.debit for row in rows],
            [row.credit for row in rows],
            [row.minor for row in rows],
            [None if row.expires_us is None else from_us(row.expires_us) for row in rows],
            *[list(column) for column in zip(*facts, strict=True)],
        ],
    )


def insert_resolutions(
    conn: Connection[Any],
    rows: Sequence[ResolutionRow],
    journal: UUID | None,
    *,
    actor: str,
    reason: str | None,
    now: datetime,
) -> None:
    """Write resolutions; the trigger frees what they held. `journal` is the one that their postings will be in."""
    _resolve(conn, [(row, journal, row.place + 1, reason) for row in rows], actor=actor, now=now)


def insert_resolutions_of(
    conn: Connection[Any], rows: Sequence[tuple[ResolutionRow, UUID, str | None]], *, actor: str, now: datetime
) -> None:
    """Write resolutions, each posted by a journal of its own, for a reason of its own."""
    _resolve(conn, [(row, journal, 1, reason) for row, journal, reason in rows], actor=actor, now=now)


def _resolve(
    conn: Connection[Any], rows: Sequence[tuple[ResolutionRow, UUID | None, int, str | None]], *, actor: str, now: datetime
) -> None:
    posts = [row.kind is MovementKind.POST_HOLD for row, *_ in rows]
    conn.execute(
        """insert into hold_resolution (hold_id, verb, amount, journal_id, line, resolved_at, actor, reason)
           select hold_id, verb, amount, journal_id, line, %s, %s, reason
           from unnest(%b::uuid[], %b::text[], %b::bigint[], %b::uuid[], %b::int[], %b::text[])
                as r (hold_id, verb, amount, journal_id, line, reason)""",
        [
            now,
            actor,
            [UUID(bytes=row.hold_id) for row, *_ in rows],
            [row.kind.value for row, *_ in rows],
            [row.minor if post else 0 for (row, *_), post in zip(rows, posts, strict=True)],
            [journal if post else None for (_, journal, *_), post in zip(rows, posts, strict=True)],
            [line if post else None for (_, _, line, _), post in zip(rows, posts, strict=True)],
            [reason for *_, reason in rows],
        ],
    )


def insert_late(conn: Connection[Any], rows: Sequence[tuple[UUID, LateRow, int]]) -> None:
    """Mark postings that happened in a closed period: journal, mark, and the places before the journal's first (see `Lines`)."""
    if rows:
        conn.execute(
            """insert into late_posting (journal_id, line, occurred_at)
               select * from unnest(%b::uuid[], %b::int[], %b::timestamptz[])""",
            [
                [journal for journal, _, _ in rows],
                [row.place - before for _, row, before in rows],
                [from_us(row.occurred_us) for _, row, _ in rows],
            ],
        )


def newest_of(accounts: Iterable[AccountTotals]) -> int:
    """The highest seq on any of these accounts."""
    return max((account.last_seq for account in accounts), default=0)
