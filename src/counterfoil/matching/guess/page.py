"""What a person sees of a guess, and corrects: each column of each side, what stands in it, and what it is taken for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.guess.columns import AMOUNT_ROLES, Looked
from counterfoil.matching.rules.names import FIELDS

NOTHING: Final = "nothing"
ROLES: Final = (*FIELDS, *AMOUNT_ROLES, NOTHING)
VALUE_CHARS: Final = 24

Said = Mapping[str, Mapping[str, str]]  # by side: our name → the file's column, or nothing


class ColumnTold(NamedTuple):
    """One column of a file: a few of its values, and what it is taken for (any of ROLES)."""

    side: str
    name: str
    roles: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def taken_for(self) -> str:
        """In words."""
        return ", ".join(self.roles) or NOTHING


def columns_told(side: Looked) -> list[ColumnTold]:
    """Every column of a side in the file's order."""
    parts = {"column": "amount"}
    taken: dict[str, list[str]] = {}
    amounts = {**side.amounts, **({"balance": side.balance} if side.balance else {})}
    for ours, theirs in (*side.columns.items(), *((parts.get(part, part), name) for part, name in amounts.items())):
        taken.setdefault(theirs, []).append(ours)
    return [ColumnTold(side.side, name, tuple(taken.get(name, ())), side.shown.get(name, ())) for name in side.types]


def page(columns: Sequence[ColumnTold], reasons: Sequence[str]) -> str:
    """The guess side by side with what was seen, as a page of text, and how it is corrected."""
    lines = []
    for side in ("left", "right"):
        rows = [("column", "taken for", "values")]
        rows += [(_cut(each.name), each.taken_for, ", ".join(map(_cut, each.values))) for each in columns if each.side == side]
        widths = [max(len(row[at]) for row in rows) for at in (0, 1)]
        lines += [side, *(f"  {name:<{widths[0]}}  {taken:<{widths[1]}}  {values}".rstrip() for name, taken, values in rows), ""]
    lines += ["Why:", *(f"- {reason}" for reason in reasons)]
    return "\n".join(lines)


def how_to_correct(columns: Sequence[ColumnTold]) -> str:
    """The ways to correct it, with a column of this very file."""
    first = next((each for each in columns if not each.roles), columns[0])
    return (
        f'A column is taken for something else with --column {first.side}.reference="{first.name}", for nothing with '
        f"--column {first.side}.reference={NOTHING}; --ask asks for each. Then it is tried again."
    )


def _cut(text: str) -> str:
    shown = " ".join("".join(mark if mark.isprintable() else " " for mark in text).split())
    return shown if len(shown) <= VALUE_CHARS else f"{shown[: VALUE_CHARS - 1]}…"


def said_of(given: Sequence[str]) -> dict[str, dict[str, str]]:
    """`left.reference=Order no` and its like. Raises InvalidInput where one is not of that form."""
    said: dict[str, dict[str, str]] = {"left": {}, "right": {}}
    for each in given:
        place, equals, column = each.partition("=")
        side, dot, role = place.strip().partition(".")
        if not equals or not dot or side not in said or role not in ROLES[:-1]:
            raise InvalidInput("column", f"SIDE.NAME=COLUMN: left or right, then one of {', '.join(ROLES[:-1])}", got=each[:60])
        said[side][role] = "" if column.strip() == NOTHING else column.strip()
    return said


def corrected(columns: Sequence[ColumnTold], answers: Mapping[tuple[str, str], str]) -> dict[str, dict[str, str]]:
    """What a person said of columns (by side and name), as what is said of a side: only what differs from the guess."""
    said: dict[str, dict[str, str]] = {"left": {}, "right": {}}
    for each in columns:
        role = answers.get((each.side, each.name), each.taken_for)
        if role == each.taken_for:
            continue
        for lost in each.roles:
            said[each.side].setdefault(lost, "")
        if role != NOTHING:
            said[each.side][role] = each.name
    return said
