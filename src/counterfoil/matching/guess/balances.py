"""A file's own running balance: proposed where it leads from row to row through the whole file, so that every run holds it to that."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from counterfoil.base.problems import InvalidInput
from counterfoil.matching.engines.engine import DuckEngine
from counterfoil.matching.guess.columns import Looked
from counterfoil.matching.reading.loading import read_side
from counterfoil.matching.reading.scans import SourceUnreadable
from counterfoil.matching.rules.model import Source
from counterfoil.matching.rules.toml_file import load_rules

TRIED_BYTES_MAX: Final = 64 << 20  # nobody who asks for a proposal waits for a run over more


def prove_balances(engine: DuckEngine, sides: tuple[Looked, Looked], text: str, folder: Path) -> None:
    """Keep of each side the column of a running balance only where it leads through the file, read by the rule set that is proposed.

    Raises SourceUnreadable where it does not and a person said that it is one, or where it does but for some rows: then a row is missing
    or wrong, and whatever came of the file would rest on it.
    """
    if not any(side.balance for side in sides):
        return
    try:
        rules = load_rules(text)
    except InvalidInput:  # whoever loads the proposal is told so
        rules = None
    for side, source in zip(sides, (rules.left, rules.right) if rules else (None, None), strict=True):
        if side.balance:
            side.balance = _proven(engine, side, source, folder)


def _proven(engine: DuckEngine, side: Looked, source: Source | None, folder: Path) -> str:
    """The column, or nothing where it leads to nothing."""
    if source is None or source.amount is None:
        return ""
    if sum(path.stat().st_size for path in side.paths) > TRIED_BYTES_MAX and not side.said.get("balance"):
        side.say(f"{side.balance} may be its running balance, and the file is too large to try that here: say so, and each run checks it")
        return ""
    amount = source.amount.model_copy(update={"balance": side.balance})
    try:
        read_side(engine, side.paths, source.model_copy(update={"amount": amount}), side.side, folder)
    except SourceUnreadable as problem:
        if side.said.get("balance"):
            raise
        if problem.facts.get("wrong"):
            wrong = f"{problem.facts['reason']}: a row is missing, or an amount or a balance is wrong"
            else_ = f"where {side.balance} is no running balance, say so: --column {side.side}.balance=nothing"
            raise SourceUnreadable(**problem.facts | {"reason": f"{wrong}; {else_}"}) from problem
        where = f" (line {line})" if (line := problem.facts.get("line")) else ""
        side.say(f"{side.balance} is not taken for a running balance: {problem.facts.get('reason')}{where}")
        return ""
    side.say(f"{side.balance} is its running balance: it leads from row to row through the whole file, and each run checks that")
    return side.balance
