"""The books by kinds of accounts, as the chart names them (`payable:payee:*`): what each kind holds, and what moved between them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.ledger.accounts.chart import CHART


class KindBalance(NamedTuple):
    """All accounts of one kind of one book: how many are not at nothing, and debits less credits of all, in minor units."""

    program_id: str
    asset: str
    kind: str
    accounts: int
    net: int


class KindFlow(NamedTuple):
    """What was posted from one kind to another of one book in a span, in minor units: `debit` is the side that was debited."""

    program_id: str
    asset: str
    debit: str
    credit: str
    minor: int


def _kind(name: str) -> str:
    """SQL of the kind of an account: its pattern in the chart, or its own name. The chart's patterns are ours, and hold no quotes."""
    ends = [rule.pattern for rule in CHART if rule.pattern.endswith(":*")]
    cases = " ".join(f"when {name} like '{pattern[:-1]}%%' then '{pattern}'" for pattern in ends)
    return f"case {cases} else {name} end"


_BALANCES: Final = f"""
    select b.program_id, b.asset, {_kind("a.name")} as kind, count(*) filter (where a.debits <> a.credits) as accounts,
           sum(a.debits - a.credits)::bigint as net
    from account a join book b on b.id = a.book_id
    where %(program)s::text is null or b.program_id = %(program)s
    group by 1, 2, 3 having count(*) filter (where a.debits <> a.credits) > 0 order by 1, 2, 3"""
_FLOWS: Final = f"""
    select b.program_id, b.asset, {_kind("d.name")} as debit, {_kind("c.name")} as credit, sum(p.amount)::bigint as minor
    from journal j join posting p on p.journal_id = j.id join book b on b.id = j.book_id
    join account d on d.id = p.debit join account c on c.id = p.credit
    where j.id >= %(first)s and j.id < %(last)s and (%(program)s::text is null or b.program_id = %(program)s)
    group by 1, 2, 3, 4 order by 1, 2, 3, 4"""


def balances_by_kind(conn: Connection[Any], *, program_id: str | None) -> list[KindBalance]:
    """What every kind of account holds at this moment, of one program or of all."""
    with conn.cursor(row_factory=class_row(KindBalance)) as cur:
        return cur.execute(_BALANCES.encode(), {"program": program_id}).fetchall()


def flows_by_kind(conn: Connection[Any], *, program_id: str | None, start: datetime, end: datetime) -> list[KindFlow]:
    """What was recorded between kinds from `start` to `end`, the end not in it. A journal's id begins with its time, to the millisecond."""
    given = {"program": program_id, "first": _first_id(start), "last": _first_id(end)}
    with conn.cursor(row_factory=class_row(KindFlow)) as cur:
        return cur.execute(_FLOWS.encode(), given).fetchall()


def _first_id(at: datetime) -> UUID:
    return UUID(int=max(int(at.timestamp() * 1000), 0) << 80)
