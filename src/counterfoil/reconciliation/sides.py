"""One side, ready to be matched: its records as SQL over what was read, and a profile that one scan gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, NamedTuple

from counterfoil.reconciliation.engines import Engine
from counterfoil.reconciliation.places import Reading
from counterfoil.reconciliation.shape import SHAPE

COLUMNS: Final = (*SHAPE, "row", "file")


class Rejected(NamedTuple):
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
    first_day: int | None = None
    last_day: int | None = None
    gives: frozenset[str] = frozenset()


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
    left_out: int  # rows that `where` took out
    rejected: Sequence[Rejected]
    reading: Reading  # how the few records that are shown are looked up again
    profile: Profile
    statements: tuple[object, ...] = ()

    def select(self, names: Sequence[str] = COLUMNS, condition: str = "") -> str:
        """Some columns of every good record that meets a condition over the source's own columns, as SQL."""
        wanted = ", ".join(f"{self.columns[name]} as {name}" for name in names)
        return f"select {wanted} from {self.relation}{self.where(condition)}"

    def where(self, condition: str = "") -> str:
        """The condition with that of being readable."""
        both = [part for part in (self.good, condition) if part]
        return f" where {' and '.join(f'({part})' for part in both)}" if both else ""


class Source(NamedTuple):
    """A relation before its profile is known; `plain` holds columns that may turn out to be normal as they are."""

    relation: str
    columns: Mapping[str, str]
    bad: str
    plain: Mapping[str, str]


def profiled(engine: Engine, source: Source, where: str = "") -> tuple[Source, Profile, str]:
    """One scan: the profile, the columns that need no normalising after all, and the condition of being readable."""
    columns = source.columns
    same = [f"bool_and(coalesce({raw} = {columns[name]}, true))" for name, raw in source.plain.items()]
    kept = f" where {where}" if where else ""
    rows = engine.rows(
        f"""select {columns["asset"]} as asset, {source.bad} as bad, count(*), {engine.wide_sum(columns["amount"])},
                   min({columns["day"]}), max({columns["day"]}), count({columns["status"]}), count({columns["counterparty"]}),
                   {", ".join(same) or "true"}
            from {source.relation}{kept} group by 1, 2 order by 1, 2"""
    )
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
    profile = Profile(
        totals={row[0]: Total(int(row[2]), int(row[3] or 0)) for row in good},
        bad=sum(int(row[2]) for row in rows if row[1] is not None),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        gives=frozenset(gives),
    )
    usual = {name: raw for at, (name, raw) in enumerate(source.plain.items()) if all(row[8 + at] for row in good)}
    condition = " and ".join(f"({part})" for part in (where, f"({source.bad}) is null" if profile.bad else "") if part)
    return source._replace(columns={**columns, **usual}), profile, condition


__all__ = ["COLUMNS", "Profile", "Rejected", "Side", "Source", "Total", "profiled", "replace"]
