"""Money in whole minor units of an asset, and exact division. No floats, no default currency, no rounding account."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from counterfoil.base.problems import AmountOutOfRange, InvalidInput, Problem, check

MINOR_MAX: Final = 10**18  # one movement; totals are bigint, 9.2 × 10¹⁸
RATE_MAX_BPS: Final = 10_000
CO2E: Final = "CO2E"  # grams of carbon dioxide equivalents: a unit that is booked as money is, and is none
UNITS: Final = frozenset({CO2E})
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_DECIMAL: Final = re.compile(r"(-?)([0-9]{1,19})(?:\.([0-9]+))?", re.ASCII)
_CODE: Final = re.compile(r"[A-Z][A-Z0-9]{1,11}", re.ASCII)


class AssetMismatch(Problem):
    """Two amounts of different assets cannot meet in one sum."""


class Asset(NamedTuple):
    """What money is counted in: a currency, a token, or a unit such as CO2E. `scale` decimals make one major unit."""

    code: str
    scale: int

    def figure(self, minor: int) -> str:
        """An amount of it where its code stands beside: `1,066.56`."""
        return format_major(minor, self.scale)

    def told(self, minor: int) -> str:
        """An amount of it for people: `1,066.56 EUR`."""
        return f"{self.figure(minor)} {self.code}"


class Money(NamedTuple):
    """`minor` whole units of `asset` (its code). May be negative where a difference is meant."""

    minor: int
    asset: str

    def plus(self, other: Money) -> Money:
        """The sum. Raises AssetMismatch."""
        return Money(self.minor + self._same(other), self.asset)

    def minus(self, other: Money) -> Money:
        """The difference. Raises AssetMismatch."""
        return Money(self.minor - self._same(other), self.asset)

    def _same(self, other: Money) -> int:
        if other.asset != self.asset:
            raise AssetMismatch(left=self.asset, right=other.asset)
        return other.minor


def parse_minor(given: object, field: str, *, least: int = 1, most: int = MINOR_MAX) -> int:
    """Whole minor units out of a JSON string such as "1250". Raises InvalidInput naming `field` and the limit.

    Every amount in JSON is read here, a caller's and a provider's alike. A JSON number is refused even when it is whole: parsers
    on the way turn numbers into floats, and `int(12.7)` is 12 (spec: amounts are strings).
    """
    if not isinstance(given, str) or not _WHOLE.fullmatch(given):
        raise InvalidInput(field, 'a string of whole minor units, such as "1250"', got=repr(given)[:40])
    if not least <= int(given) <= most:
        raise InvalidInput(field, f"from {least} to {most} minor units", got=given)
    return int(given)


def out_of_range(field: str, got: int, asset: Asset, *, most: int, what: str, least: int = 1) -> AmountOutOfRange:
    """The refusal of an amount that is not from `least` to `most` minor units; `what` the most is, such as "what it holds"."""
    span = f"from {asset.told(least)} to {asset.told(most)}, which is {what}" if least <= most else f"none: {asset.told(most)} is {what}"
    return AmountOutOfRange(field, span, got=got, asset=asset.code)


def parse_major(given: str, asset: Asset, field: str) -> int:
    """Minor units out of a decimal such as "12.50"; more decimals than the asset has are refused unless they are zeros."""
    found = _DECIMAL.fullmatch(given.strip())
    if not found:
        raise InvalidInput(field, "a decimal number such as 12.50", got=given[:40])
    sign, whole, fraction = found[1], found[2], (found[3] or "")
    if fraction[asset.scale :].strip("0"):
        raise InvalidInput(field, f"at most {asset.scale} decimals in {asset.code}", got=given[:40])
    minor = int(whole + fraction[: asset.scale].ljust(asset.scale, "0"))
    if minor > MINOR_MAX:
        raise InvalidInput(field, f"at most {MINOR_MAX} minor units", got=given[:40])
    return -minor if sign else minor


def format_major(minor: int, scale: int, *, grouped: bool = True) -> str:
    """`-1234567` at scale 2 → `-12,345.67`, or `-12345.67` when it is not grouped: for people; machines get minor units."""
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(scale + 1, "0")
    whole = f"{int(digits[: len(digits) - scale]):{',' if grouped else ''}}"
    return f"{sign}{whole}.{digits[-scale:]}" if scale else f"{sign}{whole}"


def asset_code(given: object, field: str = "asset") -> str:
    """An asset's code, checked for shape (2–12 capitals or digits). Raises InvalidInput."""
    if not isinstance(given, str) or not _CODE.fullmatch(given):
        raise InvalidInput(field, "2 to 12 capital letters or digits, such as EUR", got=repr(given)[:40])
    return given


def rate_of(base_minor: int, rate_bps: int) -> int:
    """`base` at `rate_bps` hundredths of a percent, rounded down. The fraction stays with the other side (spec, "Fees")."""
    check(
        base_minor >= 0 and 0 <= rate_bps <= RATE_MAX_BPS,
        "a rate lies between nothing and everything",
        rate_bps=rate_bps,
    )
    return base_minor * rate_bps // RATE_MAX_BPS


def share(total_minor: int, weights: Sequence[int]) -> list[int]:
    """Divide a fixed pot by weight, exactly: largest remainder, ties by line. Raises InvalidInput when no weight is above 0.

    Every share is within one unit of its exact part, and the shares add up to the total (spec, "Splits").
    """
    check(total_minor >= 0, "a pot is not negative", total=total_minor)
    if not weights or min(weights) < 0 or sum(weights) == 0:
        raise InvalidInput("weights", "at least one weight above 0, none below 0")
    whole = sum(weights)
    parts = [total_minor * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda line: -(total_minor * weights[line] % whole))
    for line in by_remainder[: total_minor - sum(parts)]:
        parts[line] += 1
    return parts
