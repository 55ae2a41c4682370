"""A noun on the command line: a group of commands."""

from __future__ import annotations

import typer


def command_group(says: str) -> typer.Typer:
    """The commands of a noun. What is to be done with it is always said, even where there is but one command; alone it tells them all."""
    return typer.Typer(no_args_is_help=True, help=says, callback=_nothing_beside)


def _nothing_beside() -> None:
    return None
