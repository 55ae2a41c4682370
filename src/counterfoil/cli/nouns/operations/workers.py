"""`counterfoil workers …`"""

from __future__ import annotations

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import ListFormat, ListOutput, show_rows

app = command_group("Who works, and how it goes.")


@app.command("list")
def list_(output: ListOutput = ListFormat.TABLE) -> None:
    """Workers that were heard of within a day, the latest first, and how they stand together."""
    with asked("read") as client:
        told = client.get("/api/workers")
    rows = told["data"]
    for row in rows:
        row["failing"] = ", ".join(sorted(name for name, job in row["jobs"].items() if job["lastError"]))
    columns = ("id", "host", "pid", "version", "health", "startedAt", "beatAt", "failing")
    show_rows(rows, columns, output, empty="No worker was heard of within a day. `counterfoil worker` starts one.")
    if output is ListFormat.TABLE:
        typer.echo(f"Together: {told['status']}{': ' * bool(told['why'])}{told['why']}.")
