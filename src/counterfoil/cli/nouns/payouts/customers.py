"""`counterfoil customers …`"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Only, add_list, of_noun
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import figure
from counterfoil.cli.core.output import (
    TABLE,
    Format,
    Output,
    patience,
    say,
    show_one,
    show_rows,
    write_file,
)
from counterfoil.payouts.customers.statement import CUSTOMER_LIST

app = command_group("What stands between customers and the house.")
LINES = ("at", "kind", "documentId", "about", "amount", "balance")
Program = Annotated[str, typer.Option("--program", help="In which program.")]


class StatementFormat(StrEnum):
    """A file of a statement."""

    CSV = "csv"
    PDF = "pdf"


add_list(
    app,
    "/api/customers",
    ("customerId", "asset", "balance", "overdue", "documents", "lastAt"),
    "What each customer owes, by name; less than 0 is owed to them, or held for them in escrow.",
    "No customers yet.",
    Only("--program", "In which program; the server's own if absent.", "programId"),
    *of_noun(CUSTOMER_LIST),
)


@app.command("statement")
def statement(
    customer: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer.")],
    start_time: Annotated[str | None, typer.Option("--start-time", help="From this moment on; 30 days before the end if absent.")] = None,
    end_time: Annotated[str | None, typer.Option("--end-time", help="And before this one; now if absent.")] = None,
    asset: Annotated[str | None, typer.Option("--asset", help="In which asset; the only one there is if absent.")] = None,
    program: Program = "main",
    form: Annotated[StatementFormat | None, typer.Option("--format", help="Write it to a file; the same is the same bytes.")] = None,
    file: Annotated[Path | None, typer.Option("--file", dir_okay=False, help="Which file; statement-CUSTOMER.FORMAT when absent.")] = None,
    output: Output = TABLE,
) -> None:
    """Every document of a span with the balance after it. Ends with 1 when the documents do not say what the books say."""
    given = {"startTime": start_time, "endTime": end_time, "asset": asset, "programId": program}
    path = f"/api/customers/{customer}/statement"
    with asked("read") as client, patience("Reading the statement"):
        found = client.get(path, **given)
        if form is not None:  # of the same span, also where its end was left to the server
            same = {**given, "startTime": found["start"], "endTime": found["end"]}
            target = file or Path(f"statement-{customer}.{form.value}")
            write_file(target, client.download(path, **same, format=form.value))
            typer.echo(str(target))
        else:
            _show(found, output)
    if not found["agrees"]:
        books = figure(found["inBooks"], found["asset"])
        typer.echo(
            f"The documents say {figure(found['balance'], found['asset'])}, the books {books}: see `counterfoil invariants`.", err=True
        )
        raise typer.Exit(NOT_GREEN)


def _show(found: dict[str, Any], output: Format) -> None:
    if output is Format.JSON:
        show_one(found, output)
        return
    asset = found["asset"]
    if output is Format.TABLE:
        say(f"Opening balance on {found['start']}: {figure(found['opening'], asset)}")
    show_rows(
        [{**one, "asset": asset} for one in found["lines"]], (*LINES[:4], "asset", *LINES[4:]), output, empty="No documents in this span."
    )
    if output is Format.TABLE:
        say(f"Charged {figure(found['charged'], asset)}, paid and credited {figure(found['settled'], asset)}")
        say(f"Closing balance before {found['end']}: {figure(found['closing'], asset)}")
