"""Breaks whose line of breaks.csv the engine writes by itself: one record or two, nothing to explain, and texts that need no care.

Where every row is a break this is nearly all of them, and as an object of its own each took fifty times as long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from counterfoil.matching.engines.engine import DuckEngine, literal
from counterfoil.matching.findings.candidates import EXPLAINED_MAX
from counterfoil.matching.passes.pipeline import Matched
from counterfoil.matching.rules.names import column_name

PAGE_ROWS: Final = 100_000
NO_CARE: Final = "[A-Za-z0-9][ !#-~]*"  # no formula, no quote, nothing that is not printable
BOTH: Final = "l_u is not null and r_u is not null"


def plain_lines(engine: DuckEngine, matched: Matched) -> Iterator[tuple[int, str]]:
    """Number and line of each such break, in their order."""
    last = int(engine.rows("select coalesce(max(n), 0) from break_list")[0][0])
    line, condition = _line(matched), is_plain(matched)
    for first in range(1, last + 1, PAGE_ROWS):
        within = f"n between {first} and {first + PAGE_ROWS - 1}"
        yield from engine.rows(f"select n, {line} from break_shown x where {within} and {condition} order by n")


def is_plain(matched: Matched) -> str:
    """The condition on a row of `break_shown`, as SQL; it is never null."""
    own = [column_name(name) for name in matched.rules.key_fields]
    written = [f"{side}_{name}" for side in "lr" for name in ("id", "reference", *own, *_of_compare(matched))]
    careless = [f"coalesce(regexp_full_match({name}, '{NO_CARE}'), true)" for name in written]
    same = [f"coalesce(l_{name} = r_{name}, true)" for name in ("reference", "counterparty", *own)]
    alone = f"({BOTH} or coalesce(l_u, r_u) not in (select u from candidate where u is not null))"
    return " and ".join([f"(by_size > {EXPLAINED_MAX} and grp is null and other is null and not cut)", alone, *careless, *same])


def _of_compare(matched: Matched) -> list[str]:
    return ["status"] if "status" in matched.compare else []


def _line(matched: Matched) -> str:
    """The columns of breaks.csv between quotes, as SQL."""
    own = [column_name(name) for name in matched.rules.key_fields]
    cells = [
        *("kind", "l_id", "r_id", "l_reference", "r_reference"),
        *(f"{side}_{name}" for name in own for side in "lr"),
        *("cast(l_amount as varchar)", "cast(r_amount as varchar)", "coalesce(l_asset, r_asset)", _day("l"), _day("r")),
        f"case when {BOTH} then {_fields(matched)} end",
    ]
    told = " || '\",\"' || ".join(f"coalesce({cell}, '')" for cell in cells)
    return f"""'"' || {told} || '","",""' || chr(13) || chr(10)"""


def _day(side: str) -> str:
    return f"cast(date '1970-01-01' + {side}_day as varchar)"


def _fields(matched: Matched) -> str:
    """What differs, in the words of `differences`."""
    off = "(cast(r_amount as hugeint) - l_amount)"
    parts = [
        _part("asset", "l_asset <> r_asset", "l_asset", "r_asset", "'another currency or asset'"),
        _part(
            "amount",
            "l_amount <> r_amount",
            "cast(l_amount as varchar)",
            "cast(r_amount as varchar)",
            f"case when {off} > 0 then '+' else '' end || cast({off} as varchar) || ' minor units'",
        ),
    ]
    if "status" in matched.compare:
        status = ("coalesce(l_status, '')", "coalesce(r_status, '')")
        parts.append(_part("status", "l_status is distinct from r_status", *status, "'another state'"))
    if "date" in matched.compare:
        days = "(r_day - l_day)"
        usual = " ".join(
            f"when {literal(step.name)} then {days} between {-step.before_days} and {step.after_days}" for step in matched.rules.passes
        )
        apart = f"""cast(abs({days}) as varchar) || case when abs({days}) = 1 then ' day' else ' days' end
                    || case when {days} > 0 then ' later' else ' earlier' end"""
        differ = f"l_day <> r_day and (kind = 'DATE_MISMATCH' or not case pass {usual} else false end)"
        parts.append(_part("date", differ, _day("l"), _day("r"), apart))
    return f"concat_ws('; ', {', '.join(parts)})"


def _part(name: str, differ: str, left: str, right: str, distance: str) -> str:
    return f"case when {differ} then '{name}: ' || {left} || ' ≠ ' || {right} || ' (' || {distance} || ')' end"
