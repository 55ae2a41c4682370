"""Ages as people say them: `>5m` is older than five minutes, `<2h` younger than two hours."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final, NamedTuple

from counterfoil.base.problems import InvalidInput

_AGE: Final = re.compile(r"([<>]?)([0-9]{1,5})([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Age(NamedTuple):
    """Older than one, younger than the other; one of them is None."""

    older_than: timedelta | None
    younger_than: timedelta | None


def parse_age(given: str, field: str = "age") -> Age:
    """An age with its comparison; without one, older than it. Raises InvalidInput."""
    found = _AGE.fullmatch(given.strip().replace(" ", ""))
    if found is None:
        raise InvalidInput(field, "such as >5m or <2h: seconds s, minutes m, hours h or days d", got=given[:20])
    span = timedelta(**{_UNITS[found[3]]: int(found[2])})
    return Age(None, span) if found[1] == "<" else Age(span, None)


def age_text(span: timedelta) -> str:
    """In its largest whole unit: 45s, 12m, 3h, 2d."""
    seconds = max(0, span // timedelta(seconds=1))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
