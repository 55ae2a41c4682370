"""`counterfoil queue …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import TABLE, DryRun, Output, Reason, say_done, show_rows

app = typer.Typer(no_args_is_help=True, help="How much work waits; pause and resume it.")
QueueName = Annotated[str, typer.Argument(help="The queue, such as send; `counterfoil queue status` tells them.")]
Provider = Annotated[str, typer.Option(help="Only what is of this provider.")]
Program = Annotated[str, typer.Option(help="Only what is of this program.")]


@app.callback()
def noun() -> None:
    """How much work waits; pause and resume it."""


@app.command("status")
def status(output: Output = TABLE) -> None:
    """Each queue: how many rows are due, for how long the oldest has been, and whether it is paused."""
    with asked("read") as client:
        rows = client.get("/api/admin/queue/status")["data"]
    show_rows(rows, ("name", "job", "depth", "paused", "due", "inHand", "later", "oldestAgeS"), output)


@app.command("pauses")
def pauses(output: Output = TABLE) -> None:
    """What is paused now, since when, by whom and why."""
    with asked("read") as client:
        rows = client.get("/api/admin/queue/pauses")["paused"]
    show_rows(rows, ("queue", "provider", "programId", "at", "actor", "reason"), output, empty="Nothing is paused.")


@app.command("pause")
def pause(
    queue: QueueName,
    reason: Reason,
    provider: Provider = "",
    program: Program = "",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Take up nothing of it, until it is resumed. What is called already is recorded; no money is lost."""
    body = {"reason": reason, "provider": provider, "programId": program}
    with asked("operate") as client:
        done = client.post(f"/api/admin/queue/{queue}/pause", body, dry_run=dry_run)
    say_done(done, output, f"{queue} is paused. `counterfoil queue resume {queue}` takes it up again.")


@app.command("resume")
def resume(
    queue: QueueName,
    reason: Reason,
    provider: Provider = "",
    program: Program = "",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Take it up again. For a queue that sends money, a second person approves it first."""
    body = {"reason": reason, "provider": provider, "programId": program}
    with asked("operate") as client:
        done = client.post(f"/api/admin/queue/{queue}/resume", body, dry_run=dry_run)
    if done.get("proposalId"):
        say_done(done, output, f"Proposed. It stays paused until a second person approves {done['proposalId']}.")
    else:
        say_done(done, output, f"{queue} goes on.")
