"""Balances: now, as of a moment by either clock, of one account, of some, of a whole book. Select only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.accounts.accounts import book_of
from counterfoil.ledger.clock import OFF_CLOCK_US, SEQ_BITS, seq_after
from counterfoil.ledger.problems import UnknownAccount

Clock = Literal["recorded", "effective"]
NAMES_MAX: Final = 10_000


class Balance(NamedTuple):
    """`minor` on the account's normal side; `available` is what may still be taken: less `held`. Holds are those of now."""

    account: str
    asset: str
    normal: str
    minor: int
    held: int
    available: int
    frozen: bool
    closed: bool


class TrialLine(NamedTuple):
    """One account in a trial balance: its balance on the side where it stands."""

    account: str
    debit_minor: int
    credit_minor: int


class JournalHeader(NamedTuple):
    """A journal's header."""

    id: UUID
    program_id: str
    kind: str
    key: str
    effective_at: datetime
    recorded_at: datetime
    actor: str
    narrative: str | None
    source_type: str | None
    source_id: str | None
    reverses: UUID | None
    lines: int


class JournalLine(NamedTuple):
    """A posting, by names."""

    line: int
    debit: str
    credit: str
    minor: int
    asset: str
    debit_balance: int
    credit_balance: int


def balance(
    conn: Connection[Any],
    program_id: str,
    name: str,
    *,
    asset: str,
    as_of: datetime | None = None,
    clock: Clock = "recorded",
) -> Balance:
    """An account's balance now, or as of a moment: what was written by then (recorded), or what had happened by then (effective).

    As of a moment includes that millisecond. What is being written while you ask may still be recorded at a moment just past.
    Raises UnknownProgram, UnknownAccount.
    """
    found = balances(conn, program_id, [name], asset=asset).get(name)
    if found is None:
        raise UnknownAccount(program=program_id, account=name, asset=asset)
    if as_of is None:
        return found
    minor = _as_of(conn, book_of(conn, program_id, asset), as_of, clock, name).get(name, 0)
    return found._replace(minor=minor, available=minor - found.held)


def balances(conn: Connection[Any], program_id: str, names: Sequence[str], *, asset: str) -> dict[str, Balance]:
    """The balances of these accounts now; names that there are not are left out. Raises UnknownProgram."""
    if len(names) > NAMES_MAX:
        raise InvalidInput("names", f"at most {NAMES_MAX}", got=str(len(names)))
    with conn.cursor(row_factory=class_row(Balance)) as cursor:
        rows = cursor.execute(
            """select name as account, %(asset)s as asset, case when debit_normal then 'debit' else 'credit' end as normal,
                      side * (debits - credits) as minor, held, side * (debits - credits) - held as available, frozen, closed
               from account, lateral (select case when debit_normal then 1 else -1 end as side,
                                             case when debit_normal then credits_pending else debits_pending end as held) s
               where book_id = %(book)s and name = any(%(names)s)
               order by name""",
            {"asset": asset, "book": book_of(conn, program_id, asset), "names": list(names)},
        ).fetchall()
    return {row.account: row for row in rows}


def trial_balance(
    conn: Connection[Any],
    program_id: str,
    *,
    asset: str,
    as_of: datetime | None = None,
    clock: Clock = "recorded",
    after: str = "",
    rows_max: int,
) -> list[TrialLine]:
    """Every account that is not at nothing, by name, `rows_max` of them after the name `after`. Raises UnknownProgram."""
    book = book_of(conn, program_id, asset)
    if as_of is None:
        rows = conn.execute(
            """select name, debits - credits from account
               where book_id = %s and debits <> credits and name > %s order by name limit %s""",
            [book, after, rows_max],
        ).fetchall()
        nets = dict(rows)
    else:
        nets = _as_of(conn, book, as_of, clock, after=after, rows_max=rows_max, net=True)
    return [TrialLine(name, max(net, 0), max(-net, 0)) for name, net in nets.items()]


def trial_totals(
    conn: Connection[Any], program_id: str, *, asset: str, as_of: datetime | None = None, clock: Clock = "recorded"
) -> tuple[int, int]:
    """The two sums of the whole trial balance: debit balances, credit balances. They are equal while the books are right."""
    book = book_of(conn, program_id, asset)
    nets: str = "select debits - credits as net from account where book_id = %(book)s"
    if as_of is not None:
        nets = f"select {_NET} as net from account a {_AT[clock]} where a.book_id = %(book)s"
    row = conn.execute(
        f"select coalesce(sum(greatest(net, 0)), 0), coalesce(sum(greatest(-net, 0)), 0) from ({nets}) n",
        _moment(as_of) | {"book": book},
    ).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def journal_by_key(conn: Connection[Any], program_id: str, key: str) -> JournalHeader | None:
    """The journal that was posted under a key, if there is one."""
    with conn.cursor(row_factory=class_row(JournalHeader)) as cursor:
        return cursor.execute(
            """select id, program_id, kind, key, effective_at, recorded_at, actor, narrative, source_type, source_id, reverses, lines
               from journal where program_id = %s and key = %s""",
            [program_id, key],
        ).fetchone()


def journal_lines(conn: Connection[Any], journal_id: UUID, *, after: int = 0, rows_max: int) -> list[JournalLine]:
    """The postings of a journal in their order, `rows_max` after line `after`."""
    with conn.cursor(row_factory=class_row(JournalLine)) as cursor:
        return cursor.execute(
            """select p.line, d.name as debit, c.name as credit, p.amount as minor, b.asset, p.debit_balance, p.credit_balance
               from posting p
               join account d on d.id = p.debit
               join account c on c.id = p.credit
               join book b on b.id = d.book_id
               where p.journal_id = %s and p.line > %s order by p.line limit %s""",
            [journal_id, after, rows_max],
        ).fetchall()


# As recorded: what it is now if nothing was recorded since; else the newest posting before says the balance. No sum.
_RECORDED: Final = """
    left join lateral (
        select (case when a.debit_normal then a.debits - a.credits else a.credits - a.debits end) as balance where a.last_seq < %(seq)s
        union all
        select case when n.debit = a.id then n.debit_balance else n.credit_balance end
        from newest_postings(a.id, %(seq)s, 1) n where a.last_seq >= %(seq)s
    ) r on true"""

# As effective: the same, corrected by what was recorded by then and effective later, and by what was recorded later and effective by
# then. A posting that is effective within an hour of its record is looked for within an hour of the moment; all others are marked.
_EFFECTIVE: Final = f"""{_RECORDED}
    left join lateral (
        select sum(case when side = a.debit_normal then amount else -amount end) as minor
        from (
            select true as side, case when seq < %(seq)s then -amount else amount end as amount from posting
            where segment = any(segments_between(a.id, %(low)s, %(high)s)) and debit = a.id
              and seq >= %(low)s and seq < %(high)s and not off_clock and (seq < %(seq)s) <> (effective_at <= %(at)s)
            union all
            select false, case when seq < %(seq)s then -amount else amount end from posting
            where segment = any(segments_between(a.id, %(low)s, %(high)s)) and credit = a.id
              and seq >= %(low)s and seq < %(high)s and not off_clock and (seq < %(seq)s) <> (effective_at <= %(at)s)
            union all
            select true, -amount from posting where debit = a.id and off_clock and effective_at > %(at)s and seq < %(seq)s
            union all
            select false, -amount from posting where credit = a.id and off_clock and effective_at > %(at)s and seq < %(seq)s
            union all
            select true, amount from posting
            where debit = a.id and off_clock and effective_at <= %(at)s and seq >= %(seq)s and a.last_seq >= %(seq)s
            union all
            select false, amount from posting
            where credit = a.id and off_clock and effective_at <= %(at)s and seq >= %(seq)s and a.last_seq >= %(seq)s
        ) late
    ) e on true"""
_AT: Final[dict[str, str]] = {"recorded": f"{_RECORDED} cross join (select 0 as minor) e", "effective": _EFFECTIVE}
_BALANCE: Final = "(coalesce(r.balance, 0) + coalesce(e.minor, 0))::bigint"
_NET: Final = f"(case when a.debit_normal then 1 else -1 end) * {_BALANCE}"


def _moment(as_of: datetime | None) -> dict[str, Any]:
    if as_of is None:
        return {}
    hour = OFF_CLOCK_US // 1000 + 1 << SEQ_BITS
    seq = seq_after(as_of)
    return {"at": as_of, "seq": seq, "low": max(0, seq - hour), "high": seq + hour}


def _as_of(
    conn: Connection[Any],
    book: int,
    as_of: datetime,
    clock: Clock,
    name: str | None = None,
    *,
    after: str = "",
    rows_max: int = 1,
    net: bool = False,
) -> dict[str, int]:
    """Balances at a moment by account: of one, or of all that are not at nothing."""
    if clock not in _AT:
        raise InvalidInput("clock", "recorded or effective", got=str(clock)[:40])
    condition = "a.name = %(name)s" if name is not None else f"a.name > %(after)s and {_BALANCE} <> 0"
    rows = conn.execute(
        f"""select a.name, {_NET if net else _BALANCE} from account a {_AT[clock]}
            where a.book_id = %(book)s and {condition} order by a.name limit %(rows_max)s""",
        _moment(as_of) | {"book": book, "name": name, "after": after, "rows_max": rows_max},
    ).fetchall()
    return dict(rows)
