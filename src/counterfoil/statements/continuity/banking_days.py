"""The days on which euro statements are due: weekdays that are no closing day of TARGET, the euro's settlement system."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar, by the method of Meeus, Jones and Butcher."""
    century, rest = divmod(year, 100)
    moon = (19 * (year % 19) + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    shift = (year % 19 + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def is_euro_day(day: date) -> bool:
    """Is this a day on which euro payments settle? Closed: weekends, 1 January, Good Friday, Easter Monday, 1 May, 25 and 26 December."""
    if day.weekday() >= 5 or (day.month, day.day) in {(1, 1), (5, 1), (12, 25), (12, 26)}:
        return False
    return day - easter(day.year) not in {timedelta(days=-2), timedelta(days=1)}


def next_banking_day(after: date) -> date:
    """The first day after this one on which euro payments settle."""
    day = after + timedelta(days=1)
    while not is_euro_day(day):
        day += timedelta(days=1)
    return day


def between(before: date, after: date) -> Iterator[date]:
    """Weekdays after `before` and before `after`."""
    day = before + timedelta(days=1)
    while day < after:
        if day.weekday() < 5:
            yield day
        day += timedelta(days=1)
