"""The pass by text: what is left, linked by rare words and near amounts and dates, with the evidence counted in bits."""

from __future__ import annotations

from typing import Final

from counterfoil.matching.engines.engine import literal
from counterfoil.matching.passes.evidence.linking import NOBODY_LINKED, RESULTS, Linking, all_apart, link
from counterfoil.matching.passes.evidence.plan import BIT, FAN_MAX, FLOOR_MAX, EvidencePlan
from counterfoil.matching.passes.evidence.weights import weights_told
from counterfoil.matching.passes.gate import NOTHING, agrees, limits_of
from counterfoil.matching.passes.open_items import SUGGESTED, Board, pair_columns
from counterfoil.matching.rules.model import TextPass

TAUGHT_ROWS_MAX: Final = 50_000  # records of a side, beside all open ones, that teach how rare words are; more link no other pair
HEX: Final = 1 << 32
NEVER: Final = FLOOR_MAX * BIT // 2
TEXTS: Final = ("counterparty", "memo", "reference")


def match_texts(board: Board, step: TextPass) -> None:
    """What belongs together is linked (confirmed by the gate, or a break with a known partner); what is less sure is suggested."""
    if not all(board.sizes):
        return
    if max(board.sizes) > step.open_max:
        everything = f"select 'all' as cut_case, u as l_u, {NOTHING} as r_u from lo union all select 'all', {NOTHING}, u from ro"
        board.cut(step, "sides with open records", step.open_max, everything)
        return
    engine = board.engine
    plan = EvidencePlan(
        before_days=step.before_days,
        after_days=step.after_days,
        off_per_mille=max(step.amount_off_percent, 1) * 10,
        lead_bits=step.lead_bits,
        false_per_mille=step.false_per_mille,
        near=agrees(board.compare, limits_of(step)),
    )
    if not engine.is_cluster and all_apart(engine, plan, "lo", "ro"):
        board.learnt.append(_told(step, NOBODY_LINKED))
        return
    machine = engine.lend(_lent(board))
    learnt = link(machine, plan)
    engine.take_back(machine, *(f"text_{name}" for name in RESULTS))
    if engine.count("text_linked"):
        board.link(step, "text_linked", reason="k.evidence", score="k.score")
    if engine.count("text_unsure"):
        board.ambiguous("text_unsure", step.name)
    if engine.count("text_proposed"):
        columns = pair_columns(l_u="k.l_u", r_u="k.r_u", step=step.name, status=literal(SUGGESTED), reason="k.evidence", score="k.score")
        board.suggest(f"select {columns} from text_proposed k")
    if engine.count("text_unsearched"):
        board.cut(step, "words with candidates", FAN_MAX, "select coalesce(l_u, r_u) as cut_case, l_u, r_u from text_unsearched")
    board.learnt += [_told(step, learnt), *(f"pass {step.name} {sentence}" for sentence in weights_told(learnt.learnt))]
    engine.drop(*(f"text_{name}" for name in RESULTS))


def _lent(board: Board) -> dict[str, str]:
    """By name: the open records of each side, and of its other records that teach how rare a word is the texts."""
    found = {}
    for side in ("l", "r"):
        found[f"{side}_open"] = f"select u, asset, amount, d, status, counterparty, memo, reference from {side}o"
        others = f"({board.records(side)}) s where not exists (select 1 from {side}o o where o.id = s.id)"
        found[f"{side}_taught"] = f"select {', '.join(TEXTS)} from {others}"
    return found


def teaches(rows: int, reference: str, name: str) -> str:
    """The condition over a record's reference and id that it teaches how rare words are, as SQL.

    Of a large side a part does, chosen by the reference, so that both sides keep the same references.
    """
    if rows <= TAUGHT_ROWS_MAX:
        return "1 = 1"
    return f"substr(md5(coalesce({reference}, {name})), 1, 8) < {literal(f'{HEX * TAUGHT_ROWS_MAX // rows:08x}')}"


def _told(step: TextPass, found: Linking) -> str:
    """What was learnt, in a sentence."""
    if found.floors.confirm >= NEVER:
        return f"pass {step.name} links nothing: by its decoys, what it would link could all be chance"
    return (
        f"pass {step.name} links from {found.floors.confirm / BIT:.1f} bits above chance; by its decoys about "
        f"{found.floors.expected_false:,} of its links may be chance"
    )
