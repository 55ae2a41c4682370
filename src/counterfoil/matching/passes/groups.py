"""Passes over several records: reversals that cancel out, batches that add up, and small sums without a batch id."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from counterfoil.matching.engines.engine import literal
from counterfoil.matching.passes.keys import capitals
from counterfoil.matching.passes.open_items import BREAK, CONFIRMED, NOTHING, Board, mutual_best, pair_columns
from counterfoil.matching.rules.model import GroupPass, ReversalPass, SubsetPass

TARGETS_MAX: Final = 20_000
STEPS_MAX: Final = 200_000  # of the search for one sum; a search that is cut short finds nothing
AMOUNT_MAX: Final = 10**17  # eight such amounts still fit a bigint


def cancel_reversals(board: Board, step: ReversalPass) -> None:
    """A record and its opposite on one side, same reference (else same counterparty and text), within the window: a match of its own."""
    engine = board.engine
    same = f"coalesce(reference, {capitals('counterparty')} || chr(31) || {capitals('memo')})"
    for side in ("l", "r"):
        engine.table(
            "signed",
            f"select u, asset, amount, d, {same} as same from {side}o where {same} is not null and amount <> 0",
        )
        engine.table(
            "reversal_candidate",
            f"""select a.u as l_u, b.u as r_u, cast(0 as bigint) as cost, cast(least(coalesce(abs(b.d - a.d), 0), 99999) as bigint) as near
                from signed a join signed b on b.same = a.same and b.asset = a.asset and b.amount = -a.amount and a.amount > 0
                    and coalesce(b.d - a.d between {-step.before_days} and {step.after_days}, true)""",
        )
        mutual_best(engine, "reversal_candidate", "reversal")
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
        engine.drop("signed", "reversal_candidate", "reversal")


def match_groups(board: Board, step: GroupPass) -> None:
    """Many to one by a batch key: equal sums match; all but one member matches when that one explains the difference alone."""
    engine = board.engine
    for side, column in (("l", step.left), ("r", step.right)):
        engine.table(
            f"{side}_member", f"select u, asset, amount, d, {column} as key from {side}o where {column} is not null"
        )
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
    equal = f"abs(off) <= {step.amount_tolerance}"
    reason = "'same batch, sum of ' || cast(greatest(g.nl, g.nr) as varchar) || ' records equal'"
    board.claim(
        step.name,
        _members(
            step, f"(select * from group_pair where {equal})", reason, literal(CONFIRMED), NOTHING, left_out=False
        ),
    )
    engine.table(
        "left_out",
        f"""select key, asset, min(u) as u from (
                select g.key, g.asset, m.u from group_pair g join l_member m on m.key = g.key and m.asset = g.asset
                    where not {equal} and g.nl > 1 and m.amount = -g.off
                union all select g.key, g.asset, m.u from group_pair g join r_member m on m.key = g.key and m.asset = g.asset
                    where not {equal} and g.nr > 1 and m.amount = g.off) one
            group by key, asset having count(*) = 1""",
    )
    reason = "'same batch, sum of ' || cast(greatest(g.nl, g.nr) - 1 as varchar) || ' records equal, one left out'"
    without = "(select g.* from group_pair g join left_out w on w.key = g.key and w.asset = g.asset)"
    board.claim(step.name, _members(step, without, reason, literal(CONFIRMED), NOTHING, left_out=True))
    rest = f"""(select g.* from group_pair g where not {equal} and g.nl + g.nr > 2
                and not exists (select 1 from left_out w where w.key = g.key and w.asset = g.asset))"""
    board.defer(
        step.name,
        _members(step, rest, "'same batch, the sums differ'", literal(BREAK), "'AMOUNT_MISMATCH'", left_out=False),
    )
    engine.drop("l_member", "r_member", "l_group", "r_group", "group_pair", "left_out")


def _members(step: GroupPass, groups: str, reason: str, status: str, kind: str, *, left_out: bool) -> str:
    """One row for each pair of a member and the single record that stands against it."""
    columns = pair_columns(step=step.name, status=status, kind=kind, reason=reason, grp="g.grp")
    but = "and not exists (select 1 from left_out w where w.u in (l.u, r.u))" if left_out else ""
    return f"""select {columns} from {groups} g join l_member l on l.key = g.key and l.asset = g.asset
               join r_member r on r.key = g.key and r.asset = g.asset where 1 = 1 {but}"""


def match_subsets(board: Board, step: SubsetPass) -> None:
    """A record that is the sum of a few of one counterparty on the other side, in one way only; two ways stay open."""
    for one, many in (("r", "l"), ("l", "r")):
        found = _sums(board, step, one, many)
        if not found:
            continue
        board.engine.load(
            "subset_found", {"one": "varchar", "many": "varchar"}, [(one_u, u) for one_u, parts in found for u in parts]
        )
        columns = pair_columns(
            l_u="f.many" if many == "l" else "f.one",
            r_u="f.many" if many == "r" else "f.one",
            grp="f.one",
            step=step.name,
            status=literal(CONFIRMED),
            reason="'same counterparty, the only sum of records that gives this amount'",
            score="90",
        )
        board.claim(step.name, f"select {columns} from subset_found f")
        board.engine.drop("subset_found")


def _sums(board: Board, step: SubsetPass, one: str, many: str) -> list[tuple[str, list[str]]]:
    engine = board.engine
    after, before = (step.after_days, step.before_days) if one == "r" else (step.before_days, step.after_days)
    engine.table(
        "subset_candidate",
        f"""select t.u as one, t.amount as total, p.u as many, p.amount as part from {one}o t join {many}o p
            on {capitals("p.counterparty")} = {capitals("t.counterparty")} and p.asset = t.asset and sign(p.amount) = sign(t.amount)
                and abs(p.amount) < abs(t.amount) and abs(t.amount) < {AMOUNT_MAX}
                and coalesce(t.d - p.d between {-before} and {after}, true)""",
    )
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
    solved = [
        (target, parts)
        for (target, total), given in targets.items()
        if (parts := only_sum(given, total, step.parts_max))
    ]
    return list(_without_rivals(solved))


def only_sum(given: Sequence[tuple[str, int]], total: int, parts_max: int) -> list[str] | None:
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
            return None
        if missing == 0:
            if len(taken) > 1:
                ways.append(taken)
            continue
        if at == len(order) or len(taken) == parts_max or rest[at] < missing:
            continue
        stack.append((at + 1, missing, taken))
        if order[at][1] <= missing:
            stack.append((at + 1, missing - order[at][1], [*taken, order[at][0]]))
    return ways[0] if len(ways) == 1 else None


def _without_rivals(solved: Sequence[tuple[str, list[str]]]) -> Iterable[tuple[str, list[str]]]:
    """Two sums that want the same record are both left open."""
    wanted: dict[str, int] = defaultdict(int)
    for _, parts in solved:
        for part in parts:
            wanted[part] += 1
    return (each for each in solved if all(wanted[part] == 1 for part in each[1]))
