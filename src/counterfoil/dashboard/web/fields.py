"""The fields of forms: what was filled in as what a verb or an act takes, and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, Final

from counterfoil.base.ids import valid_id
from counterfoil.base.money import Asset, format_major, parse_major
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.verbs import LINES_MAX, Field, VerbLine

LINE: Final = ("debit", "credit", "amount")  # with the number of the line behind it, from 0
DAY_LENGTH: Final = len("2026-11-20")
NOON: Final = time(12, tzinfo=UTC)
YES_NO: Final = ("yes", "no")
DIGITS_MAX: Final = 9
SHOWN_MAX: Final = 40


def field_given(one: Field, filled: Mapping[str, str], asset: Asset | None) -> Any:
    """What a form says of a field, amounts in minor units of `asset`. Raises InvalidInput."""
    if one.kind != "lines":
        return _value(one, filled.get(one.name, "").strip(), asset)
    rows = [[filled.get(f"{part}{number}", "").strip() for part in LINE] for number in range(LINES_MAX)]
    if asset is None:
        raise InvalidInput(one.name, "movements of a thing that has an asset")
    return tuple(VerbLine(row[0], row[1], parse_major(row[2], asset, "amount")) for row in rows if any(row))


def field_filled(value: Any, one: Field, asset: Asset | None) -> str:
    """What of a field was kept in JSON, as its form has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return YES_NO[not value]
    if one.kind == "amount":
        return _major(value, asset)
    if one.kind == "tiers":
        return " ".join(f"{_major(each['above'], asset)}={each['approvers']}" for each in value)
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _major(minor: str, asset: Asset | None) -> str:
    return format_major(int(minor), asset.scale if asset else 0, grouped=False)


def _value(one: Field, given: str, asset: Asset | None) -> Any:
    if not given:
        if one.required and one.default is None:
            raise InvalidInput(one.name, "something")
        return one.default
    return READ[one.kind](one, given, asset)


def _text(one: Field, given: str, _: Asset | None) -> str:
    if len(given) > one.length_max:
        raise InvalidInput(one.name, f"at most {one.length_max:,} characters")
    if one.pattern and not re.search(one.pattern, given):
        raise InvalidInput(one.name, f"such as {one.example}", got=given[:SHOWN_MAX])
    return given


def _words(one: Field, given: str, asset: Asset | None) -> tuple[str, ...]:
    return tuple(_text(one, each, asset) for each in _several(one, given))


def _several(one: Field, given: str) -> list[str]:
    found = given.split()
    if one.most is not None and len(found) > one.most:
        raise InvalidInput(one.name, f"at most {one.most}", got=str(len(found)))
    return found


def _choice(one: Field, given: str, _: Asset | None) -> str:
    if given not in one.choices:
        raise InvalidInput(one.name, f"one of {', '.join(one.choices)}", got=given[:SHOWN_MAX])
    return given


def _flag(one: Field, given: str, _: Asset | None) -> bool:
    if given not in YES_NO:
        raise InvalidInput(one.name, "yes or no", got=given[:SHOWN_MAX])
    return given == "yes"


def _amount(one: Field, given: str, asset: Asset | None) -> int:
    if asset is None:
        raise InvalidInput(one.name, "an amount of a thing that has an asset")
    return parse_major(given, asset, one.name)


def _tiers(one: Field, given: str, asset: Asset | None) -> tuple[tuple[int, int], ...]:
    return tuple(_tier(one, each, asset) for each in _several(one, given))


def _tier(one: Field, given: str, asset: Asset | None) -> tuple[int, int]:
    above, mark, people = given.partition("=")
    if not mark or not (people.isascii() and people.isdigit()) or len(people) > DIGITS_MAX:
        raise InvalidInput(one.name, "an amount, = and a number of people, such as 10000.00=2", got=given[:SHOWN_MAX])
    return _amount(one, above, asset), int(people)


def _number(one: Field, given: str, _: Asset | None) -> int:
    least, most = one.least or 0, one.most
    is_number = given.isascii() and given.isdigit() and len(given) <= DIGITS_MAX
    if not is_number or int(given) < least or (most is not None and int(given) > most):
        raise InvalidInput(one.name, f"a number from {least}" + (f" to {most:,}" if most else ""), got=given[:SHOWN_MAX])
    return int(given)


def _moment(one: Field, given: str, _: Asset | None) -> datetime:
    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise InvalidInput(one.name, "a day such as 2026-11-20, or a moment such as 2026-11-20T12:00", got=given[:SHOWN_MAX]) from None
    if len(given) == DAY_LENGTH:
        return datetime.combine(found, NOON)  # the same day wherever it is read
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _day(one: Field, given: str, _: Asset | None) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError:
        raise InvalidInput(one.name, "a day such as 2026-11-20", got=given[:SHOWN_MAX]) from None


def _id(one: Field, given: str, _: Asset | None) -> str:
    return valid_id(given, one.prefix, one.name)


READ: Final[Mapping[str, Callable[[Field, str, Asset | None], Any]]] = {
    "text": _text,
    "choice": _choice,
    "moment": _moment,
    "day": _day,
    "amount": _amount,
    "flag": _flag,
    "number": _number,
    "words": _words,
    "id": _id,
    "program": _text,
    "asset": _text,
    "tiers": _tiers,
    "prose": _text,
}
