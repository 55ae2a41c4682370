"""The pass by amount and date: no common key, so it suggests, unless the rule set says that amounts are as good as unique."""

from __future__ import annotations

from typing import Final

from counterfoil.matching.engines.engine import literal
from counterfoil.matching.passes.gate import NOTHING, agrees, limits_of
from counterfoil.matching.passes.open_items import SUGGESTED, Board, mutual_best, pair_columns
from counterfoil.matching.passes.words import capitals, told
from counterfoil.matching.rules.model import AmountPass

PAIRS_PER_AMOUNT_MAX: Final = 2_500  # an amount that is this common says nothing, and the report says that it was left out
EQUAL_AMOUNTS: Final = "select l.u from lo l join ro r on r.asset = l.asset and r.amount = l.amount"  # without one, nothing is found
WHY: Final = "'equal amount and asset, ' || coalesce(cast(abs(r.d - l.d) as varchar), 'unknown') || ' days apart; no other evidence'"


def match_amounts(board: Board, step: AmountPass) -> None:
    """Equal amount and asset within the window, one to one by mutual best; several equal candidates stay open."""
    engine = board.engine
    if not _too_common(board, step):
        return
    also = f" and {agrees(board.compare, limits_of(step))}"
    if step.same_counterparty:
        also += f" and {capitals(told('r.counterparty'))} = {capitals(told('l.counterparty'))}"
    engine.table(
        "amount_candidate",
        f"""select l.u as l_u, r.u as r_u, cast(0 as bigint) as cost, cast(coalesce(abs(r.d - l.d), 99999) as bigint) as near
            from common_amount c join lo l on l.asset = c.asset and l.amount = c.amount
            join ro r on r.asset = c.asset and r.amount = c.amount
                and coalesce(r.d - l.d between {-step.before_days} and {step.after_days}, true){also}""",
    )
    found = mutual_best(engine, "amount_candidate", "amount_pair", gap=1)
    if step.confirms:
        if found:
            board.link(step, "amount_pair", reason=WHY, score="60")
        board.ambiguous("amount_candidate", step.name)
    elif found:
        columns = pair_columns(step=step.name, status=literal(SUGGESTED), score="60", reason=WHY)
        board.suggest(f"select {columns} from amount_pair p join lo l on l.u = p.l_u join ro r on r.u = p.r_u")
    engine.drop("common_amount", "amount_candidate", "amount_pair")


def _too_common(board: Board, step: AmountPass) -> int:
    """The table `common_amount`: amounts of both sides; those that too many records share are left out, and that is said.

    How many are looked at; of none no table is left.
    """
    engine = board.engine
    engine.table(
        "both_amount",
        """select asset, amount, sum(l) * sum(r) as pairs from (
               select asset, amount, 1 as l, 0 as r from lo union all select asset, amount, 0 as l, 1 as r from ro) b
           group by asset, amount having sum(l) > 0 and sum(r) > 0""",
    )
    engine.table("common_amount", f"select asset, amount from both_amount where pairs <= {PAIRS_PER_AMOUNT_MAX}")
    found = engine.count("common_amount")
    records = " union all ".join(
        f"""select o.asset || ' ' || cast(o.amount as varchar) as cut_case, {"o.u" if side == "l" else NOTHING} as l_u,
                   {"o.u" if side == "r" else NOTHING} as r_u
            from both_amount b join {side}o o on o.asset = b.asset and o.amount = b.amount where b.pairs > {PAIRS_PER_AMOUNT_MAX}"""
        for side in ("l", "r")
    )
    if engine.count("both_amount") > found:
        board.cut(step, "amounts with pairs", PAIRS_PER_AMOUNT_MAX, records)
    engine.drop("both_amount", *(["common_amount"] if not found else []))
    return found
