"""`counterfoil disputes …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.money import figure
from counterfoil.cli.core.output import TABLE, DryRun, Output, Reason, say_done, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.payouts.disputes.noun import DISPUTE_NOUN

app = noun_app(DISPUTE_NOUN)


@app.command("open")
def open_(
    invoice_id: Annotated[str, typer.Option("--invoice-id", help="The invoice, inv_….")],
    reason: Reason,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Hold what is not paid out of an invoice until it is decided who gets it."""
    with asked("operate") as client:
        done = client.post("/api/disputes", {"invoiceId": invoice_id, "reason": reason}, dry_run=dry_run)
    say_done(done, output, f"{done['id']} is open, about {figure(done['amount'], done['asset'])}.")


@app.command("evidence")
def evidence(dispute_id: Annotated[str, typer.Argument(metavar="ID")], output: Output = TABLE) -> None:
    """What was handed in, with the hash of each file."""
    with asked("read") as client:
        rows = client.get(f"/api/disputes/{dispute_id}/evidence")["data"]
    show_rows(rows, ("number", "name", "sha256", "size", "actor", "at"), output, empty="Nothing was handed in.")
