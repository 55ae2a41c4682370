"""What a column may be called in a rule set: our names, and those that a rule set declares of its own; who names what is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field
from pydantic_core import InitErrorDetails, PydanticCustomError

if TYPE_CHECKING:
    from counterfoil.matching.rules.model import RuleSet

FIELDS: Final[Mapping[str, str]] = {
    "id": "The record's own id; reports name it by this.",
    "reference": "What both sides call the payment: the key.",
    "asset": "The currency or asset of the row; `asset` of the side where no column says.",
    "booked_on": "The day of booking.",
    "value_on": "The day from which the money counts.",
    "event_at": "The moment at which it happened.",
    "status": "What became of it; `[left.status]` gives the words of both sides the same meaning.",
    "counterparty": "Who is on the other side of the payment.",
    "memo": "The text of the payment.",
    "batch": "The payout, deposit or settlement that the record belongs to.",
}
KEY_FIELDS: Final = ("id", "reference", "counterparty", "memo", "batch")
TAKEN: Final = ("amount", "date", "day", "ref", "file", "line", "key_fields")  # what reports call columns of theirs
OWN_FIELDS_MAX: Final = 200
OWN_PREFIX: Final = "own_"
OWN_NAME: Final = r"^[a-z][a-z0-9_]{0,39}$"
OwnName = Annotated[str, Field(pattern=OWN_NAME)]

Place = tuple[str | int, ...]


def column_name(field: str) -> str:
    """What the column of a field is called in SQL: a name of a rule set's own may be a word of that language, or one of ours."""
    return field if field in FIELDS else OWN_PREFIX + field


def own_fields(columns: Mapping[str, str]) -> list[str]:
    """The fields of its own that a side has a column for, in one order."""
    return sorted(set(columns) - set(FIELDS))


def names_that_are_wrong(rules: RuleSet) -> list[InitErrorDetails]:
    """Every name in a rule set that says nothing, each with its place in the file."""
    return [
        InitErrorDetails(type=PydanticCustomError("name", "{told}", {"told": told}), loc=place, input=given)
        for place, told, given in (*_declared(rules), *_mapped(rules), *_filtered(rules), *_keys(rules))
    ]


Wrong = tuple[Place, str, Any]


def _declared(rules: RuleSet) -> Iterator[Wrong]:
    for number, name in enumerate(rules.key_fields):
        if name in FIELDS or name in TAKEN:
            yield ("key_fields", number), f"names of your own; {name} has its meaning already", name
        elif name in rules.key_fields[:number]:
            yield ("key_fields", number), f"each name once; {name} stands there twice", name
        elif name not in rules.left.columns and name not in rules.right.columns:
            yield ("key_fields", number), f"names that have a column in [left.columns] or [right.columns]; {name} has none", name


def _mapped(rules: RuleSet) -> Iterator[Wrong]:
    known = (*FIELDS, *rules.key_fields)
    for side, source in (("left", rules.left), ("right", rules.right)):
        for name in source.columns:
            if name not in known:
                yield (side, "columns", name), f"{_one_of(known, name)}; a name of your own is declared in `key_fields` first", name


def _filtered(rules: RuleSet) -> Iterator[Wrong]:
    for side, source in (("left", rules.left), ("right", rules.right)):
        for number, each in enumerate(source.where):
            if each.field is not None and each.field not in source.columns:
                told = _one_of(tuple(source.columns), each.field) if source.columns else f"a name in [{side}.columns], which is empty"
                yield (side, "where", number, "field"), told, each.field


def _keys(rules: RuleSet) -> Iterator[Wrong]:
    known = (*KEY_FIELDS, *rules.key_fields)
    for number, step in enumerate(rules.passes):
        for side, source in (("left", rules.left), ("right", rules.right)):
            named = getattr(step, side, ())
            for name in [named] if isinstance(named, str) else named:
                if name not in known:
                    yield ("pass", number, step.kind, side), _one_of(known, name), name
                elif name not in KEY_FIELDS and name not in source.columns:
                    yield (
                        ("pass", number, step.kind, side),
                        f"fields that have a column in [{side}.columns]; {name} has none",
                        name,
                    )


def _one_of(known: tuple[str, ...], given: str) -> str:
    near = get_close_matches(given, known, 1)
    return f"did you mean `{near[0]}`? {given} is not known here" if near else f"one of {', '.join(known)}; not {given}"
