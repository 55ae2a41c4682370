"""How many of something, in words that are right for one of them as well."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """`1 payout`, `0 payouts`, `1,204 payouts`; `many` where it is not `one` with an s: `counted(n, "entry", "entries")`.

    Either may go on with a verb: `counted(n, "line is new", "lines are new")`.
    """
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
