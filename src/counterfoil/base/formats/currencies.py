"""How many decimals a currency has: ISO 4217, and what it no longer lists."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

# Withdrawn codes that old statements still carry; ISO 4217 no longer lists their decimals.
WITHDRAWN: Final[Mapping[str, int]] = {
    **dict.fromkeys(("ATS", "BGN", "CYP", "DEM", "EEK", "FIM", "FRF", "HRK", "IEP", "LTL", "LVL", "NLG", "SIT", "SKK"), 2),
    **dict.fromkeys(("BEF", "ESP", "GRD", "ITL", "LUF", "PTE"), 0),
    "MTL": 2,
}


@cache
def scale_of(asset: str) -> int | None:
    """Decimals of one major unit of a currency: ISO 4217, then withdrawn codes. None when nobody defines it."""
    from iso4217 import Currency  # a table of the world, which few commands need

    try:
        exponent = Currency(asset).exponent
    except ValueError:
        return WITHDRAWN.get(asset)
    return None if exponent is None else int(exponent)
