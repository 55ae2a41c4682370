"""How much each step weighs: learnt from the candidates themselves, without labels, in a fixed number of steps from a fixed start."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.passes.evidence.blocks import ChanceMeetings
from counterfoil.matching.passes.evidence.plan import (
    BIT,
    DAY_STEPS,
    EARLIER,
    OFF_STEPS,
    STEPS,
    TAUGHT_MAX,
    TEXT_LEAST,
    UNDATED,
)

FIELDS: Final = ("amount", "day", "text")
RELATIONS: Final = (  # of two texts, by the step that `make_pairs` gives it
    "the same",
    "of the same words",
    "one word longer on one side",
    "several words longer on one side",
    "one word differs",
    "one word of one and several of the other differ",
    "several words of both differ",
    "no word in common",
)
WHOLE: Final = 1_000_000  # one record's weight, shared by its candidates and by none of them
HIGHEST: Final = 8 * BIT
PARTNERED_LEAST, PARTNERED_MOST = 0.02, 0.95


class Learnt(NamedTuple):
    """What was learnt: thousandths of a bit by step of each field, what a pair must first make good, and how many have a partner."""

    weights: Mapping[str, Mapping[int, int]]
    prior: int
    partnered_percent: int


NOTHING_LEARNT: Final = Learnt({field: {} for field in FIELDS}, 0, 0)


def every_nth(machine: DuckEngine, table: str) -> int:
    """One record in so many is looked at where it takes a sample."""
    return max(machine.count(table) // TAUGHT_MAX, 1)


def learn_weights(machine: DuckEngine, chance: ChanceMeetings) -> Learnt:
    """Make `scored` (l, r, s, bare, text_bits, off, lag) of every pair that no veto bars.

    A record's candidates and `none of them` share its weight by what they score; what they share says how often a step is seen with
    partners and how often with others; that is the next weight. Whole numbers at every step.
    """
    prior = round(BIT * math.log2(max(chance.right * chance.both, 1)))
    one_in = every_nth(machine, "l_rec")
    machine.table("taught", f"select p.* from pair_seen p anti join veto v on v.l = p.l and v.r = p.r where p.l % {one_in} = 0")
    records = max(int(machine.rows(f"select count(*) from l_rec where n % {one_in} = 0")[0][0]), 1)
    steps = _by_step(machine, "count(*)", "pair_seen")
    weights = {field: {step: _first(field, step) for step in sorted(steps[field])} for field in FIELDS}
    partnered = 0.5
    for _ in range(STEPS):
        none = round(1024 * (1 - partnered) / partnered)
        likely = f"""(select amount_step, day_step, text_step, cast(v * {WHOLE} // (total + {none}) as bigint) as w from (
                          select *, sum(v) over (partition by l) as total from (
                              select l, amount_step, day_step, text_step,
                                     cast(round(1024 * pow(2, least(s, 30000) / 1000.0)) as hugeint) as v
                              from ({_scores("taught", weights, prior)}) s) q) z)"""
        found = _by_step(machine, f"coalesce(sum(w), 0), coalesce(sum({WHOLE} - w), 0)", likely)
        seen = sum(m for m, _ in found[FIELDS[0]].values())
        partnered = min(max(seen / WHOLE / records, PARTNERED_LEAST), PARTNERED_MOST)
        for field in FIELDS:
            weights[field] |= _learnt(field, found[field])
    prior -= round(BIT * math.log2(partnered / (1 - partnered)))
    machine.table(
        "scored",
        f"""select p.l, p.r, p.s, p.text_bits < {TEXT_LEAST} as bare, p.text_bits, p.off, p.lag
            from ({_scores("pair_seen", weights, prior)}) p anti join veto v on v.l = p.l and v.r = p.r""",
    )
    machine.drop("taught")
    return Learnt(weights, prior, round(100 * partnered))


def _by_step(machine: DuckEngine, sums: str, rows: str) -> dict[str, dict[int, tuple[int, ...]]]:
    """Sums over rows by the steps of each field, in one reading; a step is never null, so one row of the answer is of one field."""
    names = [f"{field}_step" for field in FIELDS]
    found: dict[str, dict[int, tuple[int, ...]]] = {field: {} for field in FIELDS}
    sets = ", ".join(f"({name})" for name in names)
    for row in machine.rows(f"select {', '.join(names)}, {sums} from {rows} group by grouping sets ({sets})"):
        field, step = next((field, step) for field, step in zip(FIELDS, row, strict=False) if step is not None)
        found[field][int(step)] = tuple(int(each) for each in row[len(names) :])
    return found


def _first(field: str, step: int) -> int:
    """Where learning begins: nearer is likelier."""
    if field == "amount":
        return -BIT if step == 0 else 500 - 150 * step
    if field == "day":
        return 0 if step == UNDATED else BIT - 150 * (step % EARLIER)
    return 2 * BIT - 600 * step


def _learnt(field: str, sums: Mapping[int, tuple[int, ...]]) -> dict[int, int]:
    """By step: log2(m / u). An equal amount is weighed by its own rarity besides, so here by m alone; an unknown day by nothing."""
    with_partner, with_others = (sum(each[at] for each in sums.values()) for at in (0, 1))
    found = {}
    for step, (m, u) in sorted(sums.items()):
        share_m = (m + WHOLE) / (with_partner + WHOLE * len(sums))
        share_u = (u + WHOLE) / (with_others + WHOLE * len(sums))
        ratio = share_m if field == "amount" and step == 0 else share_m / share_u
        weight = max(min(round(BIT * math.log2(ratio)), HIGHEST), -HIGHEST)
        found[step] = 0 if field == "day" and step == UNDATED else weight
    return found


def weights_told(learnt: Learnt) -> list[str]:
    """What each step was found to weigh, in sentences; none where there was nothing to learn from."""
    known = []
    for field, name in (("amount", _amount_named), ("day", _day_named), ("text", RELATIONS.__getitem__)):
        steps = sorted((step, weight) for step, weight in learnt.weights[field].items() if (field, step) != ("day", UNDATED))
        if steps:
            known.append(f"{field}s: {', '.join(f'{name(step)} {weight / BIT:+.1f}' for step, weight in steps)}")
    return [f"learnt how much each step weighs, in bits for a pair or against it; {'; '.join(known)}"] if known else []


def _amount_named(step: int) -> str:
    if step == 0:
        return "equal (beside how rare it is)"
    return f"off by {OFF_STEPS[step - 1] / 10:g} %" if step <= len(OFF_STEPS) else f"by more than {OFF_STEPS[-1] / 10:g} %"


def _day_named(step: int) -> str:
    at, way = step % EARLIER, "earlier" if step >= EARLIER else "later"
    if at == 0:
        return "same day"
    if at == len(DAY_STEPS):
        return f"more than {DAY_STEPS[-1]} days {way}"
    first, last = DAY_STEPS[at - 1] + 1, DAY_STEPS[at]
    days = str(last) if first == last else f"{first} to {last}"
    return f"{days} {'day' if days == '1' else 'days'} {way}"


def _scores(pairs: str, weights: Mapping[str, Mapping[int, int]], prior: int) -> str:
    """`pairs` with `s`, the evidence less what chance would bring, as SQL; a step that was never seen weighs nothing."""
    joins = " ".join(f"left join {_weighing(field, weights[field])} using ({field}_step)" for field in FIELDS)
    total = " + ".join(f"coalesce({field}_weight, 0)" for field in FIELDS)
    return f"select p.*, p.text_bits + p.equal_bits + {total} - {prior} as s from {pairs} p {joins}"


def _weighing(field: str, steps: Mapping[int, int]) -> str:
    values = ", ".join(f"({step}, {weight})" for step, weight in sorted(steps.items())) or "(0, 0)"
    return f"(values {values}) {field}_weights({field}_step, {field}_weight)"


def decoy_scores(learnt: Learnt) -> str:
    """The same of `decoy`, as SQL."""
    return _scores("decoy", learnt.weights, learnt.prior)
