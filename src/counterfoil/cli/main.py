"""`counterfoil`: noun, verb, long flags. Prints what a tired operator understands, and ends with a code that a script does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer
from typer.main import get_command

from counterfoil import __version__
from counterfoil.cli.tree import LazyGroup

# 0: done. 1: a mistake of ours. 2: the command line was not understood.
EXIT: Final = {
    "invalid": 3, "missing": 4, "conflict": 5, "forbidden": 6, "unauthenticated": 7, "busy": 8, "too_large": 9, "unreachable": 10,
}  # fmt: skip
ADVICE: Final = {
    "unauthenticated": "Set COUNTERFOIL_API_KEY, or run where `counterfoil demo` left its keys (.counterfoil/client.json).",
    "forbidden": "Use a key with one of these roles.",
    "busy": "Nothing was changed. Try again in a moment.",
    "unreachable": "Is it running? `counterfoil serve` starts it; COUNTERFOIL_URL says where it is; `counterfoil doctor` looks.",
}

app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"counterfoil {__version__}")
        raise typer.Exit


@app.callback()
def root(
    shown: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """The counterfoil of every payment: what is owed, what was paid, whether the world agrees.

    Exit codes: 0 done; 1 a mistake of ours; 2 not understood; 3 a field breaks a limit; 4 there is no such thing;
    5 refused as things stand; 6 the role does not allow it; 7 no valid key; 8 busy, try again; 9 too large; 10 no server answers.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and end the process with its code."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    from counterfoil.base.problems import InvariantBroken, Problem
    from counterfoil.client.problems import ApiProblem, Unreachable

    try:
        get_command(app)(args=list(arguments) if arguments is not None else None, prog_name="counterfoil")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    except ApiProblem as problem:
        return _refused(problem.kind, problem.title, problem.facts, problem.request_id)
    except Problem as problem:
        return _refused(problem.kind, problem.title(), dict(problem.facts), "")
    except Unreachable as gone:
        return _refused("unreachable", str(gone), {}, "")
    except InvariantBroken as broken:
        typer.echo(f"A mistake of ours: {broken}", err=True)
        return 1
    return 0


def _refused(kind: str, title: str, facts: dict[str, object], request_id: str) -> int:
    typer.secho(title, err=True, fg=typer.colors.RED)
    for name, value in facts.items():
        if value is not None:
            told = ", ".join(map(str, value)) if isinstance(value, list) else value
            typer.echo(f"  {name}: {told}", err=True)
    if kind in ADVICE:
        typer.echo(ADVICE[kind], err=True)
    elif kind not in EXIT:
        typer.echo(f"The server's log has more under request {request_id}.", err=True)
    return EXIT.get(kind, 1)
