"""From scores to pairs: a floor that decoys set, the mutual best with a lead, what is only suggested and what stays unsure."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.passes.evidence.blocks import ChanceMeetings, make_candidates
from counterfoil.matching.passes.evidence.pairs import make_pairs
from counterfoil.matching.passes.evidence.plan import (
    BIT,
    FLOOR,
    FLOOR_MAX,
    LEAD_TO_SUGGEST,
    ROUNDS,
    TEXT_LEAST,
    UNSURE_SUGGESTED,
    EvidencePlan,
    off,
)
from counterfoil.matching.passes.evidence.weights import Learnt, decoy_scores, every_nth

HALF: Final = BIT // 2
FAR: Final = -99 * BIT
HANDFUL: Final = 20  # records: too few for decoys to tell much
DOUBLE_MAX: Final = 1 << 61  # amounts above are halved instead, so that nothing overflows
LATE_DAYS: Final = 30  # beyond the window, in which a late partner may still come
BESIDE: Final = 3  # none seen in n may still be up to three in n


class Floors(NamedTuple):
    """From which score pairs are confirmed, called ambiguous where several are as good, and suggested, in thousandths of a bit;
    and how many of the confirmed may be chance."""

    confirm: int
    ambiguous: int
    suggest: int
    expected_false: int


NEVER: Final = Floors(FLOOR_MAX * HALF, FLOOR_MAX * HALF, FLOOR_MAX * HALF, 0)  # where nothing is linked


def floors(machine: DuckEngine, plan: EvidencePlan, chance: ChanceMeetings, learnt: Learnt) -> Floors:
    """The lowest floor at which decoys foretell few enough chance pairs.

    A decoy is a record moved to days (or an amount) at which its partner cannot lie. What the rule would confirm of decoys, it would
    confirm of any record that has no partner. Their number is doubled, for pairs that win only after their rivals were claimed, and a
    floor under the usual one has to be earned by numbers.
    """
    one_in = every_nth(machine, "l_rec")
    lead = plan.lead_bits * BIT
    rows = f"select l, r, s from ({decoy_scores(learnt)}) d where text_bits >= {TEXT_LEAST}"
    seen = []
    for kind in _kinds_of_decoys(machine, plan):
        _decoys(machine, plan, kind, one_in)
        make_candidates(machine, plan, chance, "decoy_rec", "decoy_candidate")
        if machine.count("decoy_candidate"):
            make_pairs(machine, chance, "decoy_rec", "decoy_candidate", "decoy")
            seen.append(_histogram(machine, rows, lead, mutual=False))
        else:
            seen.append({})
        machine.drop("decoy_rec", "decoy_candidate", "decoy")
    real = _histogram(machine, "select l, r, s from scored where not bare", lead, mutual=True)
    confirm = ambiguous = suggest = FLOOR_MAX * HALF
    if not seen:
        return NEVER
    expected = 0.0
    for step in range(FLOOR_MAX - 1, -1, -1):  # the last that holds is the lowest
        got = sum(many for at, many in real.items() if at >= step)
        fake = one_in * max(sum(many for at, many in by_chance.items() if at >= step) for by_chance in seen)
        # both sides of a chance pair lack their partner
        free = max(1 - got / max(chance.left, 1), 0.01) * max(1 - got / max(chance.right, 1), 0.01)
        few = BESIDE * one_in if step * HALF < FLOOR else 0
        beyond = one_in * max(_beyond(by_chance, step) for by_chance in seen)
        if fake * free * UNSURE_SUGGESTED <= got:
            suggest = step * HALF
        allowed = plan.false_per_mille * got / (2 * free * 1000)
        if fake + few <= allowed:
            ambiguous = step * HALF
        if (fake or beyond) + few <= allowed:
            confirm, expected = step * HALF, 2 * fake * free
    return Floors(confirm, ambiguous, suggest, round(expected))


def _beyond(by_chance: dict[int, int], step: int) -> float:
    """How many chance pairs to expect above the highest decoy: not none, since the next one could have come higher still, half as likely
    with each bit. Without it a few pairs of a world in which nothing belongs together were confirmed, each a little higher than any decoy.
    """
    return math.pow(2, (max(by_chance, default=0) - step) / 2)


def _kinds_of_decoys(machine: DuckEngine, plan: EvidencePlan) -> tuple[str, ...]:
    """How decoys are made: moved in time, or, where the days do not reach so far, with another amount, in two ways.

    None where most records have one amount besides: then nothing tells what chance would link, and nothing is linked. Of a handful of
    records all may have one amount.
    """
    low, high = machine.rows("select min(d), max(d) from r_rec")[0]
    if low is not None and high - low >= 2 * (plan.before_days + plan.after_days + 1):
        return ("moved",)
    records, same = machine.rows(
        """select coalesce(sum(many), 0), coalesce(max(many), 0) from (
               select count(*) as many from l_rec group by asset, sg, amount) a"""
    )[0]
    return () if records > HANDFUL and same * 2 > records else ("doubled", "exchanged")


def _shift(plan: EvidencePlan, span: int) -> int:
    """How many days a decoy is moved: out of the window, and where the files cover so many days also beyond partners that come late.

    Of a payment that came too late for the window its decoy would else meet the true partner, and take it for chance.
    """
    window = plan.before_days + plan.after_days + 1
    return window + min(LATE_DAYS, max(span - 2 * window, 0) // 3)


def _decoys(machine: DuckEngine, plan: EvidencePlan, kind: str, one_in: int) -> None:
    """`decoy_rec`: left records at days, or with amounts, at which their partner cannot lie.

    An exchanged amount is one of the file's own, so that a price that many share is met as often as by chance; it lies so far from the
    record's own that the true partner is no candidate. Where there is none, and where a record has no date, it is doubled.
    """
    doubled = f"case when abs(l.amount) < {DOUBLE_MAX} then l.amount * 2 else l.amount // 2 end"
    amount, later = doubled, "l.d"
    if kind == "moved":
        low, high = machine.rows("select min(d), max(d) from r_rec")[0]
        shift = _shift(plan, high - low)
        later = f"case when l.d + {shift + plan.after_days} <= {high} then l.d + {shift} else l.d - {shift} end"
        amount = f"case when l.d is null then {doubled} else l.amount end"
    elif kind == "exchanged":
        apart = 1000 - (1000 - plan.off_per_mille) ** 2 // 1000  # beyond the reach of a partner that lies as far off as it may
        amount = f"case when {off('l', 'o')} > {apart} then o.amount else {doubled} end"
    machine.table(
        "decoy_rec",
        f"""with ranked as (
                select n, asset, sg, amount, row_number() over (partition by asset, sg order by amount, n) - 1 as place,
                       count(*) over (partition by asset, sg) as many from l_rec),
            other as (
                select a.n, b.amount from ranked a join ranked b
                on b.asset = a.asset and b.sg = a.sg and b.place = (a.place + a.many // 2) % a.many),
            moved as (
                select l.* replace ({amount} as amount, {later} as d) from l_rec l join other o on o.n = l.n where l.n % {one_in} = 0)
            select * replace (cast(floor(ln(greatest(abs(amount::double), 1)) / ln(1 + {plan.off_per_mille} / 1000.0)) as integer) as band)
            from moved""",
    )


def _histogram(machine: DuckEngine, rows: str, lead: int, *, mutual: bool) -> dict[int, int]:
    """Best pairs with a lead, counted by half bits of their score."""
    right = f"""row_number() over (partition by r order by s desc, l) as r_place,
                s - coalesce(lead(s) over (partition by r order by s desc, l), {FAR}) as r_ahead"""
    found = machine.rows(
        f"""select least(greatest(s, 0), 40000) // {HALF}, count(*) from (
                select s, row_number() over (partition by l order by s desc, r) as l_place,
                       s - coalesce(lead(s) over (partition by l order by s desc, r), {FAR}) as l_ahead,
                       {right if mutual else f"1 as r_place, {-FAR} as r_ahead"}
                from ({rows}) x) y
            where l_place = 1 and r_place = 1 and l_ahead >= {lead} and r_ahead >= {lead} and s >= 0 group by 1"""
    )
    return {int(at): int(many) for at, many in found}


def decide(machine: DuckEngine, plan: EvidencePlan, floor: Floors) -> None:
    """`linked` and `proposed` (l, r, s, lead, text_bits, off, lag), and `unsure` (l, r): good enough, but others are as good.

    What is claimed leaves, and its rivals' leads grow; a fixed number of rounds.
    """
    lead = plan.lead_bits * BIT
    machine.table("live", f"select * from scored where s >= {-lead}")
    for turn in range(ROUNDS):
        _win(machine, floor.confirm, lead, "and not bare")
        machine.table("linked", "select * from won" if turn == 0 else "select * from linked union all select * from won")
        if not machine.count("won"):
            break
        machine.table("live", "select v.* from live v anti join won a on a.l = v.l anti join won b on b.r = v.r")
    machine.table("unsure", f"select l, r from live where s >= {floor.ambiguous} and not bare")
    _win(machine, floor.suggest, LEAD_TO_SUGGEST, "")
    machine.table("proposed", "select * from won")
    machine.drop("live", "won", "scored")


def _win(machine: DuckEngine, floor: int, lead: int, also: str) -> None:
    """`won`: of `live` those that are best for both sides, high enough and far enough ahead."""
    nobody = FAR
    machine.table(
        "won",
        f"""select l, r, s, least(s - l_next, s - r_next) as lead, text_bits, off, lag from (
                select *, row_number() over (partition by l order by s desc, r) as l_place,
                       row_number() over (partition by r order by s desc, l) as r_place,
                       coalesce(lead(s) over (partition by l order by s desc, r), {nobody}) as l_next,
                       coalesce(lead(s) over (partition by r order by s desc, l), {nobody}) as r_next from live) x
            where l_place = 1 and r_place = 1 and s >= {floor} and s - l_next >= {lead} and s - r_next >= {lead} {also}""",
    )
