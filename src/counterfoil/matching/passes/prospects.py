"""Which passes have anything to look at: on a cluster each statement is a job, and a pass that finds nothing cost some twenty."""

from __future__ import annotations

from collections.abc import Sequence

from counterfoil.matching.engines.engine import literal
from counterfoil.matching.passes.amounts import EQUAL_AMOUNTS
from counterfoil.matching.passes.embedded import named_words
from counterfoil.matching.passes.groups import common_batches, opposites, possible_parts
from counterfoil.matching.passes.keys import common_keys
from counterfoil.matching.passes.open_items import Board
from counterfoil.matching.rules.model import AmountPass, EmbeddedPass, GroupPass, KeyPass, Pass, ReversalPass, SubsetPass


class Prospects:
    """On a cluster one statement asks for all passes together, and again when a pass took records off the board.

    Records only leave it, so a pass that has nothing to look at has nothing later either. On one machine nothing is asked.
    """

    def __init__(self, board: Board, steps: Sequence[Pass]) -> None:
        self._board = board
        self._ahead = list(steps)
        self._asked_at: tuple[int, int] | None = None

    def has(self, step: Pass) -> bool:
        """May this pass, whose turn it is, find anything?"""
        if not self._board.engine.is_cluster:
            return True
        if step in self._ahead and self._asked_at != self._board.sizes:
            self._ask(step)
        return step in self._ahead

    def _ask(self, step: Pass) -> None:
        """Keep, from this pass on, those that have something to look at. The pass by text asks on the driver itself."""
        ahead = self._ahead[self._ahead.index(step) :]
        asked = {each.name: sql for each in ahead if (sql := begins_with(self._board, each))}
        parts = [f"select {literal(name)} as pass from (select 1 as one from ({sql}) s limit 1) p" for name, sql in asked.items()]
        found = {row[0] for row in self._board.engine.rows_at_once(" union all ".join(parts))} if parts else set()
        self._ahead = [each for each in ahead if each.name in found or each.name not in asked]
        self._asked_at = self._board.sizes


def begins_with(board: Board, step: Pass) -> str:
    """The candidates without which a pass finds nothing, as SQL over the open records, or nothing where they are not asked by SQL."""
    match step:
        case KeyPass():
            return common_keys(step)
        case EmbeddedPass():
            return named_words(step)
        case ReversalPass():
            return opposites(board, step)
        case GroupPass():
            return common_batches(step)
        case SubsetPass():
            return possible_parts(board, step)
        case AmountPass():
            return EQUAL_AMOUNTS
        case _:
            return ""
