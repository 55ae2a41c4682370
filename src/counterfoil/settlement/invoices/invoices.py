"""Invoices: what a customer owes for what one payee delivered. One asset, one payee, lines out of usage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import Machine, Move, record_birth, take_steps
from counterfoil.base.money import MINOR_MAX
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.base.rows import Records
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.settlement.intents.intents import ask_for_payment, cancel_intents
from counterfoil.settlement.usage.rules import MICRO

TERM_DAYS: Final = 14
ISSUE_ROWS_MAX: Final = 10_000
UNIT: Final = MICRO * MICRO  # a minor unit, in what a quantity times a price is counted in
_ISSUE_LOCK: Final = 4_271_005

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
        ("pending", "fall_due"): "overdue",
        ("pending", "credit"): "pending",
        ("pending", "credit_in_full"): "cancelled",
        ("partially_paid", "pay"): "paid",
        ("partially_paid", "pay_part"): "partially_paid",
        ("partially_paid", "fall_due"): "overdue",
        ("partially_paid", "credit"): "partially_paid",
        ("partially_paid", "credit_rest"): "paid",
        ("partially_paid", "credit_in_full"): "cancelled",  # what was paid of it had gone back
        ("overdue", "pay"): "paid",
        ("overdue", "pay_part"): "partially_paid",
        ("overdue", "credit"): "overdue",
        ("overdue", "credit_rest"): "paid",
        ("overdue", "credit_in_full"): "cancelled",
        ("overdue", "write_off"): "cancelled",
        ("overdue", "dispute"): "disputed",
        ("paid", "credit"): "paid",
        ("paid", "dispute"): "disputed",
        ("partially_paid", "dispute"): "disputed",
        ("disputed", "pay"): "disputed",
        ("disputed", "pay_part"): "disputed",
        ("disputed", "reinstate"): "paid",
        ("disputed", "reinstate_part"): "partially_paid",
        ("disputed", "refund"): "refunded",
        ("paid", "refund"): "refunded",
        ("refunded", "dispute"): "disputed",
    },
    reasoned=frozenset({"cancel", "credit", "credit_rest", "credit_in_full"}),
    paired=frozenset({"write_off"}),
)
STATES: Final = tuple(INVOICE.states())

EVENT_KINDS: Final = declare(debug={"invoice_issued": "An invoice was issued to a customer."})


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
    credited: int = 0  # by credit notes: no longer asked for
    written_off: int = 0  # given up: the house pays it in the customer's place

    @property
    def due(self) -> int:
        """What its customer still has to pay, in minor units; of one that is cancelled nothing."""
        return 0 if self.state == "cancelled" else self.total - self.credited - self.written_off - self.paid


class InvoiceLine(NamedTuple):
    """One line: a usage record at its price. Quantity in millionths, price in millionths of a minor unit.

    `amount` is its share of the invoice's total: quantity × price, and one unit more where the fractions of all lines make one.
    """

    line: int
    record_id: str
    description: str
    quantity_micro: int
    price_micro: int
    amount: int


class Issued(NamedTuple):
    """What was issued: invoices; groups of usage below one unit, which wait for more; groups above what an invoice can hold."""

    invoice_ids: list[str]
    waiting: int
    too_large: int


class _Bill(NamedTuple):
    """An invoice to be: what was used, and what of a unit came from the invoice before and goes on to the next."""

    id: str
    customer_id: str
    payee_id: str
    asset: str
    total: int
    carried_in: int
    carried_out: int
    usage_ids: list[str]


def issue_invoices(conn: Connection[Any], program_id: str, *, provider: str, make_id: MakeId, actor: str, now: datetime) -> Issued:
    """Turn usage that is on no invoice into one invoice for each customer, payee and asset, and ask for payment.

    Usage is summed first and rounded down once; the fraction of a unit goes on to the next invoice. Takes at most 10,000 invoices at
    once; calling again continues. Usage below one unit waits for the next.
    """
    groups = [_Bill(make_id("inv"), row[0], row[1], row[2], int(row[3]), row[4], row[5], row[6]) for row in _unbilled(conn, program_id)]
    billed = [one for one in groups if 0 < one.total <= MINOR_MAX]
    if billed:
        _insert(conn, program_id, billed, now)
        ids = [one.id for one in billed]
        record_birth(conn, INVOICE, ids, "draft", actor=actor, at=now)
        take_steps(conn, INVOICE, [Move(one, "draft", "issue") for one in ids], actor=actor, at=now)
        for asset in sorted({one.asset for one in billed}):
            names = [f"escrow:{one.id}" for one in billed if one.asset == asset]
            open_accounts(conn, program_id, names, asset=asset, actor=actor, now=now)
        ask_for_payment(conn, program_id, ids, provider=provider, make_id=make_id, actor=actor, now=now)
        told = [NewEvent("invoice_issued", program_id, one.id, {"total": str(one.total), "asset": one.asset}) for one in billed]
        emit(conn, told, at=now)
    waiting = sum(one.total == 0 for one in groups)
    return Issued([one.id for one in billed], waiting, len(groups) - len(billed) - waiting)


def _unbilled(conn: Connection[Any], program_id: str) -> list[tuple[Any, ...]]:
    """Usage that is on no invoice, by customer, payee and asset: total in minor units, fraction in and out, records in their order."""
    # One issuer at a time in a program, and usage rows locked in order: no record on two invoices, no fraction carried twice.
    conn.execute("select pg_advisory_xact_lock(hashtextextended(%s, %s))", [program_id, _ISSUE_LOCK])
    return conn.execute(
        """with free as (
               select id, customer_id, payee_id, asset, quantity_micro::numeric * price_micro as used, occurred_at, external_id
               from usage_record where program_id = %(program)s and invoice_id is null order by id for update
           ), grouped as (
               select customer_id, payee_id, asset, sum(used) as used, array_agg(id order by occurred_at, external_id) as ids
               from free group by customer_id, payee_id, asset
           )
           select g.customer_id, g.payee_id, g.asset, div(g.used + f.fraction, %(unit)s), f.fraction,
                  mod(g.used + f.fraction, %(unit)s)::bigint, g.ids
           from grouped g cross join lateral (
               select coalesce((select fraction from usage_fraction f
                                where (f.program_id, f.customer_id, f.payee_id, f.asset)
                                    = (%(program)s, g.customer_id, g.payee_id, g.asset)), 0) as fraction) f
           order by g.customer_id, g.payee_id, g.asset limit %(rows_max)s""",
        {"program": program_id, "unit": UNIT, "rows_max": ISSUE_ROWS_MAX},
    ).fetchall()


def _insert(conn: Connection[Any], program_id: str, billed: Sequence[_Bill], now: datetime) -> None:
    columns = [list(column) for column in zip(*[one[:7] for one in billed], strict=True)]
    conn.execute(
        """insert into invoice (id, program_id, customer_id, payee_id, asset, total, carried_in, carried_out, issued_at, due_on, state,
                                state_at)
           select b.id, %s, b.customer_id, b.payee_id, b.asset, b.total, b.carried_in, b.carried_out, %s, %s, 'draft', %s
           from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[])
             as b (id, customer_id, payee_id, asset, total, carried_in, carried_out)""",
        [program_id, now, (now + timedelta(days=TERM_DAYS)).date(), now, *columns],
    )
    conn.execute(
        """insert into usage_fraction (program_id, customer_id, payee_id, asset, fraction)
           select %s, f.* from unnest(%s::text[], %s::text[], %s::text[], %s::bigint[]) as f
           on conflict (program_id, customer_id, payee_id, asset) do update set fraction = excluded.fraction""",
        [program_id, *columns[1:4], columns[6]],
    )
    lines = [(one.id, usage_id, line) for one in billed for line, usage_id in enumerate(one.usage_ids, start=1)]
    # A line's share: its own whole units, and one more for those with the largest fractions until the lines add up to the total;
    # ties go by line.
    conn.execute(
        """with line as (
               select l.*, div(u.used, %(unit)s) as whole,
                      row_number() over (partition by l.invoice_id order by mod(u.used, %(unit)s) desc, l.line) as place
               from unnest(%(invoices)s::text[], %(usages)s::text[], %(lines)s::int[]) as l (invoice_id, usage_id, line)
               join lateral (select quantity_micro::numeric * price_micro as used from usage_record where id = l.usage_id) u on true
           ), short as (
               select i.id, i.total - sum(line.whole) as units from line join invoice i on i.id = line.invoice_id group by i.id
           )
           update usage_record u set invoice_id = l.invoice_id, line = l.line,
                  amount = l.whole + case when l.place <= s.units then 1 else 0 end
           from line l join short s on s.id = l.invoice_id where u.id = l.usage_id""",
        {"unit": UNIT, **dict(zip(("invoices", "usages", "lines"), map(list, zip(*lines, strict=True)), strict=True))},
    )


def cancel_invoice(conn: Connection[Any], invoice_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Cancel an invoice that nobody paid anything of. Money that comes for it later is owed back to the customer."""
    found = lock_invoices(conn, [invoice_id])
    if not found:
        raise NotFound(what="invoice", id=invoice_id)
    move = Move(invoice_id, found[0].state, "cancel")
    take_steps(conn, INVOICE, [move], actor=actor, at=now, reason=reason)
    cancel_intents(conn, [invoice_id], cause=invoice_id, actor=actor, now=now)
    return INVOICE.next_state(found[0].state, "cancel", reason=reason)


INVOICES: Final = Records(
    Invoice,
    """select id, program_id, customer_id, payee_id, asset, total, paid, issued_at, due_on, state, state_at, credited, written_off
       from invoice""",
    "invoice",
)
show_invoice: Final = INVOICES.show


def lock_invoices(conn: Connection[Any], ids: Sequence[str]) -> list[Invoice]:
    """These invoices, locked in id order; those that do not exist are not in the answer."""
    return INVOICES.by_id(conn, ids, lock=True)


def invoice_lines(conn: Connection[Any], invoice_id: str, *, rows_max: int) -> list[InvoiceLine]:
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
    return INVOICES.newest(conn, rows_max=rows_max, after=after, state=state, program_id=program_id)
