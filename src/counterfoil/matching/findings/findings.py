"""Breaks as frozen objects: both records, what differs, who was refused and why, the hypotheses, and the one safe action."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, NamedTuple

from counterfoil.matching.engines.engine import Engine
from counterfoil.matching.findings.actions import NextAction, action
from counterfoil.matching.findings.candidates import EXPLAINED_MAX, Near, candidate, near_of
from counterfoil.matching.findings.differences import Difference, Record, differences, group_differences
from counterfoil.matching.findings.explain import explain
from counterfoil.matching.findings.hypotheses import Candidate, Context, FindingEvidence, Hypothesis
from counterfoil.matching.passes.gate import NOTHING
from counterfoil.matching.passes.pipeline import EPOCH, Matched
from counterfoil.matching.rules.model import Severity
from counterfoil.matching.rules.names import column_name

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
    "OVERPAID",
)
PAGE_ROWS: Final = 20_000
CUT: Final = "the search was cut short by a limit"
UNMATCHED: Final = f"case when x.cut then '{CUT}' else 'no pass found a partner' end"
RECORD: Final = (
    *("u", "id", "reference", "amount", "asset", "day", "status", "counterparty", "memo", "batch"),
    *("booked_on", "value_on", "event_at", "row", "file"),
)


@dataclass(frozen=True, slots=True)
class Finding:
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
    action: NextAction
    explained: bool

    @property
    def cause(self) -> str:
        """The best supported hypothesis, or nothing."""
        return next((each.cause for each in self.hypotheses if each.verdict == "supported"), "")


def list_breaks(engine: Engine) -> int:
    """Make the table `break_list`: every break in one fixed order, with its number from 1. Returns how many rows it has."""
    rows = [
        """select p.kind as kind, p.pass as pass, p.reason as reason, p.l_u as l_u, p.r_u as r_u, p.other as other,
                  p.grp || chr(31) || cast(p.laid as varchar) as grp, 1 = 0 as cut
           from pair p where p.status = 'break'"""
    ]
    unsure = engine.count("ambiguity")
    for side, other, kind in (("l", "r", "MISSING_RIGHT"), ("r", "l", "MISSING_LEFT")):
        if not engine.count(f"{side}_left"):
            continue
        join, sure = "", "not x.cut"
        if unsure:
            fits_open = f"select distinct a.{side}_u as u from ambiguity a join {other}o o on o.u = a.{other}_u"
            engine.table(f"{side}_unsure", fits_open)
            join, sure = f"left join {side}_unsure a on a.u = x.u", "a.u is null and not x.cut"
        names = ("x.u", NOTHING) if side == "l" else (NOTHING, "x.u")
        rows.append(
            f"""select case when {sure} then '{kind}' else 'AMBIGUOUS' end, 'unmatched', {UNMATCHED}, {", ".join(names)},
                       {NOTHING}, {NOTHING}, x.cut from {side}_left x {join} where not x.expected"""
        )
    engine.table("break_row", " union all ".join(rows))
    if not engine.count("break_row"):
        engine.table("break_list", "select b.*, cast(0 as bigint) as n, cast(0 as bigint) as by_size from break_row b")
        engine.drop("break_row")
        return 0
    engine.table(
        "break_list",
        """select b.*, row_number() over (order by b.kind, coalesce(b.grp, b.l_u, b.r_u), b.l_u nulls last, b.r_u nulls last) as n,
                  row_number() over (order by abs(coalesce(l.amount, r.amount)) desc, b.kind, b.l_u nulls last, b.r_u nulls last) as by_size
           from break_row b left join l_base l on l.u = b.l_u left join r_base r on r.u = b.r_u""",
    )
    engine.drop("break_row", "l_unsure", "r_unsure")
    return engine.count("break_list")


def _shown(of: str, key_fields: Sequence[str]) -> str:
    """Breaks `of` a table with their records and the sibling of a double, as SQL; in no order."""
    columns = [
        f"{sql.format(name)} as {alias}_{name}"
        for alias, sql in (("l", "l.{0}"), ("r", "r.{0}"), ("s", "coalesce(ls.{0}, rs.{0})"))
        for name in [*RECORD, *map(column_name, key_fields)]
    ]
    return f"""select {", ".join(f"b.{name.rstrip('_')}" for name in _Head._fields)}, {", ".join(columns)}
               from {of} b left join l_base l on l.u = b.l_u left join r_base r on r.u = b.r_u
               left join l_base ls on ls.u = b.other and b.l_u is not null left join r_base rs on rs.u = b.other and b.l_u is null"""


def read_breaks(engine: Engine, matched: Matched, context: Context, *, most: int | None = None) -> Iterator[Finding]:
    """Every break in its order, read a page at a time; a group of several records is one break."""
    return (found for _, found in numbered_breaks(engine, matched, context, most=most))


def numbered_breaks(
    engine: Engine, matched: Matched, context: Context, *, most: int | None = None, unless: str = ""
) -> Iterator[tuple[int, Finding]]:
    """The same with the number of the first row of each, without rows whose numbers `unless` selects."""
    waiting: list[tuple[Any, ...]] = []
    count = 0
    near = near_of(engine)
    for page in _pages(engine, matched.rules.key_fields, most, unless):
        for row in page:
            if waiting and (row[_GRP] is None or row[_GRP] != waiting[0][_GRP]):
                yield waiting[0][0], _break(waiting, near, matched, context)
                waiting, count = [], count + 1
                if most is not None and count >= most:
                    return
            waiting.append(row)
        if waiting and waiting[0][_GRP] is None:
            yield waiting[0][0], _break(waiting, near, matched, context)
            waiting, count = [], count + 1
    if waiting and (most is None or count < most):
        yield waiting[0][0], _break(waiting, near, matched, context)


def _pages(engine: Engine, key_fields: Sequence[str], most: int | None, unless: str) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of breaks in their order.

    Where few are read, each page is joined by itself: to sort all of them, wide as they are, takes longer. Else they are joined once and
    in order: a page is then a look into a few row groups.
    """
    table = "break_list"
    if not engine.count(table):
        return
    if unless:
        table = "break_wanted"
        engine.table(table, f"select * from break_list b where not exists (select 1 from ({unless}) p where p.n = b.n)")
    page_of = f"({_shown(table, key_fields)}) x"
    if most is None:
        engine.table("break_shown", f"select * from {page_of} order by n")
        page_of = "break_shown"
    last = engine.count(table) if table == "break_list" else int(engine.rows(f"select coalesce(max(n), 0) from {table}")[0][0])
    for first in range(1, last + 1, PAGE_ROWS):
        yield engine.rows(f"select * from {page_of} where n between {first} and {first + PAGE_ROWS - 1} order by n")


class _Head(NamedTuple):
    """What a row of `_shown` begins with; behind it come the left record, the right one, and the sibling of a double."""

    n: int
    by_size: int
    kind: str
    pass_: str
    reason: str
    grp: str | None
    other: str | None
    cut: bool


_HEAD: Final = len(_Head._fields)
_GRP: Final = _Head._fields.index("grp")


def _record(side: str, values: Sequence[Any], key_fields: Sequence[str]) -> Record | None:
    if values[0] is None:
        return None
    _, name, reference, amount, asset, day, status, counterparty, memo, batch, booked, value, event, row, file = values[: len(RECORD)]
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
        key_fields=tuple((name, given) for name, given in zip(key_fields, values[len(RECORD) :], strict=True) if given),
    )


def _break(rows: Sequence[tuple[Any, ...]], near: Near, matched: Matched, context: Context) -> Finding:
    head = _Head(*rows[0][:_HEAD])
    own = matched.rules.key_fields
    width = len(RECORD) + len(own)
    left = _once(_record("left", row[_HEAD : _HEAD + width], own) for row in rows)
    right = _once(_record("right", row[_HEAD + width : _HEAD + 2 * width], own) for row in rows)
    sibling = _record("left" if left else "right", rows[0][_HEAD + 2 * width :], own)
    key = ("l", rows[0][_HEAD]) if left else ("r", rows[0][_HEAD + width])
    fields = _fields(head.kind, head.pass_, left, right, matched)
    candidates = tuple(candidate(row, own) for row in near.candidates.get(key, ())) if not (left and right) else ()
    if sibling:
        first = Candidate(sibling.id, sibling.reference, sibling.amount, sibling.day, "the sibling that has the partner")
        candidates = (first, *candidates)
    stake = _at_stake(head.kind, left, right)
    case = FindingEvidence(
        head.kind,
        left[0] if left else None,
        right[0] if right else None,
        fields,
        candidates,
        sibling,
        context,
        cut_short=bool(head.cut),
        crowded=near.crowded.get(key, 0),
    )
    explained = head.by_size <= EXPLAINED_MAX
    hypotheses = tuple(explain(case)) if explained or head.cut else ()
    return Finding(
        finding_identity(head.kind, left, right),
        head.kind,
        severity_of(stake, matched.rules.severity),
        (left or right)[0].asset,
        stake,
        head.pass_,
        head.reason,
        left,
        right,
        fields,
        candidates,
        hypotheses,
        action(head.kind, hypotheses, is_one_off=context.is_one_off),
        explained,
    )


def _at_stake(kind: str, left: Sequence[Record], right: Sequence[Record]) -> int:
    """Minor units: the difference where amounts differ, else the sum of the side that is there, the left one before the right."""
    here, there = sum(record.amount for record in left), sum(record.amount for record in right)
    return abs(there - here) if kind == "AMOUNT_MISMATCH" else abs(here if left else there)


def _once(records: Iterable[Record | None]) -> tuple[Record, ...]:
    """Each line once: identical lines are told apart by their place, a record that every row of a group repeats is one."""
    return tuple(dict.fromkeys(record for record in records if record is not None))


def _fields(kind: str, step: str, left: tuple[Record, ...], right: tuple[Record, ...], matched: Matched) -> tuple[Difference, ...]:
    if len(left) == 1 and len(right) == 1:
        found = differences(left[0], right[0], matched.compare)
        usual = kind != "DATE_MISMATCH" and _within(step, left[0], right[0], matched)
        return tuple(each for each in found if each.name != "date" or not usual)
    return group_differences(left, right, matched.compare) if left and right else ()


def _within(step: str, left: Record, right: Record, matched: Matched) -> bool:
    """Are the dates as far apart as the pass allows? Then they are no difference."""
    rule = next((each for each in matched.rules.passes if each.name == step), None)
    if rule is None or left.day is None or right.day is None:
        return False
    return -rule.before_days <= (right.day - left.day).days <= rule.after_days


def finding_identity(kind: str, left: Sequence[Record], right: Sequence[Record]) -> str:
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


def kinds_of(engine: Engine) -> list[tuple[str, str, int, int]]:
    """Breaks by kind and asset: how many, and the minor units at stake (the difference where amounts differ, else the amount)."""
    if not engine.count("break_list"):
        return []
    stake = "case when x.kind = 'AMOUNT_MISMATCH' then abs(r.amount - l.amount) else abs(coalesce(l.amount, r.amount)) end"
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
                    where x.grp is not null and x.kind = 'AMOUNT_MISMATCH' group by x.kind, x.grp, r.u, r.asset, r.amount) parts
                group by kind, grp, asset) b
            group by kind, asset order by kind, asset"""
    )
    return [(kind, asset, int(count), int(minor)) for kind, asset, count, minor in rows]


__all__ = [
    "KINDS",
    "Finding",
    "finding_identity",
    "kinds_of",
    "list_breaks",
    "numbered_breaks",
    "read_breaks",
]
