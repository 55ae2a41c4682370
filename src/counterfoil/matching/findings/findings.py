"""Breaks as frozen objects: both records, what differs, who was refused and why, the hypotheses, and the one safe action."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from counterfoil.matching.engines.engine import Engine
from counterfoil.matching.findings.actions import Action, action
from counterfoil.matching.findings.differences import Difference, Record, differences
from counterfoil.matching.findings.explain import Candidate, Case, Context, Hypothesis, explain, fee_bps
from counterfoil.matching.passes.pipeline import EPOCH, Matched
from counterfoil.matching.reading.sides import Side
from counterfoil.matching.rules.model import Severity

KINDS: Final = (
    "AMOUNT_MISMATCH",
    "CURRENCY_MISMATCH",
    "STATUS_MISMATCH",
    "DATE_MISMATCH",
    "COUNTERPARTY_MISMATCH",
    "MISSING_LEFT",
    "MISSING_RIGHT",
    "DUPLICATE_LEFT",
    "DUPLICATE_RIGHT",
    "AMBIGUOUS",
)
EXPLAINED_MAX: Final = (
    20_000  # breaks with candidates looked up, the largest first; the others are classified and listed
)
DAYS_COUNTED_MAX: Final = 40_000
PAGE_ROWS: Final = 20_000
CANDIDATES_MAX: Final = 5
CANDIDATE_DAYS: Final = 31
COMMON_AMOUNT_MAX: Final = 200  # an amount that many open records share points to none of them
RECORD: Final = (
    "u, id, reference, amount, asset, day, status, counterparty, memo, batch, booked_on, value_on, event_at, row, file"
)


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that does not agree. `at_stake` is in minor units of `asset`; `id` is the same in every run that finds it."""

    id: str
    kind: str
    severity: str
    asset: str
    at_stake: int
    step: str
    reason: str
    left: tuple[Record, ...]
    right: tuple[Record, ...]
    fields: tuple[Difference, ...]
    candidates: tuple[Candidate, ...]
    hypotheses: tuple[Hypothesis, ...]
    action: Action
    explained: bool

    @property
    def cause(self) -> str:
        """The best supported hypothesis, or nothing."""
        return next((each.cause for each in self.hypotheses if each.verdict == "supported"), "")


def list_breaks(engine: Engine) -> int:
    """Make the table `break_list`: every break in one fixed order, with its number from 1. Returns how many rows it has."""
    for side, other in (("l", "r"), ("r", "l")):
        engine.table(
            f"{side}_unsure", f"select distinct a.{side}_u as u from ambiguity a join {other}o o on o.u = a.{other}_u"
        )
    engine.table(
        "break_row",
        """select p.kind as kind, p.pass as pass, p.reason as reason, p.l_u as l_u, p.r_u as r_u, p.other as other, p.grp as grp
           from pair p where p.status = 'break'
           union all select case when a.u is null then 'MISSING_RIGHT' else 'AMBIGUOUS' end, 'unmatched', 'no pass found a partner',
                     x.u, cast(null as varchar), cast(null as varchar), cast(null as varchar)
                     from l_left x left join l_unsure a on a.u = x.u where not x.expected
           union all select case when a.u is null then 'MISSING_LEFT' else 'AMBIGUOUS' end, 'unmatched', 'no pass found a partner',
                     cast(null as varchar), x.u, cast(null as varchar), cast(null as varchar)
                     from r_left x left join r_unsure a on a.u = x.u where not x.expected""",
    )
    engine.table(
        "break_list",
        """select b.*, row_number() over (order by b.kind, coalesce(b.grp, b.l_u, b.r_u), b.l_u nulls last, b.r_u nulls last) as n,
                  row_number() over (order by abs(coalesce(l.amount, r.amount)) desc, b.kind, b.l_u nulls last, b.r_u nulls last) as by_size
           from break_row b left join l_base l on l.u = b.l_u left join r_base r on r.u = b.r_u""",
    )
    engine.table("break_shown", _shown())  # joined once and in order: a page of it is then a look into a few row groups
    engine.drop("break_row")
    return int(engine.rows("select count(*) from break_list")[0][0])


def _shown() -> str:
    """Breaks with their records and the sibling of a double, by number, as SQL."""
    columns = [
        f"{sql.format(name)} as {alias}_{name}"
        for alias, sql in (("l", "l.{0}"), ("r", "r.{0}"), ("s", "coalesce(ls.{0}, rs.{0})"))
        for name in RECORD.split(", ")
    ]
    return f"""select b.n, b.by_size, b.kind, b.pass, b.reason, b.grp, b.other, {", ".join(columns)}
               from break_list b left join l_base l on l.u = b.l_u left join r_base r on r.u = b.r_u
               left join l_base ls on ls.u = b.other and b.l_u is not null left join r_base rs on rs.u = b.other and b.l_u is null
               order by b.n"""


def candidates_of(engine: Engine) -> None:
    """Make the table `candidate`: for the largest breaks without a partner, who on the other side came near, and how."""
    factors = ((1, 1), (-1, 1), (100, 1), (1, 100), (10, 1), (1, 10), (1000, 1), (1, 1000))
    sides = []
    for side, other, open_table in (("l", "r", "ro"), ("r", "l", "lo")):
        engine.table(
            f"{side}_asked",
            f"""select b.u, b.asset, b.amount, b.reference, b.d from break_list x join {side}_base b on b.u = x.{side}_u
                where x.{other}_u is null and x.by_size <= {EXPLAINED_MAX} and x.pass = 'unmatched'""",
        )
        engine.table(
            f"{other}_rare",
            f"""select o.u, o.asset, o.amount, o.d from {open_table} o join (select asset, amount from {open_table} group by asset, amount
                having count(*) <= {COMMON_AMOUNT_MAX}) c on c.asset = o.asset and c.amount = o.amount""",
        )
        for rank, (top, bottom) in enumerate(factors):
            asked = f"cast(q.amount / {bottom} as bigint)" if bottom > 1 else f"q.amount * {top}"
            fits = f"q.amount % {bottom} = 0" if bottom > 1 else "abs(q.amount) < 1000000000000000"
            sides.append(
                f"""select '{side}' as side, q.u as u, o.u as c_u, {rank} as rank, cast(coalesce(abs(o.d - q.d), 9999) as bigint) as near
                    from (select u, asset, {asked} as amount, d from {side}_asked q where {fits}) q
                    join {other}_rare o on o.asset = q.asset and o.amount = q.amount
                    where coalesce(abs(o.d - q.d), 0) <= {CANDIDATE_DAYS}"""
            )
        sides.append(
            f"""select '{side}', q.u, o.u, 8, cast(0 as bigint) from {side}_asked q join {other}_base o on o.reference = q.reference"""
        )
        sides.append(f"select '{side}', {side}_u, {other}_u, -2, cast(0 as bigint) from ambiguity")
        sides.append(f"select '{side}', {side}_u, {other}_u, -1, cast(100 - score as bigint) from suggestion")
    engine.table(
        "candidate",
        f"""select side, u, c_u, rank, near from (
                select side, u, c_u, min(rank) as rank, min(near) as near,
                       row_number() over (partition by side, u order by min(rank), min(near), c_u) as nth
                from ({" union all ".join(sides)}) c group by side, u, c_u) ranked
            where nth <= {CANDIDATES_MAX}""",
    )
    engine.drop("l_asked", "r_asked", "l_rare", "r_rare")


def read_breaks(engine: Engine, matched: Matched, context: Context, *, most: int | None = None) -> Iterator[Break]:
    """Every break in its order, read a page at a time; a group of several records is one break."""
    last = int(engine.rows("select coalesce(max(n), 0) from break_list")[0][0])
    waiting: list[tuple[Any, ...]] = []
    told = 0
    near = _near(engine)
    for first in range(1, last + 1, PAGE_ROWS):
        rows = engine.rows(f"select * from break_shown where n between {first} and {first + PAGE_ROWS - 1} order by n")
        for row in rows:
            if waiting and (row[_GRP] is None or row[_GRP] != waiting[0][_GRP]):
                yield _break(waiting, near, matched, context)
                waiting, told = [], told + 1
                if most is not None and told >= most:
                    return
            waiting.append(row)
        if waiting and waiting[0][_GRP] is None:
            yield _break(waiting, near, matched, context)
            waiting, told = [], told + 1
    if waiting and (most is None or told < most):
        yield _break(waiting, near, matched, context)


_HEAD: Final = 7  # n, by_size, kind, pass, reason, grp, other
_GRP: Final = 5
_WIDTH: Final = len(RECORD.split(", "))


def _near(engine: Engine) -> Mapping[tuple[str, str], list[tuple[Any, ...]]]:
    """The candidates of every break that has any, by side and record: for the largest breaks alone, so that they fit in memory."""
    found: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
    for side, other in (("l", "r"), ("r", "l")):
        for row in engine.rows(
            f"""select c.u, c.rank, c.near, o.id, o.reference, o.amount, o.day, case when p.c_u is null then 0 else 1 end
                from candidate c join break_list b on b.{side}_u = c.u and b.{other}_u is null and c.side = '{side}'
                join {other}_base o on o.u = c.c_u
                left join (select distinct {other}_u as c_u from pair where {other}_u is not null) p on p.c_u = c.c_u
                order by c.u, c.rank, c.near, c.c_u"""
        ):
            found[side, row[0]].append(row[1:])
    return found


def _record(side: str, values: Sequence[Any]) -> Record | None:
    if values[0] is None:
        return None
    _, name, reference, amount, asset, day, status, counterparty, memo, batch, booked, value, event, row, file = values
    when = EPOCH + timedelta(days=day) if day is not None else None
    return Record(
        side,
        name,
        reference,
        int(amount),
        asset,
        when,
        status,
        counterparty,
        memo,
        batch,
        booked,
        value,
        event,
        file or "",
        int(row),
    )


_REFUSED: Final[Mapping[int, str]] = {
    -2: "fits as well as another",
    -1: "suggested, but the evidence does not confirm it",
    0: "equal amount, {days}, but no common key or text",
    1: "the opposite amount",
    2: "a hundred times the amount",
    3: "a hundredth of the amount",
    4: "ten times the amount",
    5: "a tenth of the amount",
    6: "a thousand times the amount",
    7: "a thousandth of the amount",
    8: "same reference, other amount or asset",
}


def _candidate(row: tuple[Any, ...]) -> Candidate:
    rank, near, name, reference, amount, day, taken = row
    days = "date unknown" if near >= 9999 else "same day" if near == 0 else f"{near} day{'s' * (near != 1)} apart"
    why = "has its own partner already" if taken else _REFUSED[rank].format(days=days)
    return Candidate(name, reference, int(amount), EPOCH + timedelta(days=day) if day is not None else None, why)


def _break(
    rows: Sequence[tuple[Any, ...]],
    near: Mapping[tuple[str, str], list[tuple[Any, ...]]],
    matched: Matched,
    context: Context,
) -> Break:
    head = rows[0]
    left = _once(_record("left", row[_HEAD : _HEAD + _WIDTH]) for row in rows)
    right = _once(_record("right", row[_HEAD + _WIDTH : _HEAD + 2 * _WIDTH]) for row in rows)
    sibling = _record("left" if left else "right", head[_HEAD + 2 * _WIDTH :])
    one = (left or right)[0]
    kind, asset = head[2], one.asset
    fields = _fields(kind, head[3], left, right, matched)
    side, u = ("l", head[_HEAD]) if head[_HEAD] is not None else ("r", head[_HEAD + _WIDTH])
    candidates = tuple(_candidate(row) for row in near.get((side, u), ())) if not (left and right) else ()
    if sibling:
        told = Candidate(sibling.id, sibling.reference, sibling.amount, sibling.day, "the sibling that has the partner")
        candidates = (told, *candidates)
    off = abs(sum(r.amount for r in right) - sum(r.amount for r in left))
    stake = off if kind == "AMOUNT_MISMATCH" else abs(one.amount)
    case = Case(kind, left[0] if left else None, right[0] if right else None, fields, candidates, sibling, context)
    explained = head[1] <= EXPLAINED_MAX
    hypotheses = tuple(explain(case)) if explained else ()
    return Break(
        break_id(kind, left, right), kind, severity_of(stake, matched.rules.severity), asset, stake, head[3], head[4],
        left, right, fields, candidates, hypotheses, action(kind, hypotheses), explained,
    )  # fmt: skip


def _once(records: Iterable[Record | None]) -> tuple[Record, ...]:
    """Each line once: identical lines are told apart by their place, a record that every row of a group repeats is one."""
    return tuple(dict.fromkeys(record for record in records if record is not None))


def _fields(
    kind: str, step: str, left: tuple[Record, ...], right: tuple[Record, ...], matched: Matched
) -> tuple[Difference, ...]:
    if len(left) == 1 and len(right) == 1:
        found = differences(left[0], right[0], matched.compare)
        usual = kind != "DATE_MISMATCH" and _within(step, left[0], right[0], matched)
        return tuple(each for each in found if each.name != "date" or not usual)
    if left and right:
        here, there = sum(record.amount for record in left), sum(record.amount for record in right)
        return (Difference("amount", str(here), str(there), f"{there - here:+d} minor units over the group"),)
    return ()


def _within(step: str, left: Record, right: Record, matched: Matched) -> bool:
    """Are the dates as far apart as the pass allows? Then they are no difference."""
    rule = next((each for each in matched.rules.passes if each.name == step), None)
    if rule is None or left.day is None or right.day is None:
        return False
    return -rule.before_days <= (right.day - left.day).days <= rule.after_days


def break_id(kind: str, left: Sequence[Record], right: Sequence[Record]) -> str:
    """The same break has the same id in every run, so that a recurrence can be linked."""
    text = "\x1e".join(
        [
            kind,
            *(f"l\x1f{r.id}\x1f{r.reference or ''}" for r in left),
            *(f"r\x1f{r.id}\x1f{r.reference or ''}" for r in right),
        ]
    )
    return "brk_" + hashlib.sha256(text.encode()).hexdigest()[:20]


def severity_of(minor: int, limits: Severity) -> str:
    """low, medium, high or critical, by the amount at stake."""
    if minor >= limits.critical_from:
        return "critical"
    if minor >= limits.high_from:
        return "high"
    return "low" if minor < limits.low_below else "medium"


def context_of(engine: Engine, matched: Matched, sides: Mapping[str, Side]) -> Context:
    """What the tests need to know about the whole run: a few small questions, asked once."""
    days = {
        (key, EPOCH + timedelta(days=int(day))): int(count)
        for key, side in sides.items()
        for day, count in engine.rows(
            f"select day, count(*) from ({side.select(['day'])}) s where day is not null group by day order by day limit {DAYS_COUNTED_MAX}"
        )
    }
    rates: dict[int, int] = defaultdict(int)
    for here, there, asset in engine.rows(
        """select l.amount, r.amount, l.asset from pair p join l_base l on l.u = p.l_u join r_base r on r.u = p.r_u
           where p.kind = 'AMOUNT_MISMATCH' and p.grp is null order by l.u limit 200000"""
    ):
        blank = Record("left", "", None, int(here), asset, None, None, None, None, None)
        if rate := fee_bps(blank, blank._replace(amount=int(there))):
            rates[rate] += 1
    doubled: dict[str, int] = {
        kind: int(count)
        for kind, count in engine.rows("select kind, count(*) from pair where kind like 'DUPLICATE%' group by kind")
    }
    known = engine.rows(
        """select distinct l.counterparty as name from pair p join l_base l on l.u = p.l_u
           where p.status = 'confirmed' and l.counterparty is not null order by name limit 100000"""
    )
    rows = {side: sum(f.source.rows for f in matched.footing if f.side == side) for side in ("left", "right")}
    return Context(
        matched.as_of,
        {"left": matched.rules.left.expected_within_days, "right": matched.rules.right.expected_within_days},
        days,
        dict(rates),
        {"left": doubled.get("DUPLICATE_LEFT", 0), "right": doubled.get("DUPLICATE_RIGHT", 0)},
        rows,
        frozenset(name.upper() for (name,) in known),
    )


def kinds_of(engine: Engine) -> list[tuple[str, str, int, int]]:
    """Breaks by kind and asset: how many, and the minor units at stake (the difference where amounts differ, else the amount)."""
    stake = (
        "case when x.kind = 'AMOUNT_MISMATCH' then abs(r.amount - l.amount) else abs(coalesce(l.amount, r.amount)) end"
    )
    rows = engine.rows(
        f"""select kind, asset, count(*), {engine.wide_sum("stake")} from (
                select x.kind as kind, coalesce(l.asset, r.asset) as asset, {stake} as stake from break_list x
                left join l_base l on l.u = x.l_u left join r_base r on r.u = x.r_u where x.grp is null
                union all
                select kind, asset, abs({engine.wide_sum("part")}) from (
                    select x.kind as kind, x.grp as grp, l.asset as asset, -l.amount as part from break_list x join l_base l on l.u = x.l_u
                    where x.grp is not null group by x.kind, x.grp, l.u, l.asset, l.amount
                    union all
                    select x.kind, x.grp, r.asset, r.amount from break_list x join r_base r on r.u = x.r_u
                    where x.grp is not null group by x.kind, x.grp, r.u, r.asset, r.amount) parts
                group by kind, grp, asset) b
            group by kind, asset order by kind, asset"""
    )
    return [(kind, asset, int(count), int(minor)) for kind, asset, count, minor in rows]


__all__ = [
    "KINDS",
    "Break",
    "break_id",
    "candidates_of",
    "context_of",
    "kinds_of",
    "list_breaks",
    "read_breaks",
]
