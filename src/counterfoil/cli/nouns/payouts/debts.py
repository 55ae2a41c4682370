"""`counterfoil debts …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.money import figure, to_minor
from counterfoil.cli.core.output import ROWS, TABLE, DryRun, Output, Reason, Rows, listed, say_done, show_rows, waits

app = typer.Typer(no_args_is_help=True, help="What payees owe: refunds and chargebacks that came after their money had gone out.")
Program = Annotated[str, typer.Option("--program", help="In which program.")]


@app.command("list")
def list_(program: Program = "main", limit: Rows = ROWS, output: Output = TABLE) -> None:
    """What each payee owes, by asset, the most first. Its next payouts pay it."""
    with asked("read") as client:
        rows = listed(client, "/api/debts", limit, programId=program)
    show_rows(rows, ("payeeId", "asset", "amount", "since"), output, empty="No payee owes anything.")


@app.command("write-off")
def write_off(
    payee_id: Annotated[str, typer.Argument(metavar="PAYEE", help="The payee.")],
    asset: Annotated[str, typer.Argument(help="In which asset, such as EUR.")],
    amount: Annotated[str, typer.Argument(help="How much, such as 45.00.")],
    reason: Reason,
    program: Program = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Give up what a payee owes, or a part of it. It becomes bad debt, and its payouts go on. Takes two people."""
    body = {"programId": program, "payeeId": payee_id, "asset": asset, "amount": to_minor(amount, asset, "amount"), "reason": reason}
    with asked("operate") as client:
        done = client.post("/api/debts/write-off", body, dry_run=dry_run)
    if not waits(done, output):
        say_done(done, output, f"Written off. {payee_id} still owes {figure(done['left'], asset)}.")
