"""A runbook's file, walked by the machine from its first step to its signature, as somebody would at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.stories.terminal import Terminal, told

GREEN = ("passed", "done", "skipped", "does_not_apply")


def walk(terminal: Terminal, name: str, *words: str, doing: Mapping[str, Callable[[], Any]] = {}) -> list[dict[str, Any]]:
    """Begin a run, answer every step, sign it and print it; the steps with their answers.

    `doing`: what is done at a step, by its title, before the machine asks whether it was done. What nobody does and may be left out is
    left out with a reason; a note is written, and another person approves. What the machine asks must pass.
    """
    _, said = terminal("runbook", "run", name, *words, "--output", "json")
    run = told((0, said))["id"]
    for step in terminal.ask(f"/api/runbook-runs/{run}")["answers"]:
        _answer(terminal, run, step["number"], doing)
    steps: list[dict[str, Any]] = terminal.ask(f"/api/runbook-runs/{run}")["answers"]
    left = [(one["title"], one["outcome"], one["told"]) for one in steps if one["outcome"] not in GREEN]
    assert left == [], left
    done = {one["title"] for one in steps if one["outcome"] == "passed"}
    assert set(doing) <= done, "what was to be done was done, and the machine saw it"
    code, said = terminal("runbook", "sign", run)
    assert code == 0, said
    code, said = terminal("runbook", "print", run)
    assert (code, said.count("\n## [x]") + said.count("\n## [-]")) == (0, len(steps))
    return steps


def _answer(terminal: Terminal, run: str, number: int, doing: Mapping[str, Callable[[], Any]]) -> None:
    step = terminal.ask(f"/api/runbook-runs/{run}")["answers"][number - 1]
    if step["outcome"] in GREEN:
        return
    words = (run, str(number))
    if step["title"] in doing:
        doing[step["title"]]()
    if step["type"] == "note":
        code, said = terminal("runbook", "tick", *words, "--note", "seen")
    elif step["type"] == "approval":
        code, said = terminal("runbook", "approve", *words, "--note", "agreed")
    elif step["type"] == "action" and step["title"] not in doing and step["optional"]:
        code, said = terminal("runbook", "skip", *words, "--reason", "nothing is to be done")
    else:
        code, said = terminal("runbook", "check", *words)
    assert code == 0, f"{number}. {step['title']}: {said}"
    assert said.startswith(f"{number}. {step['title']} "), "what it came to"
    assert f"runbook sign {run}" in said or "Next is " in said, "and what to type next"
