"""Passes over several records: reversals that cancel out, batches that add up, and small sums without a batch id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import literal
from counterfoil.matching.passes.gate import BREAK, CONFIRMED, NOTHING, agrees, limits_of
from counterfoil.matching.passes.open_items import Board, mutual_best, pair_columns
from counterfoil.matching.passes.words import capitals, told
from counterfoil.matching.rules.model import GroupPass, ReversalPass, SubsetPass
from counterfoil.matching.rules.names import column_name

TARGETS_MAX: Final = 20_000
STEPS_MAX: Final = 200_000  # of the search for one sum; a search that is cut short finds nothing, and the report says so
AMOUNT_MAX: Final = 10**17  # eight such amounts still fit a bigint


def cancel_reversals(board: Board, step: ReversalPass) -> None:
    """A record and its opposite on one side, same reference (else same counterparty and text), within the window: a match of its own.

    Where the state is compared, both halves are in the same: a refund that failed takes nothing back.
    """
    engine = board.engine
    ends = " union all ".join(f"select '{side}' as side, min(amount) as least, max(amount) as most from {side}o" for side in ("l", "r"))
    for side, least, most in sorted(engine.rows_at_once(ends)):
        if least is None or not least < 0 < most:
            continue  # where all amounts have one sign there is no opposite, and no text need be read
        engine.table("signed", _signed(side))
        engine.table(
            "reversal_candidate",
            f"""select a.u as l_u, b.u as r_u, cast(0 as bigint) as cost, cast(least(coalesce(abs(b.d - a.d), 0), 99999) as bigint) as near
                from signed a join signed b on {_opposite(board, step)}""",
        )
        engine.drop("signed")
        if not mutual_best(engine, "reversal_candidate", "reversal"):
            engine.drop("reversal_candidate")
            continue
        halves = []
        for mine, theirs in (("l_u", "r_u"), ("r_u", "l_u")):
            columns = pair_columns(
                l_u=f"v.{mine}" if side == "l" else NOTHING,
                r_u=f"v.{mine}" if side == "r" else NOTHING,
                other=f"v.{theirs}",
                grp="v.l_u",
                step=step.name,
                status=literal(CONFIRMED),
                reason="'cancelled by its opposite on the same side'",
            )
            halves.append(f"select {columns} from reversal v")
        board.claim(step.name, " union all ".join(halves))
        engine.drop("reversal_candidate", "reversal")


def opposites(board: Board, step: ReversalPass) -> str:
    """Open records whose opposite is on their side, as SQL: without one, the pass finds nothing."""
    ways = (f"select a.u from ({_signed(side)}) a join ({_signed(side)}) b on {_opposite(board, step)}" for side in ("l", "r"))
    return " union all ".join(ways)


def _signed(side: str) -> str:
    return f"""select u, asset, amount, d, status, same from (
                   select u, asset, amount, d, status,
                          coalesce({told("reference")}, {capitals("counterparty")} || chr(31) || {capitals("memo")}) as same
                   from (select u, asset, amount, d, status, reference, {told("counterparty")} as counterparty, {told("memo")} as memo
                         from {side}o where amount <> 0) o) s where same is not null"""


def _opposite(board: Board, step: ReversalPass) -> str:
    state = "and a.status is not distinct from b.status" if "status" in board.compare else ""
    return f"""b.same = a.same and b.asset = a.asset and b.amount = -a.amount and a.amount > 0
               and coalesce(b.d - a.d between {-step.before_days} and {step.after_days}, true) {state}"""


def match_groups(board: Board, step: GroupPass) -> None:
    """Many to one by a batch key: equal sums match; all but one member matches when that one explains the difference alone."""
    engine = board.engine
    for side in ("l", "r"):
        engine.table(f"{side}_member", _gathered(step, side))
    if engine.count("l_member") and engine.count("r_member"):
        _match_members(board, step)
    engine.drop("l_member", "r_member", "l_group", "r_group", "group_pair", "left_out")


def _match_members(board: Board, step: GroupPass) -> None:
    engine = board.engine
    for side in ("l", "r"):
        engine.table(
            f"{side}_group",
            f"""select key, asset, count(*) as n, {engine.wide_sum("amount")} as total, min(u) as first, max(d) as d
                from {side}_member group by key, asset""",
        )
    engine.table(
        "group_pair",
        f"""select l.key, l.asset, l.n as nl, r.n as nr, r.total - l.total as off, l.first as grp from l_group l
            join r_group r on r.key = l.key and r.asset = l.asset
            where (l.n = 1 or r.n = 1) and coalesce(r.d - l.d between {-step.before_days} and {step.after_days}, true)""",
    )
    if not engine.count("group_pair"):
        return
    equal = f"abs(off) <= {step.amount_tolerance}"
    off = "case when k.off = 0 then ' records equal' else ' records off by ' || cast(k.off as varchar) end"
    same = "'same batch, sum of ' || cast(greatest(k.nl, k.nr){less} as varchar) || "
    board.link_groups(step, _members(f"(select * from group_pair where {equal})", left_out=False), reason=same.format(less="") + off)
    engine.table(
        "left_out",
        f"""select key, asset, min(u) as u from (
                select g.key, g.asset, m.u from group_pair g join l_member m on m.key = g.key and m.asset = g.asset
                    where not {equal} and g.nl > 1 and m.amount = -g.off
                union all select g.key, g.asset, m.u from group_pair g join r_member m on m.key = g.key and m.asset = g.asset
                    where not {equal} and g.nr > 1 and m.amount = g.off) one
            group by key, asset having count(*) = 1""",
    )
    without = "(select g.* from group_pair g join left_out w on w.key = g.key and w.asset = g.asset)"
    reason = same.format(less=" - 1") + "' records equal, one left out'"
    board.link_groups(step, _members(without, left_out=True), reason=reason)
    rest = f"""(select g.* from group_pair g where not {equal}
                and not exists (select 1 from left_out w where w.key = g.key and w.asset = g.asset))"""
    columns = pair_columns(
        l_u="k.l_u",
        r_u="k.r_u",
        grp="k.grp",
        step=step.name,
        status=literal(BREAK),
        kind="'AMOUNT_MISMATCH'",
        reason="'same batch, the sums differ'",
    )
    board.defer(step.name, f"select {columns} from {_members(rest, left_out=False)} k")


def common_batches(step: GroupPass) -> str:
    """Batches that open records of both sides name, as SQL: without one, the pass finds nothing."""
    return f"select l.key from ({_gathered(step, 'l')}) l join ({_gathered(step, 'r')}) r on r.key = l.key and r.asset = l.asset"


def _gathered(step: GroupPass, side: str) -> str:
    column = column_name(step.left if side == "l" else step.right)
    return f"""select u, asset, amount, d, key from (select u, asset, amount, d, {told(column)} as key from {side}o) o
               where key is not null"""


def _members(groups: str, *, left_out: bool) -> str:
    """One row for each pair of a member and the single record that stands against it."""
    but = "and not exists (select 1 from left_out w where w.u in (l.u, r.u))" if left_out else ""
    return f"""(select l.u as l_u, r.u as r_u, g.grp, g.nl, g.nr, g.off from {groups} g
                join l_member l on l.key = g.key and l.asset = g.asset
                join r_member r on r.key = g.key and r.asset = g.asset where 1 = 1 {but})"""


def match_subsets(board: Board, step: SubsetPass) -> None:
    """A record that is the sum of a few of one counterparty on the other side, in one way only; two ways stay open."""
    named_at: tuple[int, int] | None = None
    for one, many in (("r", "l"), ("l", "r")):
        if not all(board.sizes) or board.sizes[0 if many == "l" else 1] < 2:  # a sum has two parts at least
            continue
        if named_at != board.sizes:
            named_at = board.sizes
            for side in ("l", "r"):
                board.engine.table(f"{side}_named", _named(side))
        found = _sums(board, step, one, many)
        if not found:
            continue
        board.engine.load("subset_found", {"one": "varchar", "many": "varchar"}, [(one_u, u) for one_u, parts in found for u in parts])
        links = f"(select one as {one}_u, many as {many}_u, one as grp from subset_found)"
        board.link_groups(step, links, reason="'same counterparty, the only sum of records that gives this amount'", score="90")
        board.engine.drop("subset_found")
    board.engine.drop("l_named", "r_named")


def _sums(board: Board, step: SubsetPass, one: str, many: str) -> list[tuple[str, list[str]]]:
    engine = board.engine
    if not _pool(board, step, one, many):
        return []
    _too_large(board, step, one)
    rows = engine.rows(
        f"""select c.one, c.total, c.many, c.part from subset_candidate c
            join (select one from subset_candidate group by one having count(*) between 2 and {step.candidates_max}
                  order by one limit {TARGETS_MAX}) few on few.one = c.one
            order by c.one, abs(c.part) desc, c.many"""
    )
    engine.drop("subset_candidate")
    targets: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
    for target, total, part, amount in rows:
        targets[target, abs(int(total))].append((part, abs(int(amount))))
    searched = {target: _exact_or_near(given, total, step.parts_max, step.amount_tolerance) for (target, total), given in targets.items()}
    given_up = [(target,) for target, search in searched.items() if search.cut_short]
    if given_up:
        engine.load("given_up", {"one": "varchar"}, given_up)
        board.cut(step, "sums with a search", STEPS_MAX, _cases("given_up", one))
        engine.drop("given_up")
    return list(_without_rivals([(target, search.parts) for target, search in searched.items() if search.parts]))


def _pool(board: Board, step: SubsetPass, one: str, many: str) -> int:
    """The table `subset_candidate`: for each record the smaller ones of the other side that may be parts of it; how many these are.

    Of fewer than two no sum is made, and then no table is left.
    """
    engine = board.engine
    engine.table("subset_candidate", _parts(board, step, one, many, "l_named", "r_named"))
    found = engine.count("subset_candidate")
    if found < 2:
        engine.drop("subset_candidate")
    return found if found > 1 else 0


def possible_parts(board: Board, step: SubsetPass) -> str:
    """Records for which one of the other side may be a part, as SQL: without one, the pass finds nothing."""
    left, right = (f"({_named(side)})" for side in ("l", "r"))
    return " union all ".join(_parts(board, step, one, many, left, right) for one, many in (("r", "l"), ("l", "r")))


def _named(side: str) -> str:
    return f"""select o.*, {capitals("who")} as name from (select o.*, {told("counterparty")} as who from {side}o o) o
               where who is not null"""


def _parts(board: Board, step: SubsetPass, one: str, many: str, left: str, right: str) -> str:
    return f"""select {one}.u as one, {one}.amount as total, {many}.u as many, {many}.amount as part from {left} l join {right} r
               on l.name = r.name and r.asset = l.asset and sign(r.amount) = sign(l.amount)
                   and abs({many}.amount) < abs({one}.amount) + {step.amount_tolerance} and abs({one}.amount) < {AMOUNT_MAX}
                   and coalesce(r.d - l.d between {-step.before_days} and {step.after_days}, true)
                   and {agrees(board.compare, limits_of(step))}"""


def _cases(table: str, one: str) -> str:
    """Records of a table as what a limit cut off."""
    left, right = ("one", NOTHING) if one == "l" else (NOTHING, "one")
    return f"select one as cut_case, {left} as l_u, {right} as r_u from {table}"


def _too_large(board: Board, step: SubsetPass, one: str) -> None:
    """Say which records had more candidates than are searched, and which came after as many as are tried."""
    engine = board.engine
    if engine.count("subset_candidate") > step.candidates_max:
        engine.table("crowd", f"select one from subset_candidate group by one having count(*) > {step.candidates_max}")
        board.cut(step, "sums with candidates", step.candidates_max, _cases("crowd", one))
    if engine.count("subset_candidate") > TARGETS_MAX:
        _beyond(board, step, one)
    engine.drop("crowd", "beyond")


def _beyond(board: Board, step: SubsetPass, one: str) -> None:
    board.engine.table(
        "beyond",
        f"""select one from (select one, row_number() over (order by one) as n from (
                select one from subset_candidate group by one having count(*) between 2 and {step.candidates_max}) few) numbered
            where n > {TARGETS_MAX}""",
    )
    board.cut(step, "sums of a list", TARGETS_MAX, _cases("beyond", one))


class Search(NamedTuple):
    """The only way to a sum, or none; `cut_short` when the search was given up before that was known."""

    parts: list[str]
    cut_short: bool = False
    several: bool = False


def _exact_or_near(given: Sequence[tuple[str, int]], total: int, parts_max: int, tolerance: int) -> Search:
    """An exact sum where there is one way or several; only where there is none, one within the tolerance."""
    exact = only_sum(given, total, parts_max)
    if exact.parts or exact.cut_short or exact.several or not tolerance:
        return exact
    return only_sum(given, total, parts_max, tolerance)


def only_sum(given: Sequence[tuple[str, int]], total: int, parts_max: int, tolerance: int = 0) -> Search:
    """The names of 2 to `parts_max` figures that give `total`, if there is exactly one way; the search is bounded."""
    order = sorted(given, key=lambda each: (-each[1], each[0]))
    rest = [0] * (len(order) + 1)
    for at in range(len(order) - 1, -1, -1):
        rest[at] = rest[at + 1] + order[at][1]
    ways: list[list[str]] = []
    steps = 0
    stack: list[tuple[int, int, list[str]]] = [(0, total, [])]
    while stack and len(ways) < 2:
        at, missing, taken = stack.pop()
        steps += 1
        if steps > STEPS_MAX:
            return Search([], cut_short=True)
        if at == len(order) or (missing == 0 and not tolerance):
            if len(taken) > 1 and abs(missing) <= tolerance:
                ways.append(taken)
            continue
        if rest[at] < missing - tolerance or (len(taken) == parts_max and missing > tolerance):
            continue
        stack.append((at + 1, missing, taken))
        if order[at][1] <= missing + tolerance and len(taken) < parts_max:
            stack.append((at + 1, missing - order[at][1], [*taken, order[at][0]]))
    return Search(ways[0] if len(ways) == 1 else [], several=len(ways) > 1)


def _without_rivals(solved: Sequence[tuple[str, list[str]]]) -> Iterable[tuple[str, list[str]]]:
    """Two sums that want the same record are both left open."""
    wanted: dict[str, int] = defaultdict(int)
    for _, parts in solved:
        for part in parts:
            wanted[part] += 1
    return (each for each in solved if all(wanted[part] == 1 for part in each[1]))
