"""One reconciliation: phase one clears keys whose sides cancel, the passes work on the rest, and the totals must foot to the unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import Engine
from counterfoil.matching.keeping.marks import KeptSides
from counterfoil.matching.passes import amounts, embedded, groups, texts
from counterfoil.matching.passes.clearing import TAUGHT, Clearing, clear, fetch, machine_of
from counterfoil.matching.passes.footing import (
    ControlTotal,
    DoesNotFoot,
    Footing,
    Tolerated,
    control_totals,
    foot,
    tolerated_of,
    undated,
    used_once,
)
from counterfoil.matching.passes.keys import match_by_key
from counterfoil.matching.passes.open_items import Board, LimitReached, Records
from counterfoil.matching.passes.prospects import Prospects
from counterfoil.matching.reading.sides import Profile, Side
from counterfoil.matching.rules.model import (
    AmountPass,
    Calendar,
    Compared,
    EmbeddedPass,
    GroupPass,
    KeyPass,
    Pass,
    ReversalPass,
    RuleSet,
    Source,
    SubsetPass,
    TextPass,
)

EPOCH: Final = date(1970, 1, 1)
DAYS_MAX: Final = 80_000  # about two centuries of calendar

Progress = Callable[[str], None]


@dataclass
class Matched:
    """What matching leaves behind: tables in `machine`, and the figures. `clean` pairs are keys that cancelled in phase one."""

    machine: Engine
    cleared: Clearing
    rules: RuleSet
    compare: tuple[Compared, ...]
    as_of: date | None
    first: KeyPass | None
    clean: int
    suspects: tuple[int, int]
    board: Board
    footing: list[Footing]
    tolerated: list[Tolerated]
    control: list[ControlTotal]
    cuts: list[LimitReached]
    not_checked: list[str] = field(default_factory=list)
    learnt: list[str] = field(default_factory=list)


def match(
    engine: Engine, left: Side, right: Side, rules: RuleSet, *, progress: Progress = lambda _: None, kept: KeptSides | None = None
) -> Matched:
    """Match two sides that `engine` has read, by what is `kept` of them, if anything is.

    Leaves the tables `l_base`, `r_base` (fetched rows), `lo`, `ro` (open) and `pair`, on `engine` or, where it is a cluster and little
    is left, on one machine: `Matched.machine` says where. Raises DoesNotFoot, and InvalidInput for rules that the sources cannot carry.
    """
    totals = {"l": left.profile.totals, "r": right.profile.totals}
    as_of = rules.as_of or _latest(left, right)
    compare, not_checked = _comparable(left, right, rules)
    first = rules.passes[0] if isinstance(rules.passes[0], KeyPass) and not rules.passes[0].extract else None
    progress("Clearing the keys whose sides agree")
    near = kept.narrowed(left, right, first, compare) if kept and first else (left, right)
    cleared = clear(engine, *near, first, compare)
    machine = machine_of(engine, cleared, left, right)
    _calendar(machine, rules.calendar, left.profile, right.profile)
    along = _coming_along(engine, machine, {"l": left, "r": right}, rules)
    days = rules.calendar.business_days
    fetch(engine, machine, {"l": near[0], "r": near[1]}, cleared, calendar=days, own=rules.key_fields, teaches=along)
    if kept:
        kept.forget()
    board = Board(
        machine,
        compare,
        records=_records(engine, machine, {"l": left, "r": right}, kept, came=bool(along)),
    )
    board.learnt += [told for source in (rules.left, rules.right) if (told := _known_fee(source))]
    suspects = board.sizes
    clean = sum(total.rows for total in totals["l"].values()) - suspects[0]
    _work(board, rules, progress)
    cuts = board.still_cut()
    _leftovers(machine, rules, as_of, is_cut=bool(board.cuts))
    used_once(machine)
    footing = foot(machine, totals, dict.fromkeys("lr", first is not None))
    bad = [row for row in footing if not row.foots()]
    if bad:
        raise DoesNotFoot(side=bad[0].side, asset=bad[0].asset, source=str(bad[0].source), parts=str(bad[0]))
    tolerated, within = tolerated_of(machine, rules)
    not_checked += [cut.sentence() for cut in cuts]
    if "date" in compare and (unknown := undated(machine)):
        not_checked.append(f"date was not compared where one record of a matched pair has none: {counted(unknown, 'pair')}")
    control = control_totals(footing, within)
    return Matched(
        machine,
        cleared,
        rules,
        compare,
        as_of,
        first,
        clean,
        suspects,
        board,
        footing,
        tolerated,
        control,
        cuts,
        not_checked,
        board.learnt,
    )


def _work(board: Board, rules: RuleSet, progress: Progress) -> None:
    """Pass by pass over what is open, then what waited for the end. Makes `pair` and `suggestion`."""
    prospects = Prospects(board, rules.passes)
    for step in rules.passes:
        if not any(board.sizes):
            break
        if not prospects.has(step):
            continue
        progress(f"Pass {step.name}: {counted(sum(board.sizes), 'record')} open")
        run_pass(board, step)
    progress("Adding everything up")
    board.finish()
    board.engine.table("pair", board.all_pairs())
    board.engine.table(
        "suggestion",
        f"""select s.* from ({board.all_suggestions()}) s where exists (select 1 from lo o where o.u = s.l_u)
            and exists (select 1 from ro o where o.u = s.r_u)""",
    )


def _coming_along(engine: Engine, machine: Engine, sides: Mapping[str, Side], rules: RuleSet) -> dict[str, str]:
    """By side the condition of the records that teach: where a pass by text works beside a cluster they come with the suspects, since to
    read both sides once more for them is dear."""
    first = rules.passes[0]
    if machine is engine or not any(isinstance(step, TextPass) for step in rules.passes) or not isinstance(first, KeyPass) or first.extract:
        return {}
    return {key: texts.teaches(side.rows, side.columns["reference"], side.columns["id"]) for key, side in sides.items()}


def _records(engine: Engine, machine: Engine, sides: Mapping[str, Side], kept: KeptSides | None, *, came: bool) -> Records:
    """The records of a side that teach, whether or not they are still open: of what lies on a cluster these alone are sent."""

    def records(side: str) -> str:
        if came:
            return f"select * from {side}_records"
        condition = texts.teaches(sides[side].rows, "s.reference", "s.id")
        found = f"select s.* from ({sides[side].select(TAUGHT)}) s where {condition}"
        if kept:
            return kept.records(sides[side], found)
        if machine is engine:
            return found
        engine.send(machine, {f"{side}_records": found})
        return f"select * from {side}_records"

    return records


def _known_fee(source: Source) -> str:
    """What was taken off every amount of a side before anything was compared, for the report."""
    amount = source.amount
    if amount is None or not amount.has_known_fee:
        return ""
    share = f"{Decimal(amount.less_ppm).scaleb(-4).normalize():f} %" if amount.less_ppm else ""
    fixed = f"{amount.less_minor:,} minor units" if amount.less_minor > 0 else ""
    less = f"less a known fee of {' and '.join(filter(None, (share, fixed)))}" if share or fixed else ""
    more = f"with a known fee of {-amount.less_minor:,} minor units added" if amount.less_minor < 0 else ""
    return f"every amount of {source.name} is compared {' and '.join(filter(None, (less, more)))}"


def run_pass(board: Board, step: Pass) -> None:
    """One pass over what is open."""
    match step:
        case KeyPass():
            match_by_key(board, step)
        case EmbeddedPass():
            embedded.match_embedded(board, step)
        case ReversalPass():
            groups.cancel_reversals(board, step)
        case GroupPass():
            groups.match_groups(board, step)
        case SubsetPass():
            groups.match_subsets(board, step)
        case AmountPass():
            amounts.match_amounts(board, step)
        case TextPass():
            texts.match_texts(board, step)
        case _:
            raise InvalidInput("pass.kind", "a kind of pass that the engine knows", got=type(step).__name__)


def _latest(left: Side, right: Side) -> date | None:
    """The watermark: the last day that both sources reach."""
    days = [side.profile.last_day for side in (left, right) if side.profile.last_day is not None]
    return EPOCH + timedelta(days=min(days)) if len(days) == 2 else None


def _comparable(left: Side, right: Side, rules: RuleSet) -> tuple[tuple[Compared, ...], list[str]]:
    """What both sides have. A field that the rules ask for and one side does not give was not checked, and the report says so.

    The rules ask for what `compare` names, or, where they leave it out, for what both sides have a column for. A side without any
    record withholds nothing.
    """
    kept: list[Compared] = []
    notes = []
    named = "compare" in rules.model_fields_set
    for what in rules.compare:
        without = [side for side in (left, right) if what not in ("amount", "asset") and what not in side.profile.gives]
        if not without:
            kept.append(what)
        elif all(side.rows for side in (left, right)) and (named or all(_maps(s, what) for s in (rules.left, rules.right))):
            notes.append(f"{what} was not compared: {' and '.join(side.name for side in without)} does not give it")
    return tuple(kept), notes


def _maps(source: Source, what: Compared) -> bool:
    """Does a source name a column for it?"""
    return bool({"booked_on", "value_on", "event_at"} & source.columns.keys()) if what == "date" else what in source.columns


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


def _leftovers(engine: Engine, rules: RuleSet, as_of: date | None, *, is_cut: bool) -> None:
    """What no pass claimed: missing on the other side, or not yet due there; `is_cut`: a limit was met, and some was not searched."""
    today = (as_of - EPOCH).days if as_of else None
    for side, source in (("l", rules.left), ("r", rules.right)):
        wait = source.expected_within_days
        late = f"coalesce(day + {wait} >= {today}, false)" if wait is not None and today is not None else "1 = 0"
        # what was not searched to the end is not late: its partner may be there
        told = f"{late} and c.u is null as expected, c.u is not null as cut" if is_cut else f"{late} as expected, 1 = 0 as cut"
        cut = f" left join {side}_cut c on c.u = o.u" if is_cut else ""
        engine.table(f"{side}_left", f"select o.u, {told} from {side}o o{cut}")
