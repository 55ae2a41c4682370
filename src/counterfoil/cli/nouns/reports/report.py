"""`counterfoil report …`"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import patience, say, write_file

app = command_group("Reports over everything the books hold.")


class ReportFormat(StrEnum):
    """As what a report is written."""

    PDF = "pdf"
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


@app.command("monthly")
def monthly(
    month: Annotated[str, typer.Option("--month", help="Such as 2025-12, of UTC.")],
    form: Annotated[ReportFormat, typer.Option("--format", help="The same report is the same bytes.")] = ReportFormat.PDF,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="Which file; monthly_report-MONTH.FORMAT when absent.")
    ] = None,
    program: Annotated[str | None, typer.Option("--program", help="Of which program; absent: the server's own.")] = None,
) -> None:
    """Write the report of a month: balances, movements, agents, fees, payouts, disputes, breaks, carbon, service levels. What keeps it from
    being final stands in it, and is said."""
    with asked("read") as client, patience("Writing the report"):
        found = client.get("/api/reports/monthly", month=month, programId=program)
        path = output or Path(f"monthly_report-{month}.{form.value}")
        write_file(path, client.download("/api/reports/monthly", month=month, programId=program, format=form.value))
    say(str(path))
    for note in found["report"]["notes"]:
        typer.echo(f"Not final: {note}", err=True)
