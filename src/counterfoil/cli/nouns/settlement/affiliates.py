"""`counterfoil affiliates …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, DryRun, Format, Output, Reason, say, say_done, show_one, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.settlement.affiliates.noun import AFFILIATE_NOUN

app = noun_app(AFFILIATE_NOUN)
OneProgram = Annotated[str | None, typer.Option("--program", help="Only of this program.")]


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="The affiliate's name, one of its program.")],
    reason: Reason,
    parent: Annotated[str | None, typer.Option("--parent-id", help="Who stands above it; absent: nobody.")] = None,
    program: Annotated[str, typer.Option("--program", help="In which program.")] = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Add an affiliate, or move it under another. What was sold before keeps the path of its time."""
    with asked("operate") as client:
        body = {"programId": program, "name": name, "reason": reason, **({"parentId": parent} if parent else {})}
        done = client.post("/api/affiliates", body, dry_run=dry_run)
    say_done(done, output, f"{done['id']} ({done['name']}) stands under {done['parentId'] or 'nobody'}, {done['depth']} deep.")


@app.command("payable")
def payable(affiliate: Annotated[str, typer.Argument(metavar="ID")], output: Output = TABLE) -> None:
    """What matured and is not paid, what of it is netted with refunds, and the minimum that it must reach."""
    with asked("read") as client:
        rows = client.get(f"/api/affiliates/{affiliate}/payable")["data"]
    show_rows(rows, ("asset", "earned", "carried", "minimum"), output, empty="Nothing of it matured that is not paid.")


@app.command("verify")
def verify(program: OneProgram = None, output: Output = TABLE) -> None:
    """Verify the tree of every program: no cycle, no orphan, none too deep. Ends with 1 when something is wrong."""
    with asked("read") as client:
        found = client.get("/api/affiliates/verification", programId=program)
    if output is Format.JSON:
        show_one(found, output)
    else:
        show_rows(found["faults"], ("affiliateId", "programId", "fault", "detail"), output, empty="No faults.")
    if output is Format.TABLE:
        say(f"{found['affiliates']} affiliates were looked at, all there are; {found['faulty']} faults.")
    if found["faulty"]:
        raise typer.Exit(NOT_GREEN)
