"""`counterfoil disputes …`"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Given, add_write
from counterfoil.cli.core.money import figure
from counterfoil.cli.core.output import TABLE, DryRun, Output, patience, say, say_done, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.payouts.disputes.noun import DISPUTE_NOUN

app = noun_app(DISPUTE_NOUN)
DisputeId = Annotated[str, typer.Argument(metavar="ID", help="The dispute, dsp_….")]


add_write(
    app,
    "open",
    "operate",
    "/api/disputes",
    "Hold what is not paid out of an invoice until it is decided who gets it.",
    lambda done: f"{done['id']} is open, about {figure(done['amount'], done['asset'])}.",
    Given("invoice_id", "The invoice, inv_…."),
    long_reason=True,
)


@app.command("add-evidence")
def add_evidence(
    dispute_id: DisputeId,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The file, at most 5 MB.")],
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Hand in a file. It is kept with its SHA-256; whoever hands one in does not decide."""
    content = file.read_bytes()
    with asked("operate") as client, patience(f"sending {file.name}"):
        done = client.post(
            f"/api/disputes/{dispute_id}/evidence",
            content=content,
            content_type="application/octet-stream",
            dry_run=dry_run,
            fileName=file.name,
        )
    if done["sha256"] != hashlib.sha256(content).hexdigest():
        raise typer.BadParameter("what arrived is not this file: its hash differs")
    say_done(done, output, f"{file.name} is evidence {done['number']} of {dispute_id}, SHA-256 {done['sha256']}.")


@app.command("evidence")
def evidence(dispute_id: DisputeId, output: Output = TABLE) -> None:
    """What was handed in, with the hash of each file."""
    with asked("read") as client:
        rows = client.get(f"/api/disputes/{dispute_id}/evidence")["data"]
    show_rows(rows, ("number", "name", "sha256", "size", "actor", "at"), output, empty="Nothing was handed in.")


@app.command("download-evidence")
def download_evidence(
    dispute_id: DisputeId,
    number: Annotated[int, typer.Argument(min=1, help="Which file; `disputes evidence` lists them.")],
    to: Annotated[Path | None, typer.Option("--to", help="Where to write it; its own name here, if absent. Never over a file.")] = None,
) -> None:
    """Write a file as it was handed in, its hash compared."""
    with asked("read") as client:
        rows = client.get(f"/api/disputes/{dispute_id}/evidence")["data"]
        known = next((one for one in rows if one["number"] == number), None)
        if known is None:
            raise typer.BadParameter(f"{dispute_id} has no evidence {number}", param_hint="NUMBER")
        path = to or Path(Path(known["name"]).name)
        if path.exists():
            raise typer.BadParameter(f"{path} is there already", param_hint="--to")
        body = client.download(f"/api/disputes/{dispute_id}/evidence/{number}")
    if hashlib.sha256(body).hexdigest() != known["sha256"]:
        raise typer.BadParameter("what came is not the file that was handed in: its hash differs; nothing was written")
    with path.open("xb") as file:
        file.write(body)
    say(f"{path}: {len(body)} bytes, SHA-256 {known['sha256']}.")
