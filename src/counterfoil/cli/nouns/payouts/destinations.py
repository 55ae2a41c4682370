"""`counterfoil destinations …`"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import ROWS, TABLE, DryRun, Output, Rows, listed, say_done, show_rows, waits

app = typer.Typer(no_args_is_help=True, help="Where payees are paid.")


@app.command("set")
def set_(
    payee: Annotated[str, typer.Argument(help="The payee's id.")],
    token: Annotated[str | None, typer.Option("--token", help="The provider's name of the account; asked for if none is given.")] = None,
    holder: Annotated[str | None, typer.Option("--holder", help="Of a bank account: whose it is, as the bank knows it.")] = None,
    iban: Annotated[str | None, typer.Option("--iban", help="The bank account's IBAN.")] = None,
    bic: Annotated[str | None, typer.Option("--bic", help="The bank's BIC, where it wants to see it.")] = None,
    country: Annotated[str | None, typer.Option("--country", help="Without an IBAN: the bank's country, such as GB.")] = None,
    bank_code: Annotated[str | None, typer.Option("--bank-code", help="The bank's code there.")] = None,
    branch_code: Annotated[str | None, typer.Option("--branch-code", help="The branch's, such as a sort code.")] = None,
    account_code: Annotated[str | None, typer.Option("--account-code", help="The number of the account there.")] = None,
    program: Annotated[str, typer.Option("--program", help="In which program.")] = "main",
    provider: Annotated[str | None, typer.Option("--provider", help="Which provider; the only one, if absent.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Pay this payee there from now on. Payouts that waited for it are sent; those under way keep theirs."""
    bank = {
        "holder": holder,
        "iban": iban,
        "bic": bic,
        "country": country,
        "bankCode": bank_code,
        "branchCode": branch_code,
        "accountCode": account_code,
    }
    given = {name: said for name, said in bank.items() if said is not None}
    if not given and token is None:
        if not sys.stdin.isatty():
            raise typer.BadParameter("give it or the parts of a bank account, or run it in a terminal to be asked", param_hint="--token")
        token = str(typer.prompt("Token", hide_input=True))
    account = ({"token": token} if token is not None else {}) | ({"bankAccount": given} if given else {})
    body = {"programId": program, "payeeId": payee, **account, **({"provider": provider} if provider else {})}
    with asked("administer") as client:
        done = client.post("/api/destinations", body, dry_run=dry_run)
    if waits(done, output):
        return
    say_done(done, output, f"{payee} is paid through {done['provider']}, account …{done['tokenHint']}.")


@app.command("list")
def list_(
    program: Annotated[str | None, typer.Option("--program", help="Only of this program.")] = None,
    limit: Rows = ROWS,
    output: Output = TABLE,
) -> None:
    """Where payees are paid now."""
    with asked("read") as client:
        rows = listed(client, "/api/destinations", limit, programId=program)
    show_rows(rows, ("id", "programId", "payeeId", "provider", "tokenHint"), output, empty="No destinations.")
