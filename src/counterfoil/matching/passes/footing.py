"""What was matched, broken and expected adds up to what came in; and the last net: matched sums differ by tolerances alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counterfoil.base.problems import Problem
from counterfoil.matching.engines.engine import Engine, literal
from counterfoil.matching.passes.gate import limits_of
from counterfoil.matching.reading.sides import Total
from counterfoil.matching.rules.model import RuleSet


class DoesNotFoot(Problem):
    """The totals of this run do not add up, so it concludes nothing."""


@dataclass(frozen=True)
class Footing:
    """One side and asset: what came in, and where it went. `rejected` rows with a readable asset are in the report's own list."""

    side: str
    asset: str
    source: Total
    matched: Total
    breaks: Total
    expected: Total

    def foots(self) -> bool:
        """Do the parts add up to the source?"""
        parts = (self.matched, self.breaks, self.expected)
        return self.source == Total(sum(p.rows for p in parts), sum(p.minor for p in parts))


@dataclass(frozen=True)
class Tolerated:
    """How often, and by how many minor units in all, a pass used its tolerance."""

    step: str
    asset: str
    pairs: int
    minor: int


@dataclass(frozen=True)
class ControlTotal:
    """One asset in minor units, right less left: what the two sides differ by, and where it comes from.

    `difference` = `breaks` + `expected` + `tolerated` + `unexplained`. Matched records may differ by what passes tolerate, each within
    the limit of its pass; what they differ by beyond that is `unexplained`, and nothing that says otherwise is green.
    """

    asset: str
    left: int
    right: int
    breaks: int
    expected: int
    tolerated: int
    unexplained: int

    @property
    def difference(self) -> int:
        """Right less left."""
        return self.right - self.left


def used_once(engine: Engine) -> None:
    """Each record is in one pair or one group; anything else would count money twice."""
    if not engine.count("pair"):
        return
    used = " union all ".join(
        f"""select {key} as u from (select {key}, count(*) as n, count(distinct grp) as groups, count(grp) as grouped from pair
            where {key} is not null group by {key}) {key}s where n > 1 and (groups > 1 or grouped < n)"""
        for key in ("l_u", "r_u")
    )
    if twice := engine.rows(f"select u from ({used}) twice order by u limit 1"):
        raise DoesNotFoot(record=str(twice[0][0]), reason="used twice")


def foot(engine: Engine, totals: Mapping[str, Mapping[str, Total]], cleared: Mapping[str, bool]) -> list[Footing]:
    """The footing table: per side and asset, source = matched + breaks + expected later.

    Clean keys are counted as the source less the rows fetched; that both sides' clean totals agree per asset is a check of its own,
    because phase one never summed anything.
    """
    found: list[Footing] = []
    clean: dict[str, dict[str, Total]] = {}
    nought = Total(0, 0)
    for side, name in (("l", "left"), ("r", "right")):
        base, matched, broken, expected = _parts(engine, side)
        clean[side] = {asset: _minus(total, base.get(asset, nought)) for asset, total in totals[side].items()}
        for asset, total in totals[side].items():
            both = _plus(matched.get(asset, nought), clean[side][asset] if cleared[side] else nought)
            found.append(Footing(name, asset, total, both, broken.get(asset, nought), expected.get(asset, nought)))
    if {a: t for a, t in clean["l"].items() if t.rows} != {a: t for a, t in clean["r"].items() if t.rows}:
        raise DoesNotFoot(reason="the cleared totals of the two sides differ", left=str(clean["l"])[:300], right=str(clean["r"])[:300])
    return found


def _parts(engine: Engine, side: str) -> list[dict[str, Total]]:
    """Of a side's fetched rows by asset: all, the matched ones, breaks, and what is expected later; of tables that hold any."""
    parts: list[dict[str, Total]] = [{}, {}, {}, {}]
    if not engine.count(f"{side}_base"):
        return parts
    states = []
    if engine.count("pair"):
        whens = "case status when 'confirmed' then 1 else 2 end"
        states.append(f"select distinct {side}_u as u, {whens} as part from pair where status in ('confirmed', 'break')")
    if engine.count(f"{side}_left"):
        states.append(f"select u, case when expected then 3 else 2 end as part from {side}_left")
    sums = f"count(*), {engine.wide_sum('b.amount')}"
    asked = [f"select 0 as part, b.asset, {sums} from {side}_base b group by b.asset"]
    if states:
        told = f"({' union all '.join(states)}) t"
        asked.append(f"select t.part, b.asset, {sums} from {side}_base b join {told} on t.u = b.u group by t.part, b.asset")
    for part, asset, count, minor in engine.rows(" union all ".join(asked)):
        parts[part][asset] = Total(int(count), int(minor))
    return parts


def _plus(one: Total, other: Total) -> Total:
    return Total(one.rows + other.rows, one.minor + other.minor)


def _minus(one: Total, other: Total) -> Total:
    return Total(one.rows - other.rows, one.minor - other.minor)


def tolerated_of(engine: Engine, rules: RuleSet) -> tuple[list[Tolerated], dict[str, int]]:
    """Uses of tolerance by pass and asset; a group counts once, with the difference of its sums. And by asset the sum, right less left,
    of those that keep within the limit of their pass."""
    if not engine.count("pair"):
        return [], {}
    limit = " ".join(f"when {literal(step.name)} then {limits_of(step).amount_tolerance}" for step in rules.passes)
    off = engine.wide_sum("minor")
    rows = engine.rows(
        f"""select pass, asset, count(*), {engine.wide_sum("abs(off)")}, {engine.wide_sum("case when abs(off) <= most then off else 0 end")}
            from (select pass, asset, off, case pass {limit} else 0 end as most from (
                select p.pass as pass, l.asset as asset, r.amount - l.amount as off from pair p
                join l_base l on l.u = p.l_u join r_base r on r.u = p.r_u
                where p.status = 'confirmed' and p.grp is null and l.amount <> r.amount
                union all
                select pass, asset, cast({off} as bigint) from (
                    select distinct p.pass as pass, p.laid as laid, p.grp as grp, l.u as u, l.asset as asset, -l.amount as minor
                    from pair p join l_base l on l.u = p.l_u where p.status = 'confirmed' and p.grp is not null and p.r_u is not null
                    union all
                    select distinct p.pass, p.laid, p.grp, r.u, r.asset, r.amount
                    from pair p join r_base r on r.u = p.r_u where p.status = 'confirmed' and p.grp is not null and p.l_u is not null) m
                group by pass, laid, grp, asset having {off} <> 0) used) limited
            group by pass, asset order by pass, asset"""
    )
    within: dict[str, int] = {}
    for _, asset, _, _, kept in rows:
        within[asset] = within.get(asset, 0) + int(kept)
    return [Tolerated(step, asset, int(pairs), int(minor)) for step, asset, pairs, minor, _ in rows], within


def undated(engine: Engine) -> int:
    """Confirmed pairs of which one record has a day and the other has none."""
    if not engine.count("pair"):
        return 0
    return int(
        engine.rows(
            """select count(*) from pair p join l_base l on l.u = p.l_u join r_base r on r.u = p.r_u
               where p.status = 'confirmed' and (l.day is null) <> (r.day is null)"""
        )[0][0]
    )


def control_totals(footing: Sequence[Footing], within: Mapping[str, int]) -> list[ControlTotal]:
    """The last net, over the totals alone: whatever passes confirmed, matched sums that differ beyond what they tolerate are told.

    `within`: by asset the sum of tolerated differences, right less left.
    """
    rows = {(row.side, row.asset): row for row in footing}
    nought = Total(0, 0)
    found = []
    for asset in sorted({row.asset for row in footing}):
        left, right = (rows.get((side, asset), Footing(side, asset, nought, nought, nought, nought)) for side in ("left", "right"))
        off = right.matched.minor - left.matched.minor
        found.append(
            ControlTotal(
                asset,
                left.source.minor,
                right.source.minor,
                right.breaks.minor - left.breaks.minor,
                right.expected.minor - left.expected.minor,
                within.get(asset, 0),
                off - within.get(asset, 0),
            )
        )
    return found
