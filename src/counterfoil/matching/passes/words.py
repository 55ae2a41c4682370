"""Texts as they are compared: capitals by a table, and placeholders, which stand where nothing was given and never match."""

from __future__ import annotations

from typing import Final

from counterfoil.base.text import placeholder_words
from counterfoil.matching.engines.engine import literal

_LATIN: Final = (*range(0x61, 0x7B), *range(0xE0, 0xF7), *range(0xF8, 0x180), 0x219, 0x21B)
_GREEK: Final = (*range(0x3AC, 0x3B0), *range(0x3B1, 0x3CF))
_CYRILLIC: Final = (*range(0x430, 0x460), 0x491)
LOWER: Final = "".join(small for small in map(chr, (*_LATIN, *_GREEK, *_CYRILLIC)) if small.islower() and len(small.upper()) == 1)
UPPER: Final = LOWER.upper()

LETTERS: Final = (  # of any script, by ranges, because engines know different editions of Unicode; what is between them are signs
    "A-Za-zÀ-ÖØ-öø-\u0588\u0591-\u05bd\u05bf\u05c1-\u05c2\u05c4-\u05f2\u0610-\u061a\u0620-\u0669\u066e-\u06d3\u06d5-\u1fff"
    "\u2c00-\u2dff\u2e80-\u2fdf\u3005-\u3007\u3021-\u302f\u3031-\u303c\u3041-\u30fa\u30fc-\ufdff\ufe70-\ufefc"
    "\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uffdc\U00010000-\U0002ffff"
)
UNSPACED: Final = (  # letters of scripts that write a reference and the word before it without a blank between them
    "\u0e00-\u0eff\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
)
_MARKS: Final = f"[^0-9{LETTERS}]*"
PLACEHOLDER_WORDS: Final = placeholder_words(_MARKS)
_PLACEHOLDER: Final = (
    f"(?i)^([^1-9{LETTERS}]*"  # nothing but signs and noughts: -, 0, 000000, 00000000-0000-0000-0000-000000000000
    f"|{_MARKS}({'|'.join(PLACEHOLDER_WORDS)}){_MARKS}"
    "|#(ref|value|name|num|div/0)[!?]?"  # a spreadsheet's errors
    "|[+-]?[0-9]([.,][0-9]+)?e[+][0-9]{2,3})$"  # a long number that a spreadsheet cut to 1.23E+15: others are cut to the same
)
LONGEST: Final = 16  # characters of the longest placeholder that begins with a letter
NONE_BEGINS: Final = (("C", "E"), ("F", "M"), ("O", "T"), ("V", "["), ("c", "e"), ("f", "m"), ("o", "t"), ("v", "{"))


def capitals(column: str) -> str:
    """Latin, Greek and Cyrillic letters in capitals, as SQL. By a table, because engines differ in what `upper` makes of ß and its like."""
    return beyond_ascii(column, f"translate({column}, {literal(LOWER)}, {literal(UPPER)})", f"upper({column})")


def unmarked(column: str) -> str:
    """Letters and digits of every script and nothing else, as SQL: `АКТ-1001` is not `1001`."""
    return f"regexp_replace({column}, '[^0-9{LETTERS}]', '', 'g')"


def beyond_ascii(column: str, then: str, otherwise: str) -> str:
    """Choose by what a text holds, as SQL: DuckDB builds the table of a `translate` anew for each row, and most rows need none."""
    return f"case when regexp_matches({column}, '[^ -~]') then {then} else {otherwise} end"


def told(column: str) -> str:
    """A text, or null where it is a placeholder, as SQL; name a plain column, it is repeated.

    Nearly every key is cleared by its first character, its length or having no plus: a tenth of what asking the pattern costs.
    """
    starts = " or ".join(f"({column} >= {literal(first)} and {column} < {literal(end)})" for first, end in NONE_BEGINS)
    number = f"{column} >= '1' and {column} < ':' and not contains({column}, '+')"
    long = f"{column} >= 'A' and {column} < '{{' and length({column}) > {LONGEST}"
    return (
        f"case when {starts} or ({number}) or ({long}) then {column} "
        f"when regexp_matches({column}, {literal(_PLACEHOLDER)}) then null else {column} end"
    )
