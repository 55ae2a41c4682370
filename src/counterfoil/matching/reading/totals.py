"""Lines of a table that are no records: blank ones, and what stands under it, its own sum or a balance. A sum is checked."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from counterfoil.matching.engines.engine import DuckEngine, identifier, literal
from counterfoil.matching.reading.expressions import keeper
from counterfoil.matching.rules.model import Source

if TYPE_CHECKING:
    from counterfoil.matching.reading.column_sql import Layer

TOTAL_CHARS_MAX: Final = 24
FIRST_COLUMNS: Final = 8  # where the first word of a line under a table stands; a wide table is not read for its sake
# What is no record, in the place of the name of a column that cannot be read.
BLANK: Final = "counterfoil blank"
TOTAL: Final = "counterfoil total"
BALANCE: Final = "counterfoil balance"
NO_RECORD: Final = (BLANK, TOTAL, BALANCE)


def no_record_of(source: Source, known: Mapping[str, str], types: Mapping[str, str], reads: dict[str, str]) -> list[tuple[str, str]]:
    """Lines that are no records, as (what they are, condition): blank ones, and those whose first word is a total or a balance.

    A line with a day is a record whatever its first word is: there is an oil company called Total.
    """
    from counterfoil.statements.tables.columns import (  # the readers are loaded when a file asks for them
        BALANCES,
        TOTALS,
    )

    looked_at = dict.fromkeys([*list(types)[:FIRST_COLUMNS], *_columns_used(source)])
    cells = [_filled(identifier(name), types[name]) for name in looked_at if name in types]
    first = keeper(reads, "first")(f"coalesce({', '.join(cells)})")
    word = f"translate(lower({first}), ' .:-_*=()', '')"
    short = f"{first} between 'A' and '~' and strlen({first}) <= {TOTAL_CHARS_MAX}"
    day = known.get("booked_on")
    undated = f" and not coalesce(regexp_matches(cast({day} as varchar), '[0-9]'), false)" if day else ""
    return [
        (BLANK, f"{first} is null"),
        *(
            (name, f"{short} and {word} in ({', '.join(literal(each) for each in sorted(words))}){undated}")
            for name, words in ((TOTAL, TOTALS), (BALANCE, BALANCES))
        ),
    ]


def _columns_used(source: Source) -> list[str]:
    amount = source.amount
    figures = (amount.column, amount.debit, amount.credit) if amount else ()
    return [name for name in (*source.columns.values(), *figures) if name]


def _filled(column: str, kind: str) -> str:
    """A cell's text, null where it is blank; of what is no text only that something stands there."""
    return f"nullif(trim({column}), '')" if kind == "VARCHAR" else f"case when {column} is not null then '0' end"


class Foot(NamedTuple):
    """A line under the table that claims a sum: its row, what it claims, and what stands above it in minor units."""

    row: int
    told: int
    above: int


def wrong_total(engine: DuckEngine, relation: str, layer: Layer, where: str) -> Foot | None:
    """The first sum that is neither that of all records above it, nor of those since another sum; None where all are right.

    The caller sees to it that the file has one asset and no rejected rows: else nothing can be said.
    """
    row, amount = layer.columns["row"], layer.columns.get("figure", layer.columns["amount"])
    feet = engine.rows(
        f"""select r, told, above from (
                select {row} as r, ({layer.bad}) as bad, {amount} as told,
                       coalesce(sum(case when ({layer.bad}) is null then {amount} end) over (order by {row}), 0) as above
                from {relation}{f" where {where}" if where else ""}) f
            where bad = {literal(TOTAL)} order by r"""
    )
    begun = {0}
    for at, told, above in feet:
        if told is not None and not any(told == above - start for start in begun):
            return Foot(int(at), int(told), int(above))
        begun.add(above)
    return None


def told_by_foot(raw: str, source: Source, header: Sequence[str], asset: str) -> int | None:
    """What a line with fewer cells than the table claims as its sum, in minor units; None where it claims none that can be read."""
    from counterfoil.statements.amounts import Unreadable, known_scale, parse_amount, parse_whole
    from counterfoil.statements.tables.columns import is_sum

    amount, how = source.amount, source.csv
    cells = next(csv.reader(raw.strip("\r\n").splitlines(), delimiter=how.delimiter or ",", quotechar=how.quote or '"'), [])
    if amount is None or amount.direction or not is_sum(cells):
        return None
    given = dict(zip(header, cells, strict=False))
    parts = [(amount.column, 1), (amount.fee, 1), (amount.credit, 1), (amount.debit, -1)]
    told, found = 0, False
    for name, sign in parts:
        text = given.get(name or "", "").strip()
        if not text:
            continue
        try:
            minor = (
                parse_whole(text)
                if amount.unit == "minor"
                else parse_amount(text, known_scale(asset, source.scale), decimal=amount.decimal)
            )
        except Unreadable:
            return None
        told, found = told + (sign * abs(minor) if name == amount.debit else minor), True
    return told * amount.sign if found else None


class BrokenBalance(NamedTuple):
    """Where a file's own balance does not lead on: the first such row (from 0), how many there are, and to how many it could lead.
    `elsewhere`: it leads from row to row in another order than that of the rows."""

    row: int
    wrong: int
    steps: int
    elsewhere: bool

    @property
    def is_running(self) -> bool:
        """Does it lead on so often that a row is missing or wrong, and the column no other thing? As for a statement that is imported."""
        return self.wrong * 2 <= self.steps and not self.elsewhere


def broken_balance(engine: DuckEngine, relation: str, layer: Layer, where: str) -> BrokenBalance | None:
    """The rows to which the file's own balance does not lead; None where every row follows on, oldest or newest first.

    Records without a balance are passed over: their amounts count towards the next balance.
    """
    row, amount = layer.columns["row"], layer.columns.get("figure", layer.columns["amount"])
    rows = engine.rows(
        f"""with r as (select {row} as pos, {amount} as amount, {layer.columns["balance"]} as balance from {relation}
                       where ({layer.bad}) is null{f" and ({where})" if where else ""}),
                 s as (select pos, balance, amount, sum(amount) over (order by pos) as so_far from r),
                 b as (select pos, balance - lag(balance) over w as step, so_far - lag(so_far) over w as down,
                              lag(so_far) over w - lag(amount) over w - so_far + amount as up
                       from s where balance is not null window w as (order by pos))
            select min(pos) filter (step <> down), count(*) filter (step <> down),
                   min(pos) filter (step <> up), count(*) filter (step <> up), count(step),
                   (select sum(abs(n)) <= 2 from (select sum(ends) as n from (
                        select balance as money, 1 as ends from r union all select balance - amount, -1 from r) x group by money) y)
            from b"""
    )
    oldest_at, oldest, newest_at, newest, steps, elsewhere = rows[0]
    if not oldest or not newest:
        return None
    at, wrong = (oldest_at, oldest) if oldest <= newest else (newest_at, newest)  # the order in which more of it leads on
    return BrokenBalance(int(at), int(wrong), int(steps), bool(elsewhere))
