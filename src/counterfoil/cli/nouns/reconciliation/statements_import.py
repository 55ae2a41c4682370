"""`counterfoil statements import`: a bank's statement into a server's books of the outside world."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import TABLE, DryRun, Output, patience, say_done


def import_(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="MT940, camt, BAI2, OFX, CSV …")],
    account: Annotated[str, typer.Option("--account", help="cash:bank:client or cash:bank:own.")] = "cash:bank:client",
    bank_account: Annotated[str | None, typer.Option("--bank-account", help="Which one, where the file tells of several.")] = None,
    program: Annotated[str | None, typer.Option("--program", help="The program; the installation's own when absent.")] = None,
    form: Annotated[str | None, typer.Option("--format", help="The format, where the content does not tell it.")] = None,
    asset: Annotated[str | None, typer.Option("--asset", help="The currency, where the file does not name it.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Keep what a bank statement says, to hold our cash against it. Moves no money. The same file again changes nothing.

    Lines of an overlapping file are kept once. Missing and doubled statements are named.
    """
    body = file.read_bytes()
    with asked("operate") as client, patience(f"sending {file.name}"):
        done = client.post(
            "/api/reconciliation/statements",
            content=body,
            content_type="application/octet-stream",
            dry_run=dry_run,
            fileName=file.name,
            account=account,
            bankAccount=bank_account,
            programId=program,
            format=form,
            asset=asset,
        )
    said = (
        "was imported before; nothing was added"
        if done["existed"]
        else f"{done['new']} of {counted(done['records'], 'line is', 'lines are')} new"
    )
    say_done(done, output, f"{file.name}: {said}.")
    if output is TABLE:
        for note in done["notes"]:
            typer.echo(f"note: {note}")
        for row in done["rejected"]:
            typer.echo(f"rejected {row['file']}:{row['line']}: {row['reason']}")
        for gap in done["gaps"]:
            typer.echo(f"{gap['kind']} {gap['account'] or ''} {gap['file']}:{gap['line']}: {gap['reason']}")
