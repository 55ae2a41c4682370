"""What a refund takes, and from whom. Pure: a settlement's fees are those of what is left of it, so that many small refunds give back
exactly what one large refund gives (Money, "Refund after settlement, debts")."""

from __future__ import annotations

from typing import NamedTuple

from counterfoil.base.money import Asset, out_of_range
from counterfoil.base.problems import check
from counterfoil.settlement.fees.rules import Rates

Lines = list[tuple[str, str, int]]


class RefundParts(NamedTuple):
    """How a refund falls on the parts of a settlement, in minor units: amount = platform fee + validator fee + holdback + due.

    `due` is the payee's; on a tiny refund it may be -1 or -2: three parts that were rounded down give a unit back each.
    """

    amount: int
    platform_fee: int
    validator_fee: int
    holdback: int
    due: int


class RefundSources(NamedTuple):
    """Where a refund is taken from, in minor units; `credited` is what the payee gets where the fees gave back more than the refund.

    amount + credited = escrow + platform fee + validator fee + own holdback + payable + holdback + receivable.
    """

    amount: int
    escrow: int = 0
    platform_fee: int = 0
    validator_fee: int = 0
    own_holdback: int = 0
    payable: int = 0
    holdback: int = 0
    receivable: int = 0
    credited: int = 0


def refund_parts(gross: int, gone: int, amount: int, rates: Rates, *, retain_fees: bool = False) -> RefundParts:
    """The parts of a refund of `amount`, of a settlement of `gross` of which `gone` went back before.

    With `retain_fees` both fees stay as they were taken, and the payee bears all of the refund but the holdback's part.
    """
    check(0 <= gone <= gross, "no more went back than there was", gross=gross, gone=gone)
    check(0 < amount <= gross - gone, "a refund gives back no more than is left", amount=amount, left=gross - gone)
    before, after = gross - gone, gross - gone - amount
    platform, validator, holdback = (max(0, was - stays) for was, stays in zip(rates.parts(before), rates.parts(after), strict=True))
    if retain_fees:
        platform = validator = 0
    return RefundParts(amount, platform, validator, holdback, amount - platform - validator - holdback)


class WonBack(NamedTuple):
    """How money that was charged back and is ours again is shared out, in minor units: amount = platform fee + validator fee + payee."""

    platform_fee: int
    validator_fee: int
    payee: int


def won_back(gross: int, gone: int, amount: int, rates: Rates) -> WonBack:
    """The parts of `amount` that comes back of a settlement of `gross`, of which `gone` had gone back, this with it.

    The fees are again those of what is left; the payee's current account gets all the rest, and nothing is held back of it. Of one or two
    units the fees take no more than there is.
    """
    check(0 < amount <= gone <= gross, "no more comes back than had gone", gross=gross, gone=gone, amount=amount)
    parts = refund_parts(gross, gone - amount, amount, rates)
    platform = min(parts.platform_fee, amount)
    validator = min(parts.validator_fee, amount - platform)
    return WonBack(platform, validator, amount - platform - validator)


def refuse_amount(amount: int, left: int, asset: Asset) -> None:
    """Raises InvalidInput unless this much can still go back."""
    if not 0 < amount <= left:
        raise out_of_range("amount", amount, asset, most=left, what="what can still go back")


def sources_of(parts: RefundParts, *, payable: int, own_holdback: int, holdback: int) -> RefundSources:
    """Take a refund's parts, in this order: what is payable and not under way, what is held back, and then the payee owes it.

    `payable`: what is owed for the settlement; `own_holdback`: what is held back of this settlement; `holdback`: of all the payee's,
    that included. What was held back and is not any more was paid to the payee, and is the payee's to give.
    """
    own = min(parts.holdback, own_holdback)
    due = parts.due + parts.holdback - own
    if due < 0:
        return RefundSources(parts.amount, 0, parts.platform_fee, parts.validator_fee, own, credited=-due)
    from_payable = min(due, max(0, payable))
    from_holdback = min(due - from_payable, holdback - own)
    owed = due - from_payable - from_holdback
    return RefundSources(parts.amount, 0, parts.platform_fee, parts.validator_fee, own, from_payable, from_holdback, owed)


def refund_lines(sources: RefundSources, *, validator_payable: int, invoice_id: str, payee_id: str, customer_id: str) -> Lines:
    """The postings: debit, credit, minor units. Each source pays the customer first; what is left then is credited to the payee.

    `validator_payable`: what is owed to validators. Of their fee what they were paid already they owe.
    """
    from_validator = min(sources.validator_fee, max(0, validator_payable))
    given = [
        (f"escrow:{invoice_id}", sources.escrow),
        ("fee:platform", sources.platform_fee),
        ("payable:validator", from_validator),
        ("receivable:validator", sources.validator_fee - from_validator),
        (f"holdback:payee:{payee_id}", sources.own_holdback + sources.holdback),
        (f"payable:payee:{payee_id}", sources.payable),
        (f"receivable:payee:{payee_id}", sources.receivable),
    ]
    left, lines = sources.amount, Lines()
    for account, minor in given:
        paid = min(minor, left)
        left -= paid
        parts = [(f"refund_payable:customer:{customer_id}", paid), (f"payable:payee:{payee_id}", minor - paid)]
        lines += [(account, to, part) for to, part in parts if part]
    check(left == 0, "a refund is paid from somewhere to the last unit", left=left)
    return lines


def taken_oldest_first(open_tranches: list[tuple[str, int]], own: str | None, own_part: int, more: int) -> dict[str, int]:
    """What each tranche loses: its own settlement's part first, then `more` from the oldest on. `open_tranches`: id and what is left."""
    left = dict(open_tranches)
    taken: dict[str, int] = {}
    wanted = [(own, own_part)] if own is not None and own_part else []
    for tranche, part in wanted:
        check(left.get(tranche, 0) >= part, "a tranche gives no more than it holds", tranche=tranche)
        left[tranche] -= part
        taken[tranche] = part
    for tranche, _ in open_tranches:
        part = min(left[tranche], more)
        if part:
            more -= part
            taken[tranche] = taken.get(tranche, 0) + part
    check(more == 0, "no more is taken than is held back", missing=more)
    return taken
