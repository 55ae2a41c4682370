"""`counterfoil events …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import ROWS, TABLE, Output, Rows, listed, show_rows

app = typer.Typer(no_args_is_help=True, help="What happened.")


@app.callback()
def noun() -> None:
    """What happened."""


@app.command("list")
def list_(
    name: Annotated[str | None, typer.Option("--name", help="Only of this name, such as payout_failed.")] = None,
    level: Annotated[str | None, typer.Option("--level", help="debug, info, warning or critical.")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="Only about this thing.")] = None,
    limit: Rows = ROWS,
    output: Output = TABLE,
) -> None:
    """Events, newest first."""
    with asked("read") as client:
        rows = listed(client, "/api/events", limit, name=name, level=level, subjectId=subject)
    show_rows(rows, ("at", "level", "name", "subjectId", "payload", "state"), output, empty="No such events.")
