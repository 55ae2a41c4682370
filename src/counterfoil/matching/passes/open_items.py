"""The board: which records are still open on each side, and the pairs that passes have laid down. A record leaves it once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from counterfoil.base.problems import check
from counterfoil.matching.engines.engine import Engine, literal
from counterfoil.matching.passes.gate import BREAK, CONFIRMED, NOTHING, judge_groups, judged, limits_of
from counterfoil.matching.rules.model import Compared, Pass

ROUNDS_MAX: Final = 5_000
NEAR_SPAN: Final = 100_000  # one step of cost outweighs every distance in days
SUGGESTED: Final = "suggested"
PAIR: Final = "l_u, r_u, other, grp, pass, status, kind, reason, score"


Records = Callable[[str], str]
"""Of a side (l, r) the records that teach how rare words are, with id, counterparty, memo and reference, as SQL."""


class LimitReached(NamedTuple):
    """A limit that cut the work of a pass short: how many cases were left out, and how many records of them no pass took after all."""

    step: str
    what: str
    limit: int
    cases: int
    left: int
    right: int

    def sentence(self) -> str:
        """What a person reads."""
        return (
            f"pass {self.step} left out {self.what} of more than {self.limit:,} ({self.cases:,} of them): "
            f"{self.left:,} open records on the left and {self.right:,} on the right were not searched to the end"
        )


class Board:
    """Open records in the tables `lo` and `ro`; pairs in tables of their own, one a step."""

    def __init__(self, engine: Engine, compare: Sequence[Compared], *, records: Records) -> None:
        """`records`: of a side (l, r) what teaches how rare words are, whether or not it is still open."""
        self.engine = engine
        self.compare = compare
        self.records = records
        self.learnt: list[str] = []
        self.pairs: list[str] = []
        self.suggestions: list[str] = []
        self.ambiguities: list[str] = []
        self.deferred: list[tuple[str, str]] = []
        self.cuts: list[tuple[str, str, int, int]] = []
        self.sizes = self._sizes()

    def _sizes(self) -> tuple[int, int]:
        return self.engine.count("lo"), self.engine.count("ro")

    def link(self, step: Pass, links: str, *, reason: str, score: str = "100") -> int:
        """Lay down `links` (a relation of l_u, r_u and what the reason names, as `k`): each is confirmed by the gate or is a break.

        `reason` is SQL over `k` and the records `l` and `r`, `score` over `k`. Returns how many pairs were laid down.
        """
        found = judged(links, self.compare, limits_of(step), reason)
        columns = pair_columns(
            l_u="k.l_u",
            r_u="k.r_u",
            step=step.name,
            status=_status("k.kind"),
            kind="k.kind",
            reason="k.why",
            score=score,
        )
        return self._lay(step, f"select {columns} from {found} k")

    def _lay(self, step: Pass, sql: str) -> int:
        """Lay down all, or what agrees: the rest then waits for the end, and stays open for the passes until then."""
        if getattr(step, "differing", "break") == "break":
            return self.claim(step.name, sql)
        self.engine.table("differing", sql)
        if not self.engine.count("differing"):
            self.engine.drop("differing")
            return 0
        self.defer(step.name, "select * from differing where kind is not null")
        found = self.claim(step.name, "select * from differing where kind is null")
        self.engine.drop("differing")
        return found

    def link_groups(self, step: Pass, links: str, *, reason: str, score: str = "100") -> int:
        """Lay down groups: `links` also has `grp`, and each pairs a member with the single record of the other side."""
        if not any(self.sizes):
            return 0
        self.engine.table("group_link", f"select * from {links} g")
        if not self.engine.count("group_link"):
            self.engine.drop("group_link")
            return 0
        judge_groups(self.engine, "group_link", self.compare, limits_of(step))
        columns = pair_columns(
            l_u="k.l_u",
            r_u="k.r_u",
            grp="k.grp",
            step=step.name,
            status=_status("j.kind"),
            kind="j.kind",
            reason=reason,
            score=score,
        )
        found = self._lay(step, f"select {columns} from group_link k join group_kind j on j.grp = k.grp")
        self.engine.drop("group_link", "group_kind")
        return found

    def claim(self, name: str, sql: str) -> int:
        """Lay down the pairs of `sql` (columns as in PAIR) and take their records off the board; how many rows they are."""
        if not any(self.sizes):
            return 0
        table = f"pair_{len(self.pairs)}"
        self.engine.table(table, sql)
        found = self.engine.count(table)
        if found == 0:
            self.engine.drop(table)
            return 0
        self.pairs.append(table)
        for side, key in (("lo", "l_u"), ("ro", "r_u")):
            self.engine.table(side, f"select o.* from {side} o where not exists (select 1 from {table} p where p.{key} = o.u)")
        before, self.sizes = self.sizes, self._sizes()
        check(sum(self.sizes) < sum(before), "every pass that pairs takes records off the board", step=name)
        return found

    def suggest(self, sql: str) -> None:
        """Keep pairs for a person to look at; their records stay open."""
        table = f"suggestion_{len(self.suggestions)}"
        earlier = self.all_suggestions()
        self.engine.table(
            table,
            f"""select s.* from ({sql}) s where not exists (select 1 from ({earlier}) e where e.l_u = s.l_u)
                and not exists (select 1 from ({earlier}) e where e.r_u = s.r_u)""",
        )
        if self.engine.count(table):
            self.suggestions.append(table)

    def defer(self, name: str, sql: str) -> None:
        """Lay these pairs down after the last pass, if all their records are still open then."""
        table = f"deferred_{len(self.deferred)}"
        self.engine.table(table, sql)
        if self.engine.count(table):
            self.deferred.append((name, table))

    def finish(self) -> None:
        """Lay down what was deferred and is still whole: a pair or group whose member found a partner of its own is none any more."""
        own = "coalesce({0}.grp, {0}.l_u || chr(31) || {0}.r_u)"
        for name, table in self.deferred:
            gone = " union ".join(
                f"""select {own.format("x")} as own from {table} x left join {side} o on o.u = x.{key}
                    where x.{key} is not null and o.u is null"""
                for side, key in (("lo", "l_u"), ("ro", "r_u"))
            )
            self.engine.table("gone", gone)
            self.claim(name, f"select p.* from {table} p where not exists (select 1 from gone g where g.own = {own.format('p')})")
            self.engine.drop("gone")

    def cut(self, step: Pass, what: str, limit: int, records: str) -> None:
        """Say that a limit cut `step` short: `records` (case, l_u, r_u) are what it did not look at, by the case that was too large."""
        table = f"cut_{len(self.cuts)}"
        self.engine.table(table, records)
        cases = int(self.engine.rows(f"select count(distinct cut_case) from {table}")[0][0]) if self.engine.count(table) else 0
        if cases:
            self.cuts.append((step.name, what, limit, cases))
        else:
            self.engine.drop(table)

    def still_cut(self) -> list[LimitReached]:
        """The limits that left something open. Where a limit was met, makes `l_cut` and `r_cut`: the open records for which no pass
        searched to the end."""
        if not self.cuts:
            return []
        found = []
        for number, (step, what, limit, cases) in enumerate(self.cuts):
            open_ones = [
                int(self.engine.rows(f"select count(*) from {side}o o where o.u in (select {side}_u from cut_{number})")[0][0])
                for side in ("l", "r")
            ]
            if any(open_ones):
                found.append(LimitReached(step, what, limit, cases, *open_ones))
        for side in ("l", "r"):
            union = " union ".join(f"select {side}_u as u from cut_{number}" for number in range(len(self.cuts)))
            self.engine.table(f"{side}_cut", f"select o.u from {side}o o where o.u in ({union})")
        return found

    def ambiguous(self, candidates: str, step: str) -> None:
        """Keep what `candidates` (l_u, r_u) still holds: several that are equally good, so a person decides."""
        table = f"ambiguity_{len(self.ambiguities)}"
        self.engine.table(table, f"select l_u, r_u, {literal(step)} as pass from {candidates}")
        if self.engine.count(table):
            self.ambiguities.append(table)

    def all_ambiguities(self) -> str:
        """Every candidate of every ambiguity, as SQL."""
        if self.ambiguities:
            return " union all ".join(f"select l_u, r_u, pass from {table}" for table in self.ambiguities)
        return f"select {NOTHING} as l_u, {NOTHING} as r_u, {NOTHING} as pass where 1 = 0"

    def all_pairs(self) -> str:
        """Every pair of every step, as SQL; `laid` tells two groups of one name in two steps apart."""
        return _union(self.pairs)

    def all_suggestions(self) -> str:
        """Every suggestion, as SQL."""
        return _union(self.suggestions)


def _status(kind: str) -> str:
    return f"case when {kind} is null then '{CONFIRMED}' else '{BREAK}' end"


def _union(tables: list[str]) -> str:
    if tables:
        return " union all ".join(f"select {PAIR}, {number} as laid from {table}" for number, table in enumerate(tables))
    nothing = ", ".join(
        f"cast(null as {'integer' if name in ('score', 'laid') else 'varchar'}) as {name}" for name in f"{PAIR}, laid".split(", ")
    )
    return f"select {nothing} where 1 = 0"


def mutual_best(engine: Engine, candidates: str, chosen: str, *, gap: int = 0, worst: int | None = None) -> int:
    """Out of `candidates` (l_u, r_u, cost, near) keep in `chosen` those that are best for both, round after round; how many they are.

    The order is cost, distance in days, then the ids, shorter ones first: total, so the order of rows does not matter. With a `gap` a
    record whose second candidate lies closer than that is left alone (a guess is no match), until the rival is taken by another; `worst`
    is the most that cost may be. `candidates` keeps what stayed open. Where there are none, no table `chosen` is made.
    """
    value = f"(cost * {NEAR_SPAN} + near)"
    order = "order by cost, near, length(l_u), l_u, length(r_u), r_u"
    clear = f"and (l_next is null or l_next - value >= {gap}) and (r_next is null or r_next - value >= {gap})" if gap else ""
    bound = f"and cost <= {worst}" if worst is not None else ""
    parts: list[str] = []
    total = 0
    for turn in range(ROUNDS_MAX):
        if not engine.count(candidates):
            break
        part = f"{chosen}_{turn}"
        engine.table(
            part,
            f"""select l_u, r_u, cost, near from (
                    select l_u, r_u, cost, near, {value} as value,
                           row_number() over (partition by l_u {order}) as l_rank,
                           row_number() over (partition by r_u {order}) as r_rank,
                           lead({value}) over (partition by l_u {order}) as l_next,
                           lead({value}) over (partition by r_u {order}) as r_next
                    from {candidates}) ranked
                where l_rank = 1 and r_rank = 1 {clear} {bound}""",
        )
        found = engine.count(part)
        if found == 0:
            engine.drop(part)
            break
        total += found
        parts.append(part)
        engine.table(
            candidates,
            f"""select c.* from {candidates} c where not exists (select 1 from {part} p where p.l_u = c.l_u)
                and not exists (select 1 from {part} p where p.r_u = c.r_u)""",
        )
    else:
        check(False, "mutual best comes to an end", rounds=ROUNDS_MAX)
    if parts:
        engine.table(chosen, " union all ".join(f"select l_u, r_u, cost, near from {part}" for part in parts))
        engine.drop(*parts)
    return total


def pair_columns(
    *,
    l_u: str = "l.u",
    r_u: str = "r.u",
    other: str = NOTHING,
    grp: str = NOTHING,
    step: str,
    status: str,
    kind: str = NOTHING,
    reason: str,
    score: str = "100",
) -> str:
    """One pair's columns, in the order of PAIR; every argument but `step` is SQL."""
    return (
        f"{l_u} as l_u, {r_u} as r_u, {other} as other, {grp} as grp, {literal(step)} as pass, {status} as status, "
        f"{kind} as kind, {reason} as reason, cast({score} as integer) as score"
    )
