"""`counterfoil invoices …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import OF_PROGRAM, Only, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Output, say_done, show_one
from counterfoil.cli.core.verbs import add_verbs
from counterfoil.cli.nouns.payouts.payouts import STEPS
from counterfoil.payouts.invoices.noun import INVOICE_NOUN

app = command_group("What customers owe, and what they paid.")
COLUMNS = ("id", "customerId", "payeeId", "asset", "total", "paid", "due", "state", "dueOn")
PARTS = (
    ("lines", ("line", "recordId", "description", "quantityMicro", "priceMicro", "amount")),
    ("payments", ("recordedAt", "provider", "chargeId", "amount", "applied", "fee", "asset")),
    ("creditNotes", ("at", "id", "amount", "againstDue", "refunded", "refundId", "reason")),
    ("steps", STEPS),
    ("actions", ("at", "actor", "verb", "reason")),
)


add_list(
    app,
    "/api/invoices",
    COLUMNS,
    "Invoices, newest first unless sorted otherwise.",
    "No such invoices.",
    Only("--status", "Only in this state, such as paid."),
    OF_PROGRAM,
    *of_noun(INVOICE_NOUN),
)


@app.command("show")
def show(invoice_id: Annotated[str, typer.Argument(help="The invoice's id, inv_….")], output: Output = TABLE) -> None:
    """One invoice: its lines, payments and steps."""
    with asked("read") as client:
        show_one(client.invoice(invoice_id), output, parts=PARTS)


@app.command("issue")
def issue(
    program: Annotated[str, typer.Option("--program", help="Whose usage is billed.")] = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Bill what was used and is on no invoice yet: one for each customer, payee and asset. No money moves."""
    with asked("operate") as client:
        done = client.issue_invoices(program, dry_run=dry_run)
    waiting = f"; {done['waiting']} are below one unit and wait for more usage" if done["waiting"] else ""
    large = f"; {done['tooLarge']} are larger than an invoice can be, and were left" if done["tooLarge"] else ""
    say_done(done, output, f"{counted(len(done['invoiceIds']), 'invoice')} issued{waiting}{large}.")


add_verbs(app, INVOICE_NOUN)
