"""What a ruling leaves of a settlement, and when a dispute goes up. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from counterfoil.base.money import Asset, out_of_range, rate_of
from counterfoil.base.problems import InvalidInput
from counterfoil.payouts.refunds.rules import RefundParts, refund_parts
from counterfoil.settlement.fees.rules import Rates

ANSWER_WITHIN: Final = timedelta(hours=48)  # somebody takes it up
DECIDE_WITHIN: Final = timedelta(hours=72)  # whoever has it decides, at each level
APPEAL_WITHIN: Final = timedelta(days=7)
LEVEL_MAX: Final = 3
OUTCOMES: Final = ("provider_win", "customer_win", "partial")
POLICIES: Final = ("proportional", "retain_fees")


class SettlementParts(NamedTuple):
    """How a settlement stands, in minor units: of its gross so much has gone back, the fees and the holdback are these now."""

    gross: int
    gone: int
    platform_fee: int
    validator_fee: int
    holdback: int


class Ruling(NamedTuple):
    """What is back then and what is left: refund + platform fee + validator fee + holdback + net = gross, in minor units.

    `refund` is all that went back of the settlement, by this ruling and before it. `net` is the payee's share: where less of it is still
    unpaid than the refund takes, the payee's holdbacks pay the rest first, this one among them, and then the payee owes.
    """

    refund: int
    platform_fee: int
    validator_fee: int
    holdback: int
    net: int


def ruled(now: SettlementParts, refund: int, rates: Rates, policy: str, asset: Asset) -> Ruling:
    """The parts of a settlement after a ruling (Money, "Partial dispute settlement"): those of now less what a refund of so much takes.

    Raises InvalidInput when the fees that are retained are more than what is kept.
    """
    left = now.gross - now.gone
    if not 0 <= refund <= left:
        raise out_of_range("refund", refund, asset, least=0, most=left, what="what is left of the settlement")
    retain = policy == "retain_fees"
    parts = refund_parts(now.gross, now.gone, refund, rates, retain_fees=retain) if refund else RefundParts(0, 0, 0, 0, 0)
    platform, validator = now.platform_fee - parts.platform_fee, now.validator_fee - parts.validator_fee
    holdback = now.holdback - min(parts.holdback, now.holdback)
    kept = left - refund
    net = kept - platform - validator - holdback
    if retain and refund and net < 0:  # of nothing that goes back there are no fees to retain: every policy leaves the same
        less = f"{asset.told(kept)} is kept, less than fees and holdback of {asset.told(kept - net)}"
        raise InvalidInput("policy", f"proportional: {less}", got=policy)
    return Ruling(now.gone + refund, platform, validator, holdback, net)


def refund_of(outcome: str, exposure: int, amount: int | None, ratio_bps: int | None, asset: Asset) -> int:
    """What a ruling gives back of an exposure, in minor units. A ratio is in hundredths of a percent, rounded down. Raises InvalidInput."""
    if outcome != "partial":
        if amount is not None or ratio_bps is not None:
            raise InvalidInput("refund", f"given with the outcome partial only; {outcome} says how much it is")
        return exposure if outcome == "customer_win" else 0
    if (amount is None) == (ratio_bps is None):
        raise InvalidInput("refund", "an amount or a ratio, one of them, with the outcome partial")
    if ratio_bps is not None and not 0 <= ratio_bps <= 10_000:
        raise InvalidInput("ratio_bps", "from 0 to 10000 hundredths of a percent", got=ratio_bps)
    wanted = amount if amount is not None else rate_of(exposure, ratio_bps or 0)
    if not 0 <= wanted <= exposure:
        raise out_of_range("refund", wanted, asset, least=0, most=exposure, what="what the dispute is about")
    return wanted
