"""What a ruling leaves of a settlement, and when a dispute goes up. Pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from counterfoil.base.money import rate_of
from counterfoil.base.problems import InvalidInput
from counterfoil.settlement.fees.rules import Rates

ANSWER_WITHIN: Final = timedelta(hours=48)  # somebody takes it up
DECIDE_WITHIN: Final = timedelta(hours=72)  # whoever has it decides, at each level
APPEAL_WITHIN: Final = timedelta(days=7)
LEVEL_MAX: Final = 3
OUTCOMES: Final = ("provider_win", "customer_win", "partial")
POLICIES: Final = ("proportional", "retain_fees")


class Ruling(NamedTuple):
    """What goes back and what is left: refund + platform fee + validator fee + holdback + net = gross, in minor units."""

    refund: int
    platform_fee: int
    validator_fee: int
    holdback: int
    net: int


def ruled(gross: int, refund: int, rates: Rates, policy: str) -> Ruling:
    """The parts of a settlement after a ruling (Money, "Partial dispute settlement"). Raises InvalidInput when the fees that are retained
    are more than what is kept."""
    if not 0 <= refund <= gross:
        raise InvalidInput("refund", f"from 0 to {gross} minor units", got=refund)
    kept = gross - refund
    base = gross if policy == "retain_fees" else kept
    platform, validator, _ = rates.parts(base)
    holdback = rate_of(kept, rates.holdback_bps)
    net = kept - platform - validator - holdback
    if net < 0:
        raise InvalidInput(
            "policy",
            f"proportional: {kept} minor units are kept, less than fees and holdback of {kept - net}",
            got=policy,
        )
    return Ruling(refund, platform, validator, holdback, net)


def refund_of(outcome: str, exposure: int, amount: int | None, ratio_bps: int | None) -> int:
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
        raise InvalidInput("refund", f"from 0 to {exposure} minor units, which is what the dispute is about", got=wanted)
    return wanted
