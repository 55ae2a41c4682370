"""The whole search, from open records to pairs: vocabulary, candidates, evidence, weights, floors, decision."""

from __future__ import annotations

from typing import Final, NamedTuple

from counterfoil.matching.engines.engine import DuckEngine, Engine
from counterfoil.matching.passes.evidence.blocks import ChanceMeetings, make_candidates, make_features, unsearched
from counterfoil.matching.passes.evidence.decide import NEVER, Floors, decide, floors
from counterfoil.matching.passes.evidence.pairs import make_pairs, vetoed
from counterfoil.matching.passes.evidence.plan import BIT, FAN_MAX, EvidencePlan
from counterfoil.matching.passes.evidence.vocabulary import learn_vocabulary
from counterfoil.matching.passes.evidence.weights import NOTHING_LEARNT, Learnt, learn_weights

NOBODY: Final = "select cast(null as varchar) as l_u, cast(null as varchar) as r_u, 0 as score, '' as evidence where false"
SAID_MAX: Final = 30 * BIT  # a thousand million times is as much as is said
RESULTS: Final = ("linked", "proposed", "unsure", "unsearched")


def _times(column: str) -> str:
    """Two to the power of so many bits, as whole words, as SQL."""
    return f"cast(cast(round(pow(2, least(x.{column}, {SAID_MAX}) / {BIT}.0)) as bigint) as varchar)"


_ODDS: Final = f"pow(2, greatest(least(x.s, {SAID_MAX}), 0) / {BIT}.0)"
SCORE: Final = f"cast(floor(100 * {_ODDS} / (1 + {_ODDS})) as integer)"  # how likely it is right, in percent
WHY: Final = f"""case when x.text_bits < {BIT} then 'little in common in the texts'
                      else 'texts share what 1 in ' || {_times("text_bits")} || ' has' end
    || case when l.amount = r.amount then ', equal amount' else ', amount off by ' || cast(r.amount - l.amount as varchar) end
    || case when x.lag is null then ', date unknown' when x.lag = 0 then ', same day'
            else ', ' || cast(abs(x.lag) as varchar) || case when abs(x.lag) = 1 then ' day' else ' days' end
                 || case when x.lag > 0 then ' later' else ' earlier' end end
    || '; ' || {_times("s")} || ' times likelier than chance, '
    || case when x.lead >= {SAID_MAX} then 'no other candidate' else {_times("lead")} || ' times likelier than the next' end"""


class Linking(NamedTuple):
    """What a search learnt and where it put its floors."""

    learnt: Learnt
    floors: Floors


NOBODY_LINKED: Final = Linking(NOTHING_LEARNT, NEVER)


def link(machine: DuckEngine, plan: EvidencePlan) -> Linking:
    """Link `l_open` with `r_open`; `l_taught` and `r_taught` are all other records, which teach how rare words are.

    Makes the tables `text_linked` and `text_proposed` (l_u, r_u, score, evidence), `text_unsure` (l_u, r_u) and `text_unsearched`
    (l_u, r_u: one of both).
    """
    learn_vocabulary(machine, plan)
    chance = ChanceMeetings(machine, plan)
    make_features(machine, plan, chance)
    make_candidates(machine, plan, chance, "l_rec", "candidate")
    are_some = machine.count("candidate") > 0
    found = _weighed(machine, plan, chance) if are_some else NOBODY_LINKED
    machine.drop("candidate")
    unsearched(machine, chance)
    for name in RESULTS:
        told = f", {SCORE} as score, {WHY} as evidence" if name in ("linked", "proposed") else ""
        rows = f"select l.u as l_u, r.u as r_u{told} from {name} x left join l_rec l on l.n = x.l left join r_rec r on r.n = x.r"
        is_made = are_some or name == "unsearched"
        machine.table(f"text_{name}", rows if is_made and machine.count(name) else NOBODY)
    machine.drop(
        *RESULTS,
        *(f"{side}_{name}" for side in "lr" for name in ("rec", "word", "feature", "binding", "prefixed")),
        *("rare", "same_amount", "r_at", "near_by_chance"),
    )
    return found


def all_apart(machine: Engine, plan: EvidencePlan, left: str, right: str) -> bool:
    """Do no two records of two tables lie near each other at all? Then nothing is linked, and no text need be looked at.

    Asked only of so few that a word of each may be asked of each: of more, some would stay unsearched.
    """
    if max(machine.count(left), machine.count(right)) > FAN_MAX:
        return False
    near = f"{plan.window} and l.asset = r.asset and sign(l.amount) = sign(r.amount) and {plan.close} and {plan.near}"
    return not machine.rows(f"select 1 from {left} l join {right} r on {near} limit 1")


def _weighed(machine: DuckEngine, plan: EvidencePlan, chance: ChanceMeetings) -> Linking:
    """What speaks for the candidates, and the decision: `linked`, `proposed` and `unsure`."""
    make_pairs(machine, chance, "l_rec", "candidate", "pair_seen")
    vetoed(machine)
    learnt = learn_weights(machine, chance)
    machine.drop("pair_seen", "veto")
    floor = floors(machine, plan, chance, learnt)
    decide(machine, plan, floor)
    return Linking(learnt, floor)
