"""Where a customer's money goes. Pure: given the invoices as they are, each charge becomes one receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from counterfoil.base.problems import Tell, check
from counterfoil.operations.providers import SUCCEEDED, ChargeFact, NotThere
from counterfoil.settlement.invoices.invoices import INVOICE

PAYABLE: Final = INVOICE.before("pay")


class Bill(NamedTuple):
    """What must be known of an invoice to apply money to it. `total`: less what was credited or written off. `expired`: its intent is,
    so that it takes no money any more; `given_up`: two people wrote it off."""

    id: str
    program_id: str
    customer_id: str
    asset: str
    total: int
    paid: int
    state: str
    expired: bool = False
    given_up: bool = False

    @property
    def takes_none(self) -> str | None:
        """Why money comes too late for it; None when it still takes some, or has all of it."""
        if self.state == "cancelled":
            return "it was written off" if self.given_up else "it is cancelled"
        return "its intent has expired" if self.expired else None

    @property
    def why_too_much(self) -> str:
        """Why something that was paid for it is owed back."""
        return self.takes_none or "more than was asked"


class Receipt(NamedTuple):
    """One charge, applied: `applied` to the invoice, `excess` owed back to its customer, `unknown` to suspense."""

    charge: ChargeFact
    program_id: str
    invoice_id: str | None
    applied: int
    excess: int
    unknown: int
    lines: tuple[tuple[str, str, int], ...]


class Recorded(NamedTuple):
    """A payment as we recorded it, to be held against its own provider's books. `account`: None when the provider named none."""

    provider: str
    charge_id: str
    reference: str
    amount: int
    asset: str
    account: str | None = None


def doubt(recorded: Recorded, found: ChargeFact | NotThere, tell: Tell) -> str | None:
    """Why the provider's own record of a charge does not bear out what we recorded; None when it does, in every point.

    The amount alone proves nothing: 10000 of another currency, for another invoice, into another account, or refunded since.
    """
    if isinstance(found, NotThere):
        return f"{recorded.provider} does not know charge {recorded.charge_id}"
    points = [
        ("charge", recorded.charge_id, found.charge_id),
        ("amount", tell(recorded.amount, recorded.asset), tell(found.amount, found.asset)),
        ("asset", recorded.asset, found.asset),
        ("reference", recorded.reference, found.reference),
        ("status", SUCCEEDED, found.status),
    ]
    if recorded.account is not None:
        points.append(("account", recorded.account, found.account or "none"))
    told = [f"{name}: recorded {ours}, the provider has {theirs}" for name, ours, theirs in points if ours != theirs]
    return f"charge {recorded.charge_id}: {'; '.join(told)}" if told else None


def decide_receipts(
    charges: Sequence[ChargeFact],
    bills: Mapping[str, Bill],
    *,
    provider: str,
    program_id: str,
    homes: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> tuple[list[Receipt], dict[str, Bill]]:
    """A receipt for each charge, in order, and the invoices as they are afterwards. `program_id`: where unknown money goes, unless
    its reference and asset are in `homes`, which may name another program.

    Money is never ignored: what an invoice does not take is owed back to its customer; what no invoice claims is in suspense.
    """
    after = dict(bills)
    receipts = [_receive(charge, after, provider, homes.get((charge.reference, charge.asset), program_id)) for charge in charges]
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
    applied = min(charge.amount, bill.total - bill.paid) if bill.state in PAYABLE and bill.takes_none is None else 0
    excess = charge.amount - applied
    if applied:
        paid = bill.paid + applied
        bills[bill.id] = bill._replace(paid=paid, state=INVOICE.next_state(bill.state, "pay" if paid == bill.total else "pay_part"))
    lines = (
        *(((clearing, f"escrow:{bill.id}", applied),) if applied else ()),
        *(((clearing, f"refund_payable:customer:{bill.customer_id}", excess),) if excess else ()),
        *fee,
    )
    return Receipt(charge, bill.program_id, bill.id, applied, excess, 0, lines)
