"""Breaks whose line of breaks.csv the engine writes by itself: one record or two, nothing to explain, and texts that need no care.

Where every row is a break this is nearly all of them, and as an object of its own each took fifty times as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from counterfoil.matching.engines.engine import DuckEngine, literal
from counterfoil.matching.findings.candidates import EXPLAINED_MAX
from counterfoil.matching.passes.pipeline import Matched
from counterfoil.matching.rules.names import column_name

PAGE_ROWS: Final = 100_000
NO_CARE: Final = "[A-Za-z0-9][ !#-~]*"  # no formula, no quote, nothing that is not printable
NARROW: Final = ("u", "id", "reference", "amount", "asset", "day", "status", "counterparty")
BOTH: Final = "l_u is not null and r_u is not null"


def list_plain(engine: DuckEngine, matched: Matched) -> None:
    """Make the table `plain_line`: the number and the line of each such break.

    One join at a time, so that each has the memory to itself.
    """
    columns = [*NARROW, *map(column_name, matched.rules.key_fields)]
    head, left, right = "b.n, b.by_size, b.kind, b.pass, b.grp, b.other, b.cut", *(_named(side, columns) for side in "lr")
    engine.table("plain_left", f"select {head}, b.r_u as r_of, {left} from break_list b left join l_base l on l.u = b.l_u")
    both = f"select b.*, {right} from plain_left b left join r_base r on r.u = b.r_of"
    engine.table("plain_line", f"select n, {_line(matched)} as line from ({both}) x where {is_plain(matched)}")
    engine.drop("plain_left")


def _named(side: str, columns: Sequence[str]) -> str:
    return ", ".join(f"{side}.{name} as {side}_{name}" for name in columns)


def plain_texts(engine: DuckEngine) -> Iterator[tuple[int, str, int]]:
    """Lines of `plain_line` that follow each other, as one text: the number of the first, the text, and how many lines it has."""
    last = int(engine.rows("select coalesce(max(n), 0) from plain_line")[0][0])
    for first in range(1, last + 1, PAGE_ROWS):
        yield from engine.rows(
            f"""select min(n) as n, string_agg(line, '' order by n), count(*) from (
                    select n, line, n - row_number() over (order by n) as run from plain_line
                    where n between {first} and {first + PAGE_ROWS - 1}) x
                group by run order by 1"""
        )


def is_plain(matched: Matched) -> str:
    """The condition on a break with both its records, as SQL; it is never null."""
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
