"""From energy and intensities to grams: exact fractions all the way, and one rounding at the very end. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal, NamedTuple

GRAMS_IN_A_POUND: Final = Fraction(45_359_237, 100_000)  # by definition: the international avoirdupois pound
WATT_HOURS_IN_A_MWH: Final = 1_000_000
DAY: Final = timedelta(days=1)
Verdict = Literal["AGREES", "SYNC_LAG", "BREAK"]
DayVerdict = Literal["AGREES", "SYNC_LAG", "BREAK", "NOTHING"]  # NOTHING: nothing was there to compare, which is not green
WORST_FIRST: Final[tuple[DayVerdict, ...]] = ("BREAK", "SYNC_LAG", "AGREES", "NOTHING")


class IntensityPoint(NamedTuple):
    """What one more megawatt-hour emits from `at` on, for so long: `value` in pounds of CO2."""

    at: datetime
    period: timedelta
    value: Decimal


class EnergyUse(NamedTuple):
    """Energy that was used evenly from `starts_at` to `ends_at`."""

    starts_at: datetime
    ends_at: datetime
    watt_hours: int


class EmittedFigure(NamedTuple):
    """What the source's intensities make of energy: `grams` of the `watt_hours` that they cover; `uncovered` has no figure yet."""

    grams: int
    watt_hours: int
    uncovered: int


def emitted(uses: Iterable[EnergyUse], points: Sequence[IntensityPoint]) -> EmittedFigure:
    """Grams of all that is wholly covered by the points, rounded once, half up."""
    ordered = sorted(points)
    exact, covered, uncovered = Fraction(), 0, 0
    for use in uses:
        pounds = _pounds(use, ordered)
        if pounds is None:
            uncovered += use.watt_hours
        else:
            exact += pounds
            covered += use.watt_hours
    grams = exact * GRAMS_IN_A_POUND
    return EmittedFigure((2 * grams.numerator + grams.denominator) // (2 * grams.denominator), covered, uncovered)


def _pounds(use: EnergyUse, ordered: Sequence[IntensityPoint]) -> Fraction | None:
    """None where a moment of it has no intensity."""
    weighed, reached = Fraction(), use.starts_at
    for point in ordered:
        until = min(point.at + point.period, use.ends_at)
        if until <= reached:
            continue
        if point.at > reached:
            return None
        weighed += Fraction(point.value) * _us(until - reached)
        reached = until
        if reached == use.ends_at:
            return weighed / _us(use.ends_at - use.starts_at) * Fraction(use.watt_hours, WATT_HOURS_IN_A_MWH)
    return None


def _us(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


def bounds_of(day: date) -> tuple[datetime, datetime]:
    """A day of UTC: its begin, and the begin of the next."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return start, start + DAY


def window_ends(day: date, window: timedelta) -> datetime:
    """Until then the source may still change its figures of a day, and what differs is lag."""
    return bounds_of(day)[1] + window


def judge(difference: int, uncovered: int, *, day: date, window: timedelta, now: datetime) -> Verdict:
    """Lag first, then a break."""
    if not difference and not uncovered:
        return "AGREES"
    return "SYNC_LAG" if now < window_ends(day, window) else "BREAK"


class BilledFigure(NamedTuple):
    """A day of a region: Wh and grams that the source billed, and that were recorded and booked here. `bills`: source and reference of
    those that name the day; `covering`: of those that speak of it, with a line or without."""

    billed_wh: int = 0
    recorded_wh: int = 0
    billed: int = 0
    ledger: int = 0
    bills: tuple[str, ...] = ()
    covering: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Both are the same: grams that agree by chance of other energy do not."""
        return (self.billed_wh, self.billed) == (self.recorded_wh, self.ledger)


class BillCause(NamedTuple):
    """Why a bill and the books differ, and the one safe thing to do. `forced`: posting the source's figures of the day may mend it."""

    why: str
    next_step: str
    forced: bool = False


def bill_cause(one: BilledFigure) -> BillCause:
    """From the figures alone, the plainest first. Pure."""
    if one.agrees:
        return BillCause("energy and grams are compared, and the same", "Nothing to do.")
    named = " and ".join(one.bills)
    if not one.recorded_wh and not one.ledger:
        return BillCause(
            f"{named} counts {one.billed_wh} Wh, and no energy of that day was recorded here",
            "Record the energy if it was used (carbon import-energy); if not, ask the source to take it back.",
        )
    if not one.bills:
        return BillCause(
            f"{' and '.join(one.covering)} speaks of that day and does not name it; {one.recorded_wh} Wh were recorded here",
            "Ask the source why it was not billed; a bill that adds it is imported under a reference of its own.",
        )
    if one.billed_wh != one.recorded_wh:
        twice = len(one.bills) > 1
        return BillCause(
            f"{named} {'together count' if twice else 'counts'} {one.billed_wh} Wh, and {one.recorded_wh} Wh were recorded here",
            "Ask the source whether the day is billed twice."
            if twice
            else "Compare the meters with the source's; what is missing here is recorded (carbon import-energy).",
        )
    return BillCause(
        "the energy is the same, and the bill counts other grams than were booked",
        "See what the source says now (carbon verify --date …); if it says what it billed, have it posted with a reason.",
        forced=True,
    )
