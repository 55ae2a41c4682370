"""Why does an account not hold what it should? Its totals recomputed from its postings; what is missing or double is named."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.ledger.accounts.accounts import account_of
from counterfoil.ledger.clock import SEQ_MAX, first_seq, to_us

FOUND_MAX: Final = 200


class BalanceGap(NamedTuple):
    """The balance jumps: before this posting the account had `expected`, yet the posting starts from `found`.

    A posting of the difference is missing just before it, or the one before is double or altered.
    """

    journal_id: UUID
    line: int
    recorded_at: datetime
    expected: int
    found: int


class Missing(NamedTuple):
    """A line that its journal counts and that is not there."""

    journal_id: UUID
    line: int
    kind: str
    key: str


class Stray(NamedTuple):
    """A posting that no journal counts."""

    journal_id: UUID
    line: int
    minor: int


class Suspect(NamedTuple):
    """Postings that look alike: same source, same kind, same two accounts, same amount, under different keys."""

    source_type: str
    source_id: str
    kind: str
    minor: int
    keys: list[str]


class Explanation(NamedTuple):
    """What the account says of itself and what its postings say. `drift` is the first less the second, on its normal side."""

    account: str
    asset: str
    normal: str
    entries: int
    cached_debits: int
    cached_credits: int
    posted_debits: int
    posted_credits: int
    drift: int
    cached_held: int
    open_holds: int
    gaps: list[BalanceGap]
    missing: list[Missing]
    stray: list[Stray]
    suspects: list[Suspect]

    @property
    def sound(self) -> bool:
        """Nothing is wrong; suspects are a question, not a fault."""
        return not (self.drift or self.gaps or self.missing or self.stray) and self.cached_held == self.open_holds


def explain(
    conn: Connection[Any],
    program_id: str,
    name: str,
    *,
    asset: str,
    start: datetime | None = None,
    end: datetime | None = None,
) -> Explanation:
    """Recompute an account from its postings. Totals are of all time; faults are looked for among what was recorded in the period.

    At most 200 of each are named. Reads every posting of the account. Raises UnknownProgram, UnknownAccount.
    """
    account = account_of(conn, program_id, name, asset=asset)
    given = {
        "account": account,
        "low": first_seq(to_us(start, "start") // 1000) if start else 0,
        "high": first_seq(-(-to_us(end, "end") // 1000)) if end else SEQ_MAX,
        "rows_max": FOUND_MAX,
    }
    row = conn.execute(
        """select a.debits, a.credits, a.debit_normal, case when a.debit_normal then a.credits_pending else a.debits_pending end,
                  s.debits, s.credits, s.entries,
                  (select coalesce(sum(amount), 0)::bigint from open_hold
                   where case when a.debit_normal then credit else debit end = a.id)
           from account a
           cross join lateral (
               select coalesce(sum(debited), 0)::bigint as debits, coalesce(sum(credited), 0)::bigint as credits, count(*) as entries
               from (select amount as debited, 0 as credited from posting where segment = any(segments_of(a.id)) and debit = a.id
                     union all
                     select 0, amount from posting where segment = any(segments_of(a.id)) and credit = a.id) sides) s
           where a.id = %(account)s""",
        given,
    ).fetchone()
    debits, credits, debit_normal, held, posted_debits, posted_credits, entries, open_holds = row or (0,) * 8  # noqa: A001
    drift = (debits - credits) - (posted_debits - posted_credits)
    return Explanation(
        account=name,
        asset=asset,
        normal="debit" if debit_normal else "credit",
        entries=entries,
        cached_debits=debits,
        cached_credits=credits,
        posted_debits=posted_debits,
        posted_credits=posted_credits,
        drift=drift if debit_normal else -drift,
        cached_held=held,
        open_holds=open_holds,
        gaps=_gaps(conn, given),
        missing=_missing(conn, given),
        stray=_stray(conn, given),
        suspects=_suspects(conn, given),
    )


_OF_ACCOUNT: Final = "({} union all {})".format(
    *(
        f"""select * from posting where segment = any(segments_between(%(account)s, %(low)s, %(high)s)) and {side} = %(account)s
            and seq >= %(low)s and seq < %(high)s"""
        for side in ("debit", "credit")
    )
)


def _gaps(conn: Connection[Any], given: dict[str, Any]) -> list[BalanceGap]:
    with conn.cursor(row_factory=class_row(BalanceGap)) as cursor:
        return cursor.execute(
            """with sides as (
                   select journal_id, line, seq, debit_balance as balance, case when a.debit_normal then amount else -amount end as moved
                   from posting join account a on a.id = debit
                   where segment = any(segments_of(%(account)s)) and debit = %(account)s
                   union all
                   select journal_id, line, seq, credit_balance, case when a.debit_normal then -amount else amount end
                   from posting join account a on a.id = credit
                   where segment = any(segments_of(%(account)s)) and credit = %(account)s
               ), chain as (
                   select *, coalesce(lag(balance) over (order by seq), 0) as before from sides
               )
               select journal_id, line, to_timestamp((seq >> 20) / 1000.0) as recorded_at, before as expected, balance - moved as found
               from chain where before <> balance - moved and seq >= %(low)s and seq < %(high)s
               order by seq limit %(rows_max)s""",
            given,
        ).fetchall()


def _missing(conn: Connection[Any], given: dict[str, Any]) -> list[Missing]:
    """Lines that are not there, of the journals of this book: whose they were is gone with them."""
    with conn.cursor(row_factory=class_row(Missing)) as cursor:
        return cursor.execute(
            """select j.id as journal_id, n.line, j.kind, j.key
               from journal j
               cross join lateral generate_series(1, j.lines) as n (line)
               where j.book_id = %(account)s::bigint >> 40
                 and j.recorded_at >= to_timestamp((%(low)s::bigint >> 20) / 1000.0)
                 and j.recorded_at < to_timestamp((%(high)s::bigint >> 20) / 1000.0)
                 and j.lines <> (select count(*) from posting p where p.journal_id = j.id)
                 and not exists (select from posting p where p.journal_id = j.id and p.line = n.line)
                 and not exists (select from unposted_line u where u.journal_id = j.id and u.line = n.line)
               order by j.id, n.line limit %(rows_max)s""",
            given,
        ).fetchall()


def _stray(conn: Connection[Any], given: dict[str, Any]) -> list[Stray]:
    with conn.cursor(row_factory=class_row(Stray)) as cursor:
        return cursor.execute(
            f"""select p.journal_id, p.line, p.amount as minor
               from {_OF_ACCOUNT} p
               left join journal j on j.id = p.journal_id
               where j.id is null or p.line > j.lines
               order by p.seq limit %(rows_max)s""",
            given,
        ).fetchall()


def _suspects(conn: Connection[Any], given: dict[str, Any]) -> list[Suspect]:
    with conn.cursor(row_factory=class_row(Suspect)) as cursor:
        return cursor.execute(
            f"""select j.source_type, j.source_id, j.kind, p.amount as minor, array_agg(j.key order by j.key) as keys
               from {_OF_ACCOUNT} p
               join journal j on j.id = p.journal_id
               where j.source_id is not null and j.reverses is null
                 and not exists (select from reversal r where r.journal_id = p.journal_id and r.line = p.line)
               group by j.source_type, j.source_id, j.kind, p.debit, p.credit, p.amount
               having count(distinct j.id) > 1
               order by j.source_type, j.source_id limit %(rows_max)s""",
            given,
        ).fetchall()
