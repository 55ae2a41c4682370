"""Each operation of the runbooks can be done as its row says, and is walked by a story, which names its id."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from counterfoil.cli.core.commands import PARTS, load
from docs.generate import openapi
from tests.house.tree import ROOT
from tests.shared_data import shared

IDS = re.compile(r"\b[VSITP]\d{1,2}\b")
# How many rows each runbook has, so that none is lost with its table, its command or its address.
ROWS: Final = {"V": 15, "S": 21, "I": 10, "T": 10, "P": 9}
# A program, a job, and pages that no document lists.
NO_ADDRESS: Final = ("psql", "treasury-daily", "GET /admin/reconciliation", "GET /metrics")
# What a row names and nobody built, with what is there instead. It only gets shorter.
ABSENT: Final[dict[tuple[str, str], str]] = {}


def rows() -> dict[str, tuple[str, str]]:
    """By id: the cells that name its commands and its addresses."""
    text = shared("spec", "1-interface.md").read_text()
    found = {}
    for line in re.sub(r"`[^`\n]*`", lambda one: one[0].replace("|", "/or/"), text).splitlines():
        cells = [cell.strip().replace("/or/", "|") for cell in line.strip("|").split("|")] if line.startswith("| ") else []
        if len(cells) == 4 and IDS.fullmatch(cells[0]):
            found[cells[0]] = (cells[2], cells[3])
    return found


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@cache
def commands_of(noun: str) -> dict[str, set[str]]:
    """A noun's verbs with their options; a command of its own stands under the empty word."""
    if noun not in PARTS:
        return {}
    command = load(noun)
    found = {"": _options(command)}
    return found | {verb: _options(one) for verb, one in getattr(command, "commands", {}).items()}


def _options(command: Any) -> set[str]:
    return {name for one in command.params for name in one.opts}


def can_be_typed(text: str) -> bool:
    """Is there such a command, with all the options that it names?"""
    words = text.split()
    verbs = commands_of(words[0])
    named = words[1].split("|") if len(words) > 1 and re.fullmatch(r"[a-z|-]+", words[1]) else [""]
    if named != [""] and set(verbs) == {""}:  # its argument
        named = [""]
    options = {one for one in words if one.startswith("--")}
    return all(verb in verbs and options <= verbs[verb] for verb in named)


@cache
def addresses() -> set[str]:
    return {re.sub(r"\{[^}]*\}", "*", path) for path in openapi()["paths"]}


def can_be_asked(text: str) -> bool:
    """Is there such an address, or anything below it?"""
    path = text.split()[-1].split("?")[0]
    base, _, last = path.rpartition("/")
    ends = last.strip("{}").split(",") if "," in last else last.split("|")
    wanted = [re.sub(r"\{[^}]*\}", "*", f"{base}/{end}") for end in ends]
    return all(any(re.match(f"{re.escape(one)}(/|$)", known) or _job(one) == known for known in addresses()) for one in wanted)


def _job(path: str) -> str:
    return re.sub(r"/run/[a-z-]+$", "/run/*", path)


def lacking(name: str, commands: str, routes: str) -> Iterator[tuple[str, str]]:
    """What a row names and the product does not have."""
    addresses_ = quoted(routes)
    for one in quoted(commands):
        if one not in NO_ADDRESS and not can_be_typed(one):
            yield name, one
    for one in addresses_:
        whole = re.sub(r"[^/]+$", "", addresses_[0]) + one.lstrip("/") if one.startswith("/") and not one.startswith("/api/") else one
        if one not in NO_ADDRESS and not can_be_asked(whole.removesuffix("/…")):
            yield name, one


def walked() -> set[str]:
    """The ids that the sections of stories name which somebody runs. Who has the machine answer a runbook's file names ids in passing."""
    found: set[str] = set()
    for path in sorted((ROOT / "tests" / "stories").glob("test_*.py")):
        tree = ast.parse(path.read_text())
        run = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        for one in tree.body:
            if isinstance(one, ast.FunctionDef) and (one.name in run or one.name.startswith("test_")):
                called = {each.func.id for each in ast.walk(one) if isinstance(each, ast.Call) and isinstance(each.func, ast.Name)}
                found |= set() if "walk" in called else set(IDS.findall(ast.get_docstring(one) or ""))
    return found


def test_every_row_of_the_runbooks_is_there_and_can_be_done_as_it_says() -> None:
    every = {f"{letter}{number}" for letter, count in ROWS.items() for number in range(1, count + 1)}
    assert set(rows()) == every, "the rows are read"
    missing = {one for name, cells in rows().items() for one in lacking(name, *cells)}
    assert sorted(missing - set(ABSENT)) == [], "a command or an address of the runbooks is gone"
    assert sorted(set(ABSENT) - missing) == [], "strike these out of ABSENT: they are there"


def test_every_row_of_the_runbooks_is_walked_by_a_story_that_names_it() -> None:
    assert sorted(set(rows()) - walked()) == [], "a story walks them and names them"
