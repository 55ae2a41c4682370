"""Which facts each type of problem carries, read from the calls that raise it, and which of them are amounts: `make reference` records them
for the server and for the command line."""

from __future__ import annotations

import ast
import inspect
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import counterfoil
from counterfoil.api.document.problem_types import FACTS_FILE
from counterfoil.base.problems import Problem, all_problems
from counterfoil.base.text import camel
from counterfoil.cli.core.money import PROBLEM_AMOUNTS

SOURCE: Final = Path(counterfoil.__file__).parent
FILE: Final = SOURCE / "api" / "document" / FACTS_FILE
AMOUNTS_FILE: Final = SOURCE / "cli" / "core" / PROBLEM_AMOUNTS
NAMED_BY_THE_DATABASE: Final = ("detail", "constraint")  # what `problem_of` gives to those that `name_refusals` lists


def recorded() -> str:
    """What the file holds. Every module must have been imported."""
    classes = {one.__name__: one for one in all_problems() if one.__module__.startswith("counterfoil.")}
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        for call in (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)):
            name = _named(call.func)
            if name in classes:
                found[name] |= {word.arg for word in call.keywords if word.arg}
            if name == "name_refusals":
                for one in set(_names_in(call)) & set(classes):
                    found[one] |= set(NAMED_BY_THE_DATABASE)
    facts = {name: sorted({*found[name], *kind.carries, *_always(kind)}) for name, kind in sorted(classes.items())}
    return json.dumps({name: told for name, told in facts.items() if told}, indent=1) + "\n"


def amounts() -> str:
    """What the file of amounts holds, by the name of a problem. Every module must have been imported."""
    known = {one.__name__: sorted(map(camel, one.amounts)) for one in all_problems() if one.__module__.startswith("counterfoil.")}
    return json.dumps({name: facts for name, facts in sorted(known.items()) if facts}, indent=1) + "\n"


def _named(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _names_in(call: ast.Call) -> Iterator[str]:
    return (node.id for node in ast.walk(call) if isinstance(node, ast.Name))


def _always(kind: type[Problem]) -> list[str]:
    """What its constructor asks for by name."""
    return [
        name
        for name, one in inspect.signature(kind.__init__).parameters.items()
        if name != "self" and one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
