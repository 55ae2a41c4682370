"""`counterfoil reconcile …`: our books against others through the server; two files against each other without one."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import sort_help
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import figure
from counterfoil.cli.core.output import (
    ROWS,
    TABLE,
    Format,
    ListFormat,
    ListOutput,
    Output,
    Rows,
    listed,
    patience,
    show_one,
    show_rows,
    write_file,
)
from counterfoil.cli.core.progress import watching
from counterfoil.cli.local.reconcile_files import files
from counterfoil.reconciliation.runs.rows import RUN_LIST

app = command_group("Hold one side's records against the other's.")
app.command("files")(files)

RUN = (
    "id",
    "source",
    "scope",
    "firstOn",
    "lastOn",
    "state",
    "verdict",
    "matched",
    "breaks",
    "openBreaks",
    "expected",
    "unexplained",
    "notChecked",
    "measuredAt",
)
BREAKS = ("kind", "cause", "ours", "theirs", "do")
PARTS = ("source", "matched", "breaks", "expected")
BALANCES = ("asset", "booked", "stated", "opening", "difference", "only there", "only here", "unexplained")
SOURCES = (
    "source",
    "watermark",
    "verdict",
    "openBreaks",
    "unexplained",
    "notChecked",
    "measuredAt",
    "attempt",
    "error",
)
GREEN = ("reconciled", "reconciled with accepted items")  # a person stands for what is accepted
SCHEDULES = ("name", "cron", "slotAt", "outcome", "takenBy", "lateS", "overdueS", "skipped", "nextAt")
WAITING_SHOWN_MAX = 20
DAY = "%Y-%m-%d"
Day = Annotated[datetime | None, typer.Option(formats=[DAY], metavar="YYYY-MM-DD", help="A day, UTC.")]
Moment = Annotated[str, typer.Option(metavar="INSTANT", help="Such as 2026-11-20T00:00:00Z.")]
Program = Annotated[str | None, typer.Option("--program", help="The program; the installation's own when absent.")]


class Scope(StrEnum):
    """How much is reconciled."""

    FULL = "full"
    RECENT = "recent"


class FileFormat(StrEnum):
    """How a report is written to a file."""

    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"
    PDF = "pdf"


@app.command("run")
def run(
    source: Annotated[
        str | None,
        typer.Option("--source", help="One source, such as simulator or bank:client; all that are in use when absent."),
    ] = None,
    scope: Annotated[
        Scope | None,
        typer.Option("--scope", help="recent: since the last conclusion. full: everything; with a day, that day of every source."),
    ] = None,
    date: Day = None,
    first: Annotated[datetime | None, typer.Option("--from", formats=[DAY], metavar="YYYY-MM-DD", help="First day of a range.")] = None,
    last: Annotated[datetime | None, typer.Option("--to", formats=[DAY], metavar="YYYY-MM-DD", help="Last day of a range.")] = None,
    span: Annotated[str | None, typer.Option("--last", metavar="DAYS", help="The last days, such as 7d.")] = None,
    agent: Annotated[
        str | None,
        typer.Option("--agent-id", help="The sources through which this agent's money moved on those days."),
    ] = None,
    program: Program = None,
    output: Output = TABLE,
) -> None:
    """Hold what others say against our books. Moves no money. Ends with 1 unless all of it is reconciled, or accepted by people."""
    body: dict[str, Any] = {
        "source": source,
        "programId": program,
        "scope": scope.value if scope else None,
        "date": _day(date),
        "from": _day(first),
        "to": _day(last),
        "last": span,
        "agentId": agent,
    }
    given = {name: value for name, value in body.items() if value is not None}
    with asked("operate") as client, watching(client):
        found = client.post("/api/reconciliation/runs", given)
    runs, failed = found.get("runs", [found]), found.get("failed", [])
    if output is not Format.TABLE:
        show_one(found, output)
    else:
        _show_all(runs, failed, agent)
    if failed or not runs or any(one["verdict"] not in GREEN for one in runs):
        raise typer.Exit(NOT_GREEN)


def _show_all(runs: list[dict[str, Any]], failed: list[dict[str, Any]], agent: str | None) -> None:
    for one in runs:
        show_run_in_full(one, TABLE)
    for one in failed:
        typer.echo(f"{one['source']} could not be brought to a conclusion: {one['sentence']}")
    if not runs and not failed and agent is not None:
        typer.echo(f"No money of {agent} moved through a source on those days: there is nothing to reconcile.")
    elif not runs and not failed:
        typer.echo("There is no source to reconcile: no provider is set, and no bank statement was imported.")


@app.command("list")
def list_(
    source: Annotated[str | None, typer.Option("--source", help="Only of this source.")] = None,
    sort: Annotated[str | None, typer.Option("--sort", help=sort_help(RUN_LIST))] = None,
    limit: Rows = ROWS,
    output: ListOutput = ListFormat.TABLE,
) -> None:
    """Runs, newest first unless sorted otherwise."""
    with asked("read") as client:
        rows = listed(client, "/api/reconciliation/runs", limit, source=source, sort=sort)
        stand = client.get("/api/reconciliation/sources")["sources"] if output is ListFormat.TABLE else []
    show_rows(_in_words(rows, output), RUN, output, empty="Nothing was reconciled yet.")
    for one in stand:
        if one["watermark"] is None and source in (None, one["source"]):
            typer.echo(f"Never reconciled: {one['source']} of {one['programId']}")


@app.command("show")
def show(run_id: Annotated[str, typer.Argument(help="The run's id, rec_….")], output: Output = TABLE) -> None:
    """One run: its footing, and each break with what differs and the one safe thing to do."""
    with asked("read") as client:
        show_run_in_full(client.get(f"/api/reconciliation/runs/{run_id}"), output)


@app.command("sources")
def sources(program: Program = None, output: Output = TABLE) -> None:
    """How far each source is reconciled, and how the schedules stand."""
    with asked("read") as client:
        found = client.get("/api/reconciliation/sources", programId=program)
    if output is not Format.TABLE:
        show_one(found, output)
        return
    show_rows(_in_words(found["sources"], output), SOURCES, output, empty="Nothing was reconciled yet: not checked.")
    show_rows(found["schedules"], SCHEDULES, output, empty="No schedule was looked at yet: no worker has run.")
    for one in found["gaps"]:
        moments = f"{one['missed']} times, from {one['firstAt']} to {one['lastAt']}" if one["missed"] > 1 else one["firstAt"]
        typer.echo(f"Missed: nobody was there when {one['name']} was due: {moments}")
    typer.echo(f"Sources: {', '.join(found['known'])}")


@app.command("bank")
def bank(
    account: Annotated[str, typer.Option("--account", help="cash:bank:client or cash:bank:own.")] = "cash:bank:client",
    date: Day = None,
    program: Program = None,
    output: Output = TABLE,
) -> None:
    """Tie our cash to the bank's closing balance at the end of a day, by the items in transit. Moves no money.

    Ends with 1 unless it is reconciled and nothing of the difference is unexplained.
    """
    body = {"source": f"bank:{account.rpartition(':')[2]}", "programId": program, "date": _day(date)}
    with asked("operate") as client, watching(client):
        found = client.post("/api/reconciliation/runs", {name: value for name, value in body.items() if value is not None})
    show_run_in_full(found, output)
    if found["verdict"] not in GREEN:
        raise typer.Exit(NOT_GREEN)


@app.command("report")
def report(
    start_time: Moment,
    end_time: Moment,
    program: Program = None,
    form: Annotated[
        FileFormat | None,
        typer.Option("--format", help="Write the report to a file; the same report is the same bytes."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", dir_okay=False, help="Which file; reconciliation_report.FORMAT when absent."),
    ] = None,
    output: Output = TABLE,
) -> None:
    """The reconciliation report of a time range: what agrees, what does not, what was not checked and why."""
    given = {"startTime": start_time, "endTime": end_time, "programId": program}
    with asked("read") as client, patience("Writing the report"):
        if form is not None:
            path = file or Path(f"reconciliation_report.{form.value}")
            write_file(path, client.download("/api/reconciliation/report", **given, format=form.value))
            typer.echo(str(path))
            return
        found = client.get("/api/reconciliation/report", **given)
    if output is Format.JSON:
        show_one(found, output)
        return
    told = found["report"]
    typer.echo(f"{told['first_on']} to {told['last_on']}: {found['verdict']}")
    show_rows(_in_words(found["runs"], output), RUN, output, empty="Nothing was reconciled in this range: not checked.")
    for one in told["not_checked"]:
        typer.echo(f"{one['source']}: {one['why']}")
    for one in found["runs"]:
        _show_breaks(one, output)


def show_run_in_full(found: dict[str, Any], output: Format) -> None:
    """A run as a person reads it: verdict, footing, balances, what is expected later, notes, breaks."""
    if output is not Format.TABLE:
        show_one(found, output)
        return
    typer.echo(f"{found['id']}: {found['source']}, {found['firstOn']} to {found['lastOn']}: {found['verdict'] or found['state']}")
    told = found["report"] or {}
    footing = [
        {
            "side": row["side"],
            "asset": row["asset"],
            **{part: f"{row[part]['rows']:,}: {figure(row[part]['minor'], row['asset'])}" for part in PARTS},
        }
        for row in told.get("footing", [])
    ]
    show_rows(footing, ("side", "asset", *PARTS), output, empty="No records.")
    _show_balances(told, output)
    for note in found["notes"]:
        typer.echo(f"The statement: {note}")
    if found["unexplained"]:
        typer.echo(f"Unexplained: {_sums(found['unexplained'])} of the balance, beyond every listed item")
    for why in found["notChecked"]:
        typer.echo(f"Not checked: {why}")
    waiting = told.get("expected_later", [])
    for one in waiting[:WAITING_SHOWN_MAX]:
        typer.echo(f"Expected later: {one['id']} {figure(one['amount'], one['asset'])} of {one['day']}: {one['why']}")
    for one in told.get("booked_later", []):
        typer.echo(
            f"Booked later: {one['id']} {figure(one['amount'], one['asset'])} happened on {one['happened_on']}, in a closed period, "
            f"and is booked on {one['booked_on']}"
        )
    for why in told.get("lists_cut", []):
        typer.echo(f"Not listed in full: {why}")
    if len(waiting) > WAITING_SHOWN_MAX:
        typer.echo(f"Expected later: {len(waiting) - WAITING_SHOWN_MAX} more")
    if (compared := found.get("comparison")) and not compared["agrees"]:
        typer.echo(f"It disagrees with the runs before it in {counted(compared['differing'], 'break')}.")
    if found["error"]:
        typer.echo(f"It failed: {found['error']}")
    _show_breaks(found, output)


def _in_words(rows: list[dict[str, Any]], output: Format | ListFormat) -> list[dict[str, Any]]:
    """Lists as a table shows them; JSON keeps them as they are."""
    if output != Format.JSON:
        rows[:] = [row | {"unexplained": _sums(row["unexplained"]), "notChecked": len(row["notChecked"]) or ""} for row in rows]
    return rows


def _sums(figures: list[dict[str, str]]) -> str:
    return ", ".join(figure(one["minor"], one["asset"]) for one in figures)


def _show_balances(told: dict[str, Any], output: Format) -> None:
    rows = [
        {name: row["asset"] if name == "asset" else _balance(row.get(name.replace(" ", "_")), row["asset"]) for name in BALANCES}
        for row in told.get("balances", [])
        if row["stated"] is not None
    ]
    if rows:
        show_rows(rows, BALANCES, output)


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
    if found["notShown"]:
        typer.echo(f"{counted(found['notShown'], 'break')} more: counterfoil breaks list --run {found['id']}")


def _records(records: list[dict[str, Any]]) -> str:
    return ", ".join(f"{one['id']} {figure(one['amount'], one['asset'])}" for one in records) or "–"


def _balance(minor: str | None, asset: str) -> str:
    return "not known" if minor is None else figure(minor, asset)


def _day(given: datetime | None) -> str | None:
    return given.date().isoformat() if given else None
