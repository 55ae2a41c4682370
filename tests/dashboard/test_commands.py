"""Every command that a page tells somebody to type is there, with its flags: a page that names what does not exist is worse than none."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from counterfoil.cli.core import commands as tree
from counterfoil.dashboard.today import action_required
from counterfoil.wiring import NOUNS

TEMPLATES = Path(action_required.__file__).parents[1] / "templates"
TOLD = sorted(
    {one.strip() for path in TEMPLATES.rglob("*.html") for one in re.findall(r"counterfoil (?:[a-z-]+)[^<{\"]*", path.read_text())}
    | set(re.findall(r"counterfoil [a-z-]+ [^\"'\n]*", Path(action_required.__file__).read_text()))
    | {one.command for noun in NOUNS for one in noun.elsewhere}
    | {noun.first.command for noun in NOUNS if noun.first and noun.first.command}
    | {told for noun in NOUNS for one in noun.waits for told in (one.command, one.every)}
)


def command_of(words):
    command = tree.load(words[0])
    rest = words[1:]
    while hasattr(command, "commands"):
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def test_there_are_commands_to_look_at():
    assert len(TOLD) > 8
    assert "counterfoil reconcile run" in TOLD


@pytest.mark.parametrize("told", TOLD)
def test_a_command_on_a_page_is_a_command_of_the_program(told):
    words = shlex.split(told.replace("…", "x"))[1:]
    assert words[0] in tree.PARTS
    command, rest = command_of(words)
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known
    needed = {
        name for parameter in command.params if parameter.required and parameter.param_type_name == "option" for name in parameter.opts
    }
    asked_for = {name for parameter in command.params if getattr(parameter, "prompt", None) for name in parameter.opts}
    assert needed - asked_for <= set(rest)
