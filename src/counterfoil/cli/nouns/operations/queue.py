"""`counterfoil queue …`"""

from __future__ import annotations

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import TABLE, Output, show_rows

app = typer.Typer(no_args_is_help=True, help="How much work waits.")


@app.callback()
def noun() -> None:
    """How much work waits."""


@app.command("status")
def status(output: Output = TABLE) -> None:
    """Each queue: how many rows are due, and for how long the oldest has been."""
    with asked("read") as client:
        rows = client.get("/api/admin/queue/status")["data"]
    show_rows(rows, ("name", "job", "depth", "due", "inHand", "later", "oldestAgeS"), output)
