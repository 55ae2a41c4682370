"""`counterfoil destinations …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import ROWS, TABLE, DryRun, Output, Rows, listed, say_done, show_rows, waits

app = typer.Typer(no_args_is_help=True, help="Where payees are paid.")


@app.command("set")
def set_(
    payee: Annotated[str, typer.Argument(help="The payee's id.")],
    token: Annotated[str, typer.Option("--token", prompt=True, hide_input=True, help="The provider's name of the account.")],
    program: Annotated[str, typer.Option("--program", help="In which program.")] = "main",
    provider: Annotated[str | None, typer.Option("--provider", help="Which provider; the only one, if absent.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Pay this payee there from now on. Payouts that waited for it are sent; those under way keep theirs."""
    body = {"programId": program, "payeeId": payee, "token": token, **({"provider": provider} if provider else {})}
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
