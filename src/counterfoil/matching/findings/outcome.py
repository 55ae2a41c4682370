"""What a run concludes: the verdict, the footing, the breaks; made from the engine's tables once matching has footed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Final

from counterfoil.base.problems import Tell, check
from counterfoil.matching.engines.engine import Engine, Ordered
from counterfoil.matching.findings.candidates import candidates_of, context_of
from counterfoil.matching.findings.findings import Finding, kinds_of, list_breaks, read_breaks
from counterfoil.matching.findings.hypotheses import Context
from counterfoil.matching.findings.verdict import Verdict, verdict_of
from counterfoil.matching.keeping.marks import KeptSides
from counterfoil.matching.passes.clearing import clean_pairs
from counterfoil.matching.passes.footing import ControlTotal, Footing, Tolerated
from counterfoil.matching.passes.gate import CONFIRMED
from counterfoil.matching.passes.open_items import LimitReached
from counterfoil.matching.passes.pipeline import Matched, Progress, match
from counterfoil.matching.reading.sides import Side, UnreadableRow
from counterfoil.matching.rules.model import RuleSet
from counterfoil.matching.rules.toml_file import rules_digest

BREAKS_HELD_MAX: Final = 10_000  # on the outcome and in report.json, in the order of breaks.csv; that file has them all


@dataclass(frozen=True)
class SourceTold:
    """One side as the report names it."""

    side: str
    name: str
    format: str
    rows: int
    left_out: int
    rejected: int


@dataclass(frozen=True)
class MatchingResult:
    """A finished run. Everything but `places`, `paths` and readers' remarks depends on records and rules alone, not on their order."""

    verdict: Verdict
    rules: RuleSet
    rules_sha256: str
    as_of: date | None
    sources: tuple[SourceTold, ...]
    footing: tuple[Footing, ...]
    passes: Mapping[str, Mapping[str, int]]
    kinds: tuple[tuple[str, str, int, int], ...]  # kind, asset, breaks, minor units at stake
    tolerated: tuple[Tolerated, ...]
    control: tuple[ControlTotal, ...]
    compared: tuple[str, ...]
    cuts: tuple[LimitReached, ...]
    not_checked: tuple[str, ...]
    learnt: tuple[str, ...]  # what passes counted from the files themselves, and where they drew their lines
    suggested: int
    breaks_total: int
    breaks: tuple[Finding, ...]
    rejected: tuple[UnreadableRow, ...]
    holds_every_break: bool = False  # none is read from the tables again
    kept: tuple[str, ...] = ()  # what an earlier run had computed of the same files, and what is kept for a later one
    context: Context = field(repr=False, default_factory=Context)
    paths: Mapping[str, Path] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Was everything read, compared and searched to its end? Only then does it say that something is no longer there."""
        return not (self.cuts or self.not_checked or self.rejected)

    @property
    def exit_code(self) -> int:
        """0 reconciled, 1 not green: something does not agree, or not all was checked; a run that cannot conclude at all raises instead."""
        return 0 if self.verdict == "reconciled" else 1


def reconcile(
    engine: Engine,
    left: Side,
    right: Side,
    rules: RuleSet,
    *,
    progress: Progress = lambda _: None,
    is_one_off: bool = False,
    kept: KeptSides | None = None,
    tell: Tell | None = None,
) -> tuple[Matched, MatchingResult]:
    """Match two sides that are read, and say what came of it, amounts by `tell` or by the decimals that the rules know; of a one-off run
    what its reader can do. Raises DoesNotFoot, InvalidInput."""
    matched = match(engine, left, right, rules, progress=progress, kept=kept)
    for side in (left, right):
        counted = sum(row.source.rows for row in matched.footing if row.side == side.key) + len(side.rejected)
        check(
            counted == side.rows,
            "every row that was read is matched, broken, expected or rejected",
            side=side.key,
            rows=side.rows,
        )
    progress("Explaining what is left")
    machine = matched.machine
    machine.table("ambiguity", matched.board.all_ambiguities())
    rows = list_breaks(machine)
    candidates_of(machine, rules.key_fields)
    context = replace(context_of(engine, matched, {"left": left, "right": right}, tell, are_some=rows > 0), is_one_off=is_one_off)
    held = tuple(read_breaks(machine, matched, context, most=BREAKS_HELD_MAX))
    kinds = tuple(kinds_of(machine))
    rejected = (*left.rejected, *right.rejected)
    total = sum(count for _, _, count, _ in kinds)
    check((total == 0) == (rows == 0), "kinds count every break", kinds=total, rows=rows)
    return matched, MatchingResult(
        verdict=verdict_of(
            breaks=total,
            unexplained=any(row.unexplained for row in matched.control),
            cut_short=bool(matched.cuts),
            not_checked=bool(rejected or matched.not_checked),
        ),
        rules=rules,
        rules_sha256=rules_digest(rules),
        as_of=matched.as_of,
        sources=tuple(SourceTold(s.key, s.name, s.format, s.rows, s.left_out, len(s.rejected)) for s in (left, right)),
        footing=tuple(matched.footing),
        passes=_passes(machine, matched),
        kinds=kinds,
        tolerated=tuple(matched.tolerated),
        control=tuple(matched.control),
        compared=matched.compare,
        cuts=tuple(matched.cuts),
        not_checked=tuple(matched.not_checked),
        learnt=(*left.notes, *right.notes, *matched.learnt),
        suggested=machine.count("suggestion"),
        breaks_total=total,
        breaks=held,
        holds_every_break=len(held) < BREAKS_HELD_MAX,
        rejected=rejected,
        context=context,
    )


def _passes(engine: Engine, matched: Matched) -> dict[str, dict[str, int]]:
    """By pass: records of each side that it confirmed, pairs that it found broken, pairs that it suggests."""
    found = {step.name: {"left": 0, "right": 0, "breaks": 0, "suggested": 0} for step in matched.rules.passes}
    if matched.first:
        found[matched.first.name].update(left=matched.clean, right=matched.clean)
    counted = "count(distinct l_u), count(distinct r_u), count(distinct coalesce(grp, l_u, r_u))"
    if engine.count("pair"):
        for name, status, left, right, cases in engine.rows(f"select pass, status, {counted} from pair group by pass, status"):
            if status == CONFIRMED:
                found[name]["left"] += int(left)
                found[name]["right"] += int(right)
            else:
                found[name]["breaks"] += int(cases)
    if engine.count("suggestion"):
        for name, _, _, cases in engine.rows(f"select pass, {counted} from suggestion group by pass"):
            found[name]["suggested"] += int(cases)
    return found


REASON: Final = "coalesce(reason, case when days = 0 then 'key equal' else 'key equal, ' || cast(days as varchar) || ' days apart' end)"

ORDER: Final = Ordered(
    "",
    'left_id nulls last, right_id nulls last, pass, "group" nulls last, to_write.reason nulls last, days nulls last',
)  # of a file of pairs; the rows that are to be written come into it


def matches_of(engine: Engine, matched: Matched, left: Side, right: Side) -> Ordered:
    """Every confirmed and suggested pair in one fixed order: left_id, right_id, pass, status, reason, score, group.

    Keys that cancelled carry the days between their records, and their reason is put into words only as it is written.
    """
    parts = [pairs_of(), *filter(None, [clean_of(engine, matched, left, right)])]
    return ORDER._replace(rows=" union all ".join(parts), shown=f'left_id, right_id, pass, status, {REASON} as reason, score, "group"')


def pairs_of() -> str:
    """What the passes laid down or suggest, as SQL over the machine that they ran on."""
    return """select l.id as left_id, r.id as right_id, p.pass as pass, p.status as status, p.reason as reason, p.score as score,
               replace(p.grp, chr(31), '#') as "group", cast(null as integer) as days
            from (select * from pair where status = 'confirmed' union all select * from suggestion) p
            left join l_base l on l.u = p.l_u left join r_base r on r.u = p.r_u"""


def clean_of(engine: Engine, matched: Matched, left: Side, right: Side) -> str | None:
    """The pairs of the keys that cancelled, in the same columns, as SQL over the sides' own engine."""
    pairs = clean_pairs(engine, matched.cleared, left, right)
    if pairs is None or matched.first is None:
        return None
    return f"""select c.l_id as left_id, c.r_id as right_id, '{matched.first.name}' as pass, 'confirmed' as status,
                      cast(null as varchar) as reason, cast(100 as integer) as score, cast(null as varchar) as "group", c.days as days
               from ({pairs}) c"""


__all__: Sequence[str] = (
    "BREAKS_HELD_MAX",
    "ORDER",
    "REASON",
    "MatchingResult",
    "SourceTold",
    "clean_of",
    "matches_of",
    "pairs_of",
    "reconcile",
)
