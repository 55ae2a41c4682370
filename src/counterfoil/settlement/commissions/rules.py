"""What a sale's commissions are. Pure: every figure follows from the sale and the frozen rates (Money, "Commissions")."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from counterfoil.base.money import MINOR_MAX, RATE_MAX_BPS, rate_of, share
from counterfoil.base.problems import InvalidInput, check

LEVELS_MAX: Final = 10
MATURE_DAYS_MAX: Final = 3650
Base = Literal["gross", "net_of_platform", "platform_fee"]
Mode = Literal["rates", "pool"]
BASES: Final[tuple[Base, ...]] = ("gross", "net_of_platform", "platform_fee")
MODES: Final[tuple[Mode, ...]] = ("rates", "pool")


class CommissionTerms(NamedTuple):
    """What affiliates get of a sale in an asset: `levels` in basis points of the base, level 1 (who referred the customer) first.

    Together at most `cap_bps`. What is earned matures after `mature_days`, and is paid once it is at least `minimum`, in minor units.
    """

    base: Base
    mode: Mode
    levels: tuple[int, ...]
    cap_bps: int
    mature_days: int
    minimum: int


def check_terms(terms: CommissionTerms) -> None:
    """Refuse terms that could pay more than their cap. Raises InvalidInput."""
    if terms.base not in BASES:
        raise InvalidInput("base", f"one of {', '.join(BASES)}", got=terms.base[:40])
    if terms.mode not in MODES:
        raise InvalidInput("mode", f"one of {', '.join(MODES)}", got=terms.mode[:40])
    if not 1 <= len(terms.levels) <= LEVELS_MAX:
        raise InvalidInput("levels", f"1 to {LEVELS_MAX}", got=len(terms.levels))
    if not 1 <= terms.cap_bps <= RATE_MAX_BPS:
        raise InvalidInput("cap_bps", f"from 1 to {RATE_MAX_BPS} basis points", got=terms.cap_bps)
    if min(terms.levels) < 1 or sum(terms.levels) > terms.cap_bps:
        raise InvalidInput("levels", f"each at least 1 basis point, together at most {terms.cap_bps}", got=sum(terms.levels))
    if not 0 <= terms.mature_days <= MATURE_DAYS_MAX:
        raise InvalidInput("mature_days", f"from 0 to {MATURE_DAYS_MAX} days", got=terms.mature_days)
    if not 0 <= terms.minimum <= MINOR_MAX:
        raise InvalidInput("minimum", f"from 0 to {MINOR_MAX} minor units", got=terms.minimum)


def base_of(kind: Base, *, gross: int, platform_fee: int) -> int:
    """What the levels are rates of, in minor units."""
    return {"gross": gross, "net_of_platform": gross - platform_fee, "platform_fee": platform_fee}[kind]


def shares_of(base: int, mode: Mode, levels: Sequence[int]) -> list[int]:
    """What each level gets of a base, in minor units. By rates each is rounded down, and the platform keeps the fractions; a pool is
    rounded down as a whole, and divided by largest remainder, ties to the lower level."""
    check(base >= 0, "a base is not negative", base=base)
    if mode == "rates":
        return [rate_of(base, bps) for bps in levels]
    return share(rate_of(base, sum(levels)), levels)


def commissions_of(base: int, mode: Mode, levels: Sequence[int], earns: Sequence[bool]) -> list[int]:
    """What each affiliate of a path gets. The level of one that earns nothing, and levels above the path's end, stay with the platform."""
    return [minor if does else 0 for minor, does in zip(shares_of(base, mode, levels), earns, strict=False)]
