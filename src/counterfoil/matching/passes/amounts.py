"""The pass by amount and date: no common key, so it suggests, unless the rule set says that amounts are as good as unique."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from counterfoil.matching.engines.engine import literal
from counterfoil.matching.passes.keys import capitals
from counterfoil.matching.passes.open_items import CONFIRMED, SUGGESTED, Board, mutual_best, pair_columns
from counterfoil.matching.rules.model import AmountPass, Compared

PAIRS_PER_AMOUNT_MAX: Final = 2_500  # an amount that is this common says nothing


def match_amounts(board: Board, step: AmountPass, compare: Sequence[Compared]) -> None:
    """Equal amount and asset within the window, one to one by mutual best; several equal candidates stay open."""
    engine = board.engine
    engine.table(
        "common_amount",
        f"""select asset, amount from (
                select asset, amount, sum(l) as nl, sum(r) as nr from (
                    select asset, amount, 1 as l, 0 as r from lo union all select asset, amount, 0 as l, 1 as r from ro) b
                group by asset, amount) n
            where nl * nr between 1 and {PAIRS_PER_AMOUNT_MAX}""",
    )
    also = f" and {capitals('r.counterparty')} = {capitals('l.counterparty')}" if step.same_counterparty else ""
    if "status" in compare:
        also += " and l.status is not distinct from r.status"
    engine.table(
        "amount_candidate",
        f"""select l.u as l_u, r.u as r_u, cast(0 as bigint) as cost, cast(coalesce(abs(r.d - l.d), 99999) as bigint) as near
            from common_amount c join lo l on l.asset = c.asset and l.amount = c.amount
            join ro r on r.asset = c.asset and r.amount = c.amount
                and coalesce(r.d - l.d between {-step.before_days} and {step.after_days}, true){also}""",
    )
    mutual_best(engine, "amount_candidate", "amount_pair", gap=1)
    pairs = f"""select {
        pair_columns(
            step=step.name,
            status=literal(CONFIRMED if step.confirms else SUGGESTED),
            score="60",
            reason="'equal amount and asset, ' || coalesce(cast(abs(r.d - l.d) as varchar), 'unknown') || ' days apart; no other evidence'",
        )
    }
        from amount_pair p join lo l on l.u = p.l_u join ro r on r.u = p.r_u"""
    if step.confirms:
        board.claim(step.name, pairs)
        board.ambiguous("amount_candidate", step.name)
    else:
        board.suggest(pairs)
    engine.drop("common_amount", "amount_candidate", "amount_pair")
