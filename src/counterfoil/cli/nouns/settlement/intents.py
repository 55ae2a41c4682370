"""`counterfoil intents …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import ROWS, TABLE, Output, Rows, listed, show_one, show_rows
from counterfoil.cli.core.verbs import add_verbs
from counterfoil.cli.nouns.payouts.payouts import STEPS
from counterfoil.settlement.intents.intents import INTENT_NOUN

app = typer.Typer(no_args_is_help=True, help="From the customer's payment to the settlement.")
COLUMNS = ("id", "invoiceId", "provider", "state", "stateAt", "lastError")
Intent = Annotated[str, typer.Argument(help="The intent's id, int_….")]


@app.command("list")
def list_(
    stuck: Annotated[bool, typer.Option("--stuck", help="Only those that should move by themselves and do not.")] = False,
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


add_verbs(app, INTENT_NOUN)


@app.command("stats")
def stats(output: Output = TABLE) -> None:
    """How long the last 100 took, and how many move, are stuck or failed."""
    with asked("read") as client:
        show_one(client.get("/api/intents/stats"), output)
