"""How far reconciliation reaches: what should be held against a statement, and what moved since it was.

A verdict counts programs × sources × time up to now: what is not told here, a page takes for agreed. Select only, bounded.
"""

from __future__ import annotations

from collections.abc import Iterable
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


class Since(NamedTuple):
    """Movements of an account in one asset that no finished run has read; `number` counts to 10,001 at most."""

    number: int
    amount: Money


def due_sources(conn: Connection[Any], sources: Iterable[tuple[str, str]]) -> list[DueSource]:
    """Of `sources` (name, account of ours): those of each program in whose books money went through that account, by name."""
    named = list(sources)
    rows = conn.execute(
        """select distinct b.program_id, s.source, s.account
           from unnest(%s::text[], %s::text[]) as s (source, account)
           join account a on a.name = s.account join book b on b.id = a.book_id
           where a.last_seq > 0 order by b.program_id, s.source""",
        [[source for source, _ in named], [account for _, account in named]],
    ).fetchall()
    return [DueSource(*row) for row in rows]


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
            "low": low, "high": high, "since": first_seq(to_us(since) // 1000), "most": COUNTED_MAX + 1, "start": start, "end": end,
            "program": program_id, "account": account,
        },
    ).fetchall()  # fmt: skip
    return [Since(number, Money(minor, asset)) for asset, number, minor in rows]
