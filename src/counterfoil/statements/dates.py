"""Dates and instants as files write them. A date is never guessed: an order of day and month is proven, or the row is rejected."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone
from itertools import pairwise
from typing import Final

from counterfoil.statements.amounts import Unreadable

ISO: Final = "%Y-%m-%d"
# Tried in this order; `/` and `-` can stand for either order of day and month, the dot only for day first.
DATE_FORMATS: Final = (
    ISO,
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%d.%m.%y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%d %B %Y",
    "%b %d, %Y",
    "%B %d, %Y",
    "%b %d %Y",
    "%y%m%d",
)
_ISO: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T\sZ+-]|$)", re.ASCII)
_DIGITS: Final = {"%Y%m%d": 8, "%y%m%d": 6}
_TIME: Final = re.compile(r"[T\s]+([0-9]{1,2}:[0-9]{2}.*)$", re.ASCII)
_OFX: Final = re.compile(r"([0-9]{8})([0-9]{4}(?:[0-9]{2})?)?(?:\.[0-9]+)?(?:\[([+-]?[0-9]{1,2})(?:\.([0-9]+))?(?::[^\]]*)?\])?", re.ASCII)


def is_iso(text: str) -> bool:
    """Does the text begin with a day as ISO 8601 writes it? Such a day needs no format."""
    return bool(_ISO.match(text.strip()))


def parse_date(text: str, date_format: str) -> date:
    """The day in `text`; a time of day behind it is allowed. Raises Unreadable."""
    body = text.strip()
    if date_format == ISO:
        try:
            return date.fromisoformat(body[:10] if _ISO.match(body) else "")
        except ValueError:
            raise Unreadable(f"{body[:30]!r} is no date") from None
    day = _TIME.sub("", body)
    try:
        if date_format in _DIGITS and len(day) != _DIGITS[date_format]:
            raise ValueError
        return datetime.strptime(day, date_format).date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise Unreadable(f"{body[:30]!r} is no date written as {date_format}") from None


def parse_instant(text: str) -> datetime | None:
    """The instant in an ISO 8601 text with its offset, in UTC; None when it has no time or no offset. Raises Unreadable."""
    body = text.strip()
    if len(body) <= 10:
        return None
    try:
        found = datetime.fromisoformat(body.replace(" UTC", "+00:00"))
    except ValueError:
        raise Unreadable(f"{body[:40]!r} is no date and time") from None
    if found.tzinfo is None:
        return None
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise Unreadable(f"{body[:40]!r} lies outside the calendar") from None


def parse_ofx(text: str) -> tuple[date, datetime | None]:
    """OFX's `20240131120000.000[-5:EST]`: the day as written, and the instant where an offset is given. Raises Unreadable.

    Some banks leave the seconds out.
    """
    found = _OFX.fullmatch(text.strip())
    if not found:
        raise Unreadable(f"{text.strip()[:40]!r} is no OFX date")
    try:
        day = date(int(found[1][:4]), int(found[1][4:6]), int(found[1][6:]))
        if found[2] is None:
            return day, None
        clock = time(int(found[2][:2]), int(found[2][2:4]), int(found[2][4:] or 0))
        if found[3] is None:
            return day, None
        minutes = int((found[4] or "0")[:2].ljust(2, "0")) * 60 // 100
        hours = int(found[3])
        offset = timedelta(hours=hours, minutes=-minutes if found[3].startswith("-") else minutes)
        return day, datetime.combine(day, clock, timezone(offset)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable(f"{text.strip()[:40]!r} is no OFX date") from None


def parse_yymmdd(text: str) -> date:
    """SWIFT's six digits; years 80 to 99 are the last century's. Raises Unreadable.

    29 and 30 February are read as the month's last day: value dates by the 30/360 convention carry them.
    """
    if not re.fullmatch(r"[0-9]{6}", text, re.ASCII):
        raise Unreadable(f"{text[:20]!r} is no date written as YYMMDD")
    year, month, day = int(text[:2]), int(text[2:4]), int(text[4:])
    year += 1900 if year >= 80 else 2000
    if month == 2 and day in (29, 30):
        day = monthrange(year, 2)[1]
    try:
        return date(year, month, day)
    except ValueError:
        raise Unreadable(f"{text!r} is no date") from None


def beside(month_day: str, near: date) -> date:
    """SWIFT's entry date has no year: the year that brings it nearest to the value date. Raises Unreadable."""
    found = []
    for year in (near.year - 1, near.year, near.year + 1):
        try:
            found.append(parse_yymmdd(f"{year % 100:02d}{month_day}").replace(year=year))
        except (Unreadable, ValueError):
            continue
    if not found:
        raise Unreadable(f"{month_day!r} is no date written as MMDD")
    return min(found, key=lambda day: (abs(day - near), day))


def formats_of(values: Iterable[str]) -> list[str]:
    """The formats, in our order, that read every one of these values."""
    fitting = list(DATE_FORMATS)
    for value in values:
        fitting = [each for each in fitting if _reads(value, each)]
    return fitting


def choose_format(values: list[str], *, day_first: bool = False) -> str | None:
    """The format of a column of dates, where the values prove one; a few values that are no dates do not hide it.

    Where day first and month first both read every value, the order in which the days follow each other decides: the
    file is sorted under one reading and not under the other. `day_first` rules out month first. Else nothing is chosen.
    """
    formats = [each for each in DATE_FORMATS if not (day_first and each.startswith(("%m", "%b", "%B")))]
    read_by = {each: [value for value in values if _reads(value, each)] for each in formats}
    fitting = [each for each in formats if len(read_by[each]) * 2 > len(values)]
    whole = [each for each in fitting if len(read_by[each]) == len(values)]
    fitting = whole or fitting
    if not fitting:
        return None
    first = fitting[0]
    rivals = [each for each in fitting[1:] if _differ(first, each, set(read_by[first]) & set(read_by[each]))]
    if not rivals:
        return first
    sorted_under = [each for each in (first, *rivals) if whole and _is_sorted([parse_date(v, each) for v in values])]
    if len(sorted_under) == 1 and len(values) > 2:
        return sorted_under[0]
    return None


def _differ(one: str, other: str, values: set[str]) -> bool:
    return any(parse_date(value, one) != parse_date(value, other) for value in values)


def _is_sorted(days: list[date]) -> bool:
    pairs = list(pairwise(days))
    return all(a <= b for a, b in pairs) or all(a >= b for a, b in pairs)


def _reads(value: str, date_format: str) -> bool:
    try:
        parse_date(value, date_format)
    except Unreadable:
        return False
    return True
