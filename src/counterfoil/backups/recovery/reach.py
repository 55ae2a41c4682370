"""Which seconds can be recovered: from each copy of the server, as far as its log lies in the store without a gap. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple, Protocol

from counterfoil.backups.recovery.segments import Segment
from counterfoil.base.problems import Problem

MOMENT: Final = timedelta(microseconds=1)  # the least that PostgreSQL tells apart


class SecondNotReached(Problem, kind="invalid"):
    """This second cannot be recovered from what lies in the store."""

    todo = "Choose one of the nearest, or see all that can be recovered: counterfoil backup reach"


class BaseCopy(NamedTuple):
    """A copy of the whole server: where in the log it begins, and when it was whole, by the server's clock."""

    id: str
    system: str
    timeline: int
    segment_bytes: int
    first: int  # the number of the segment that it begins in
    ended_at: datetime


class LogSegment(Protocol):
    """A segment that lies in the store. `until`: every commit of before that moment lies in it or before it; None: not known."""

    @property
    def segment(self) -> Segment:
        """Which it is."""

    @property
    def partial(self) -> bool:
        """Was the server still writing to it?"""

    @property
    def until(self) -> datetime | None:
        """By the server's clock."""


class RecoveryReach(NamedTuple):
    """What can be recovered from a copy: each second from `start`, before `until`. `missing`: the segment that is not there, where more of
    the log lies behind it."""

    base: BaseCopy
    start: datetime
    until: datetime
    numbers: range
    missing: Segment | None

    @property
    def missing_name(self) -> str | None:
        """As PostgreSQL calls it."""
        return self.missing and self.missing.name(self.base.segment_bytes)

    @property
    def last(self) -> datetime:
        """The last moment."""
        return self.until - MOMENT


def reach_of(base: BaseCopy, kept: Iterable[LogSegment]) -> RecoveryReach:
    """How far the log goes on from this copy. One that nothing follows reaches nothing: `until` is its `start`."""
    there: dict[int, LogSegment] = {}
    for one in kept:
        if one.segment.timeline == base.timeline and (one.segment.number not in there or not one.partial):
            there[one.segment.number] = one
    number, until, wanting = base.first, base.ended_at, base.first
    while (found := there.get(number)) is not None:
        until = max(until, found.until or until)
        number += 1
        wanting = number - found.partial  # of a partial one the rest is wanting
        if found.partial:
            break
    behind = any(each > wanting for each in there)
    return RecoveryReach(base, base.ended_at, until, range(base.first, number), Segment(base.timeline, wanting) if behind else None)


def reach_for(reaches: Sequence[RecoveryReach], at: datetime) -> RecoveryReach:
    """The newest copy from which this moment can be recovered. Raises SecondNotReached with the reason and the nearest moments."""
    good = [one for one in reaches if one.start <= at < one.until]
    if good:
        return max(good, key=lambda one: (one.start, one.base.id))
    raise refusal(reaches, at, _why(reaches, at))


def refusal(reaches: Sequence[RecoveryReach], at: datetime, because: str) -> SecondNotReached:
    """That it cannot, why, and what is nearest before and after it."""
    whole = [one for one in reaches if one.start < one.until]
    before = max((min(one.last, at - MOMENT) for one in whole if one.start < at), default=None)
    after = min((one.start for one in whole if one.start > at), default=None)
    return SecondNotReached(
        at=at.isoformat(),
        because=because,
        nearest_before=before.isoformat() if before else "none",
        nearest_after=after.isoformat() if after else "none",
    )


def _why(reaches: Sequence[RecoveryReach], at: datetime) -> str:
    if not reaches:
        return "no base backup lies in the store"
    earlier = [one for one in reaches if one.start <= at]
    if not earlier:
        return "it is before the end of the first base backup that is kept"
    last = max(earlier, key=lambda one: (one.start, one.base.id))
    if last.missing is not None:
        return f"segment {last.missing_name} of the log is missing behind {last.base.id}"
    if last.until <= last.start:
        return f"nothing of the log behind {last.base.id} lies in the store"
    return f"the log in the store ends before it: everything that was committed before {last.until.isoformat()} is there"
