"""`counterfoil schedules …`"""

from __future__ import annotations

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import ListFormat, ListOutput, show_rows
from counterfoil.reconciliation.runs.slot_ends import MOMENT_LIST

app = command_group("What is done at fixed times, and how it ended.")
STANDING = ("name", "cron", "slotAt", "outcome", "endedAt", "takenBy", "lateS", "overdueS", "nextAt", "error")
RUNS = ("name", "at", "outcome", "takenAt", "endedAt", "missed", "takenBy", "error")


@app.command("list")
def list_(output: ListOutput = ListFormat.TABLE) -> None:
    """Each schedule: its last moment, how the work of that ended, and when it is due next."""
    with asked("read") as client:
        rows = client.get("/api/admin/ops/schedules")["data"]
    show_rows(rows, STANDING, output, empty="No worker wants a schedule: none has run, or none is set.")


add_list(
    app,
    "/api/admin/ops/schedules/runs",
    RUNS,
    "Every moment that came, the newest first unless sorted otherwise: who took it and how its work ended, and each that nobody took.",
    "No moment came.",
    *of_noun(MOMENT_LIST),
    word="runs",
)
