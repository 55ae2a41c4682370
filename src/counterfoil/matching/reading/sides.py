"""One side, ready to be matched: its records as SQL over what was read, and a profile that one scan gives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import Engine, Row
from counterfoil.matching.reading.column_sql import SHAPE, Layer
from counterfoil.matching.reading.provenance import SideReading
from counterfoil.matching.reading.totals import NO_RECORD
from counterfoil.matching.rules.names import OWN_PREFIX

COLUMNS: Final = (*SHAPE, "row", "file")


class UnreadableRow(NamedTuple):
    """One row that could not be read. `line` counts from 1 within the file; `column` is the file's own name."""

    file: str
    line: int
    column: str
    reason: str
    raw: str


class Total(NamedTuple):
    """Rows and minor units of one asset on one side."""

    rows: int
    minor: int


@dataclass(frozen=True)
class Profile:
    """What one scan of a side tells: totals by asset, how many rows are bad, which days it covers, which fields it gives."""

    totals: Mapping[str, Total] = field(default_factory=dict)
    bad: int = 0
    no_record: int = 0  # among them: lines that are no records, such as the sum under a table
    first_day: int | None = None
    last_day: int | None = None
    gives: frozenset[str] = frozenset()
    reasons: Mapping[str, int] = field(default_factory=dict)  # bad rows by what is bad of them
    seen: bool = False  # does any row meet the condition that was asked besides?


@dataclass(frozen=True)
class Side:
    """Records as `columns` (our name → SQL) over `relation`; `good` is the condition that they could be read, empty for all."""

    key: str  # left or right
    name: str
    files: tuple[Path, ...]
    format: str
    relation: str
    columns: Mapping[str, str]
    good: str
    rows: int  # in the source, after `where`; rejected ones count
    left_out: int  # rows that are no records, and what `where` took out
    rejected: Sequence[UnreadableRow]
    reading: SideReading  # how the few records that are shown are looked up again
    profile: Profile
    statements: tuple[object, ...] = ()
    notes: tuple[str, ...] = ()  # what the readers of its files remark

    @property
    def own(self) -> tuple[str, ...]:
        """The columns of key fields that the rule set declares itself."""
        return tuple(name for name in self.columns if name.startswith(OWN_PREFIX))

    def select(self, names: Sequence[str] = COLUMNS, condition: str = "") -> str:
        """Some columns of every good record that meets a condition over the source's own columns, as SQL."""
        wanted = ", ".join(f"{self.columns[name]} as {name}" for name in names)
        return f"select {wanted} from {self.relation}{self.where(condition)}"

    def where(self, condition: str = "") -> str:
        """The condition with that of being readable."""
        both = [part for part in (self.good, condition) if part]
        return f" where {' and '.join(f'({part})' for part in both)}" if both else ""


def profile_of(engine: Engine, relation: str, layer: Layer, where: str = "", *, seen: str = "") -> str:
    """The question of a side's totals, by asset and by what is bad, as SQL; `where` with its word.

    Rows are summed by words as they are written, so that these are normalised once, not by row.
    """
    written = {name: layer.plain.get(name, f"{layer.columns[name]} as _{name}") for name in ("asset", "status")}
    asset, status = (layer.columns[name] if name in layer.plain else f"_{name}" for name in written)
    bad = f"coalesce(_bad, case when {layer.bad_asset} then 'asset' end)" if "asset" in layer.plain and layer.bad_asset else "_bad"
    columns = layer.columns
    told = [f"bool_and(coalesce({raw} = {columns[name]}, true))" for name, raw in layer.plain.items()]
    also, whether = (f", bool_or({seen}) as _seen", "bool_or(_seen)") if seen else ("", "false")
    return f"""select {asset} as asset, {bad} as bad, cast(sum(_rows) as bigint), sum(_sum), min(_first), max(_last), count({status}),
                   sum(_counterparty), {whether}, {", ".join(told) or "true"}
            from (select {", ".join(written.values())}, {layer.bad_row if "asset" in layer.plain else layer.bad} as _bad,
                         count(*) as _rows, {engine.wide_sum(columns["amount"])} as _sum, min({columns["day"]}) as _first,
                         max({columns["day"]}) as _last, count({columns["counterparty"]}) as _counterparty{also}
                  from {relation}{where} group by 1, 2, 3) t group by 1, 2 order by 1, 2"""


def profiled(
    engine: Engine, relation: str, layer: Layer, where: str = "", *, seen: str = "", ask: Callable[[str], list[Row]] | None = None
) -> tuple[dict[str, str], Profile, str]:
    """One scan: the columns, as they are where they need no normalising after all, the profile, and the condition of being readable.

    `ask` answers the question in the engine's place, where it was answered before.
    """
    rows = (ask or engine.rows)(profile_of(engine, relation, layer, f" where {where}" if where else "", seen=seen))
    good = [row for row in rows if row[1] is None]
    days = [int(row[at]) for row in good for at in (4, 5) if row[at] is not None]
    gives = {
        name
        for name, filled in (
            ("date", bool(days)),
            ("status", any(r[6] for r in good)),
            ("counterparty", any(r[7] for r in good)),
        )
        if filled
    }
    reasons: Counter[str] = Counter()
    for row in rows:
        if row[1] is not None:
            reasons[row[1]] += int(row[2])
    profile = Profile(
        totals={row[0]: Total(int(row[2]), int(row[3] or 0)) for row in good},
        bad=reasons.total(),
        no_record=sum(reasons[each] for each in NO_RECORD),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        gives=frozenset(gives),
        reasons=dict(reasons),
        seen=any(row[8] for row in rows),
    )
    usual = {name: raw for at, (name, raw) in enumerate(layer.plain.items()) if all(row[9 + at] for row in good)}
    condition = " and ".join(f"({part})" for part in (where, f"({layer.bad}) is null" if profile.bad else "") if part)
    return {**layer.columns, **usual}, profile, condition


__all__ = ["COLUMNS", "Profile", "Side", "Total", "UnreadableRow", "profile_of", "profiled", "replace"]
