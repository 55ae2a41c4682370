"""`counterfoil payouts …`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import OF_PROGRAM, Given, Only, add_list, add_write, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import figure
from counterfoil.cli.core.output import TABLE, Format, Output, show_one, show_rows
from counterfoil.cli.core.verbs import add_verbs
from counterfoil.cli.nouns.payouts.timeline import COLUMNS as COLUMNS_OF_TIME
from counterfoil.cli.nouns.payouts.timeline import timeline_of
from counterfoil.client.client import Client
from counterfoil.client.problems import ApiProblem
from counterfoil.payouts.payouts.noun import PAYOUT_NOUN

app = command_group("What payees are owed, and every attempt to pay it.")
COLUMNS = ("id", "payeeId", "asset", "amount", "state", "stateAt", "invoiceId", "lastError")
STEPS = ("step", "at", "fromState", "verb", "toState", "actor", "reason", "cause")
FACTS_MAX = 10_000
NEXT = ("nextAction", ("need", "why", "command"))
HEAD = (
    ("breakdown", ("gross", "platformFee", "validatorFee", "holdback", "net", "asset", "rateVersion")),
    ("providerPayouts", ("number", "id", "provider", "state", "providerRef", "fee", "requestSentAt", "lastError")),
)
PARTS = (
    *HEAD,
    ("proof", ("at", "what", "said", "id")),
    ("conflicts", ("id", "at", "said", "expected", "state", "stateAt")),
    ("steps", STEPS),
    ("actions", ("at", "actor", "verb", "reason")),
    ("journals", ("recordedAt", "kind", "key", "id")),
    NEXT,
)
WAITS = "Proposed; another person approves it within 24 hours: counterfoil approvals approve {id} --sha256 {sha256}"
Payout = Annotated[str, typer.Argument(help="The payout's id, po_….")]


add_list(
    app,
    "/api/payouts",
    COLUMNS,
    "Payouts, newest first unless sorted otherwise.",
    "No such payouts.",
    Only("--state", "Only in this state, such as failed."),
    OF_PROGRAM,
    *of_noun(PAYOUT_NOUN),
)


@app.command("show")
def show(
    payout_id: Annotated[str | None, typer.Argument(help="The payout's id, po_….")] = None,
    invoice_id: Annotated[str | None, typer.Option("--invoice-id", help="The payout of this invoice.")] = None,
    key: Annotated[str | None, typer.Option("--key", help="The payout with this key.")] = None,
    timeline: Annotated[bool, typer.Option("--timeline", help="Every hop with its proof, in order, and what is safe next.")] = False,
    output: Output = TABLE,
) -> None:
    """One payout: its fees, attempts, steps, journals. Name it by its id, its invoice or its key."""
    if sum(one is not None for one in (payout_id, invoice_id, key)) != 1:
        raise typer.BadParameter("give the payout's id, --invoice-id or --key, one of them")
    with asked("read") as client:
        found = client.payout(payout_id) if payout_id else client.payout_of(invoice_id=invoice_id, key=key)
        if found is None:
            said = {"title": "There is no such payout.", "kind": "missing", "invoiceId": invoice_id, "key": key}
            raise ApiProblem(said, 404)
        if timeline:
            found["timeline"] = _timeline(client, found)
    if timeline and output is Format.CSV:
        show_rows(found["timeline"], COLUMNS_OF_TIME, output)
    else:
        show_one(found, output, parts=(*HEAD, ("timeline", COLUMNS_OF_TIME), NEXT) if timeline else PARTS)


def _executed(done: dict[str, Any]) -> str:
    said = f"{done['id']} of {figure(done['amount'], done['asset'])} is {done['state']}"
    return f"{said}; it was there before, and nothing was made." if done["existed"] else f"{said} and will be sent."


add_write(
    app,
    "execute",
    "operate",
    "/api/payouts/execute",
    "Make the payout that a settled invoice is missing. One that has a payout gets no second one.",
    _executed,
    Given("invoice_id", "The invoice, inv_…."),
)


def _timeline(client: Client, payout: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that is told of a payout and of its attempts."""
    subjects = [payout["id"], *(one["id"] for one in payout["providerPayouts"])]
    events, proposals = (
        [one for subject in subjects for one in client.every(path, rows_max=FACTS_MAX, subjectId=subject, **more)]
        for path, more in (("/api/events", {}), ("/api/approvals", {"state": "all"}))
    )
    return timeline_of(payout, events, proposals)


add_verbs(app, PAYOUT_NOUN)
