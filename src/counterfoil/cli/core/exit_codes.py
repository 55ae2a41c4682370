"""How a command that could not be carried out ends: what is said, and with which code."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Final

import typer

from counterfoil.base.problems import TO_DO, InvariantBroken, Problem, told_facts
from counterfoil.base.text import printable
from counterfoil.cli.core.money import amounts_of, figure
from counterfoil.client.problems import ApiProblem, Unreachable

# 0: done, and what was looked at is as it should be. Each other code means one thing, in every command.
NOT_GREEN: Final = 1  # done, and what was looked at is not as it should be: breaks, a check that fails, something not compared
USAGE: Final = 2  # the command line was not understood, or a file that it names cannot be read
OURS: Final = 70  # a mistake of ours
EXIT: Final = {
    "invalid": 3,
    "missing": 4,
    "conflict": 5,
    "forbidden": 6,
    "unauthenticated": 7,
    "busy": 8,
    "too_large": 9,
    "unreachable": 10,
}
# A file that somebody names, by a name that no file can have there.
NO_SUCH_NAMES: Final = frozenset({errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR})
ADVICE: Final = {
    "unauthenticated": "Log in (`counterfoil login NAME`), set COUNTERFOIL_API_KEY with COUNTERFOIL_URL, or run where `counterfoil demo` "
    "left its keys (.counterfoil/client.json).",
    "forbidden": "Use a key with one of these roles, or log in as somebody who has one (`counterfoil login NAME`).",
    "busy": "Nothing was changed. Try again in a moment.",
    "unreachable": "Is it running? `counterfoil serve` starts it; COUNTERFOIL_URL says where it is; `counterfoil doctor` looks.",
}


def tell(error: Exception) -> int | None:
    """Say on standard error what went wrong and return the exit code; None for what only a traceback explains."""
    match error:
        case ApiProblem():
            facts = told_facts(error.facts, amounts_of(error.name), figure)
            todo = "" if error.what_to_do in TO_DO.values() else error.what_to_do  # of a kind, a terminal has its own
            return _refused(error.kind, error.title, facts, error.request_id, todo)
        case Problem():
            return _refused(error.kind, error.headline(), error.told(figure), "", error.todo)
        case Unreachable():
            return _refused("unreachable", str(error), {}, "")
        case InvariantBroken():
            typer.echo(f"A mistake of ours: {error}", err=True)
            return OURS
        case OSError(errno=code, filename=str() as name) if code in NO_SUCH_NAMES:
            typer.echo(printable(f"{error.strerror}: {name}"), err=True)
            return USAGE
    return None


def _refused(kind: str, title: str, facts: Mapping[str, object], request_id: str, todo: str = "") -> int:
    """What was refused, and what to do: `todo`, or what holds for all of its kind, which need not hold for one that says its own."""
    typer.secho(printable(title), err=True, fg=typer.colors.RED)
    for name, value in facts.items():
        if value is not None:
            told = ", ".join(map(str, value)) if isinstance(value, list) else value
            typer.echo(printable(f"  {name}: {told}"), err=True)
    if todo or kind in ADVICE:
        typer.echo(printable(todo or ADVICE[kind]), err=True)
    if kind not in EXIT:
        typer.echo(f"The server's log has more under request {request_id}.", err=True)
    return EXIT.get(kind, OURS)
