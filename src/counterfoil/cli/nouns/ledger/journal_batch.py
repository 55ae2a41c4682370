"""`counterfoil journal batch …`"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import add_list
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Output, patience, say_done, show_one

app = command_group("Imports of files as they stand; one that was broken off is rolled forward.")
COLUMNS = ("id", "programId", "fileName", "rows", "rowsApplied", "state", "begunAt", "lastAt")
BatchId = Annotated[str, typer.Argument(metavar="ID", help="The batch's id.")]


add_list(app, "/api/finance/batches", COLUMNS, "Batches, the one that was begun last first.", "No file was imported yet.")


@app.command("show")
def show(batch_id: BatchId, output: Output = TABLE) -> None:
    """One batch: how many of its rows are in the books."""
    with asked("read") as client:
        show_one(client.get(f"/api/finance/batches/{batch_id}"), output)


@app.command("repair")
def repair(
    batch_id: BatchId,
    file: Annotated[Path, typer.Option("--file", exists=True, dir_okay=False, help="The file that the import was begun with.")],
    map_: Annotated[Path, typer.Option("--map", exists=True, dir_okay=False, help="And its map.")],
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Post what a batch lacks, from the row on at which it was broken off. Each row once; a complete batch stays as it is."""
    with asked("post") as client, patience("The batch is rolled forward"):
        done = client.post(
            f"/api/finance/batches/{batch_id}/repair",
            content=file.read_bytes(),
            content_type="application/octet-stream",
            dry_run=dry_run,
            map=base64.b64encode(map_.read_bytes()).decode(),
        )
    said = f"{done['posted']} of {counted(done['rows'], 'row was', 'rows were')} posted now, {done['resumedAt']} had been before."
    if done["existed"]:
        said = f"{said[:-1]}, {done['existed']} meanwhile by whoever repaired it at the same time."
    if dry_run:
        said = f"{done['rows'] - done['resumedAt']} of {counted(done['rows'], 'row is', 'rows are')} lacking and would be posted."
    say_done(done, output, said)
