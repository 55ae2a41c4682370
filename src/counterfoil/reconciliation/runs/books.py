"""Our side: what our books say, as queries that are copied out by column. Every row has the shape of `COLUMNS`."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from psycopg import Connection, sql
from psycopg.rows import class_row

from counterfoil.base.encryption.confidential import ENVELOPE
from counterfoil.base.encryption.keys import EncryptionKeys
from counterfoil.base.machine import listed
from counterfoil.ledger.clock import SEQ_MAX, first_seq, to_us
from counterfoil.payouts.machines import IN_FLIGHT, WENT_OUT
from counterfoil.reconciliation.bank_lines import CONFIDENTIAL, WORDS

if TYPE_CHECKING:
    import pyarrow as pa

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
    import pyarrow as pa

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
    return _earliest(conn, program_id, account, seq_of(since))


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
        "start": midnight(first),
        "end": midnight(last + timedelta(days=1)),
    }


def midnight(day: date) -> sql.Composed:
    """The first moment of a day, UTC."""
    return sql.SQL("timestamptz {}").format(sql.Literal(f"{day.isoformat()} 00:00:00+00"))


def seq_of(moment: datetime) -> int:
    """The first seq that a posting of this moment may have."""
    return first_seq(to_us(moment) // 1000)
