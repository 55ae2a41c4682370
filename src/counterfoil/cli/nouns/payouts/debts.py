"""`counterfoil debts …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Only, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import figure, to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Output, Reason, say_done, waits
from counterfoil.payouts.refunds.debts import DEBT_LIST

app = command_group("What payees and customers owe: money that went out, and then was refunded or charged back.")
Program = Annotated[str, typer.Option("--program", help="In which program.")]
Asset = Annotated[str, typer.Argument(help="In which asset, such as EUR.")]
Amount = Annotated[str, typer.Argument(help="How much, such as 45.00.")]


add_list(
    app,
    "/api/debts",
    ("owedBy", "payeeId", "customerId", "asset", "amount", "undecided", "since"),
    "What is owed, in each asset the most first unless sorted otherwise. A payee's next payouts pay it; a customer pays it back.",
    "Nobody owes anything.",
    Only("--program", "In which program.", "programId", "main"),
    *of_noun(DEBT_LIST),
)


@app.command("write-off")
def write_off(
    party: Annotated[str, typer.Argument(metavar="PAYEE", help="The payee; with --customer, the customer.")],
    asset: Asset,
    amount: Amount,
    reason: Reason,
    customer: Annotated[bool, typer.Option("--customer", help="It is a customer's debt.")] = False,
    program: Program = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Give up what a payee or a customer owes, or a part of it. It becomes bad debt, and a payee's payouts go on. Takes two people."""
    whose = {"customerId" if customer else "payeeId": party}
    body = {"programId": program, **whose, "asset": asset, "amount": to_minor(amount, asset, "amount"), "reason": reason}
    with asked("operate") as client:
        done = client.post("/api/debts/write-off", body, dry_run=dry_run)
    if not waits(done, output):
        say_done(done, output, f"Written off. {party} still owes {figure(done['left'], asset)}.")


@app.command("pay")
def pay(
    customer_id: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer.")],
    asset: Asset,
    amount: Amount,
    reason: Reason,
    provider: Annotated[str, typer.Option("--provider", help="The provider that took the payment, or bank.")],
    reference: Annotated[str, typer.Option("--reference", help="The provider's id of the payment, or the bank's reference.")],
    program: Program = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """A customer paid back what was owed, or a part of it. From the bank it takes two people, who look at its record."""
    minor = to_minor(amount, asset, "amount")
    body = {"programId": program, "customerId": customer_id, "asset": asset, "amount": minor, "provider": provider}
    with asked("operate") as client:
        done = client.post("/api/debts/pay", {**body, "reference": reference, "reason": reason}, dry_run=dry_run)
    if not waits(done, output):
        say_done(done, output, f"Booked. {customer_id} still owes {figure(done['left'], asset)}.")
