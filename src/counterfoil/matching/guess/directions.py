"""A column that says for each amount whether it came in or went out, where the amounts carry no sign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from counterfoil.statements.amounts import CREDIT_WORDS, DEBIT_WORDS

if TYPE_CHECKING:
    from counterfoil.matching.guess.columns import Looked

WORDS_MAX: Final = 8


def column_of_signs(found: Looked, sample: Mapping[str, Sequence[str]]) -> str | None:
    """The column that nobody named so, and that holds a word for money out or one for money in on every row, and both of them."""
    used = {*found.columns.values(), *(name for reading in found.readings for name in reading.amounts.values())}
    rows = max(map(len, sample.values()), default=0)
    for name, given in sample.items():
        words = {_plain(value) for value in given}
        if name not in used and len(given) == rows and words <= DEBIT_WORDS | CREDIT_WORDS and words & DEBIT_WORDS and words & CREDIT_WORDS:
            return name
    return None


def _plain(word: str) -> str:
    return word.strip().upper().rstrip(".")


def take_direction(found: Looked, column: str, sample: Mapping[str, Sequence[str]]) -> None:
    """Read the amounts by it, unless they are signed themselves."""
    words = sorted({value.strip() for value in sample[column] if value.strip()})
    signed = any(value.strip().startswith(("-", "(")) for name in found.amounts.values() for value in sample[name])
    negative = tuple(word for word in words if _plain(word) in DEBIT_WORDS)
    if negative and not signed and len(words) <= WORDS_MAX and "column" in found.amounts:
        is_full = len([value for value in sample[column] if value.strip()]) == max(map(len, sample.values()))
        positive = tuple(word for word in (*words, *(() if is_full else ("",))) if word not in negative)
        for n, one in enumerate(found.readings):
            if "column" in one.amounts:
                found.readings[n] = replace(one, amounts={**one.amounts, "direction": column}, negative=negative, positive=positive)
        found.take(found.readings[0])
        told = ", ".join(word or "nothing" for word in positive)
        found.say(f"{column} says {', '.join(negative)} for money going out; {told} for money coming in")
