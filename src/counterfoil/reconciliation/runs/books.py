"""Our side: what our books say, as queries that are copied out by column. Every row has the shape of `COLUMNS`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, NamedTuple

import pyarrow as pa
from psycopg import Connection, sql
from psycopg.rows import class_row

from counterfoil.base.encryption.confidential import ENVELOPE
from counterfoil.base.encryption.keys import EncryptionKeys
from counterfoil.base.machine import listed
from counterfoil.ledger.clock import SEQ_MAX, first_seq, to_us
from counterfoil.payouts.machines import IN_FLIGHT, WENT_OUT
from counterfoil.reconciliation.bank_lines import CONFIDENTIAL, WORDS
from counterfoil.reconciliation.breaks.life import POSTED

# external_id and reference say which record it is; amounts are minor units, money in is positive.
COLUMNS: Final = (
    "external_id",
    "reference",
    "amount",
    "asset",
    "booked_on",
    "status",
    "counterparty",
    "memo",
    "batch",
)
CLOCK_OFF: Final = timedelta(hours=2)  # a posting further away from its record than an hour is marked, and found by its mark


def account_movements(program_id: str, account: str, *, first: date, last: date) -> sql.Composed:
    """What moved an account on these days (effective, UTC), a row for each journal: debits positive, several lines net.

    The provider's own id stands with each: a charge's, or that of the payout that our attempt became there. A journal that corrects a
    break of this very account is counted with the record that it corrects, so that what was adjusted is found no more; a record
    that came to nothing is left out. What we did not have, or they have twice, the correction stands for under the record's id.
    """
    low, high = _seq(first, -CLOCK_OFF), _seq(last, CLOCK_OFF + timedelta(days=1))
    return sql.SQL(
        """with account_here as materialized (
               select a.id, b.asset, segments_between(a.id, {low}, {high} + 1) as segments
               from account a join book b on b.id = a.book_id
               where b.program_id = {program} and a.name = {account}
           ), correction as ({corrections}), moved as ({sides}), netted as (
               select journal_id, asset, sum(amount)::bigint as amount from moved group by journal_id, asset)
           select case when c.record_id is not null then c.record_id
                       when j.kind in ('payment', 'payout_finalize', 'payout_return', 'chargeback', 'chargeback_won', 'chain_gas')
                       then case j.kind when 'payment' then 'charge' when 'payout_finalize' then 'payout'
                                         when 'chain_gas' then 'fee' else j.kind end
                            || ':' || coalesce(pp.provider_ref, j.source_id, j.key)
                       else j.kind || ':' || j.key end as external_id,
                  coalesce(c.reference, pp.provider_ref, j.source_id, j.key) as reference, m.amount, m.asset,
                  coalesce(c.day, (j.effective_at at time zone 'UTC')::date) as booked_on,
                  null::text as status, null::text as counterparty,
                  coalesce(j.narrative, j.kind) as memo, j.source_id as batch,
                  (select (min(t.occurred_at) at time zone 'UTC')::date from late_posting t where t.journal_id = j.id) as occurred_on
           from netted m join journal j on j.id = m.journal_id
           left join provider_payout pp on j.source_type = 'provider_payout' and pp.id = j.source_id
           left join correction c on c.journal_id = j.id and c.corrects is null
           where m.amount <> 0 or not exists (select from correction d where d.corrects = j.id)"""
    ).format(
        program=sql.Literal(program_id),
        account=sql.Literal(account),
        low=low,
        high=high,
        sides=_sides(first, last, low, high),
        corrections=_corrections(program_id, account),
    )


def late_reach(conn: Connection[Any], program_id: str, account: str, *, first: date, last: date) -> tuple[date, date] | None:
    """The days from which to which facts of these days are told: what happened in them and is booked later, or the reverse.

    A fact of a closed period is booked on the first open day, however far away that is: its partner on the other side lies on the day on
    which it happened. None when no fact of these days was late.
    """
    row = conn.execute(
        """with late as (
               select (l.occurred_at at time zone 'UTC')::date as happened, (p.effective_at at time zone 'UTC')::date as booked
               from account a join book b on b.id = a.book_id
               join posting p on a.id in (p.debit, p.credit) join late_posting l on l.journal_id = p.journal_id and l.line = p.line
               where b.program_id = %(program)s and a.name = %(account)s
                 and (l.occurred_at >= %(start)s and l.occurred_at < %(end)s or p.effective_at >= %(start)s and p.effective_at < %(end)s))
           select min(happened), max(booked) from late""",
        {
            "program": program_id,
            "account": account,
            "start": datetime.combine(first, datetime.min.time(), UTC),
            "end": datetime.combine(last + timedelta(days=1), datetime.min.time(), UTC),
        },
    ).fetchone()
    return (row[0], row[1]) if row and row[0] else None


def _sides(first: date, last: date, low: sql.Literal, high: sql.Literal) -> sql.Composed:
    """What moved the account, debits and credits: by the clock, off it, and corrections on the day of what they correct."""
    start, end = _midnight(first), _midnight(last + timedelta(days=1))
    return sql.SQL(" union all ").join(
        [
            sql.SQL(
                """select p.journal_id, a.asset, {sign} p.amount as amount
                   from account_here a join posting p on p.{side} = a.id
                   where {clock} and p.effective_at >= {start} and p.effective_at < {end}
                     and not exists (select from correction c where c.journal_id = p.journal_id)"""
            ).format(sign=sql.SQL(sign), side=sql.Identifier(side), clock=clock, start=start, end=end)
            for side, sign in (("debit", ""), ("credit", "-"))
            for clock in (
                sql.SQL("p.off_clock"),
                sql.SQL("not p.off_clock and p.seq between {low} and {high} and p.segment = any(a.segments)").format(low=low, high=high),
            )
        ]
        + [
            sql.SQL(
                """select coalesce(c.corrects, p.journal_id), a.asset, {sign} p.amount
                   from correction c join posting p on p.journal_id = c.journal_id join account_here a on a.id = p.{side}
                   where c.day between {first} and {last}"""
            ).format(sign=sql.SQL(sign), side=sql.Identifier(side), first=sql.Literal(first), last=sql.Literal(last))
            for side, sign in (("debit", ""), ("credit", "-"))
        ]
    )


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


def attempted_payouts(program_id: str, provider: str, *, first: date, last: date) -> sql.Composed:
    """Our attempts to pay out through a provider that it accepted, or may have, by the day they went out."""
    return sql.SQL(
        """select id as external_id, id as reference, -coalesce(paid, amount) as amount, asset,
                  (coalesce(request_sent_at, sent_at) at time zone 'UTC')::date as booked_on,
                  case state when 'succeeded' then 'paid' when 'sent' then 'pending' when 'sending' then 'unknown' else state end as status,
                  null::text as counterparty, 'payout'::text as memo, payout_id as batch
           from provider_payout
           where program_id = {program} and provider = {provider}
             and state in {out}
             and (state <> 'failed' or provider_ref is not null)
             and coalesce(request_sent_at, sent_at) >= {start} and coalesce(request_sent_at, sent_at) < {end}"""
    ).format(**_named(program_id, provider, first, last), out=sql.SQL(listed(WENT_OUT)))


def recorded_payments(program_id: str, provider: str, *, first: date, last: date) -> sql.Composed:
    """Customers' payments through a provider, gross, each with the invoice that it is for as its counterparty."""
    return sql.SQL(
        """select charge_id as external_id, charge_id as reference, amount, asset,
                  (occurred_at at time zone 'UTC')::date as booked_on, null::text as status,
                  coalesce(invoice_id, reference) as counterparty, 'charge'::text as memo, coalesce(invoice_id, reference) as batch
           from payment
           where program_id = {program} and provider = {provider} and occurred_at >= {start} and occurred_at < {end}"""
    ).format(**_named(program_id, provider, first, last))


def bank_lines(program_id: str, account: str, *, first: date, last: date) -> sql.Composed:
    """What imported statements say moved a bank account, each line once; `with_words` makes of it what a run reads."""
    return sql.SQL(
        """select coalesce(external_id, encode(substr(key, 1, 8), 'hex')) as external_id, reference, amount, asset, booked_on,
                  null::text as status, counterparty, memo, batch, program_id, account, key, envelope
           from bank_line_counted
           where program_id = {program} and account = {account} and booked_on >= {first} and booked_on <= {last}"""
    ).format(program=sql.Literal(program_id), account=sql.Literal(account), first=sql.Literal(first), last=sql.Literal(last))


def with_words(keys: EncryptionKeys, found: pa.RecordBatch) -> pa.RecordBatch:
    """Lines of `bank_lines` with their words, which lie encrypted; without, where their key is lost: they match nothing then.

    Raises EncryptionKeyMissing, EnvelopeDoesNotOpen.
    """
    names = [name for name in found.schema.names if name not in (*CONFIDENTIAL.key, ENVELOPE)]
    columns_of = (found.column(name).to_pylist() for name in (*CONFIDENTIAL.key, ENVELOPE, *WORDS))
    width = len(CONFIDENTIAL.key)
    opened = [CONFIDENTIAL.opened_unless_lost(keys, row[:width], row[width], row[width + 1 :]) for row in zip(*columns_of, strict=True)]
    words = dict(zip(WORDS, zip(*opened, strict=True), strict=True)) if opened else dict.fromkeys(WORDS, ())
    columns = {name: pa.array(words[name], pa.string()) if name in words else found.column(name) for name in names}
    return pa.RecordBatch.from_pydict(columns)


class InFlight(NamedTuple):
    """An attempt of ours whose end nobody has told us yet; `amount` in minor units. `id` is what the provider knows it by."""

    id: str
    amount: int
    asset: str
    state: str


def in_flight(conn: Connection[Any], program_id: str, provider: str, *, since: datetime) -> list[InFlight]:
    """Attempts that went out after `since` and have not ended, by id, with what each should come to."""
    with conn.cursor(row_factory=class_row(InFlight)) as cur:
        return cur.execute(
            """select id, amount, asset, state from provider_payout
               where program_id = %s and provider = %s and state = any(%s) and request_sent_at >= %s
               order by id""",
            [program_id, provider, list(IN_FLIGHT), since],
        ).fetchall()


def first_day(conn: Connection[Any], program_id: str, account: str) -> date | None:
    """The first day (effective, UTC) on which an account moved, in any asset."""
    return _earliest(conn, program_id, account, 0)


def first_changed_day(conn: Connection[Any], program_id: str, account: str, *, since: datetime) -> date | None:
    """The earliest effective day among what was recorded on an account since a moment: what came late, came into an older day."""
    return _earliest(conn, program_id, account, _seq_of(since))


def _earliest(conn: Connection[Any], program_id: str, account: str, from_seq: int) -> date | None:
    row = conn.execute(
        """select min(moved.first) from account a join book b on b.id = a.book_id
           cross join lateral (
               select min(effective_at) as first from posting
               where segment = any(segments_between(a.id, %(seq)s, %(end)s)) and debit = a.id and seq >= %(seq)s
               union all
               select min(effective_at) from posting
               where segment = any(segments_between(a.id, %(seq)s, %(end)s)) and credit = a.id and seq >= %(seq)s) as moved
           where b.program_id = %(program)s and a.name = %(account)s""",
        {"program": program_id, "account": account, "seq": from_seq, "end": SEQ_MAX},
    ).fetchone()
    return row[0].astimezone(UTC).date() if row and row[0] else None


def end_of(day: date) -> datetime:
    """The last moment of a day, UTC: balances as of then include all of it."""
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC) - timedelta(microseconds=1)


def _named(program_id: str, provider: str, first: date, last: date) -> dict[str, sql.Composable]:
    return {
        "program": sql.Literal(program_id),
        "provider": sql.Literal(provider),
        "start": _midnight(first),
        "end": _midnight(last + timedelta(days=1)),
    }


def _midnight(day: date) -> sql.Composed:
    return sql.SQL("timestamptz {}").format(sql.Literal(f"{day.isoformat()} 00:00:00+00"))


def _seq(day: date, off: timedelta) -> sql.Literal:
    """The first seq of a moment near the beginning of a day."""
    return sql.Literal(_seq_of(datetime.combine(day, datetime.min.time(), UTC) + off))


def _seq_of(moment: datetime) -> int:
    return first_seq(to_us(moment) // 1000)
