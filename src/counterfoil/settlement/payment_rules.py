"""Where a customer's money goes. Pure: given the invoices as they are, each charge becomes one receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from counterfoil.base.problems import check
from counterfoil.operations.providers import ChargeFact

OPEN: Final = frozenset({"pending", "partially_paid"})


class Bill(NamedTuple):
    """What must be known of an invoice to apply money to it."""

    id: str
    program_id: str
    customer_id: str
    asset: str
    total: int
    paid: int
    state: str


class Receipt(NamedTuple):
    """One charge, applied: `applied` to the invoice, `excess` owed back to its customer, `unknown` to suspense."""

    charge: ChargeFact
    program_id: str
    invoice_id: str | None
    applied: int
    excess: int
    unknown: int
    lines: tuple[tuple[str, str, int], ...]


def decide_receipts(
    charges: Sequence[ChargeFact], bills: Mapping[str, Bill], *, provider: str, program_id: str
) -> tuple[list[Receipt], dict[str, Bill]]:
    """A receipt for each charge, in order, and the invoices as they are afterwards. `program_id`: where unknown money goes.

    Money is never ignored: what an invoice does not take is owed back to its customer; what no invoice claims is in suspense.
    """
    after = dict(bills)
    receipts = [_receive(charge, after, provider, program_id) for charge in charges]
    for receipt in receipts:
        parts = receipt.applied + receipt.excess + receipt.unknown
        check(parts == receipt.charge.amount, "every unit received has a place", charge=receipt.charge.charge_id)
    return receipts, after


def _receive(charge: ChargeFact, bills: dict[str, Bill], provider: str, program_id: str) -> Receipt:
    bill = bills.get(charge.reference)
    clearing = f"clearing:{provider}"
    fee = (("provider_fee", clearing, charge.fee),) if charge.fee else ()
    if bill is None or bill.asset != charge.asset:
        lines = ((clearing, "suspense", charge.amount), *fee)
        return Receipt(charge, program_id, None, 0, 0, charge.amount, lines)
    applied = min(charge.amount, bill.total - bill.paid) if bill.state in OPEN else 0
    excess = charge.amount - applied
    if applied:
        paid = bill.paid + applied
        bills[bill.id] = bill._replace(paid=paid, state="paid" if paid == bill.total else "partially_paid")
    lines = (
        *(((clearing, f"escrow:{bill.id}", applied),) if applied else ()),
        *(((clearing, f"refund_payable:customer:{bill.customer_id}", excess),) if excess else ()),
        *fee,
    )
    return Receipt(charge, bill.program_id, bill.id, applied, excess, 0, lines)
