"""`counterfoil intents …`"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import IN_STATE, OF_PROGRAM, Only, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, Output, show_one
from counterfoil.cli.core.verbs import add_verbs
from counterfoil.cli.nouns.payouts.payouts import STEPS
from counterfoil.payouts.invoices.noun import INTENT_NOUN

app = command_group("From the customer's payment to the settlement.")
COLUMNS = ("id", "customerId", "asset", "amount", "paid", "state", "inState", "isStuck", "waitsUntil", "nextTryAt", "lastError")
Intent = Annotated[str, typer.Argument(help="The intent's id, int_….")]


add_list(
    app,
    "/api/intents",
    COLUMNS,
    "Intents, newest first unless sorted otherwise: whose, about how much, and how long they have stood where they stand.",
    "No such intents.",
    Only("--stuck", "Only those that should move by themselves and do not.", switched="true"),
    Only("--unpaid", "Only those that wait for the payment of an overdue invoice.", switched="true"),
    IN_STATE,
    OF_PROGRAM,
    *of_noun(INTENT_NOUN),
    told=lambda one: {"inState": str(timedelta(seconds=one["inStateS"]))},
)


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
