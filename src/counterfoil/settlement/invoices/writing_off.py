"""Writing an overdue invoice off: its customer never pays, and the house does in the customer's place.

What is still due becomes bad debt and goes into the invoice's escrow, so that its payee is settled in full, on what was paid and what is
due; what went back when its intent expired is neither. Money that comes later is an overpayment. It takes two people. That money is not
in the bank yet: client money is short by it until own funds top it up, as with what providers keep. Whoever wants the payee to bear it
credits the invoice instead.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import Approval, take_step
from counterfoil.base.problems import NotFound, Problem
from counterfoil.ledger.journals.journal import NewJournal
from counterfoil.ledger.journals.key_spaces import INVOICE_WRITE_OFF
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.operations import approvals
from counterfoil.operations.access.access import Caller
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.trial import trial
from counterfoil.operations.verbs import VerbCall
from counterfoil.settlement.intents.intents import begin_verifying
from counterfoil.settlement.invoices.invoices import INVOICE, Invoice, lock_invoices

EVENT_KINDS: Final = declare(critical={"invoice_written_off": "Two people gave up what a customer owes; the house pays it."})


class DueHasChanged(Problem):
    """What is due on this invoice is no longer what was approved: something was paid or credited meanwhile."""

    todo = "Look at the invoice, and propose to write off what is due on it now."
    amounts = ("approved", "due")


def write_off_invoice(
    conn: Connection[Any],
    invoice_id: str,
    write_off_id: str,
    amount: int,
    *,
    reason: str,
    actor: str,
    now: datetime,
    approval: Approval | None,
) -> str:
    """Write off all that is due on an overdue invoice, which must be `amount` minor units; returns its state.

    Raises NotFound, TransitionRefused, DueHasChanged, ApprovalNeeded without a second person's approval of exactly this amount.
    """
    one = _locked(conn, invoice_id)
    state = take_step(conn, INVOICE, one.id, one.state, "write_off", actor=actor, at=now, reason=reason, approval=approval)
    if one.due != amount:
        raise DueHasChanged(invoice=one.id, approved=amount, due=one.due, asset=one.asset)
    conn.execute(
        """insert into invoice_write_off (id, program_id, invoice_id, asset, amount, reason, actor, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [write_off_id, one.program_id, one.id, one.asset, amount, reason, actor, now],
    )
    conn.execute("update invoice set written_off = %s where id = %s", [amount, one.id])
    _post(conn, one, write_off_id, amount, reason=reason, actor=actor, now=now)
    told = {"amount": str(amount), "asset": one.asset, "customerId": one.customer_id, "reason": reason}
    emit(conn, [NewEvent("invoice_written_off", one.program_id, one.id, told)], at=now)
    begin_verifying(conn, [one.id], cause=write_off_id, now=now)
    return state


def _post(conn: Connection[Any], one: Invoice, write_off_id: str, amount: int, *, reason: str, actor: str, now: datetime) -> None:
    journal = NewJournal(
        key=INVOICE_WRITE_OFF.key(one.id),
        kind=INVOICE_WRITE_OFF.kind or "",
        lines=[("bad_debt", f"escrow:{one.id}", amount)],
        asset=one.asset,
        actor=actor,
        narrative=reason,
        source=("invoice_write_off", write_off_id),
        space=INVOICE_WRITE_OFF,
    )
    post_all(conn, [ProgramJournal(one.program_id, journal)], now=now)


def _locked(conn: Connection[Any], invoice_id: str) -> Invoice:
    found = lock_invoices(conn, [invoice_id])
    if not found:
        raise NotFound(what="invoice", id=invoice_id)
    return found[0]


def propose_write_off(one: VerbCall) -> approvals.Proposal:
    """Propose it: what is approved is the amount that is due now."""
    invoice = _locked(one.conn, one.subject_id)
    INVOICE.next_state(invoice.state, "write_off", reason=one.reason)
    with trial(one.conn):
        _post(one.conn, invoice, one.make_id("iwo"), invoice.due, reason=one.reason, actor=one.actor, now=one.now)
    return one.propose(INVOICE, "write_off", {"amount": str(invoice.due), "reason": one.reason}, invoice.program_id)


def _written_off(conn: Connection[Any], one: approvals.Proposal, by: Caller, now: datetime) -> str:
    made = f"iwo_{one.id.partition('_')[2]}"  # one write-off for each approval
    amount = int(one.payload["amount"])
    write_off_invoice(conn, one.subject_id, made, amount, reason=one.reason, actor=by.actor, now=now, approval=one.approval)
    return made


PAIRED: Final = (approvals.Paired(INVOICE.name, "write_off", _written_off),)
