"""One reconciliation: phase one clears keys whose sides cancel, the passes work on the rest, and the totals must foot to the unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Final

from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.matching.engines.engine import Engine
from counterfoil.matching.passes import amounts, embedded, groups, texts
from counterfoil.matching.passes.keys import capitals, key_of, match_by_key
from counterfoil.matching.passes.open_items import Board
from counterfoil.matching.reading.sides import Profile, Side, Total
from counterfoil.matching.rules.model import (
    AmountPass,
    Calendar,
    Compared,
    EmbeddedPass,
    GroupPass,
    KeyField,
    KeyPass,
    ReversalPass,
    RuleSet,
    SubsetPass,
    TextPass,
)

EPOCH: Final = date(1970, 1, 1)
ROW: Final = (
    1 << 31
)  # added to each day number: one sum tells that two rows met and how far apart they lie, exactly below 2⁵³
DAYS_MAX: Final = 80_000  # about two centuries of calendar

CONTENT: Final = ("amount", "day", "status", "reference", "counterparty", "memo", "batch", "row")

Progress = Callable[[str], None]


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


@dataclass
class Matched:
    """What matching leaves behind: tables in the engine, and the figures. `clean` pairs are keys that cancelled in phase one."""

    rules: RuleSet
    compare: tuple[Compared, ...]
    as_of: date | None
    first: KeyPass | None
    clean: int
    suspects: tuple[int, int]
    board: Board
    footing: list[Footing]
    tolerated: list[Tolerated]
    not_checked: list[str] = field(default_factory=list)


def match(engine: Engine, left: Side, right: Side, rules: RuleSet, *, progress: Progress = lambda _: None) -> Matched:
    """Match two sides that are read. Leaves the tables `l_base`, `r_base` (fetched rows), `lo`, `ro` (open) and `pair`.

    Raises DoesNotFoot, and InvalidInput for rules that the sources cannot carry.
    """
    totals = {"l": left.profile.totals, "r": right.profile.totals}
    as_of = rules.as_of or _latest(left, right)
    compare, not_checked = _comparable(left, right, rules)
    first = rules.passes[0] if isinstance(rules.passes[0], KeyPass) and not rules.passes[0].extract else None
    _calendar(engine, rules.calendar, left.profile, right.profile)
    progress("Clearing the keys whose sides agree")
    if first:
        _suspects(engine, left, right, first, compare)
    _fetch(engine, {"l": left, "r": right}, first, calendar=rules.calendar.business_days)
    board = Board(engine)
    suspects = board.sizes
    clean = sum(total.rows for total in totals["l"].values()) - suspects[0]
    board.notes.extend(not_checked)
    for step in rules.passes:
        if not any(board.sizes):
            break
        progress(f"Pass {step.name}: {sum(board.sizes):,} records open")
        run_pass(board, step, compare)
    progress("Adding everything up")
    board.finish()
    engine.table("pair", board.all_pairs())
    engine.table(
        "suggestion",
        f"""select s.* from ({board.all_suggestions()}) s where exists (select 1 from lo o where o.u = s.l_u)
            and exists (select 1 from ro o where o.u = s.r_u)""",
    )
    _leftovers(engine, rules, as_of)
    _used_once(engine)
    footing = foot(engine, totals, dict.fromkeys("lr", first is not None))
    bad = [row for row in footing if not row.foots()]
    if bad:
        raise DoesNotFoot(side=bad[0].side, asset=bad[0].asset, source=str(bad[0].source), parts=str(bad[0]))
    return Matched(rules, compare, as_of, first, clean, suspects, board, footing, _tolerated(engine), list(board.notes))


def run_pass(board: Board, step: object, compare: tuple[Compared, ...]) -> None:
    """One pass over what is open."""
    match step:
        case KeyPass():
            match_by_key(board, step, compare)
        case EmbeddedPass():
            embedded.match_embedded(board, step, compare)
        case ReversalPass():
            groups.cancel_reversals(board, step)
        case GroupPass():
            groups.match_groups(board, step)
        case SubsetPass():
            groups.match_subsets(board, step)
        case AmountPass():
            amounts.match_amounts(board, step, compare)
        case TextPass():
            texts.match_texts(board, step, compare)
        case _:
            raise InvalidInput("pass.kind", "a kind of pass that the engine knows", got=type(step).__name__)


def _latest(left: Side, right: Side) -> date | None:
    """The watermark: the last day that both sources reach."""
    days = [side.profile.last_day for side in (left, right) if side.profile.last_day is not None]
    return EPOCH + timedelta(days=min(days)) if len(days) == 2 else None


def _comparable(left: Side, right: Side, rules: RuleSet) -> tuple[tuple[Compared, ...], list[str]]:
    """What both sides have. A field that one side does not give is not compared, and the report says so."""
    kept: list[Compared] = []
    notes = []
    for what in rules.compare:
        without = [
            side.name for side in (left, right) if what not in ("amount", "asset") and what not in side.profile.gives
        ]
        if without:
            notes.append(f"{what} was not compared: {' and '.join(without)} does not give it")
        else:
            kept.append(what)
    return tuple(kept), notes


def _calendar(engine: Engine, calendar: Calendar, left: Profile, right: Profile) -> None:
    """The table `business_day`: for each day seen, the number of business days up to it."""
    if not calendar.business_days:
        return
    days = [day for side in (left, right) for day in (side.first_day, side.last_day) if day is not None]
    start, end = min(days, default=0), max(days, default=-1)
    if end - start > DAYS_MAX:
        raise InvalidInput("date", f"dates within {DAYS_MAX} days of each other", got=f"{end - start} days")
    off = set(calendar.holidays)
    number, rows = 0, []
    for day in range(start, end + 1):
        then = EPOCH + timedelta(days=day)
        number += then.weekday() < 5 and then not in off
        rows.append((day, number))
    engine.load("business_day", {"day": "integer", "number": "integer"}, rows)


def _suspects(engine: Engine, left: Side, right: Side, first: KeyPass, compare: tuple[Compared, ...]) -> None:
    """Phase one: a key is clean when exactly two rows carry it whose fingerprints cancel, within the date window.

    Fingerprints hold asset, amount and status; the right side's is complemented, so one row of each side gives all ones and two rows
    of one side give nought. Only equal amounts are clean: a use of tolerance is a suspect, so no sum can overflow here. A collision of
    two hashes costs work; to hide a break it would need two broken keys that collide and agree in asset, amount and status.
    """
    compared = ["asset", "amount", *(["status"] if "status" in compare else [])]
    dated = "date" in compare
    parts = []
    for names, side, sign, flip in ((first.left, left, "-", ""), (first.right, right, "+", "~")):
        key = side_key(side, names, first)
        marks = [side.columns[name] for name in compared]
        if "counterparty" in compare:
            marks.append(capitals(side.columns["counterparty"]))
        day = f", cast({ROW} {sign} coalesce({side.columns['day']}, 0) as double) as d" if dated else ""
        where = side.where(f"{key} is not null")
        parts.append(
            f"select {engine.hash(key)} as k, {flip}{engine.hash(*marks)} as x{day} from {side.relation}{where}"
        )
    pair = (
        f"sum(d) not between {2 * ROW - first.before_days} and {2 * ROW + first.after_days}"
        if dated
        else "count(*) <> 2"
    )
    engine.table(
        "suspect",
        f"select k from ({' union all '.join(parts)}) marked group by k having bit_xor(x) <> {engine.all_ones} or {pair}",
    )


def side_key(side: Side, names: Sequence[KeyField], step: KeyPass) -> str:
    """The key of a pass over a side's own columns, as SQL."""
    return key_of([side.columns[name] for name in names], step.normalise, None)


def _fetch(
    engine: Engine,
    sides: Mapping[str, Side],
    first: KeyPass | None,
    *,
    calendar: bool,
) -> None:
    """Phase two works on the suspects alone: their rows, each with a name of its own."""
    number = "left join business_day b on b.day = s.day" if calendar else ""
    d = "b.number" if number else "s.day"
    for side, read in sides.items():
        where = ""
        if first is not None:
            key = side_key(read, first.left if side == "l" else first.right, first)
            where = f"{key} is null or {engine.hash(key)} in (select k from suspect)"
        engine.table(f"{side}_found", read.select(condition=where))
        doubled = engine.rows(f"select count(*) - count(distinct id) from {side}_found")[0][0]
        order = ", ".join(f"{name} nulls first" for name in CONTENT)
        nth = f"row_number() over (partition by id order by {order})" if doubled else "1"
        engine.table(
            f"{side}_base",
            f"""select case when s.nth = 1 then s.id else s.id || chr(31) || cast(s.nth as varchar) end as u, s.*, cast({d} as integer) as d
                from (select *, {nth} as nth from {side}_found) s {number}""",
        )
        engine.drop(f"{side}_found")
        engine.table(
            f"{side}o",
            f"select u, id, reference, amount, asset, d, status, counterparty, memo, batch, day from {side}_base",
        )


def _leftovers(engine: Engine, rules: RuleSet, as_of: date | None) -> None:
    """What no pass claimed: missing on the other side, or not yet due there."""
    today = (as_of - EPOCH).days if as_of else None
    for side, source in (("l", rules.left), ("r", rules.right)):
        wait = source.expected_within_days
        late = f"coalesce(day + {wait} >= {today}, false)" if wait is not None and today is not None else "1 = 0"
        engine.table(f"{side}_left", f"select u, {late} as expected from {side}o")


def _used_once(engine: Engine) -> None:
    """Each record is in one pair or one group; anything else would count money twice."""
    for key in ("l_u", "r_u"):
        twice = engine.rows(
            f"""select {key} from (select {key}, count(*) as n, count(distinct grp) as groups, count(grp) as grouped from pair
                where {key} is not null group by {key}) used where n > 1 and (groups > 1 or grouped < n) order by {key} limit 1"""
        )
        if twice:
            raise DoesNotFoot(record=str(twice[0][0]), reason="used twice")


def foot(engine: Engine, totals: Mapping[str, Mapping[str, Total]], cleared: Mapping[str, bool]) -> list[Footing]:
    """The footing table: per side and asset, source = matched + breaks + expected later.

    Clean keys are counted as the source less the rows fetched; that both sides' clean totals agree per asset is a check of its own,
    because phase one never summed anything.
    """
    found: list[Footing] = []
    clean: dict[str, dict[str, Total]] = {}
    for side, name in (("l", "left"), ("r", "right")):
        base = _by_asset(engine, f"select asset, amount from {side}_base")
        taken = f"select distinct {side}_u as u from pair where status = "
        matched = _by_asset(
            engine,
            f"select b.asset, b.amount from {side}_base b join ({taken} 'confirmed' and {side}_u is not null) t on t.u = b.u",
        )
        broken = _by_asset(
            engine,
            f"""select b.asset, b.amount from {side}_base b join ({taken} 'break' and {side}_u is not null
                union all select u from {side}_left where not expected) t on t.u = b.u""",
        )
        expected = _by_asset(
            engine, f"select b.asset, b.amount from {side}_base b join {side}_left t on t.u = b.u where t.expected"
        )
        nought = Total(0, 0)
        clean[side] = {asset: _minus(total, base.get(asset, nought)) for asset, total in totals[side].items()}
        for asset, total in totals[side].items():
            both = _plus(matched.get(asset, nought), clean[side][asset] if cleared[side] else nought)
            found.append(Footing(name, asset, total, both, broken.get(asset, nought), expected.get(asset, nought)))
    if {a: t for a, t in clean["l"].items() if t.rows} != {a: t for a, t in clean["r"].items() if t.rows}:
        raise DoesNotFoot(
            reason="the cleared totals of the two sides differ", left=str(clean["l"])[:300], right=str(clean["r"])[:300]
        )
    return found


def _by_asset(engine: Engine, sql: str) -> dict[str, Total]:
    rows = engine.rows(f"select asset, count(*), {engine.wide_sum('amount')} from ({sql}) t group by asset")
    return {asset: Total(int(count), int(minor)) for asset, count, minor in rows}


def _plus(one: Total, other: Total) -> Total:
    return Total(one.rows + other.rows, one.minor + other.minor)


def _minus(one: Total, other: Total) -> Total:
    return Total(one.rows - other.rows, one.minor - other.minor)


def _tolerated(engine: Engine) -> list[Tolerated]:
    """Uses of tolerance by pass and asset: groups count once, with the difference of their sums."""
    rows = engine.rows(
        f"""select pass, asset, count(*), {engine.wide_sum("off")} from (
                select p.pass as pass, l.asset as asset, abs(r.amount - l.amount) as off from pair p
                join l_base l on l.u = p.l_u join r_base r on r.u = p.r_u
                where p.status = 'confirmed' and p.grp is null and l.amount <> r.amount) used
            group by pass, asset order by pass, asset"""
    )
    return [Tolerated(step, asset, int(pairs), int(minor)) for step, asset, pairs, minor in rows]
