"""`counterfoil intents …`"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import sort_help
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import ROWS, TABLE, ListFormat, ListOutput, Output, Rows, listed, show_one, show_rows
from counterfoil.cli.core.verbs import add_verbs
from counterfoil.cli.nouns.payouts.payouts import STEPS
from counterfoil.payouts.invoices.noun import INTENT_NOUN

app = command_group("From the customer's payment to the settlement.")
COLUMNS = ("id", "customerId", "asset", "amount", "paid", "state", "inState", "isStuck", "waitsUntil", "nextTryAt", "lastError")
Intent = Annotated[str, typer.Argument(help="The intent's id, int_….")]


@app.command("list")
def list_(
    stuck: Annotated[bool, typer.Option("--stuck", help="Only those that should move by themselves and do not.")] = False,
    unpaid: Annotated[bool, typer.Option("--unpaid", help="Only those that wait for the payment of an overdue invoice.")] = False,
    state: Annotated[str | None, typer.Option("--state", help="Only in this state.")] = None,
    sort: Annotated[str | None, typer.Option("--sort", help=sort_help(INTENT_NOUN))] = None,
    limit: Rows = ROWS,
    output: ListOutput = ListFormat.TABLE,
) -> None:
    """Intents, newest first unless sorted otherwise: whose they are, how much they are about, and how long they have stood where they
    stand."""
    with asked("read") as client:
        rows = listed(client, "/api/intents", limit, stuck=stuck, unpaid=unpaid, state=state, sort=sort)
    for one in rows:
        one["inState"] = str(timedelta(seconds=one["inStateS"]))
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
