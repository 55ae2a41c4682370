"""What a settlement takes and leaves. Pure: every figure can be recomputed from the gross and the frozen rates."""

from __future__ import annotations

from typing import Final, NamedTuple

from counterfoil.base.money import MINOR_MAX, RATE_MAX_BPS, Asset, out_of_range, rate_of
from counterfoil.base.problems import AmountOutOfRange, InvalidInput, Problem, check

HOLDBACK_DAYS: Final = 30
HOLDBACK_DAYS_MAX: Final = 3650


class FeesExceedGross(Problem):
    """The fees and the holdback are more than what is settled."""

    todo = "Refund the invoice, or lower the fixed or the minimum fee by a new version of the rates, and retry the intent."
    amounts = ("gross", "platform_fee", "validator_fee", "holdback")


class FeeLimit(NamedTuple):
    """What the platform's fee is besides its rate, in an asset: `fixed` is added, then at least `minimum`, then at most `maximum`; minor
    units. No maximum: None."""

    asset: str
    fixed: int = 0
    minimum: int = 0
    maximum: int | None = None


class Rates(NamedTuple):
    """One version of a program's rates, in basis points of the gross; the limits are those of one asset, in minor units."""

    version: int
    platform_bps: int
    validator_bps: int
    holdback_bps: int
    holdback_days: int = HOLDBACK_DAYS  # how long a holdback is kept
    fixed: int = 0
    minimum: int = 0
    maximum: int | None = None

    def platform_fee(self, base: int) -> int:
        """The platform's fee of a gross: its rate rounded down and the fixed part, then at least, then at most. Of nothing, nothing."""
        if base == 0:
            return 0
        least = max(rate_of(base, self.platform_bps) + self.fixed, self.minimum)
        return least if self.maximum is None else min(least, self.maximum)

    def parts(self, base: int) -> tuple[int, int, int]:
        """Platform fee, validator fee and holdback of what is left of a settlement. A fixed or minimum fee takes no more than there is."""
        validator, holdback = rate_of(base, self.validator_bps), rate_of(base, self.holdback_bps)
        return min(self.platform_fee(base), base - validator - holdback), validator, holdback


class FeeSplit(NamedTuple):
    """How a gross is divided, in minor units."""

    gross: int
    platform_fee: int
    validator_fee: int
    holdback: int
    net: int


def check_rates(platform_bps: int, validator_bps: int, holdback_bps: int, holdback_days: int = HOLDBACK_DAYS) -> None:
    """Refuse rates that could take more than everything. Raises InvalidInput."""
    given = {"platform_bps": platform_bps, "validator_bps": validator_bps, "holdback_bps": holdback_bps}
    for name, rate in given.items():
        if not 0 <= rate <= RATE_MAX_BPS:
            raise InvalidInput(name, f"from 0 to {RATE_MAX_BPS} basis points", got=rate)
    if not 0 <= holdback_days <= HOLDBACK_DAYS_MAX:
        raise InvalidInput("holdback_days", f"from 0 to {HOLDBACK_DAYS_MAX} days", got=holdback_days)
    if sum(given.values()) > RATE_MAX_BPS:
        raise InvalidInput("rates", f"together at most {RATE_MAX_BPS} basis points", got=sum(given.values()))


def check_limit(one: FeeLimit, asset: Asset) -> None:
    """Refuse limits that exclude each other. Raises InvalidInput."""
    for name, minor in (("fixed", one.fixed), ("minimum", one.minimum), ("maximum", one.maximum or 0)):
        if not 0 <= minor <= MINOR_MAX:
            raise out_of_range(name, minor, asset, least=0, most=MINOR_MAX, what="the most that one movement can be")
    if one.maximum is not None and one.maximum < one.minimum:
        raise AmountOutOfRange("maximum", f"at least the minimum of {asset.told(one.minimum)}", got=one.maximum, asset=one.asset)


def cut(gross: int, rates: Rates, asset: str) -> FeeSplit:
    """Each deduction rounded down; the payee keeps the units that are left (Money, "Fees"). Raises FeesExceedGross when nothing is."""
    check(gross > 0, "a settlement has something to settle", gross=gross)
    platform, validator = rates.platform_fee(gross), rate_of(gross, rates.validator_bps)
    holdback = rate_of(gross, rates.holdback_bps)
    net = gross - platform - validator - holdback
    if net < 0:
        raise FeesExceedGross(gross=gross, platform_fee=platform, validator_fee=validator, holdback=holdback, asset=asset)
    return FeeSplit(gross, platform, validator, holdback, net)
