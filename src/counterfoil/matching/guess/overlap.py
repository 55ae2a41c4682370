"""Where a side has more columns than are tried in full: those first that share most values with the other side, by a small sample."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.guess.amounts import PLAIN
from counterfoil.matching.guess.columns import Looked

ASKED_ROWS: Final = 2_000  # of the side that has too many
ANSWERING_ROWS: Final = 50_000  # of the other, whose rows may come in another order
NUMBER_LEAST: Final = 4  # digits in a row that name a record by themselves, whatever is written around them


def nearest_first(engine: DuckEngine, side: Looked, columns: Mapping[str, str], other: Looked) -> list[str]:
    """The names of `columns` by how many of their values stand in some column of the other side, whole or by their number alone."""
    theirs = {f"c{at}" for at in range(len(other.types))}
    engine.table("asking", _values(side.side, sorted(columns.values()), ASKED_ROWS))
    engine.table("answering", f"select distinct v from ({_values(other.side, sorted(theirs), ANSWERING_ROWS)}) a")
    answered = "select c, count(*) from (select distinct c, v from asking) a semi join answering using (v) group by c"
    shared: dict[str, int] = dict(engine.rows(answered))
    engine.drop("asking", "answering")
    return sorted(columns, key=lambda name: -shared.get(columns[name], 0))


def _values(side: str, columns: list[str], tried_rows: int) -> str:
    """Every column's values in two forms, as SQL: without case and signs, and the first number in it."""
    parts = (
        f"select '{column}' as c, unnest([{PLAIN.sql(column)}, ltrim(regexp_extract({column}, '[0-9]{{{NUMBER_LEAST},}}'), '0')]) as v"
        f" from (select {column} from {side}_seen limit {tried_rows}) s where {column} is not null"
        for column in columns
    )
    return f"select c, v from ({' union all '.join(parts)}) x where v <> ''"
