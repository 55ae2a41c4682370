"""`counterfoil programs …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import ROWS, TABLE, DryRun, ListFormat, ListOutput, Output, Rows, listed, say_done, show_rows

app = command_group("Programs, their assets, and whether their books agree.")


@app.command("create")
def create(
    program: Annotated[str, typer.Argument(help="Its id, such as main.")],
    name: Annotated[str, typer.Option("--name", help="Its name, for people.")],
    asset: Annotated[list[str], typer.Option("--asset", help="Code and decimals, such as EUR:2; once for each asset.")],
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Open a program, or give it the assets that it does not have yet."""
    body = {"id": program, "name": name, "assets": [_asset(one) for one in asset]}
    with asked("administer") as client:
        done = client.post("/api/programs", body, dry_run=dry_run)
    say_done(done, output, f"{program} keeps books in {', '.join(one['code'] for one in done['assets'])}.")


def _asset(given: str) -> dict[str, object]:
    code, _, scale = given.partition(":")
    if not scale.isdigit():
        raise typer.BadParameter(f"{given}: a code and its decimals, such as EUR:2")
    return {"code": code, "scale": int(scale)}


@app.command("list")
def list_(limit: Rows = ROWS, output: ListOutput = ListFormat.TABLE) -> None:
    """Every program and its assets."""
    with asked("read") as client:
        rows = listed(client, "/api/programs", limit)
    for row in rows:
        row["assetCodes"] = ", ".join(f"{one['code']}:{one['scale']}" for one in row["assets"])
    show_rows(rows, ("id", "name", "assetCodes", "openedAt"), output)


@app.command("status")
def status(output: Output = TABLE) -> None:
    """Debits, credits and their difference in every book. Any difference is a broken ledger."""
    with asked("read") as client:
        rows = client.status()["books"]
    show_rows(rows, ("programId", "asset", "accounts", "debits", "credits", "difference", "balanced"), output)
