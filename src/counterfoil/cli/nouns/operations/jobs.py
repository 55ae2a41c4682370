"""`counterfoil jobs …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, ListFormat, ListOutput, Output, patience, say_done, show_rows

app = command_group("Run a job now.")


@app.command("list")
def list_(output: ListOutput = ListFormat.TABLE) -> None:
    """Every job that can be run by name, and what it does."""
    with asked("read") as client:
        rows = client.get("/api/admin/ops/jobs")["data"]
    if output is not ListFormat.JSON:
        rows = [row | {"silent": ", ".join(f"{one['peer']} ({one['waiting']} wait)" for one in row["peersSilent"])} for row in rows]
    show_rows(rows, ("name", "queue", "money", "silent", "says"), output)


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(help="The job's name; `counterfoil jobs list` tells them.")],
    output: Output = TABLE,
) -> None:
    """One bounded run of a job, as the worker does it every second. Outbox sends money that is due."""
    with asked("operate") as client, patience(f"running {name}"):
        done = client.run_job(name)
    more = f", {done['failed']} failed" if done["failed"] else ""
    say_done(done, output, f"{name}: {done['handled']} handled{more}.")
