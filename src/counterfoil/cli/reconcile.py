"""`counterfoil reconcile …`: our books against a provider through the server; two files against each other without one."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import typer

from counterfoil.base.money import format_major
from counterfoil.cli.asking import asked
from counterfoil.cli.reconcile_files import files
from counterfoil.cli.showing import ROWS, TABLE, Format, Output, Rows, patience, show_one, show_rows
from counterfoil.reconciliation.shape import iso_scales

app = typer.Typer(no_args_is_help=True, help="Hold one side's records against the other's.")
app.command("files")(files)

RUN = ("id", "source", "firstOn", "lastOn", "state", "verdict", "matched", "breaks", "startedAt")
BREAKS = ("kind", "cause", "ours", "theirs", "do")
PARTS = ("source", "matched", "breaks", "expected")
DAY = "%Y-%m-%d"
Day = Annotated[datetime | None, typer.Option(formats=[DAY], metavar="YYYY-MM-DD", help="A day, UTC.")]
Moment = Annotated[str, typer.Option(metavar="INSTANT", help="Such as 2026-11-20T00:00:00Z.")]


@app.command("run")
def run(
    source: Annotated[str, typer.Option("--source", help="The provider.")] = "simulator",
    date: Day = None,
    first: Annotated[
        datetime | None, typer.Option("--from", formats=[DAY], metavar="YYYY-MM-DD", help="First day of a range.")
    ] = None,
    last: Annotated[
        datetime | None, typer.Option("--to", formats=[DAY], metavar="YYYY-MM-DD", help="Last day of a range.")
    ] = None,
    program: Annotated[
        str | None, typer.Option("--program", help="The program; the installation's own when absent.")
    ] = None,
    output: Output = TABLE,
) -> None:
    """Hold a provider's statement against our books. Moves no money. Ends with 1 when there are breaks."""
    body: dict[str, Any] = {
        "source": source, "programId": program, "date": _day(date), "from": _day(first), "to": _day(last),
    }  # fmt: skip
    given = {name: value for name, value in body.items() if value is not None}
    with asked("operate") as client, patience("Reconciling"):
        found = client.post("/api/reconciliation/runs", given)
    show_run_in_full(found, output)
    if found["verdict"] != "reconciled":
        raise typer.Exit(1)


@app.command("list")
def list_(
    source: Annotated[str | None, typer.Option("--source", help="Only of this provider.")] = None,
    limit: Rows = ROWS,
    output: Output = TABLE,
) -> None:
    """Runs, newest first."""
    with asked("read") as client:
        rows = list(client.every("/api/reconciliation/runs", rows_max=limit, source=source))
    show_rows(rows, RUN, output, empty="Nothing was reconciled yet.")


@app.command("show")
def show(run_id: Annotated[str, typer.Argument(help="The run's id, rec_….")], output: Output = TABLE) -> None:
    """One run: its footing, and each break with what differs and the one safe thing to do."""
    with asked("read") as client:
        show_run_in_full(client.get(f"/api/reconciliation/runs/{run_id}"), output)


@app.command("report")
def report(start_time: Moment, end_time: Moment, output: Output = TABLE) -> None:
    """The reconciliation report of a time range: every run whose days touch it, with its breaks."""
    with asked("read") as client:
        found = client.get("/api/reconciliation/report", startTime=start_time, endTime=end_time)
    if output is Format.JSON:
        show_one(found, output)
        return
    typer.echo(f"{found['startTime']} to {found['endTime']}: {found['verdict']}")
    show_rows(found["runs"], RUN, output, empty="Nothing was reconciled in this range: not checked.")
    for one in found["runs"]:
        _show_breaks(one, output)


def show_run_in_full(found: dict[str, Any], output: Format) -> None:
    """A run as a person reads it: verdict, footing, notes, breaks."""
    if output is not Format.TABLE:
        show_one(found, output)
        return
    typer.echo(
        f"{found['id']}: {found['source']}, {found['firstOn']} to {found['lastOn']}: {found['verdict'] or found['state']}"
    )
    footing = [
        {
            "side": row["side"], "asset": row["asset"],
            **{part: f"{row[part]['rows']:,}: {_money(row[part]['minor'], row['asset'])}" for part in PARTS},
        }
        for row in (found["report"] or {}).get("footing", [])
    ]  # fmt: skip
    show_rows(footing, ("side", "asset", *PARTS), output, empty="No records.")
    for note in found["notes"]:
        typer.echo(f"The statement: {note}")
    if found["error"]:
        typer.echo(f"It failed: {found['error']}")
    _show_breaks(found, output)


def _show_breaks(found: dict[str, Any], output: Format) -> None:
    rows = [
        {
            "kind": one["kind"],
            "cause": one["cause"],
            "ours": _records(one["detail"]["left"]),
            "theirs": _records(one["detail"]["right"]),
            "do": one["detail"]["action"]["sentence"],
        }
        for one in found["found"]
    ]
    if rows:
        show_rows(rows, BREAKS, output)


def _records(records: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['id']} {_money(one['amount'], one['asset'])}" for one in records) or "–"


def _money(minor: str, asset: str) -> str:
    """For people: an asset that ISO 4217 does not know is shown in its minor units."""
    return format_major(int(minor), iso_scales().get(asset, 0))


def _day(given: datetime | None) -> str | None:
    return given.date().isoformat() if given else None
