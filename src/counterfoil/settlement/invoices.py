"""Invoices: what a customer owes for what one payee delivered. One asset, one payee, lines out of usage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import Machine, Move, record_birth, take_steps
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.ledger.accounts import open_accounts
from counterfoil.operations.events import NewEvent, emit
from counterfoil.settlement.intents import ask_for_payment

MakeId = Callable[[str], str]
TERM_DAYS: Final = 14
ISSUE_ROWS_MAX: Final = 10_000

INVOICE: Final = Machine(
    name="invoice",
    table="invoice",
    initial=("draft",),
    transitions={
        ("draft", "issue"): "pending",
        ("draft", "cancel"): "cancelled",
        ("pending", "pay"): "paid",
        ("pending", "pay_part"): "partially_paid",
        ("pending", "cancel"): "cancelled",
        ("partially_paid", "pay"): "paid",
        ("partially_paid", "pay_part"): "partially_paid",
    },
    reasoned=frozenset({"cancel"}),
)
STATES: Final = tuple(INVOICE.states())


class Invoice(NamedTuple):
    """An invoice as it stands; amounts in minor units."""

    id: str
    program_id: str
    customer_id: str
    payee_id: str
    asset: str
    total: int
    paid: int
    issued_at: datetime
    due_on: date
    state: str
    state_at: datetime


class InvoiceLine(NamedTuple):
    """One line: a usage record at its price. Quantity in millionths, price in millionths of a minor unit."""

    line: int
    record_id: str
    description: str
    quantity_micro: int
    price_micro: int
    amount: int


class Issued(NamedTuple):
    """What was issued: invoices, and usage that adds up to nothing and waits for more."""

    invoice_ids: list[str]
    waiting: int


def issue_invoices(
    conn: Connection[Any], program_id: str, *, provider: str, make_id: MakeId, actor: str, now: datetime
) -> Issued:
    """Turn usage that is on no invoice into one invoice for each customer, payee and asset, and ask for payment.

    Takes at most 10,000 invoices at once; calling again continues. Usage of amount 0 waits for the next.
    """
    # Usage rows are locked first, in order: two issuers cannot put one record on two invoices.
    groups = conn.execute(
        """with free as (select id, customer_id, payee_id, asset, amount, occurred_at, external_id from usage_record
                         where program_id = %s and invoice_id is null order by id for update)
           select customer_id, payee_id, asset, sum(amount)::bigint, array_agg(id order by occurred_at, external_id) from free
           group by 1, 2, 3 order by 1, 2, 3 limit %s""",
        [program_id, ISSUE_ROWS_MAX],
    ).fetchall()
    billed = [(make_id("inv"), *group) for group in groups if group[3] > 0]
    if billed:
        _insert(conn, program_id, billed, now)
        ids = [row[0] for row in billed]
        record_birth(conn, INVOICE, ids, "draft", actor=actor, at=now)
        take_steps(conn, INVOICE, [Move(one, "draft", "issue") for one in ids], actor=actor, at=now)
        for asset in sorted({row[3] for row in billed}):
            names = [f"escrow:{row[0]}" for row in billed if row[3] == asset]
            open_accounts(conn, program_id, names, asset=asset, actor=actor, now=now)
        ask_for_payment(conn, program_id, ids, provider=provider, make_id=make_id, actor=actor, now=now)
        told = [
            NewEvent("invoice_issued", program_id, row[0], {"total": str(row[4]), "asset": row[3]}) for row in billed
        ]
        emit(conn, told, at=now)
    return Issued([row[0] for row in billed], len(groups) - len(billed))


def _insert(conn: Connection[Any], program_id: str, billed: Sequence[tuple[Any, ...]], now: datetime) -> None:
    conn.execute(
        """insert into invoice (id, program_id, customer_id, payee_id, asset, total, issued_at, due_on, state, state_at)
           select b.id, %s, b.customer_id, b.payee_id, b.asset, b.total, %s, %s, 'draft', %s
           from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
             as b (id, customer_id, payee_id, asset, total)""",
        [
            program_id,
            now,
            (now + timedelta(days=TERM_DAYS)).date(),
            now,
            *map(list, zip(*[row[:5] for row in billed], strict=True)),
        ],
    )
    lines = [(row[0], usage_id, line) for row in billed for line, usage_id in enumerate(row[5], start=1)]
    conn.execute(
        """update usage_record u set invoice_id = l.invoice_id, line = l.line
           from unnest(%s::text[], %s::text[], %s::int[]) as l (invoice_id, usage_id, line) where u.id = l.usage_id""",
        [list(column) for column in zip(*lines, strict=True)],
    )


def cancel_invoice(conn: Connection[Any], invoice_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Cancel an invoice that nobody paid anything of. Money that comes for it later is owed back to the customer."""
    found = lock_invoices(conn, [invoice_id])
    if not found:
        raise NotFound(what="invoice", id=invoice_id)
    move = Move(invoice_id, found[0].state, "cancel")
    take_steps(conn, INVOICE, [move], actor=actor, at=now, reason=reason)
    return INVOICE.next_state(found[0].state, "cancel", reason=reason)


def lock_invoices(conn: Connection[Any], ids: Sequence[str]) -> list[Invoice]:
    """These invoices, locked in id order; those that do not exist are not in the answer."""
    with conn.cursor(row_factory=class_row(Invoice)) as cur:
        return cur.execute(
            """select id, program_id, customer_id, payee_id, asset, total, paid, issued_at, due_on, state, state_at
               from invoice where id = any(%s) order by id for update""",
            [list(ids)],
        ).fetchall()


def show_invoice(conn: Connection[Any], invoice_id: str) -> Invoice:
    """One invoice. Raises NotFound."""
    with conn.cursor(row_factory=class_row(Invoice)) as cur:
        found = cur.execute(
            """select id, program_id, customer_id, payee_id, asset, total, paid, issued_at, due_on, state, state_at
               from invoice where id = %s""",
            [invoice_id],
        ).fetchone()
    if found is None:
        raise NotFound(what="invoice", id=invoice_id)
    return found


def invoice_lines(conn: Connection[Any], invoice_id: str, *, rows_max: int = 1000) -> list[InvoiceLine]:
    """The lines of an invoice, in order."""
    with conn.cursor(row_factory=class_row(InvoiceLine)) as cur:
        return cur.execute(
            """select line, external_id as record_id, description, quantity_micro, price_micro, amount
               from usage_record where invoice_id = %s order by line limit %s""",
            [invoice_id, rows_max],
        ).fetchall()


def list_invoices(
    conn: Connection[Any],
    *,
    rows_max: int,
    after: str | None = None,
    program_id: str | None = None,
    state: str | None = None,
) -> list[Invoice]:
    """Invoices, newest first, keyset-paged by id. Raises InvalidInput for a state that is none."""
    if state is not None and state not in STATES:
        raise InvalidInput("status", f"one of {', '.join(STATES)}", got=state[:40])
    with conn.cursor(row_factory=class_row(Invoice)) as cur:
        return cur.execute(
            """select id, program_id, customer_id, payee_id, asset, total, paid, issued_at, due_on, state, state_at
               from invoice
               where (%(program)s::text is null or program_id = %(program)s) and (%(state)s::text is null or state = %(state)s)
                 and (%(after)s::text is null or id < %(after)s)
               order by id desc limit %(rows_max)s""",
            {"program": program_id, "state": state, "after": after, "rows_max": rows_max},
        ).fetchall()
