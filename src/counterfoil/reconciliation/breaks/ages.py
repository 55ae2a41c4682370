"""How old a break is, in the one scale that every list, page and report uses."""

from __future__ import annotations

from bisect import bisect_right
from typing import Final

BOUNDS: Final = (1, 7, 30, 90)  # days: each begins the next band
AGES: Final = ("under 1 day", "1 to 6 days", "7 to 29 days", "30 to 89 days", "90 days and more")


def age_of(days: int) -> str:
    """The band of an age in whole days."""
    return AGES[bisect_right(BOUNDS, days)]
