"""What moved an account of our books: a row for each journal, as a query that is copied out by column."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection, sql
from psycopg.rows import class_row

from counterfoil.base.machine import listed
from counterfoil.ledger.clock import SEQ_MAX
from counterfoil.ledger.journals.key_spaces import (
    CUSTOMER_DEBT_PAID,
    ESCROW_FUND,
    ESCROW_REPAY,
    OVERPAYMENT_REPAY,
    REFUND_EXECUTE,
    UNIDENTIFIED_REPAY,
)
from counterfoil.reconciliation.breaks.life import POSTED
from counterfoil.reconciliation.runs.books import midnight, seq_of

CLOCK_OFF: Final = timedelta(hours=2)  # a posting further away from its record than an hour is marked, and found by its mark
# Paid outside of the product: the reference under which the provider or the bank has it was noted, and only by that do they know it. By the
# kind of journal, the table and the column that says of what.
REFUNDED_IN: Final = {  # a provider calls each of them a refund
    REFUND_EXECUTE.kind: ("refund_execution", "refund_id"),
    OVERPAYMENT_REPAY.kind: ("overpayment_repayment", "overpayment_id"),
    UNIDENTIFIED_REPAY.kind: ("unidentified_repayment", "unidentified_payment_id"),
    ESCROW_REPAY.kind: ("escrow_movement", "id"),
}
NOTED_IN: Final = REFUNDED_IN | {ESCROW_FUND.kind: ("escrow_movement", "id"), CUSTOMER_DEBT_PAID.kind: ("customer_debt_entry", "id")}
OF_JOURNAL: Final = "j.id, j.kind, j.key, j.source_type, j.source_id, j.narrative, j.effective_at"

ALONE: Final = "j.id not in (select journal_id from correction union all select corrects from correction where corrects is not null)"


class MovedAccount(NamedTuple):
    """An account of one asset, and the stretches of the ledger in which it may have moved."""

    id: int
    asset: str
    segments: list[int]


def account_movements(conn: Connection[Any], program_id: str, account: str, *, first: date, last: date) -> sql.Composed:
    """What moved an account on these days (effective, UTC), a row for each journal: debits positive, several lines net.

    The provider's own id stands with each: a charge's, that of the payout that our attempt became there, or of money that went back to a
    customer the reference that was noted. A journal that corrects a
    break of this very account is counted with the record that it corrects, so that what was adjusted is found no more; a record
    that came to nothing is left out. What we did not have, or they have twice, the correction stands for under the record's id.

    The accounts are asked for here and written into the query: only so does the planner know how many rows an account has.
    """
    accounts = _accounts(conn, program_id, account, first, last)
    return sql.SQL(
        """with correction as materialized ({corrections}), touched as not materialized ({touched}), corrected as ({corrected}), moved as (
               select {journal}, t.asset, t.amount from touched t join journal j on j.id = t.journal_id
               where j.lines = 1 and {alone}
               union all
               select {journal}, min(t.asset), sum(t.amount)::bigint from touched t join journal j on j.id = t.journal_id
               where j.lines > 1 and {alone} group by j.id
               union all
               select {journal}, c.asset, c.amount from corrected c join journal j on j.id = c.journal_id
               where c.amount <> 0 or not exists (select from correction d where d.corrects = j.id))
           select case when c.record_id is not null then c.record_id
                       when m.kind in ('payment', 'payout_finalize', 'payout_return', 'chargeback', 'chargeback_won', 'chain_gas')
                       then case m.kind when 'payment' then 'charge' when 'payout_finalize' then 'payout'
                                         when 'chain_gas' then 'fee' else m.kind end
                            || ':' || coalesce(pp.provider_ref, m.source_id, m.key)
                       when m.kind in {gone_back} and noted.reference is not null then 'refund:' || noted.reference
                       else m.kind || ':' || m.key end as external_id,
                  coalesce(c.reference, pp.provider_ref, noted.reference, m.source_id, m.key) as reference, m.amount, m.asset,
                  coalesce(c.day, (m.effective_at at time zone 'UTC')::date) as booked_on,
                  null::text as status, null::text as counterparty,
                  coalesce(m.narrative, m.kind) as memo, m.source_id as batch,
                  (late.occurred_at at time zone 'UTC')::date as occurred_on
           from moved m
           cross join lateral (select {noted} as reference) noted
           left join provider_payout pp on m.source_type = 'provider_payout' and pp.id = m.source_id
           left join correction c on c.journal_id = m.id and c.corrects is null
           left join (select journal_id, min(occurred_at) as occurred_at from late_posting group by journal_id) late
                on late.journal_id = m.id"""
    ).format(
        corrections=_corrections(program_id, account),
        touched=_touched(accounts, first, last),
        corrected=_corrected(accounts, first, last),
        journal=sql.SQL(OF_JOURNAL),
        noted=_noted(),
        gone_back=sql.SQL("({})").format(sql.SQL(", ").join(sql.Literal(kind) for kind in REFUNDED_IN)),
        alone=sql.SQL(
            "j.id not in (select journal_id from correction union all select corrects from correction where corrects is not null)"
        ),
    )


def _noted() -> sql.Composed:
    found = (
        sql.SQL("when {} then (select n.reference from {} n where n.{} = m.source_id)").format(
            sql.Literal(kind), sql.Identifier(table), sql.Identifier(column)
        )
        for kind, (table, column) in NOTED_IN.items()
    )
    return sql.SQL("case m.kind {} end").format(sql.SQL(" ").join(found))


def shifted_corrections(conn: Connection[Any], program_id: str, account: str, *, first: date, last: date) -> dict[str, int]:
    """By asset, what corrections of breaks put into the lines of these days less what they put into the balances of these days."""
    rows = conn.execute(
        sql.SQL(
            """with correction as ({corrections})
               select b.asset, sum((case when a.id = p.debit then p.amount else -p.amount end)
                                   * ((c.day between {first} and {last})::int
                                      - ((c.effective_at at time zone 'UTC')::date between {first} and {last})::int))::bigint
               from correction c join posting p on p.journal_id = c.journal_id join account a on a.id in (p.debit, p.credit)
               join book b on b.id = a.book_id where b.program_id = {program} and a.name = {account} group by b.asset"""
        ).format(
            corrections=_corrections(program_id, account),
            program=sql.Literal(program_id),
            account=sql.Literal(account),
            first=sql.Literal(first),
            last=sql.Literal(last),
        )
    ).fetchall()
    return {str(asset): int(minor) for asset, minor in rows}


def _accounts(conn: Connection[Any], program_id: str, account: str, first: date, last: date) -> list[MovedAccount]:
    """The account in each asset that has it."""
    low, high = _seqs(first, last)
    with conn.cursor(row_factory=class_row(MovedAccount)) as cur:
        return cur.execute(
            """select a.id, b.asset, segments_between(a.id, %s, %s) as segments from account a join book b on b.id = a.book_id
               where b.program_id = %s and a.name = %s order by a.id""",
            [low, min(high + 1, SEQ_MAX), program_id, account],
        ).fetchall()


def _touched(accounts: list[MovedAccount], first: date, last: date) -> sql.Composed:
    """Every posting of these days on the accounts, debits and credits: by the clock, and off it."""
    low, high = _seqs(first, last)
    nothing = sql.SQL("select journal_id, ''::text as asset, amount from posting where false")  # there may be no such account
    found = (
        sql.SQL(
            """select p.journal_id, {asset}::text as asset, {sign} p.amount as amount from posting p
               where p.{side} = {account}::bigint and {clock} and {day}"""
        ).format(
            asset=sql.Literal(one.asset),
            sign=sql.SQL(sign),
            side=sql.Identifier(side),
            account=sql.Literal(one.id),
            clock=clock,
            day=_on_days(first, last),
        )
        for one in accounts
        for side, sign in (("debit", ""), ("credit", "-"))
        for clock in (
            sql.SQL("p.off_clock"),
            sql.SQL("not p.off_clock and p.seq between {}::bigint and {}::bigint and p.segment = any({}::integer[])").format(
                sql.Literal(low), sql.Literal(high), sql.Literal(one.segments)
            ),
        )
    )
    return sql.SQL(" union all ").join([nothing, *found])


def _corrected(accounts: list[MovedAccount], first: date, last: date) -> sql.Composed:
    """What came to what, of records with corrections: a record's own postings of these days and its corrections, on the record's day."""
    return sql.SQL(
        """select k.journal_id, b.asset, sum(case when p.debit = a.id then p.amount else -p.amount end)::bigint as amount
           from (select distinct corrects as journal_id, corrects as posted_by, null::date as day from correction where corrects is not null
                 union all
                 select coalesce(corrects, journal_id), journal_id, day from correction where day between {first} and {last}) k
           join posting p on p.journal_id = k.posted_by
           join account a on a.id = any({accounts}::bigint[]) and a.id in (p.debit, p.credit) join book b on b.id = a.book_id
           where k.day is not null or ({day} and not exists (select from correction d where d.journal_id = p.journal_id))
           group by k.journal_id, b.asset"""
    ).format(
        first=sql.Literal(first),
        last=sql.Literal(last),
        accounts=sql.Literal([one.id for one in accounts]),
        day=_on_days(first, last),
    )


def _on_days(first: date, last: date) -> sql.Composed:
    return sql.SQL("p.effective_at >= {} and p.effective_at < {}").format(midnight(first), midnight(last + timedelta(days=1)))


def _seqs(first: date, last: date) -> tuple[int, int]:
    """The first and the last seq that a posting by the clock of these days may have."""
    begin, end = (datetime.combine(day, datetime.min.time(), UTC) for day in (first, last + timedelta(days=1)))
    return seq_of(begin - CLOCK_OFF), seq_of(end + CLOCK_OFF)


def _corrections(program_id: str, account: str) -> sql.Composed:
    """The journals for breaks of this account: which journal of ours each corrects, and of which day that is.

    None (`corrects`) when it stands for a record of its own.
    """
    source = account.removeprefix("clearing:").removeprefix("cash:")
    return sql.SQL(
        """select a.id as journal_id, t.id as corrects, k.record_id, k.reference, a.effective_at,
                  coalesce((t.effective_at at time zone 'UTC')::date, k.last_on) as day
           from (select *, substr(record_id, strpos(record_id, ':') + 1) as ref,
                        case split_part(record_id, ':', 1) when 'charge' then 'payment' when 'payout' then 'payout_finalize'
                             else split_part(record_id, ':', 1) end as journal_kind
                 from break where program_id = {program} and source = {source} and state in {posted}) k
           join journal a on a.source_type = 'break' and a.source_id = k.id
           left join lateral (
               select id, effective_at from journal where program_id = k.program_id and key = k.ref and kind = k.journal_kind
               union all
               select id, effective_at from journal where program_id = k.program_id and source_type = 'charge' and source_id = k.ref
                    and kind = 'payment' and k.journal_kind = 'payment'
               union all
               select j.id, j.effective_at
               from provider_payout pp join journal j on j.source_type = 'provider_payout' and j.source_id = pp.id
               where k.journal_kind in ('payout_finalize', 'payout_return') and pp.program_id = k.program_id
                 and pp.provider_ref = k.ref and j.kind = k.journal_kind
               limit 1) t on k.kind <> 'DUPLICATE_RIGHT'"""
    ).format(program=sql.Literal(program_id), source=sql.Literal(source), posted=sql.SQL(listed(POSTED)))
