"""`counterfoil intents …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import ROWS, TABLE, DryRun, Output, Reason, Rows, listed, say_done, show_one, show_rows
from counterfoil.cli.nouns.payouts.payouts import STEPS

app = typer.Typer(no_args_is_help=True, help="From the customer's payment to the settlement.")
COLUMNS = ("id", "invoiceId", "provider", "state", "stateAt", "lastError")
Intent = Annotated[str, typer.Argument(help="The intent's id, int_….")]


@app.command("list")
def list_(
    stuck: Annotated[
        bool, typer.Option("--stuck", help="Only those that should move by themselves and do not.")
    ] = False,
    state: Annotated[str | None, typer.Option("--state", help="Only in this state.")] = None,
    limit: Rows = ROWS,
    output: Output = TABLE,
) -> None:
    """Intents, newest first."""
    with asked("read") as client:
        rows = listed(client, "/api/intents", limit, stuck=stuck, state=state)
    show_rows(rows, COLUMNS, output, empty="No such intents.")


@app.command("show")
def show(intent_id: Intent, output: Output = TABLE) -> None:
    """One intent and its history."""
    with asked("read") as client:
        show_one(client.get(f"/api/intents/{intent_id}"), output, parts=(("steps", STEPS),))


@app.command("retry")
def retry(intent_id: Intent, reason: Reason, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Verify a failed intent anew at the provider, or bring a moving one forward. Moves no money by itself."""
    with asked("operate") as client:
        done = client.retry_intent(intent_id, reason=reason, dry_run=dry_run)
    say_done(done, output, f"{intent_id} is {done['state']}; the worker takes it up now.")


@app.command("stats")
def stats(output: Output = TABLE) -> None:
    """How long the last 100 took, and how many move, are stuck or failed."""
    with asked("read") as client:
        show_one(client.get("/api/intents/stats"), output)
