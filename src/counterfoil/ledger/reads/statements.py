"""Statements: what an account had, what moved, what it has, page by page, by either clock. Select only.

By the recorded clock, lines come in the order in which they were written and carry the balance that was kept with them. By the
effective clock, they come in the order in which they happened, and their balances are counted along that order.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.clock import OFF_CLOCK_US, first_seq, to_us
from counterfoil.ledger.reads.balances import Clock, balance

ROWS_MAX: Final = 1_000
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class StatementPlace(NamedTuple):
    """Where a page ended: give it as `after` for the next one."""

    effective_at: datetime
    seq: int
    balance: int


class StatementLine(NamedTuple):
    """One posting as the account sees it: an amount on one of its sides, and its balance after it on its normal side."""

    seq: int
    recorded_at: datetime
    effective_at: datetime
    occurred_at: datetime | None  # late: it happened then, in a period that was closed, and is booked on the first open day
    journal_id: UUID
    line: int
    kind: str
    key: str
    other: str  # the account on the other side
    debit_minor: int
    credit_minor: int
    balance: int
    actor: str
    narrative: str | None
    source_type: str | None
    source_id: str | None


class AccountStatement(NamedTuple):
    """A page: `opening` is the balance before the period, `closing` after it; opening plus all lines of all pages is closing."""

    account: str
    asset: str
    normal: str
    start: datetime
    end: datetime
    clock: Clock
    opening: int
    closing: int
    lines: list[StatementLine]
    following: StatementPlace | None


def statement(
    conn: Connection[Any],
    program_id: str,
    name: str,
    *,
    asset: str,
    start: datetime,
    end: datetime,
    clock: Clock = "recorded",
    after: StatementPlace | None = None,
    rows_max: int = ROWS_MAX,
) -> AccountStatement:
    """The lines from `start` until before `end`, at most `rows_max`, after the place `after`; the next page is at `following`.

    Raises UnknownProgram, UnknownAccount, InvalidInput.
    """
    if not 0 < rows_max <= ROWS_MAX:
        raise InvalidInput("rows_max", f"1 to {ROWS_MAX}", got=str(rows_max))
    if to_us(end, "end") <= to_us(start, "start"):
        raise InvalidInput("end", "later than start", got=end.isoformat())
    opening = balance(conn, program_id, name, asset=asset, as_of=_before(start, clock), clock=clock)
    closing = balance(conn, program_id, name, asset=asset, as_of=_before(end, clock), clock=clock)
    given = {
        "program": program_id,
        "name": name,
        "asset": asset,
        "start": start,
        "end": end,
        "rows_max": rows_max + 1,
        "after_at": after.effective_at if after else start,
        "after_seq": after.seq if after else 0,
        "low": _first_seq_of(start),
        "high": _first_seq_of(end),
        "hour": first_seq(OFF_CLOCK_US // 1000 + 1),
    }
    with conn.cursor(row_factory=class_row(StatementLine)) as cursor:
        lines = cursor.execute(_RECORDED if clock == "recorded" else _EFFECTIVE, given).fetchall()
    more = len(lines) > rows_max
    lines = lines[:rows_max]
    if clock == "effective":
        lines = _count_along(lines, after.balance if after else opening.minor, opening.normal)
    following = StatementPlace(lines[-1].effective_at, lines[-1].seq, lines[-1].balance) if more else None
    return AccountStatement(name, asset, opening.normal, start, end, clock, opening.minor, closing.minor, lines, following)


def _count_along(lines: list[StatementLine], before: int, normal: str) -> list[StatementLine]:
    counted = []
    for line in lines:
        moved = line.debit_minor - line.credit_minor
        before += moved if normal == "debit" else -moved
        counted.append(line._replace(balance=before))
    return counted


def _before(moment: datetime, clock: Clock) -> datetime:
    """The last moment before one: recorded moments are whole milliseconds. Before the calendar begins there was nothing."""
    if moment <= _BEGINNING:
        return _BEGINNING
    if clock == "effective":
        return moment - _MICROSECOND
    return moment - _MICROSECOND if moment.microsecond % 1000 == 0 else moment


def _first_seq_of(moment: datetime) -> int:
    return first_seq(-(-to_us(moment) // 1000))  # rounded up: what was recorded at or after it


# By its record, an account is read in order, as far as the page goes; by its effect, each side along its own index.
_PAGE: Final = """
    with a as (
        select a.id from account a join book b on b.id = a.book_id
        where b.program_id = %(program)s and b.asset = %(asset)s and a.name = %(name)s
    ), lines as ({lines})
    select p.seq, to_timestamp((p.seq >> 20) / 1000.0) as recorded_at, p.effective_at, t.occurred_at, p.journal_id, p.line,
           j.kind, j.key,
           o.name as other, case when p.debit = a.id then p.amount else 0 end as debit_minor,
           case when p.debit = a.id then 0 else p.amount end as credit_minor,
           case when p.debit = a.id then p.debit_balance else p.credit_balance end as balance,
           j.actor, j.narrative, j.source_type, j.source_id
    from a cross join lines p
    join journal j on j.id = p.journal_id
    left join late_posting t on t.journal_id = p.journal_id and t.line = p.line
    join account o on o.id = case when p.debit = a.id then p.credit else p.debit end
    order by {order}"""
_RECORDED: Final = _PAGE.format(
    lines="select p.* from a, postings_between(a.id, greatest(%(low)s, %(after_seq)s + 1), %(high)s, %(rows_max)s) p",
    order="p.seq",
)
# What is effective within an hour of its record is found by its record, the rest by its mark.
_SIDE: Final = """
    (select p.* from a join posting p on p.{side} = a.id
     where (p.off_clock or (p.segment = any(segments_between(a.id, %(low)s - %(hour)s, %(high)s + %(hour)s))
                            and p.seq >= %(low)s - %(hour)s and p.seq < %(high)s + %(hour)s))
       and p.effective_at >= %(start)s and p.effective_at < %(end)s and (p.effective_at, p.seq) > (%(after_at)s, %(after_seq)s)
     order by p.effective_at, p.seq limit %(rows_max)s)"""
_ORDER: Final = "p.effective_at, p.seq"
_EFFECTIVE: Final = _PAGE.format(
    lines=f"select * from ({_SIDE.format(side='debit')} union all {_SIDE.format(side='credit')}) p order by {_ORDER} limit %(rows_max)s",
    order=_ORDER,
)
