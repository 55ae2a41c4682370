"""Each operation of the runbooks that can be done is walked by a story, which names its id."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from counterfoil.cli.core.commands import PARTS, load
from docs.generate import openapi
from tests.house.tree import ROOT
from tests.shared_data import shared

IDS = re.compile(r"\b[VSITP]\d{1,2}\b")
# Rows that can be done and that no story walks yet. It only gets shorter: name the id in the story, and strike it out here.
LATER: frozenset[str] = frozenset()


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


def is_complete(commands: str, routes: str) -> bool:
    typed = [one for one in quoted(commands) if one != "psql"]
    asked = [one for one in quoted(routes) if "/api/" in one]
    return bool(typed or asked) and all(map(can_be_typed, typed)) and all(map(can_be_asked, asked))


def test_each_operation_that_can_be_done_is_named_by_a_story() -> None:
    complete = {name for name, cells in rows().items() if is_complete(*cells)}
    assert {"V1", "V4", "V5"} <= complete, "the rows are read"
    stories = "\n".join(path.read_text() for path in sorted((ROOT / "tests" / "stories").glob("test_*.py")))
    unnamed = complete - set(IDS.findall(stories))
    assert sorted(unnamed - LATER) == [], "a story walks them and names them"
    assert sorted(LATER - unnamed) == [], "strike these out of LATER: a story names them"
