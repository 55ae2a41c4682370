"""Lists of states: a machine knows its open and its final states, so nobody types them again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from counterfoil.base.machine import Machine, listed
from counterfoil.base.problems import InvariantBroken
from counterfoil.wiring import MACHINES
from tests.house.tree import SOURCE, tree_of

# Where a list is no set of states that the machine could tell, and why.
ALLOWED = {
    ("src/counterfoil/settlement/queries.py", "invoice"): "the order in which a page shows all of them",
    ("src/counterfoil/operations/providers/__init__.py", "chargeback"): "the provider's words, from which our states follow",
    ("src/counterfoil/simulator/http/schemas.py", "chargeback"): "the simulator stands alone",
}
IN_SQL = re.compile(r"in \(((?:'[a-z_]+'(?:,\s*)?)+)\)")
DOOR = Machine(
    "door",
    "door",
    ("shut",),
    {("shut", "open"): "ajar", ("ajar", "shut"): "shut", ("ajar", "burn"): "gone", ("gone", "mend"): "shut"},
    ended=frozenset({"gone"}),
)


def lists_in(tree: ast.Module) -> Iterator[tuple[int, frozenset[str]]]:
    """Every list of two words or more: a tuple, a list or a set of the code, and what stands behind `in` in SQL."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            words = [each.value for each in node.elts if isinstance(each, ast.Constant) and isinstance(each.value, str)]
            if len(words) == len(node.elts) > 1:
                yield node.lineno, frozenset(words)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for found in IN_SQL.finditer(node.value):
                words = re.findall("[a-z_]+", found[1])
                if len(words) > 1:
                    yield node.lineno, frozenset(words)


def restated(words: frozenset[str]) -> str | None:
    """Of which machine these are the open or the final states, or three or more of its states."""
    for machine in MACHINES:
        if words in (frozenset(machine.open), frozenset(machine.final)) or (len(words) > 2 and words <= set(machine.states())):
            return machine.name
    return None


def declares(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Machine" for node in ast.walk(tree))


@pytest.mark.parametrize("path", SOURCE, ids=str)
def test_no_file_types_the_states_of_a_machine_again(path: Path) -> None:
    tree = tree_of(path)
    found = (
        []
        if declares(tree)
        else [
            f"{path}:{line}: {restated(words)}"
            for line, words in lists_in(tree)
            if restated(words) and (str(path), restated(words)) not in ALLOWED
        ]
    )
    assert found == [], "ask the machine: `.open`, `.final`, `.before(verb)`, `.after(verb)`; in SQL `listed(…)` of it"


def test_a_list_of_states_is_found_in_code_and_in_sql() -> None:
    tree = ast.parse("""LIVE = ("open", "timing", "investigating", "pending_adjustment")\nx = "state in ('processed', 'ignored')" """)
    assert [restated(words) for _, words in lists_in(tree)] == ["break", "webhook_in"]


def test_a_machine_tells_its_ends_and_what_is_open() -> None:
    assert (DOOR.open, DOOR.final) == (("shut", "ajar"), ("gone",))
    assert (DOOR.before("shut", "mend"), DOOR.after("burn")) == (("ajar", "gone"), ("gone",))
    assert all(set(one.open) | set(one.final) == set(one.states()) and set(one.initial) <= set(one.open) for one in MACHINES)


def test_only_plain_words_become_sql() -> None:
    assert listed(DOOR.open) == "('shut', 'ajar')"
    for wrong in ([], ["it's"]):
        with pytest.raises(InvariantBroken):
            listed(wrong)
