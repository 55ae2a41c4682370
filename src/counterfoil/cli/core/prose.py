"""A text of paragraphs at the command line: typed after its option, or read from a file or from standard input."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

LongReason = Annotated[str | None, typer.Option("--reason", help="Why. Kept in the action log.")]
ReasonFile = Annotated[Path | None, typer.Option("--file", help="The reason from a file, with its lines; - reads standard input.")]
READ_MAX: Final = 1_048_576  # bytes: more than the server takes of a text, or of the lines of a journal
_PLAIN: Final = inspect.Parameter.KEYWORD_ONLY


def prose_options(option: inspect.Parameter) -> list[inspect.Parameter]:
    """The option of a text of paragraphs, and the file that may stand in its place."""
    wanted, *more = option.annotation.__metadata__
    taken = inspect.Parameter(option.name, _PLAIN, annotation=Annotated[str | None, wanted, *more], default=None)
    told = f"The {option.name.replace('_', ' ')} from a file, with its lines; - reads standard input."
    return [taken, inspect.Parameter("file", _PLAIN, annotation=Annotated[Path | None, typer.Option("--file", help=told)], default=None)]


def prose_given(given: dict[str, Any], name: str, *, required: bool = True) -> None:
    """Puts what `--file` names in the place of the option. Raises BadParameter, as `prose_read` does."""
    given[name] = prose_read(given.get(name), given.pop("file", None), name, required=required)


def prose_read(typed: str | None, file: Path | None, name: str, *, required: bool = True) -> str | None:
    """The text that was typed, or that the file holds. Raises BadParameter for both of them, none where one is needed, and a file that
    holds no text."""
    if typed is None and file is None and required:
        raise typer.BadParameter(f"give the {name.replace('_', ' ')}, or --file", param_hint=f"--{name.replace('_', '-')}")
    if file is None:
        return typed
    if typed is not None:
        raise typer.BadParameter("the text or its file, not both", param_hint="--file")
    try:
        return text_of(file)
    except (OSError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file} holds no text in UTF-8: {error}", param_hint="--file") from error


def text_of(file: Path, hint: str = "--file") -> str:
    """What the file holds, or standard input for `-`. No more of it is read than is needed to know that it is too much.

    `hint`: what the command calls the file. Raises BadParameter then, OSError, UnicodeDecodeError.
    """
    if str(file) == "-":
        found: str | bytes = sys.stdin.read(READ_MAX + 1)
    else:
        with file.open("rb") as opened:
            found = opened.read(READ_MAX + 1)
    if len(found) > READ_MAX:
        raise typer.BadParameter(f"{file} holds more than {READ_MAX:,} bytes, the most that is read", param_hint=hint)
    return found if isinstance(found, str) else found.decode()
