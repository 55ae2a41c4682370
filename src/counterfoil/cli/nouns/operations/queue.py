"""`counterfoil queue …`"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Output, Reason, say_done, show_rows

app = command_group("How much work waits; pause, drain and resume it.")
QueueName = Annotated[str | None, typer.Argument(help="The queue, such as send; `counterfoil queue status` tells them.")]
Every = Annotated[bool, typer.Option("--all", help="Every queue.")]
Provider = Annotated[str, typer.Option(help="Only what is of this provider.")]
Program = Annotated[str, typer.Option(help="Only what is of this program.")]


@app.command("status")
def status(output: Output = TABLE) -> None:
    """Each queue: how many rows are due, for how long the oldest has been, whether it is paused, and which providers do not work."""
    with asked("read") as client:
        rows = client.get("/api/admin/queue/status")["data"]
    show_rows(rows, ("name", "job", "depth", "paused", "circuitsOpen", "due", "inHand", "later", "oldestAgeS"), output)


@app.command("pauses")
def pauses(output: Output = TABLE) -> None:
    """What is paused now, since when, by whom and why."""
    with asked("read") as client:
        rows = client.get("/api/admin/queue/pauses")["paused"]
    show_rows(rows, ("queue", "provider", "programId", "draining", "at", "actor", "reason"), output, empty="Nothing is paused.")


def _paused(one: dict[str, Any]) -> str:
    return f"{one['queue']} is paused. `counterfoil queue resume {one['queue']}` takes it up again."


def _drained(one: dict[str, Any]) -> str:
    if not one.get("draining"):
        return _paused(one)
    return f"{one['queue']} takes up nothing more; `counterfoil queue status` says what is still in hand, and then it is paused."


def _resumed(one: dict[str, Any]) -> str:
    if not one.get("proposalId"):
        return f"{one['queue']} goes on."
    command = f"counterfoil approvals approve {one['proposalId']} --sha256 {one['payloadSha256']} --reason …"
    return f"{one['queue']} stays paused until a second person approves it: {command}"


def _switching(verb: str, said: Callable[[dict[str, Any]], str]) -> Callable[..., None]:
    def command(
        reason: Reason,
        queue: QueueName = None,
        every: Every = False,
        provider: Provider = "",
        program: Program = "",
        dry_run: DryRun = False,
        output: Output = TABLE,
    ) -> None:
        done = _switch(verb, queue, every, provider, program, reason, dry_run)
        say_done(done, output, "\n".join(said(one) for one in _each(done)))

    return command


for verb, said, effect in (
    (
        "pause",
        _paused,
        "Take up nothing of it, until it is resumed. What is called already is recorded; no money is lost.",
    ),
    (
        "drain",
        _drained,
        "Take up nothing more of it, and let end what is in a worker's hands; then it is paused. Before a server is stopped or changed.",
    ),
    ("resume", _resumed, "Resume it. For a queue that sends money, a second person approves it first."),
):
    app.command(verb, help=effect)(_switching(verb, said))


def _switch(verb: str, queue: str | None, every: bool, provider: str, program: str, reason: str, dry_run: bool) -> dict[str, Any]:
    if every == (queue is not None) or (every and (provider or program)):
        raise typer.BadParameter("name one queue, or say --all without --provider and --program")
    body = {"reason": reason} if every else {"reason": reason, "provider": provider, "programId": program}
    path = f"/api/admin/queue/{verb}" if every else f"/api/admin/queue/{queue}/{verb}"
    with asked("operate") as client:
        return client.post(path, body, dry_run=dry_run)


def _each(done: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = done.get("data", [done])
    return found
