"""Which rows of a source count: the conditions of a rule set as SQL over the file's own columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import identifier, literal
from counterfoil.matching.reading.column_sql import cleaned
from counterfoil.matching.reading.date_sql import date_sql
from counterfoil.matching.rules.model import Amount, Source, Where

COMPARISONS: Final = {"at_least": ">=", "more_than": ">", "at_most": "<=", "less_than": "<"}
WHOLE_NUMBERS: Final = ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT")


def where_sql(source: Source, types: Mapping[str, str], side: str) -> str:
    """All conditions of a side, joined by `and`; empty where it has none. Raises InvalidInput for a column that the file has not."""
    return " and ".join(_condition(each, source, types, side) for each in source.where)


def _condition(each: Where, source: Source, types: Mapping[str, str], side: str) -> str:
    name = source.columns.get(each.field, "") if each.field else each.column
    if name not in types:
        raise InvalidInput(f"{side}.where", f"one of the file's columns: {', '.join(list(types)[:30])}", got=name[:60])
    column, kind = identifier(name), types[name]
    text = f"trim(cast({column} as varchar))"
    tests = []
    if each.values:
        tests.append(f"{text} in ({', '.join(map(literal, each.values))})")
    if each.contains:
        tests.append(f"contains({text}, {literal(each.contains)})")
    if each.begins_with:
        tests.append(f"starts_with({text}, {literal(each.begins_with)})")
    if each.empty is not None:
        tests.append(f"(coalesce({text}, '') = '') = {str(each.empty).lower()}")
    odd = []
    for name, sign in COMPARISONS.items():
        limit = getattr(each, name)
        if limit is None:
            continue
        value, told = (
            (_day(source, column, kind), f"date '{limit}'")
            if isinstance(limit, date)
            else (_figure(source, column, kind), format(limit, "f"))
        )
        tests.append(f"{value} {sign} {told}")
        odd.append(value)
    found = f"coalesce({' and '.join(tests)}, false)"
    if each.negated:
        found = f"not {found}"
    if odd:  # what cannot be read as a figure or a day stays: a row is never left out because nobody understood it
        found = f"({found} or (coalesce({text}, '') <> '' and ({' or '.join(f'{value} is null' for value in dict.fromkeys(odd))})))"
    return found


def _figure(source: Source, column: str, kind: str) -> str:
    """The figure as it is written in the file, in the file's unit, with the marks of the side's amounts."""
    if kind in WHOLE_NUMBERS or kind.startswith("DECIMAL"):
        return f"cast({column} as decimal(38, 9))"
    marks = {name: getattr(source.amount, name) for name in ("decimal", "group")} if source.amount else {}
    how = Amount.model_validate({"column": "figure", "unit": "major", **marks})
    return f"try_cast({cleaned(column if kind == 'VARCHAR' else f'cast({column} as varchar)', kind, how)} as decimal(38, 9))"


def _day(source: Source, column: str, kind: str) -> str:
    return date_sql(source, column, kind, lambda sql: sql).value
