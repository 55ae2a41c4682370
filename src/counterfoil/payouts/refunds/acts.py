"""Giving up what a payee or a customer owes, and noting that a customer paid it: by a transfer, which takes two people as giving up does,
or with a payment that a provider told of, which the books hold against its own word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from counterfoil.base.formats.amounts import told_amount
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.reads.listing import show_program
from counterfoil.operations.access.access import APPROVE, OPERATE
from counterfoil.operations.acts import Act, ActCall, ActDone, ByTwo, paired_of
from counterfoil.operations.verbs import Field
from counterfoil.payouts.payouts.payable import Purse
from counterfoil.payouts.refunds.customer_debts import Said, pay_debt, write_off_customer
from counterfoil.payouts.refunds.debts import write_off_debt
from counterfoil.settlement.escrow.taken_back import CustomerPurse
from counterfoil.settlement.payments.paying_back import BANK

REFERENCE_MAX: Final = 100
PAYEE: Final = Field("payee_id", "Who owes it.")
CUSTOMER: Final = Field("customer_id", "Who owes it.")
HOW_MUCH: Final = (
    Field("program_id", "In this program.", "program"),
    Field("asset", "In this asset.", "asset"),
    Field("amount", "How much of it.", "amount", example="45.00"),
)


def _amount(one: ActCall) -> Mapping[str, Any]:
    return {"amount": str(one.taken["amount"])}


def _receipt(one: ActCall) -> Mapping[str, Any]:
    return {**_amount(one), "reference": one.taken["reference"]}


def _purse(one: ActCall) -> tuple[str, str, str]:
    show_program(one.conn, one.taken["program_id"])
    return one.taken["program_id"], one.subject_id, one.taken["asset"]


def _said(one: ActCall, prefix: str) -> Said:
    return Said(one.make_id(prefix), one.by.actor, one.reason, one.now)


def _write_off_payee(one: ActCall) -> ActDone:
    purse, made = Purse(*_purse(one)), one.make_id("wo")
    left = write_off_debt(one.conn, made, purse, one.taken["amount"], reason=one.reason, actor=one.by.actor, now=one.now)
    return ActDone(made, _told(one, left, "It becomes bad debt, and payouts that waited go on"), kept={"payee_id": one.subject_id})


def _write_off_customer(one: ActCall) -> ActDone:
    said = _said(one, "wo")
    left = write_off_customer(one.conn, CustomerPurse(*_purse(one)), one.taken["amount"], said)
    return ActDone(said.entry_id, _told(one, left, "It becomes bad debt"), kept={"customer_id": one.subject_id})


def _pay(one: ActCall) -> ActDone:
    said = _said(one, "cde")
    purse = CustomerPurse(*_purse(one))
    left = pay_debt(one.conn, purse, one.taken["amount"], said, provider=BANK, reference=one.taken["reference"])
    return ActDone(said.entry_id, _told(one, left, "It is booked as paid"), kept={"customer_id": one.subject_id, "provider": BANK})


def _pay_with(one: ActCall) -> ActDone:
    said, provider = _said(one, "cde"), one.taken["provider"]
    if provider == BANK:
        raise InvalidInput("provider", "a provider that told of the payment; a transfer to the bank takes two people", got=provider)
    purse = CustomerPurse(*_purse(one))
    left = pay_debt(one.conn, purse, one.taken["amount"], said, provider=provider, reference=one.taken["reference"])
    return ActDone(said.entry_id, _told(one, left, "It is booked as paid"), kept={"customer_id": one.subject_id, "provider": provider})


def _told(one: ActCall, left: int, what: str) -> str:
    asset = one.taken["asset"]
    owes = told_amount(one.conn, left, asset) if left else f"nothing in {asset}"
    return f"{what}; {one.subject_id} still owes {owes}."


def _act(
    action: str, name: str, label: str, effect: str, party: Field, machine: str, verb: str, *, do: Any, agrees: Any = None, more: Any = ()
) -> Act:
    """`agrees`: on what two people agree; without it, it takes one."""
    path = "/debts/pay" if verb == "pay" else "/debts/write-off"
    about = f"{{program_id}}:{{{party.name}}}:{{asset}}"
    two = ByTwo(machine, verb, about, APPROVE, agrees) if agrees else None
    return Act(action, name, label, effect, path, do, (*HOW_MUCH, *more), party, two, area="debts", permission=OPERATE, whole=False)


WRITE_OFF_PAYEE: Final = _act(
    "receivable.write_off",
    "write-off",
    "Write off what a payee owes",
    "What a payee owes is paid by its next payouts. Given up, it becomes bad debt.",
    PAYEE,
    "receivable",
    "write_off",
    do=_write_off_payee,
    agrees=_amount,
)
WRITE_OFF_CUSTOMER: Final = _act(
    "receivable.write_off",
    "write-off",
    "Write off what a customer owes",
    "What is owed of chargebacks that a bank has not decided waits for its word.",
    CUSTOMER,
    "customer_receivable",
    "write_off",
    do=_write_off_customer,
    agrees=_amount,
)
PAY_CUSTOMER_DEBT: Final = _act(
    "customer_receivable.pay",
    "pay",
    "Record a debt as paid to the bank",
    "They paid it to the client money account; two people look at the bank's record of it.",
    CUSTOMER,
    "customer_receivable",
    "pay",
    do=_pay,
    agrees=_receipt,
    more=(Field("reference", "The bank's reference of the transfer.", example="2026-11-26/81", length_max=REFERENCE_MAX),),
)
PAY_CUSTOMER_DEBT_WITH: Final = _act(
    "customer_receivable.pay",
    "pay-with",
    "Pay a debt with a payment",
    "They paid through a provider, which told of a payment that names no invoice: so much of it pays the debt.",
    CUSTOMER,
    "customer_receivable",
    "pay",
    do=_pay_with,
    more=(
        Field("provider", "Which provider told of it.", example="simulator"),
        Field("reference", "The provider's id of the payment.", example="chg_000123", length_max=REFERENCE_MAX),
    ),
)
PAIRED: Final = paired_of((WRITE_OFF_PAYEE, WRITE_OFF_CUSTOMER, PAY_CUSTOMER_DEBT))
