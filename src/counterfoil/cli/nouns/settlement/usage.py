"""`counterfoil usage …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import TABLE, DryRun, Output, patience, say_done

app = typer.Typer(no_args_is_help=True, help="What was used.")


@app.callback()
def noun() -> None:
    """What was used."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A CSV of usage.")],
    program: Annotated[str, typer.Option("--program", help="Whose usage it is.")] = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Record a CSV of usage, all of it or nothing. Mistakes are named by line and column. The same file again changes nothing."""
    body = file.read_bytes()
    with asked("operate") as client, patience(f"sending {file.name}"):
        done = client.import_usage(program, body, file_name=file.name, dry_run=dry_run)
    said = "was imported before; nothing was added" if done["existed"] else f"{done['new']} of {done['records']} are new"
    say_done(done, output, f"{file.name}: {said}.")
