"""`counterfoil`: noun, verb, long flags. Prints what a tired operator understands, and ends with a code that a script does."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

import typer
from typer.main import get_command

from counterfoil import __version__
from counterfoil.cli.core.commands import PARTS, LazyGroup

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
    shown: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")] = False,
) -> None:
    """The counterfoil of every payment: what is owed, what was paid, whether the world agrees.

    Exit codes: 0 done and green; 1 done, and what was found is not green; 2 not understood; 3 a field breaks a limit;
    4 not found; 5 refused as things stand; 6 the role does not allow it; 7 no valid key; 8 busy, try again;
    9 too large; 10 no server answers; 70 a mistake of ours.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run, and end the process with its code."""
    sys.exit(run(arguments))


@cache
def _whole(parts: tuple[str, ...]) -> Any:  # noqa: ARG001 - another set of parts is another command line
    return get_command(app)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    try:
        _whole(tuple(PARTS))(args=list(arguments) if arguments is not None else None, prog_name="counterfoil")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1 if end.code else 0
    except Exception as error:  # noqa: BLE001 - the last place: told, and ended with a code of its own
        from counterfoil.cli.core.exit_codes import OURS, tell  # not before it is needed: `--help` answers at once

        code = tell(error)
        if code is None:
            traceback.print_exception(error)
            return OURS
        return code
    return 0
