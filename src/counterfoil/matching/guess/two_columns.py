"""Two columns that are the key together where none is one alone: an invoice's number that begins anew for each terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.guess.amounts import PLAIN

SHARED_LEAST_PERCENT: Final = 50  # of the values of the column that has fewer: those that stand in the other file, too
UNIQUE_LEAST_PERCENT: Final = 90  # of the rows that have a key of their own, if it is one
COLUMNS_TRIED_MAX: Final = 8  # pairs of columns that share values, those with the most first; two of them at a time


class TwoColumns(NamedTuple):
    """By side the names of both columns, as (left, right) for each; how often their keys met, and the amounts agreed."""

    first: tuple[str, str]
    second: tuple[str, str]
    met: int
    agreed: int

    def keys(self, columns: Sequence[Mapping[str, str]]) -> tuple[str, str]:
        """The key of each side, as SQL over its sample."""
        left, right = (f"({side[one]} || ' ' || {side[two]})" for side, one, two in zip(columns, self.first, self.second, strict=True))
        return left, right

    def sentence(self) -> str:
        """What a person reads."""
        return (
            f"key: {self.first[0]} and {self.second[0]} on the left together meet {self.first[1]} and {self.second[1]} on the right "
            f"{self.met:,} times, and {self.agreed:,} of those agree in the amount; neither is a key alone"
        )


def two_columns(engine: DuckEngine, columns: Sequence[Mapping[str, str]], *, least: int) -> TwoColumns | None:
    """The two columns of each side under which most amounts agree, `least` of them at least. `columns`: of the samples, by their names."""
    shared = _shared(engine, columns)
    tried = [pair for pair in combinations(shared[:COLUMNS_TRIED_MAX], 2) if pair[0][0] != pair[1][0] and pair[0][1] != pair[1][1]]
    found = [result for pair in tried if (result := _met(engine, columns, *pair)) and result.agreed >= least]
    return max(found, key=lambda each: (each.agreed, -each.met), default=None)


def _shared(engine: DuckEngine, columns: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Pairs of columns (left, right) that hold the same values, those with the most values first."""
    names = [{column: name for name, column in side.items()} for side in columns]
    if min(map(len, names)) < 2:
        return []
    for side, each in zip(("left", "right"), names, strict=True):
        parts = (f"select '{column}' as c, {PLAIN.sql(column)} as k from {side}_seen" for column in each)
        engine.table(f"{side}_value", f"select distinct c, k from ({' union all '.join(parts)}) v where k is not null")
    rows = engine.rows(
        f"""select l.c, r.c, count(*) from left_value l join right_value r using (k)
            join (select c, count(*) as n from left_value group by c) ln on ln.c = l.c
            join (select c, count(*) as n from right_value group by c) rn on rn.c = r.c
            group by l.c, r.c having count(*) * 100 >= min(least(ln.n, rn.n)) * {SHARED_LEAST_PERCENT} order by 3 desc, 1, 2"""
    )
    engine.drop("left_value", "right_value")
    return [(names[0][left], names[1][right]) for left, right, _ in rows]


def _met(engine: DuckEngine, columns: Sequence[Mapping[str, str]], first: tuple[str, str], second: tuple[str, str]) -> TwoColumns | None:
    """How they do together; nothing where a side's keys are not nearly unique, or hardly half of what meets agrees."""
    pair = TwoColumns(first, second, 0, 0)
    left, right = (
        f"(select {PLAIN.sql(key)} as key, any_value(x_amount) as amount, count(*) as n from {side}_seen group by 1)"
        for side, key in zip(("left", "right"), pair.keys(columns), strict=True)
    )
    for each in (left, right):
        rows, own = engine.rows(f"select coalesce(sum(n), 0), count(*) filter (n = 1) from {each} k where key is not null")[0]
        if not rows or own * 100 < rows * UNIQUE_LEAST_PERCENT:
            return None
    here, there = "abs(l.amount)", "abs(r.amount)"
    equal = f"{here} <> 0 and ({here} = {there} or {here} = {there} * 100 or {here} * 100 = {there})"
    met, agreed = engine.rows(
        f"select count(*), count(*) filter ({equal}) from {left} l join {right} r on r.key = l.key where l.n = 1 and r.n = 1"
    )[0]
    return pair._replace(met=met, agreed=agreed) if agreed * 2 >= met else None
