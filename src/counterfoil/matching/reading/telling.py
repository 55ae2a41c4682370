"""What is said of a row that cannot be read, and of a side that cannot be counted in minor units."""

from __future__ import annotations

from typing import Final

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.reading.column_sql import scale_of
from counterfoil.matching.reading.sides import Profile
from counterfoil.matching.rules.model import Source

RAW_SHOWN_MAX: Final = 300
WANTED: Final = {
    "amount": "an amount in the unit of the rule set",
    "asset": "a currency or asset code",
    "direction": "a word that the rule set names for money in or out",
}


def why(column: str, value: object) -> str:
    """What was wanted there, and what stands there."""
    shown = "" if value in (None, "") else f", but {str(value)[:40]!r}"
    wanted = WANTED.get(column, "a date")
    return f"wanted {wanted}{shown}" if shown else f"wanted {wanted}, but nothing stands there"


def same_scale_known(profile: Profile, source: Source, side: str) -> None:
    """Major units of an asset whose decimals nobody knows would be off by powers of ten."""
    if source.amount is None or source.amount.unit == "minor" or "asset" not in source.columns:
        return
    unknown = [asset for asset in sorted(profile.totals) if scale_of(source, asset) is None]
    if unknown:
        raise InvalidInput(f"{side}.scale", "the decimals of every asset in major units", got=", ".join(unknown[:10]))
