"""One gate for every confirmed match: asset, amount, status, date and counterparty against `compare`, within explicit tolerances only.

A pass says which records belong together. What that is worth is said here alone: confirmed, or a break with a known partner. For a
group the sums of both sides are compared, and everything else between each of its members and the record that stands against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import Engine, literal
from counterfoil.matching.passes.words import capitals
from counterfoil.matching.rules.model import Compared, EmbeddedPass, GroupPass, KeyPass, Pass, SubsetPass, TextPass

CONFIRMED: Final = "confirmed"
BREAK: Final = "break"
NOTHING: Final = "cast(null as varchar)"
ORDER: Final = {
    "asset": "CURRENCY_MISMATCH",
    "amount": "AMOUNT_MISMATCH",
    "status": "STATUS_MISMATCH",
    "date": "DATE_MISMATCH",
    "counterparty": "COUNTERPARTY_MISMATCH",
}


class GateLimits(NamedTuple):
    """What a rule set lets a pass pass over: minor units of a pair, or between the sums of a group, and days of right less left."""

    amount_tolerance: int
    before_days: int
    after_days: int


def limits_of(step: Pass) -> GateLimits:
    """The limits of a pass. Only passes that have a tolerance in the rule set have one here."""
    if isinstance(step, KeyPass | EmbeddedPass | GroupPass | SubsetPass | TextPass):
        return GateLimits(step.amount_tolerance, step.before_days, step.after_days)
    return GateLimits(0, step.before_days, step.after_days)


def in_window(limits: GateLimits) -> str:
    """`r` lies in the window around `l`, as SQL; a day that is not known is not compared, and that is counted and said."""
    return f"coalesce(r.d - l.d between {-limits.before_days} and {limits.after_days}, true)"


def agrees(compare: Sequence[Compared], limits: GateLimits) -> str:
    """All but the amount agrees, as SQL over `l` and `r`: what a pass without a key asks before it takes two records for one."""
    tests = [test for name, test in _tests(compare, limits).items() if name != "amount"]
    return " and ".join(f"not ({test})" for test in tests)


def difference(compare: Sequence[Compared], limits: GateLimits) -> str:
    """The kind of the first difference between `l` and `r` that counts, or null, as SQL."""
    whens = " ".join(f"when {test} then {literal(ORDER[name])}" for name, test in _tests(compare, limits).items())
    return f"case {whens} else {NOTHING} end"


def _tests(compare: Sequence[Compared], limits: GateLimits) -> dict[str, str]:
    """By field in their order: what is true where `l` and `r` differ. Amounts of two assets are never compared, so the asset always is."""
    every = {
        "asset": "l.asset <> r.asset",
        "amount": f"abs(r.amount - l.amount) > {limits.amount_tolerance}",
        "status": "l.status is distinct from r.status",
        "date": f"not {in_window(limits)}",
        "counterparty": f"{capitals('l.counterparty')} is distinct from {capitals('r.counterparty')}",
    }
    return {name: every[name] for name in ORDER if name == "asset" or name in compare}


def judged(links: str, compare: Sequence[Compared], limits: GateLimits, reason: str) -> str:
    """`links` (l_u, r_u and what the reason needs, as `k`) with the kind of what differs and the reason as `why`, as SQL."""
    return f"""(select k.*, {difference(compare, limits)} as kind, {reason} as why from {links} k
                join lo l on l.u = k.l_u join ro r on r.u = k.r_u)"""


def judge_groups(engine: Engine, links: str, compare: Sequence[Compared], limits: GateLimits) -> None:
    """Make the table `group_kind` (grp, kind): of each group in `links` (l_u, r_u, grp) what differs, or null."""
    single = {name: test for name, test in _tests(compare, limits).items() if name != "amount"}
    found = ", ".join(f"max(case when {test} then 1 else 0 end) as {name}_off" for name, test in single.items())
    engine.table(
        "group_met",
        f"select k.grp, {found} from {links} k join lo l on l.u = k.l_u join ro r on r.u = k.r_u group by k.grp",
    )
    sums = {
        side: f"""(select grp, {engine.wide_sum("amount")} as total from (
                      select distinct k.grp, o.u, o.amount from {links} k join {side}o o on o.u = k.{side}_u) m group by grp)"""
        for side in ("l", "r")
    }
    whens = {name: f"m.{name}_off = 1" for name in single}
    if "amount" in compare:
        whens["amount"] = f"abs(r.total - l.total) > {limits.amount_tolerance}"
    kinds = " ".join(f"when {whens[name]} then {literal(kind)}" for name, kind in ORDER.items() if name in whens)
    engine.table(
        "group_kind",
        f"""select m.grp, case {kinds} else {NOTHING} end as kind from group_met m
            join {sums["l"]} l on l.grp = m.grp join {sums["r"]} r on r.grp = m.grp""",
    )
    engine.drop("group_met")
