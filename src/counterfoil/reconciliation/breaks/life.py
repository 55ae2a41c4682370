"""What a run that has ended does to a break: the newest view decides, whatever closed it before. Pure; one table in two functions.

A run carries a number from a sequence, taken before its first read. Of two runs that overlap the one with the higher number read later,
however late the other ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from counterfoil.reconciliation.breaks.breaks import BREAK

MATCHING: Final = BREAK.before("match")  # what a run may close by itself
POSTED: Final = BREAK.after("adjust", "write_off")

Found = Literal["open", "touch", "show", "nothing"]
Absent = Literal["match", "gone", "nothing"]


@dataclass(frozen=True, slots=True)
class BreakState:
    """A break as the filing finds it.

    `seen`: the number of the newest run that said something about it. `gone`: that run no longer found it. `as_accepted`: what is found
    now is what a person accepted, in amount and fields. `original_stands`: the break that this one is a copy of is live, or accepted and
    still found. `posted_after`: the newest number that had been given out when its journal was posted.
    """

    state: str
    seen: int
    gone: bool = False
    as_accepted: bool = False
    original_stands: bool = False
    posted_after: int = 0


def on_found(number: int, superseded: bool, case: BreakState | None) -> Found:
    """What run `number` does with what it found: open a case, touch the one that is live, show it through a decision, or nothing.

    `superseded`: a complete run that read later has spoken for these days. `case` is the newest one of this identity.
    """
    if superseded or (case is not None and number < case.seen):
        return "nothing"  # an older view, which ended late
    if case is None:
        return "open"
    if case.state in BREAK.open:
        return "touch"
    if case.state in POSTED:
        return "open" if number > case.posted_after else "nothing"  # it read before the journal was there
    if case.state == "accepted":
        # An acceptance is of what stood then: what had gone and is back, or is another amount, was never accepted.
        return "show" if case.as_accepted and not case.gone else "open"
    if case.state == "duplicate":
        return "show" if case.original_stands else "open"
    return "open"


def on_absent(number: int, superseded: bool, complete: bool, case: BreakState) -> Absent:
    """What run `number`, which covers the days of a case and did not find it, does with it: match it, note that it is gone, or nothing.

    A run that was cut short, or could not see all of its days, says nothing by not finding.
    """
    if superseded or not complete or number < case.seen or case.gone:
        return "nothing"
    return "match" if case.state in MATCHING else "gone"
