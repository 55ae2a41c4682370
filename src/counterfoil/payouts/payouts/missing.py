"""The payout that an invoice is missing: made by a person's word, once, or the true reason why there is none to make."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import asset_of_book
from counterfoil.base.ids import MakeId
from counterfoil.base.problems import NotFound, Problem
from counterfoil.payouts.disputes.standing import contests_of
from counterfoil.payouts.payouts.verbs import Owed, Payout, create_payouts, list_payouts
from counterfoil.settlement.intents.intents import Intent, intents_of
from counterfoil.settlement.invoices.invoices import INVOICE, Invoice, lock_invoices
from counterfoil.settlement.settlements import settlement_of

CAUSE = "execute"
AWAIT_PAYMENT: Final = "wait for its customer's payment"
NO_MONEY: Final = {
    "draft": "it is not issued yet, so nobody has paid anything of it",
    "cancelled": "it is cancelled, and nobody pays anything of it",
    "refunded": "all that was paid on it went back to its customer",
}


class NothingToPayOut(Problem):
    """This invoice has no money for its payee as it stands; `why` is the reason, `instead` what to do about it."""


class Executed(NamedTuple):
    """The payout of an invoice, and whether it was there before."""

    payout: Payout
    existed: bool


def execute_payout(conn: Connection[Any], invoice_id: str, *, make_id: MakeId, actor: str, now: datetime) -> Executed:
    """The payout of an invoice that is settled, made if it has none; the newest one if it has. Raises NotFound, NothingToPayOut.

    Moves no money: the reservation takes it, as for any other payout. Its key is that of the settlement, so there is never a second.
    """
    found = lock_invoices(conn, [invoice_id])
    if not found:
        raise NotFound(what="invoice", id=invoice_id)
    settlement = settlement_of(conn, invoice_id)
    if settlement is None:
        why, instead = _why_unsettled(conn, found[0])
        raise NothingToPayOut(invoice=invoice_id, why=why, instead=instead)
    if not settlement.net:
        raise NothingToPayOut(invoice=invoice_id, why="fees and what is held back leave nothing of it to its payee", instead="nothing")
    before = list_payouts(conn, rows_max=1, invoice_id=invoice_id)
    one = settlement
    owed = Owed(one.program_id, one.invoice_id, one.id, one.payee_id, one.asset, one.net)
    [made] = create_payouts(conn, [owed], make_id=make_id, actor=actor, cause=CAUSE, now=now)
    return Executed(before[0] if before else made, existed=bool(before))


def _why_unsettled(conn: Connection[Any], invoice: Invoice) -> tuple[str, str]:
    """What is missing before there is money for its payee, and who brings it about."""
    contests = contests_of(conn, invoice.id)
    if contests:
        first = contests[0]
        decide = f"counterfoil disputes show {first.id}" if first.kind == "dispute" else "wait for the bank's word"
        return first.why, decide
    if invoice.written_off:
        return _why_unfinished(intents_of(conn, [invoice.id]))
    if invoice.state in INVOICE.before("pay"):
        whole = invoice.paid + invoice.due
        told = asset_of_book(conn, invoice.asset).told
        paid = f"{told(invoice.paid)} of {told(whole)}"
        why = f"{paid} are paid, and only what is paid in full is paid out"
        return why, _await_payment(intents_of(conn, [invoice.id]))
    if invoice.state != "paid":
        return NO_MONEY.get(invoice.state, f"it is {invoice.state.replace('_', ' ')}"), "nothing"
    return _why_unfinished(intents_of(conn, [invoice.id]))


def _await_payment(intents: Sequence[Intent]) -> str:
    """What brings the rest: its customer, or a person where no payment is waited for any more."""
    if intents and intents[-1].state == "expired":
        return f"no payment is waited for any more: counterfoil intents reopen {intents[-1].id}, or credit the invoice or write it off"
    return AWAIT_PAYMENT


def _why_unfinished(intents: Sequence[Intent]) -> tuple[str, str]:
    if not intents:
        return "no intent to settle it is on record", "nothing"
    one = intents[-1]
    if one.state == "failed":
        return f"its intent {one.id} failed: {one.last_error}", f"counterfoil intents retry {one.id}"
    if one.state == "cancelled":
        return NO_MONEY["refunded"], "nothing"
    waits = f", and waits: {one.last_error}" if one.last_error else ""
    return f"it is not settled yet: its intent is {one.state.replace('_', ' ')}{waits}", f"counterfoil intents show {one.id}"
