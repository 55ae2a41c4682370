"""`counterfoil health`, `counterfoil invariants`"""

from __future__ import annotations

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, Format, Output, patience, show_one, show_rows

app = typer.Typer(no_args_is_help=True)


@app.command("health")
def health(output: Output = TABLE) -> None:
    """System health: every counter against its limits, counted now. Ends with 1 when one is a warning or critical."""
    with asked("read") as client:
        found = client.health()
    if output is Format.JSON:
        show_one(found, output)
    else:
        show_rows(found["counters"], ("counter", "value", "warning", "critical", "status"), output)
    if output is Format.TABLE:
        for one in found["lacking"]:
            typer.echo(f"{one['what']}. Do: {one['do']}")
        bad = [one["counter"] for one in found["counters"] if one["status"] != "ok"]
        typer.echo(f"Verdict: {found['verdict']}" + (f" ({', '.join(bad)})" if bad else "") + f", measured {found['measuredAt']}")
    if found["verdict"] != "ok":
        raise typer.Exit(NOT_GREEN)


@app.command("invariants")
def invariants(output: Output = TABLE) -> None:
    """Integrity checks: ask every question that must find nothing. Ends with 1 when one finds something."""
    with asked("read") as client, patience("asking every question"):
        found = client.invariants()
    show_rows(found["data"], ("code", "holds", "count", "severity", "question"), output)
    if not found["allHold"]:
        raise typer.Exit(NOT_GREEN)
