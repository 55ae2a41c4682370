"""What a settlement takes and leaves. Pure: every figure can be recomputed from the gross and the frozen rates."""

from __future__ import annotations

from typing import Final, NamedTuple

from counterfoil.base.money import RATE_MAX_BPS, rate_of
from counterfoil.base.problems import InvalidInput, check

HOLDBACK_DAYS: Final = 30
HOLDBACK_DAYS_MAX: Final = 3650


class Rates(NamedTuple):
    """One version of a program's rates, in basis points of the gross."""

    version: int
    platform_bps: int
    validator_bps: int
    holdback_bps: int
    holdback_days: int = HOLDBACK_DAYS  # how long a holdback is kept


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


def cut(gross: int, rates: Rates) -> FeeSplit:
    """Each deduction rounded down; the payee keeps the units that are left (Money, "Fees")."""
    check(gross > 0, "a settlement has something to settle", gross=gross)
    platform, validator = rate_of(gross, rates.platform_bps), rate_of(gross, rates.validator_bps)
    holdback = rate_of(gross, rates.holdback_bps)
    net = gross - platform - validator - holdback
    check(net >= 0, "rates leave the payee nothing less than nothing", net=net)
    return FeeSplit(gross, platform, validator, holdback, net)
