"""`counterfoil schedules …`"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import ROWS, ListFormat, ListOutput, Rows, listed, show_rows

app = command_group("What is done at fixed times, and how it ended.")
STANDING = ("name", "cron", "slotAt", "outcome", "endedAt", "takenBy", "lateS", "overdueS", "nextAt", "error")
RUNS = ("name", "at", "outcome", "takenAt", "endedAt", "missed", "takenBy", "error")


class Outcome(StrEnum):
    """How the work of a moment ended."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    NEVER_ENDED = "never_ended"
    MISSED = "missed"


@app.command("list")
def list_(output: ListOutput = ListFormat.TABLE) -> None:
    """Each schedule: its last moment, how the work of that ended, and when it is due next."""
    with asked("read") as client:
        rows = client.get("/api/admin/ops/schedules")["data"]
    show_rows(rows, STANDING, output, empty="No worker wants a schedule: none has run, or none is set.")


@app.command("runs")
def runs(
    schedule: Annotated[str | None, typer.Option("--schedule", help="Only of this schedule; `schedules list` tells them.")] = None,
    outcome: Annotated[Outcome | None, typer.Option("--outcome", help="Only those that ended so.")] = None,
    limit: Rows = ROWS,
    output: ListOutput = ListFormat.TABLE,
) -> None:
    """Every moment that came, the newest first: who took it and how its work ended, and each that nobody took."""
    with asked("read") as client:
        rows = listed(client, "/api/admin/ops/schedules/runs", limit, schedule=schedule, outcome=outcome.value if outcome else None)
    show_rows(rows, RUNS, output, empty="No moment came.")
