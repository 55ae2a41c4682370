"""Asking a person for what nobody else may see."""

from __future__ import annotations

import sys

import typer


def asked_unseen(question: str, *, instead: str, how: str, again: bool = False) -> str:
    """What somebody types without its being shown, twice where `again`.

    Raises BadParameter where there is no terminal to ask in; `instead`: the option that gives it there, `how`: in words.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{how}, or run it in a terminal to be asked", param_hint=instead)
    return str(typer.prompt(question, hide_input=True, confirmation_prompt=again))
