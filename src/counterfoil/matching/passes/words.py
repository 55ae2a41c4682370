"""Texts as they are compared: capitals by a table, and placeholders, which stand where nothing was given and never match."""

from __future__ import annotations

from typing import Final

from counterfoil.matching.engines.engine import literal

LOWER: Final = "abcdefghijklmnopqrstuvwxyzàáâãäåçèéêëìíîïñòóôõöøùúûüýšžčćđłńśźżąęőűěřůťďň"
UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZÀÁÂÃÄÅÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝŠŽČĆĐŁŃŚŹŻĄĘŐŰĚŘŮŤĎŇ"

_LETTERS: Final = "A-Za-zÀ-ỿⰀ-￦𐀀-𯿿"  # of any script; what is between them are signs
_MARKS: Final = f"[^0-9{_LETTERS}]*"
PLACEHOLDER_WORDS: Final = (
    f"not{_MARKS}(provided|available|applicable|specified|given|set)",  # NOTPROVIDED is ISO 20022's word
    f"no(n|t)?{_MARKS}ref(erence)?",  # NONREF is SWIFT's
    f"n{_MARKS}a",
    "nan",
    "null",
    "nil",
    "none",
    "unknown",
    "undefined",
    "unspecified",
    "unassigned",
    "tbd",
    "tba",
    "empty",
    "blank",
    "missing",
)
_PLACEHOLDER: Final = (
    f"(?i)^([^1-9{_LETTERS}]*"  # nothing but signs and noughts: -, 0, 000000, 00000000-0000-0000-0000-000000000000
    f"|{_MARKS}({'|'.join(PLACEHOLDER_WORDS)}){_MARKS}"
    "|#(ref|value|name|num|div/0)[!?]?"  # a spreadsheet's errors
    "|[+-]?[0-9]([.,][0-9]+)?e[+][0-9]{2,3})$"  # a long number that a spreadsheet cut to 1.23E+15: others are cut to the same
)
LONGEST: Final = 16  # characters of the longest placeholder that begins with a letter
NONE_BEGINS: Final = (("C", "E"), ("F", "M"), ("O", "T"), ("V", "["), ("c", "e"), ("f", "m"), ("o", "t"), ("v", "{"))


def capitals(column: str) -> str:
    """Latin letters in capitals, as SQL. By a table, because engines differ in what `upper` makes of ß and its like."""
    return beyond_ascii(column, f"translate({column}, {literal(LOWER)}, {literal(UPPER)})", f"upper({column})")


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
