"""`counterfoil periods …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import TABLE, DryRun, Output, Reason, say_done, show_one

app = typer.Typer(no_args_is_help=True, help="Close the books up to a date.")
Program = Annotated[str, typer.Argument(help="The program.")]


@app.command("show")
def show(program: Program, output: Output = TABLE) -> None:
    """Until when the books are closed."""
    with asked("read") as client:
        show_one(client.get(f"/api/programs/{program}/period"), output)


@app.command("close")
def close(
    program: Program,
    until: Annotated[str, typer.Option("--until", help="Nothing effective before it is posted any more: 2026-11-01T00:00:00Z.")],
    reason: Reason,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Close the books of everything before a moment."""
    with asked("post") as client:
        done = client.post(f"/api/programs/{program}/period/close", {"until": until, "reason": reason}, dry_run=dry_run)
    say_done(done, output, f"The books of {program} are closed until {done['closedUntil']}.")


@app.command("reopen")
def reopen(
    program: Program,
    until: Annotated[str, typer.Option("--until", help="What is effective at or after it is posted again: 2026-11-01T00:00:00Z.")],
    reason: Reason,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Propose to reopen the books. Another person approves it within 24 hours, and then it is done."""
    with asked("post") as client:
        done = client.post(f"/api/programs/{program}/period/reopen", {"until": until, "reason": reason}, dry_run=dry_run)
    command = f"counterfoil approvals approve {done['id']} --sha256 {done['payloadSha256']} --reason …"
    say_done(done, output, f"Proposed: {done['id']}. Another person approves it:\n  {command}")
