"""Which of several columns of days is compared: those of both sides that lie nearest to each other in the pairs that share a key."""

from __future__ import annotations

from itertools import product
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import DuckEngine, literal
from counterfoil.matching.guess.amounts import KeyForm
from counterfoil.matching.guess.columns import DATES, Looked

FILLED_LEAST_PERCENT: Final = 90  # of the pairs that the best filled columns date
USUAL_PER_MILLE: Final = 10  # of the pairs may lie further apart than what is called usual
COLUMNS_TRIED_MAX: Final = 6  # of days, of a side


class DayPair(NamedTuple):
    """Two columns of days: from when to when right lies after left in nearly all pairs, and how many pairs have both."""

    left: str
    right: str
    first: int
    last: int
    pairs: int

    @property
    def reach(self) -> tuple[int, int]:
        """How far they lie apart at most, then how much that varies."""
        return max(abs(self.first), abs(self.last)), self.last - self.first


def choose_days(engine: DuckEngine, sides: tuple[Looked, Looked], keys: tuple[str, str], form: KeyForm) -> str | None:
    """Compare the columns of days that lie nearest; by their names where several lie as near. The reason, where there was a choice."""
    tried = [_tried(side) for side in sides]
    if not all(tried) or all(len(names) == 1 for names in tried):
        return None
    found = _measured(engine, sides, keys, form, tried)
    most = max((each.pairs for each in found), default=0)
    filled = [each for each in found if each.pairs and each.pairs * 100 >= most * FILLED_LEAST_PERCENT]
    if not filled:
        return None
    named = tuple(_compared(side) for side in sides)
    best = min(filled, key=lambda each: (each.reach, -((each.left == named[0]) + (each.right == named[1])), each.left, each.right))
    for side, name in zip(sides, (best.left, best.right), strict=True):
        _take(side, name)
    others = sorted((each for each in filled if each != best), key=lambda each: (each.reach, each.left, each.right))[:2]
    told = "".join(f"; {_told(each)}" for each in others)
    return f"days: {_told(best)}{told}"


def _told(each: DayPair) -> str:
    return f"{each.right} on the right lies from {each.first} to {each.last} days after {each.left} on the left in {each.pairs:,} pairs"


def _compared(side: Looked) -> str | None:
    return next((side.columns[role] for role in DATES if role in side.columns), None)


def _tried(side: Looked) -> list[str]:
    said = [side.said[role] for role in DATES if side.said.get(role)]
    if any(role in side.said for role in DATES):
        return [name for name in said if name in side.days][:1]
    return list(side.days)[:COLUMNS_TRIED_MAX]


def _measured(
    engine: DuckEngine, sides: tuple[Looked, Looked], keys: tuple[str, str], form: KeyForm, tried: list[list[str]]
) -> list[DayPair]:
    relations = []
    for side, key, names in zip(sides, keys, tried, strict=True):
        days = "".join(f", {_day(side, name)} as d{at}" for at, name in enumerate(names))
        relations.append(f"(select {form.sql(key)} as key{days} from {side.side}_seen)")
    pairs = list(product(range(len(tried[0])), range(len(tried[1]))))
    ends = (USUAL_PER_MILLE / 2000, 1 - USUAL_PER_MILLE / 2000)
    asked = ", ".join(
        f"quantile_disc(any_r{j} - any_l{i}, {ends[0]}), quantile_disc(any_r{j} - any_l{i}, {ends[1]}), count(any_r{j} - any_l{i})"
        for i, j in pairs
    )
    firsts = [f"any_value({side}.d{at}) as any_{side}{at}" for side, names in zip("lr", tried, strict=True) for at in range(len(names))]
    row = engine.rows(
        f"""select {asked} from (select {", ".join(firsts)} from {relations[0]} l join {relations[1]} r on r.key = l.key
            group by l.key having count(*) = 1) p"""
    )[0]
    figures = [row[at : at + 3] for at in range(0, len(row), 3)]
    return [
        DayPair(tried[0][i], tried[1][j], int(first or 0), int(last or 0), int(count))
        for (i, j), (first, last, count) in zip(pairs, figures, strict=True)
    ]


def _day(side: Looked, name: str) -> str:
    """The day in a column of the sample, as SQL."""
    text = f"c{list(side.types).index(name)}"
    form = side.days[name]
    return f"cast(try_strptime({text}, {literal(form)}) as date)" if form else f"try_cast(substr({text}, 1, 10) as date)"


def _take(side: Looked, name: str) -> None:
    """Compare this column from now on; what was compared before stands behind it."""
    before = _compared(side)
    if before == name and "booked_on" in side.columns:
        return
    side.columns = {role: column for role, column in side.columns.items() if column != name and role != "booked_on"}
    side.columns["booked_on"] = name
    if before and before != name and "value_on" not in side.columns:
        side.columns["value_on"] = before
    if side.days[name]:
        side.date_formats = list(dict.fromkeys([*side.date_formats, side.days[name]]))
