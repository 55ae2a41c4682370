"""One of something is told as one, wherever it is told."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import counterfoil
from counterfoil.base.formats.counting import counted

SOURCE = Path(counterfoil.__file__).parent
BY_HAND = re.compile(r"== 1$")


@pytest.mark.parametrize(
    ("number", "words", "told"),
    [
        (0, ("payout",), "0 payouts"),
        (1, ("payout",), "1 payout"),
        (1204, ("payout",), "1,204 payouts"),
        (1, ("entry", "entries"), "1 entry"),
        (2, ("line is new", "lines are new"), "2 lines are new"),
    ],
)
def test_how_many_of_something_is_told_in_words_that_are_right_for_one(number: int, words: tuple[str, ...], told: str) -> None:
    assert counted(number, *words) == told


def _is_by_hand(node: ast.AST) -> bool:
    """A text chosen by whether a number is one, or an s that is put behind a word or not: what `counted` is there for."""
    if isinstance(node, ast.IfExp) and isinstance(node.body, ast.Constant) and isinstance(node.body.value, str):
        ends_in_s = isinstance(node.orelse, ast.Constant) and node.orelse.value == "s"
        return BY_HAND.search(ast.unparse(node.test)) is not None and (node.body.value.startswith("1 ") or ends_in_s)
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and isinstance(node.left, ast.Constant) and node.left.value == "s"


def _by_hand(path: Path) -> list[int]:
    return [getattr(node, "lineno", 0) for node in ast.walk(ast.parse(path.read_text())) if _is_by_hand(node)]


def test_nobody_chooses_between_one_and_many_by_hand() -> None:
    found = [f"{path.relative_to(SOURCE)}:{line}" for path in sorted(SOURCE.rglob("*.py")) for line in _by_hand(path)]
    assert not found, found
