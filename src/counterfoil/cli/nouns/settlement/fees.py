"""`counterfoil fees …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import ROWS, TABLE, Format, Output, Rows, listed, say, show_rows

app = command_group("Whether the fees that were taken are those that were due.")
COLUMNS = ("settlementId", "at", "gross", "asset", "rateVersion", "versionInForce", "platformFee", "duePlatformFee")
MORE = ("validatorFee", "dueValidatorFee", "holdback", "dueHoldback", "differs")
Start = Annotated[str, typer.Option("--start-time", help="Settled from this moment on, such as 2026-11-01T00:00:00Z.")]
End = Annotated[str, typer.Option("--end-time", help="And before this one.")]


@app.command("recompute")
def recompute(
    start_time: Start,
    end_time: End,
    program: Annotated[str | None, typer.Option("--program", help="Only of this program.")] = None,
    differing: Annotated[bool, typer.Option("--differing", help="Show only settlements that differ; all are recomputed.")] = False,
    limit: Rows = ROWS,
    output: Output = TABLE,
) -> None:
    """Recompute each settlement's fees by the rates that were in force. Changes nothing; ends with 1 when one differs."""
    given = {"startTime": start_time, "endTime": end_time, "programId": program}
    with asked("read") as client:
        totals = client.get("/api/fees/recomputed", **given, limit=1)["totals"]
        rows = listed(client, "/api/fees/recomputed", limit, **given, differing=differing, totals=False)
    show_rows(rows, (*COLUMNS, *MORE), output, empty="No such settlements.")
    differ = sum(one["differing"] for one in totals)
    if output is Format.TABLE:
        for one in totals:
            say(f"{one['asset']}: {counted(one['settlements'], 'settlement')} recomputed, {one['differing']} differ.")
        if not totals:
            say("Nothing was settled in this range: nothing was recomputed.")
    if differ:
        raise typer.Exit(NOT_GREEN)
