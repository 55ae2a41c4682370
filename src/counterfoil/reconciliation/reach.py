"""How far reconciliation reaches: what should be held against a statement, and what moved since it was.

A verdict counts programs × sources × time up to now: what is not told here, a page takes for agreed. Select only, bounded.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.money import Money
from counterfoil.ledger.clock import SEQ_MAX, first_seq, to_us

COUNTED_MAX: Final = 10_000  # movements since a run; more are told as more
_HOUR: Final = timedelta(hours=1)


class DueSource(NamedTuple):
    """A program and a source whose statement has to be held against `account`: money went through it."""

    program_id: str
    source: str
    account: str

    def __str__(self) -> str:
        return f"{self.source} of {self.program_id}"


class Since(NamedTuple):
    """Movements of an account in one asset that no finished run has read; `number` counts to 10,001 at most."""

    number: int
    amount: Money


def due_sources(conn: Connection[Any], *, program_id: str | None = None) -> list[DueSource]:
    """Every provider and bank account through which money of a program went, by name, whether or not it is set up here.

    What another counterfoil owes us (`clearing:PEER`) has no statement: its own records say it, and the invariants hold ours against them.
    """
    rows = conn.execute(
        """select distinct b.program_id, case when a.name like 'clearing:%%' then substr(a.name, 10) else substr(a.name, 6) end, a.name
           from account a join book b on b.id = a.book_id
           where (a.name like 'clearing:%%' or a.name like 'cash:bank:%%') and a.last_seq > 0
             and (%(program)s::text is null or b.program_id = %(program)s) and not is_of_a_peer(b.program_id, a.name) order by 1, 2""",
        {"program": program_id},
    ).fetchall()
    return [DueSource(*row) for row in rows]


def never_concluded(conn: Connection[Any], *, program_id: str | None = None) -> list[DueSource]:
    """Those of the due sources of which no run ever came to a conclusion: nothing is known of them, and nothing is green."""
    rows = conn.execute(
        """select distinct program_id, source from reconciliation_run where state = 'finished'
           and (%(program)s::text is null or program_id = %(program)s)""",
        {"program": program_id},
    ).fetchall()
    reached = {(row[0], row[1]) for row in rows}
    return [one for one in due_sources(conn, program_id=program_id) if (one.program_id, one.source) not in reached]


def moved_since(
    conn: Connection[Any],
    program_id: str,
    account: str,
    since: datetime,
    *,
    start: datetime | None,
    end: datetime | None,
) -> list[Since]:
    """What moved on an account after `since`, by asset; with a day, only what was effective from `start` until before `end`."""
    low, high = first_seq(to_us(since) // 1000), SEQ_MAX
    if start is not None and end is not None:
        low = max(low, first_seq(to_us(start - _HOUR) // 1000))
        high = first_seq(to_us(end + _HOUR) // 1000)
    rows = conn.execute(
        """select b.asset, count(*), coalesce(sum(p.amount), 0)::bigint
           from account a join book b on b.id = a.book_id
           cross join lateral (
               select n.amount from postings_between(a.id, %(low)s, %(high)s, %(most)s) n
               where not n.off_clock and (%(start)s::timestamptz is null or (n.effective_at >= %(start)s and n.effective_at < %(end)s))
               union all
               select o.amount from posting o
               where o.debit = a.id and o.off_clock and o.seq >= %(since)s
                 and (%(start)s::timestamptz is null or (o.effective_at >= %(start)s and o.effective_at < %(end)s))
               union all
               select o.amount from posting o
               where o.credit = a.id and o.off_clock and o.seq >= %(since)s
                 and (%(start)s::timestamptz is null or (o.effective_at >= %(start)s and o.effective_at < %(end)s))
               limit %(most)s) p
           where b.program_id = %(program)s and a.name = %(account)s and a.last_seq >= %(since)s
           group by b.asset order by b.asset""",
        {
            "low": low,
            "high": high,
            "since": first_seq(to_us(since) // 1000),
            "most": COUNTED_MAX + 1,
            "start": start,
            "end": end,
            "program": program_id,
            "account": account,
        },
    ).fetchall()
    return [Since(number, Money(minor, asset)) for asset, number, minor in rows]
