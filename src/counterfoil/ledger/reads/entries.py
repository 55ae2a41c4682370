"""Entries of a part of a book: what was posted to its accounts in a span, newest first. Select only, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection

from counterfoil.ledger.clock import first_seq, recorded_at, to_us
from counterfoil.ledger.reads.books import first_id

_SLACK: Final = timedelta(minutes=10)  # a journal's id is made a moment before its postings


class PartOfBook(NamedTuple):
    """Accounts of one program in one asset: by name, or by how a name begins where it ends with `*`; or, with `others`, all but these."""

    program_id: str
    asset: str
    accounts: tuple[str, ...]
    others: bool = False


class EntriesWanted(NamedTuple):
    """Which of its postings: those that debit it alone (`debits`), those that credit it alone, or all; and only those `with_` another part
    on their other side."""

    debits: bool | None = None
    with_: PartOfBook | None = None


ALL_ENTRIES: Final = EntriesWanted()


class Entry(NamedTuple):
    """One posting to the part. `debited` and `credited`: which of its sides is of the part; both, where it moved within."""

    recorded_at: datetime
    journal_id: UUID
    line: int
    kind: str
    key: str
    source_type: str | None
    source_id: str | None
    debit: str
    credit: str
    amount: int
    debited: bool
    credited: bool


class PartMoved(NamedTuple):
    """What was posted to the part in a span, by side, without what moved within it."""

    debits: int
    credits: int


def entries_of(
    conn: Connection[Any],
    part: PartOfBook,
    *,
    start: datetime,
    end: datetime,
    rows_max: int,
    after: tuple[str, int] | None = None,
    wanted: EntriesWanted = ALL_ENTRIES,
) -> list[Entry]:
    """Its postings from `start` until before `end`, by the time of recording, behind the journal and line `after`."""
    rows = conn.execute(
        _ENTRIES.encode(),
        {
            **_given(part, start, end, wanted),
            "after_id": after[0] if after else None,
            "after_line": after[1] if after else None,
            "rows_max": rows_max,
        },
    ).fetchall()
    return [Entry(recorded_at(row[0]), *row[1:]) for row in rows]


def moved_of(conn: Connection[Any], part: PartOfBook, *, start: datetime, end: datetime, wanted: EntriesWanted = ALL_ENTRIES) -> PartMoved:
    """What was posted to it in this span."""
    row = conn.execute(_MOVED.encode(), _given(part, start, end, wanted)).fetchone()
    return PartMoved(*row) if row else PartMoved(0, 0)


def _given(part: PartOfBook, start: datetime, end: datetime, wanted: EntriesWanted) -> dict[str, Any]:
    other = wanted.with_ or PartOfBook(part.program_id, part.asset, (), others=True)  # all but none
    return {
        "program": part.program_id,
        "asset": part.asset,
        "names": [one for one in part.accounts if not one.endswith("*")],
        "beginnings": _beginnings(part.accounts),
        "others": part.others,
        "other_names": [one for one in other.accounts if not one.endswith("*")],
        "other_beginnings": _beginnings(other.accounts),
        "other_others": other.others,
        "is_debits": wanted.debits,
        "first_id": first_id(start - _SLACK),
        "last_id": first_id(end + _SLACK),
        "first_seq": first_seq(to_us(start) // 1000),
        "last_seq": first_seq(to_us(end) // 1000),
    }


def _beginnings(accounts: Sequence[str]) -> list[str]:
    return [one.removesuffix("*") for one in accounts if one.endswith("*")]


_PART: Final = """
    with part as materialized (
        select a.id from account a join book b on b.id = a.book_id
        where b.program_id = %(program)s and b.asset = %(asset)s
          and (a.name = any(%(names)s)
               or exists (select from unnest(%(beginnings)s::text[]) as f (prefix) where starts_with(a.name, prefix))) <> %(others)s),
    other as materialized (
        select a.id from account a join book b on b.id = a.book_id
        where b.program_id = %(program)s and b.asset = %(asset)s
          and (a.name = any(%(other_names)s)
               or exists (select from unnest(%(other_beginnings)s::text[]) as f (prefix) where starts_with(a.name, prefix)))
              <> %(other_others)s),
    sided as (
        select p.*, p.debit in (select id from part) as debited, p.credit in (select id from part) as credited
        from posting p
        where p.journal_id >= %(first_id)s and p.journal_id < %(last_id)s and p.seq >= %(first_seq)s and p.seq < %(last_seq)s),
    posted as (
        select * from sided p
        where (%(is_debits)s::boolean is null or (p.debited <> p.credited and p.debited = %(is_debits)s))
          and (p.debited and p.credit in (select id from other) or p.credited and p.debit in (select id from other)))"""
_ENTRIES: Final = (
    _PART
    + """
    select p.seq, p.journal_id, p.line, j.kind, j.key, j.source_type, j.source_id, d.name, c.name, p.amount, p.debited, p.credited
    from posted p join journal j on j.id = p.journal_id join account d on d.id = p.debit join account c on c.id = p.credit
    where (p.debited or p.credited)
      and (%(after_id)s::uuid is null or (p.journal_id, p.line) < (%(after_id)s::uuid, %(after_line)s::integer))
    order by p.journal_id desc, p.line desc limit %(rows_max)s"""
)
_MOVED: Final = (
    _PART
    + """
    select coalesce(sum(amount) filter (where debited and not credited), 0)::bigint,
           coalesce(sum(amount) filter (where credited and not debited), 0)::bigint
    from posted where debited or credited"""
)
