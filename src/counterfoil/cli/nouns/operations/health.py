"""`counterfoil health`, `counterfoil invariants`"""

from __future__ import annotations

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import TABLE, Output, patience, show_one, show_rows

app = typer.Typer(no_args_is_help=True)
BROKEN = 1


@app.command("health")
def health(output: Output = TABLE) -> None:
    """The counters of the runbook, counted now."""
    with asked("read") as client:
        show_one(client.health(), output)


@app.command("invariants")
def invariants(output: Output = TABLE) -> None:
    """Ask every question that must find nothing. Ends with 1 when one finds something."""
    with asked("read") as client, patience("asking every question"):
        found = client.invariants()
    show_rows(found["data"], ("code", "holds", "count", "severity", "question"), output)
    if not found["allHold"]:
        raise typer.Exit(BROKEN)
