"""`counterfoil client-money …`"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Only, add_list, of_noun
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import major
from counterfoil.cli.core.output import TABLE, DryRun, Format, Output, show_one, show_rows
from counterfoil.cli.core.prose import LongReason, ReasonFile, prose_read
from counterfoil.reconciliation.client_money import CLIENT_MONEY_LIST

app = command_group("What is owed to owners, against what is held for them.")
DAY = "%Y-%m-%d"
COLUMNS = ("id", "onDay", "asset", "owed", "held", "inTransit", "difference", "madeBy", "signedBy")
Day = Annotated[datetime, typer.Option("--date", formats=[DAY], metavar="YYYY-MM-DD", help="The end of this day, UTC.")]
Program = Annotated[str | None, typer.Option("--program", help="The program; the installation's own when absent.")]
StatementId = Annotated[str, typer.Argument(help="The statement's id, cm_….")]


@app.command("make")
def make(date: Day, program: Program = None, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Draw up the statements of a day, one for each asset. Moves no money. Ends with 1 when there is a shortfall."""
    body = {"date": date.date().isoformat(), **({"programId": program} if program else {})}
    with asked("operate") as client:
        found = client.post("/api/client-money", body, dry_run=dry_run)
    if output is not Format.TABLE:
        show_one(found, output)
    else:
        for one in found["statements"]:
            _show(one)
    if any(int(one["difference"]) < 0 for one in found["statements"]):
        raise typer.Exit(NOT_GREEN)


add_list(
    app,
    "/api/client-money",
    COLUMNS,
    "Statements of client money, newest first.",
    "No statement of client money was drawn up yet: not checked.",
    Only("--program", "The program; the installation's own when absent.", "programId"),
    *of_noun(CLIENT_MONEY_LIST),
)


@app.command("show")
def show(statement_id: StatementId, output: Output = TABLE) -> None:
    """One statement: every owner, every place, how each figure is known, and who signed it."""
    with asked("read") as client:
        found = client.get(f"/api/client-money/{statement_id}")
    if output is not Format.TABLE:
        show_one(found, output)
    else:
        _show(found)


@app.command("sign")
def sign(
    statement_id: StatementId,
    sha256: Annotated[str, typer.Option("--sha256", help="The hash that `client-money show` tells: you sign what you saw.")],
    reason: LongReason = None,
    file: ReasonFile = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Stand for a statement that somebody else drew up, and say what was done about its difference. Takes a controller's key."""
    body = {"sha256": sha256, "reason": prose_read(reason, file, "reason")}
    with asked("post") as client:
        found = client.post(f"/api/client-money/{statement_id}/sign", body, dry_run=dry_run)
    if output is not Format.TABLE:
        show_one(found, output)
    else:
        _show(found)


def _show(one: dict[str, Any]) -> None:
    def money(minor: str) -> str:
        return major(minor, one["asset"])

    difference = int(one["difference"])
    said = "a shortfall of" if difference < 0 else "an excess of" if difference else "to the unit"
    typer.echo(
        f"{one['id']}: {one['programId']}, {one['onDay']}, {one['asset']}: {said} {money(str(abs(difference))) if difference else ''}"
    )
    typer.echo(f"owed {money(one['owed'])}, held {money(one['held'])}, at providers and under way {money(one['inTransit'])}")
    detail = one["detail"]
    owners = [{"owner": row["owner"], "owed": money(row["owed"])} for row in detail["owners"]]
    show_rows(owners, ("owner", "owed"), TABLE, empty="Nothing is owed to anybody.")
    if detail.get("not_netted", "0") != "0":
        typer.echo(f"Not netted: owners who owe us {money(detail['not_netted'].lstrip('-'))} cover nothing of what is owed")
    places = [
        {
            "account": row["account"],
            "counted": money(row["counted"]),
            "as of": row.get("as_of") or "",
            "why": row["why"],
        }
        for row in detail["places"]
    ]
    show_rows(places, ("account", "counted", "as of", "why"), TABLE, empty="Nothing is held anywhere.")
    for why in detail["not_checked"]:
        typer.echo(f"Not checked: {why}")
    typer.echo(f"sha256 {one['sha256']}")
    typer.echo(f"signed by {one['signedBy']}: {one['actionTaken']}" if one["signedBy"] else f"made by {one['madeBy']}, not signed")
