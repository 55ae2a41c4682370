"""Credit notes: an invoice asked for too much. What is not paid yet is no longer asked for; what is paid already becomes a refund.

The payee bears it: the settlement is of what was paid. Nothing moves in the books for what nobody had paid.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.formats.amounts import asset_of_book
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import take_step
from counterfoil.base.money import out_of_range
from counterfoil.base.problems import TransitionRefused
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.payouts.refunds.refunds import book_refund, lock_invoice, refundable, refuse_disputed
from counterfoil.settlement.intents.intents import begin_verifying, cancel_intents
from counterfoil.settlement.invoices.invoices import INVOICE, Invoice

EVENT_KINDS: Final = declare(info={"invoice_credited": "A credit note lowered an invoice; what was paid too much is owed."})


class CreditNote(NamedTuple):
    """A credit note, in minor units: amount = against what was due + refunded of what was paid."""

    id: str
    invoice_id: str
    asset: str
    amount: int
    against_due: int
    refunded: int
    refund_id: str | None
    reason: str
    actor: str
    at: datetime


def credit_invoice(
    conn: Connection[Any], invoice_id: str, amount: int, *, make_id: MakeId, reason: str, actor: str, now: datetime
) -> tuple[str, str]:
    """Credit this much of an invoice, in minor units: first what is due, then what was paid; its state and the credit note's id.

    Raises NotFound, InvalidInput for more than was asked and not credited or refunded yet, TransitionRefused, UnderDispute.
    """
    one = lock_invoice(conn, invoice_id)
    if one.state not in INVOICE.before("credit"):
        raise TransitionRefused(machine=INVOICE.name, state=one.state, verb="credit", allowed=INVOICE.allowed(one.state))
    refuse_disputed(conn, one.id)
    paid = refundable(conn, one)
    if not 0 < amount <= one.due + paid:
        raise out_of_range("amount", amount, asset_of_book(conn, one.asset), most=one.due + paid, what="what is due or paid of it")
    against_due = min(amount, one.due)
    note_id, refund_id = make_id("crn"), make_id("ref") if amount > against_due else None
    verb = _verb(one, against_due, paid - (amount - against_due))
    INVOICE.next_state(one.state, verb, reason=reason)
    conn.execute("update invoice set credited = credited + %s where id = %s", [against_due, one.id])
    state = take_step(conn, INVOICE, one.id, one.state, verb, actor=actor, at=now, reason=reason, cause=note_id)
    if refund_id is not None:
        kept = lock_invoice(conn, one.id)
        why = f"credit note {note_id}"
        book_refund(conn, refund_id, kept, amount - against_due, cause=why, make_id=make_id, actor=actor, now=now)
    _write(conn, CreditNote(note_id, one.id, one.asset, amount, against_due, amount - against_due, refund_id, reason, actor, now), one)
    _let_go_on(conn, one, state, note_id, actor, now)
    told = {"creditNoteId": note_id, "amount": str(amount), "asset": one.asset, "customerId": one.customer_id}
    emit(conn, [NewEvent("invoice_credited", one.program_id, one.id, told, once=note_id)], at=now)
    return lock_invoice(conn, one.id).state, note_id


def _verb(one: Invoice, against_due: int, left_of_paid: int) -> str:
    """What the credit note makes of the invoice: nothing more is due, and something of it is paid, or nothing is."""
    if one.due == 0 or against_due < one.due:
        return "credit"
    return "credit_rest" if left_of_paid > 0 else "credit_in_full"


def _write(conn: Connection[Any], note: CreditNote, invoice: Invoice) -> None:
    conn.execute(
        """insert into credit_note (program_id, id, invoice_id, asset, amount, against_due, refunded, refund_id, reason, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        [invoice.program_id, *note],
    )


def _let_go_on(conn: Connection[Any], before: Invoice, state: str, note_id: str, actor: str, now: datetime) -> None:
    """An invoice that is paid by being credited is settled; of one that is cancelled no payment is waited for."""
    if state == "paid" and before.due:
        begin_verifying(conn, [before.id], cause=note_id, now=now)
    elif state == "cancelled":
        cancel_intents(conn, [before.id], cause=note_id, actor=actor, now=now)


def credit_notes_of(conn: Connection[Any], invoice_id: str, *, rows_max: int) -> list[CreditNote]:
    """The credit notes of an invoice, in their order."""
    with conn.cursor(row_factory=class_row(CreditNote)) as cur:
        return cur.execute(
            """select id, invoice_id, asset, amount, against_due, refunded, refund_id, reason, actor, at
               from credit_note where invoice_id = %s order by at, id limit %s""",
            [invoice_id, rows_max],
        ).fetchall()
