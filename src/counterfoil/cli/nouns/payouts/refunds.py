"""`counterfoil refunds …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.money import figure, to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Output, say_done
from counterfoil.cli.core.prose import LongReason, ReasonFile, prose_read
from counterfoil.cli.core.verbs import noun_app
from counterfoil.payouts.refunds.noun import REFUND_NOUN

app = noun_app(REFUND_NOUN)


@app.command("open")
def open_(
    invoice_id: Annotated[str, typer.Option("--invoice-id", help="The invoice, inv_….")],
    reason: LongReason = None,
    file: ReasonFile = None,
    amount: Annotated[str | None, typer.Option("--amount", help="Such as 12.50; without it all that can still go back.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Owe a customer money back. Taken from escrow, or from fees, what is not paid out yet and holdback; the rest the payee owes."""
    why = prose_read(reason, file, "reason")
    with asked("operate") as client:
        left = client.get(f"/api/invoices/{invoice_id}/refundable")
        minor = left["amount"] if amount is None else to_minor(amount, left["asset"], "amount")
        body = {"invoiceId": invoice_id, "amount": minor, "reason": why}
        done = client.post("/api/refunds", body, dry_run=dry_run)
    said = f"{done['id']}: the customer is owed {figure(done['amount'], done['asset'])}."
    owes = int(done["receivable"])
    say_done(done, output, said + (f" The payee owes {figure(done['receivable'], done['asset'])} of it." if owes else ""))
