"""`counterfoil carbon …`"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import OF_PROGRAM, add_list, of_noun
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Format, Output, Reason, patience, say, say_done, show_one, show_rows
from counterfoil.treasury.carbon.billing import BILL_LIST
from counterfoil.treasury.carbon.credits import CREDIT_LIST, RETIREMENT_LIST
from counterfoil.treasury.carbon.syncing import SYNC_LIST

app = command_group("Grams that agents emit, and carbon credits.")
COLUMNS: Final = ("reference", "agent_id", "region", "starts_at", "ends_at", "watt_hours")
LINES: Final = ("agentId", "region", "wattHours", "uncovered", "source", "ledger", "difference", "verdict", "why")
CREDITS: Final = ("id", "registry", "series", "firstSerial", "lastSerial", "gramsEach", "vintage", "retired", "reference")
RETIREMENTS: Final = ("id", "creditId", "firstSerial", "lastSerial", "agentId", "grams", "reason", "at")
SYNCS: Final = ("startedAt", "actor", "forced", "days", "failed", "points", "posted", "breaks", "error")
BILL_COLUMNS: Final = ("region", "day", "watt_hours", "grams")
BILLS: Final = ("id", "source", "reference", "firstDay", "lastDay", "grams", "compared", "agree", "difference", "verdict")
BILLED: Final = ("region", "day", "billedWh", "recordedWh", "billed", "ledger", "difference", "verdict", "why", "nextStep")
PART: Final = 5_000
DIGITS_MAX: Final = 18
Program = Annotated[str, typer.Option("--program", help="In which program.")]
OfProgram = Annotated[str | None, typer.Option("--program", help="Only of this program.")]
First = Annotated[int, typer.Option("--first", min=1, help="The first serial.")]
Last = Annotated[int, typer.Option("--last", min=1, help="The last serial, included.")]


@app.command("import-energy")
def import_energy(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=f"CSV with the columns {', '.join(COLUMNS)}.")],
    program: Program = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Record the energy that agents used, from a file. The same file again changes nothing; a line that is wrong is named, and of its part
    of 5,000 lines nothing is recorded."""
    records = [_record(row, number) for number, row in _rows(file, COLUMNS)]
    done: dict[str, Any] = {"records": 0, "new": 0, "dryRun": dry_run}
    with asked("operate") as client:
        for at in range(0, len(records), PART):
            part = client.post("/api/carbon/energy", {"programId": program, "records": records[at : at + PART]}, dry_run=dry_run)
            done |= {name: done[name] + part[name] for name in ("records", "new")}
    say_done(done, output, f"{file.name}: {done['new']:,} of {done['records']:,} are new.")


def _rows(file: Path, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows of a CSV file with these columns, and on which line each ends."""
    with file.open(newline="", encoding="utf-8-sig") as stream:
        rows = csv.DictReader(stream)
        if sorted(rows.fieldnames or ()) != sorted(columns):
            raise typer.BadParameter(f"its columns are {', '.join(columns)}", param_hint="FILE")
        found = [(rows.line_num, row) for row in rows]
    for line, row in found:
        if None in row or None in row.values():
            raise typer.BadParameter(f"line {line}: it has {len(columns)} columns", param_hint="FILE")
    return found


def _whole(row: dict[str, str], line: int, column: str, *, below: bool = False) -> int:
    """A whole number of a column; `below`: also one below nothing."""
    text = row[column].strip()
    digits = text.removeprefix("-") if below else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= DIGITS_MAX):
        raise typer.BadParameter(f"line {line}: {column} is a whole number of at most {DIGITS_MAX} digits", param_hint="FILE")
    return int(text)


def _record(row: dict[str, str], line: int) -> dict[str, Any]:
    given = {"agentId": "agent_id", "startsAt": "starts_at", "endsAt": "ends_at", "reference": "reference", "region": "region"}
    return {name: row[column] for name, column in given.items()} | {"wattHours": _whole(row, line, "watt_hours")}


@app.command("import-bill")
def import_bill(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help=f"CSV with the columns {', '.join(BILL_COLUMNS)}.")],
    reference: Annotated[str, typer.Option("--reference", help="The bill's own number; each counts once.")],
    first: Annotated[str, typer.Option("--from", help="The first day that it speaks of, such as 2025-12-01 (UTC).")],
    last: Annotated[str, typer.Option("--to", help="The last day, included.")],
    source: Annotated[str, typer.Option("--source", help="Who sent it.")] = "watttime",
    program: Program = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Import a bill of the source of carbon figures, and hold it against the books; nothing of it is posted. The same bill again changes
    nothing. Ends with 1 unless all of it agrees."""
    lines = [
        {
            "region": row["region"].strip(),
            "day": row["day"].strip(),
            "wattHours": _whole(row, line, "watt_hours", below=True),
            "grams": _whole(row, line, "grams", below=True),
        }
        for line, row in _rows(file, BILL_COLUMNS)
    ]
    body = {"programId": program, "source": source, "reference": reference, "firstDay": first, "lastDay": last, "lines": lines}
    with asked("operate") as client:
        done = client.post("/api/carbon/bills", body, dry_run=dry_run)
        if dry_run:
            say_done(done, output, f"{reference} would be imported with {counted(done['lines'], 'line')}.")
            return
        found = client.get(f"/api/carbon/bills/{done['id']}")
    _show_bill(found, output)


@app.command("check-bill")
def check_bill(bill: Annotated[str, typer.Argument(metavar="ID", help="The bill's id, cbill_….")], output: Output = TABLE) -> None:
    """Hold a bill of the source against the books, by region and day. Ends with 1 unless all of it agrees."""
    with asked("read") as client:
        _show_bill(client.get(f"/api/carbon/bills/{bill}"), output)


def _show_bill(found: dict[str, Any], output: Format) -> None:
    if output is Format.JSON:
        show_one(found, output)
    else:
        show_rows(found["days"], BILLED, output, empty="No day differs.")
        if output is Format.TABLE:
            agree = counted(found["compared"], "day of regions agrees", "days of regions agree")
            said = f"{found['reference']} ({found['id']}): {found['agree']:,} of {agree}."
            say(f"{found['verdict']}. {said if found['compared'] else 'Nothing was billed or used, so nothing was compared.'}")
            for one in {day["command"] for day in found["days"] if day["command"]}:
                say(f"Once the source is found to be right: {one}")
    if found["verdict"] != "AGREES":
        raise typer.Exit(NOT_GREEN)


add_list(
    app,
    "/api/carbon/bills",
    BILLS,
    "Bills of the source of carbon figures, newest first, each held against the books.",
    "No bill was imported.",
    OF_PROGRAM,
    *of_noun(BILL_LIST),
    word="bills",
)


@app.command("sync")
def sync(
    force: Annotated[bool, typer.Option("--force", help="Ask for all within the window, also for what was asked for lately.")] = False,
    date: Annotated[str | None, typer.Option("--date", help="Only for this day; forced, what differs after the window is posted.")] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; needed to force a day.")] = None,
    output: Output = TABLE,
) -> None:
    """Ask the source (WattTime) what grids emitted, and post the grams. Ends with 1 when a day has no answer, or came too late."""
    body = {"force": force, **({"date": date} if date else {}), **({"reason": reason} if reason else {})}
    with asked("operate") as client, patience("asking the source"):
        done = client.post("/api/carbon/syncs", body)
    new = counted(done["points"], "figure is new", "figures are new")
    said = f"{counted(done['days'], 'day was', 'days were')} asked for; {new}, {done['posted']} of agents were posted."
    said += f" {counted(done['failed'], 'day has', 'days have')} no answer: {done['error']}." if done["failed"] else ""
    said += f" {done['breaks']} changes came too late and are breaks: see `counterfoil carbon verify`." if done["breaks"] else ""
    said += f" {counted(done['left'], 'day waits', 'days wait')} for the next sync." if done["left"] else ""
    say_done(done, output, said)
    if done["failed"] or done["breaks"] or done["left"]:
        raise typer.Exit(NOT_GREEN)


@app.command("verify")
def verify(
    date: Annotated[str, typer.Option("--date", help="The day, such as 2025-12-30 (UTC).")],
    program: OfProgram = None,
    output: Output = TABLE,
) -> None:
    """Hold the grams in the books against the source's figures and bills. Ends with 1 unless all of the day is compared and the same."""
    with asked("read") as client:
        found = client.get("/api/carbon/verify", date=date, programId=program)
    if output is Format.JSON:
        show_one(found, output)
    else:
        show_rows(found["lines"], LINES, output, empty=f"No energy was recorded for {date}.")
        if output is Format.TABLE:
            say(f"{found['verdict']}. {found['nextStep']}")
            billed = f"{found['billing']}, {len(found['billDays'])} regions" if found["billDays"] else "none speaks of this day"
            say(f"Bills: {billed}.")
    if found["verdict"] != "AGREES":
        raise typer.Exit(NOT_GREEN)


@app.command("forecast")
def forecast(
    region: Annotated[str, typer.Argument(help="Of the grid, such as CAISO_NORTH.")],
    hours: Annotated[int, typer.Option("--hours", min=1, max=72, help="How far.")] = 24,
    output: Output = TABLE,
) -> None:
    """What one more megawatt-hour will emit, as the source sees it now, and when that is least."""
    with asked("read") as client:
        found = client.get("/api/carbon/forecast", region=region, hours=hours)
    if output is Format.JSON:
        show_one(found, output)
        return
    show_rows(found["points"], ("at", "poundsPerMwh"), output, empty="The source says nothing.")
    if output is Format.TABLE and found["cleanestAt"]:
        say(f"The least is emitted at {found['cleanestAt']}.")


@app.command("region")
def region(
    latitude: Annotated[str, typer.Option("--latitude", help="Such as 37.7749.")],
    longitude: Annotated[str, typer.Option("--longitude", help="Such as -122.4194.")],
    output: Output = TABLE,
) -> None:
    """Which grid region a place lies in."""
    with asked("read") as client:
        show_one(client.get("/api/carbon/region", latitude=latitude, longitude=longitude), output)


add_list(
    app,
    "/api/carbon/syncs",
    SYNCS,
    "When the source was asked, and what came of it, newest first.",
    "The source was never asked.",
    *of_noun(SYNC_LIST),
    word="syncs",
)


@app.command("buy")
def buy(
    registry: Annotated[str, typer.Option("--registry", help="Whose register it is.")],
    series: Annotated[str, typer.Option("--series", help="Of the registry.")],
    first: First,
    last: Last,
    vintage: Annotated[int, typer.Option("--vintage", help="The year.")],
    reference: Annotated[str, typer.Option("--reference", help="Of the order.")],
    reason: Reason,
    grams_each: Annotated[int, typer.Option("--grams-each", min=1, help="That one serial stands for; a tonne.")] = 1_000_000,
    program: Program = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Record credits that were bought, by their serials; each counts once."""
    body = {
        "programId": program,
        "registry": registry,
        "series": series,
        "firstSerial": first,
        "lastSerial": last,
        "gramsEach": grams_each,
        "vintage": vintage,
        "reference": reference,
        "reason": reason,
    }
    with asked("post") as client:
        done = client.post("/api/carbon/credits", body, dry_run=dry_run)
    say_done(done, output, f"{done['id']}: {counted(last - first + 1, 'credit is', 'credits are')} held.")


add_list(
    app,
    "/api/carbon/credits",
    CREDITS,
    "Credits that were bought, newest first, and how many of them are retired.",
    "No credits were bought.",
    OF_PROGRAM,
    *of_noun(CREDIT_LIST),
    word="credits",
)


@app.command("retire")
def retire(
    credit: Annotated[str, typer.Argument(metavar="ID", help="The purchase's id, credit_….")],
    first: First,
    last: Last,
    reason: Reason,
    agent: Annotated[str | None, typer.Option("--agent-id", help="For whose emissions; absent: the house's.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Retire serials: they never move again."""
    body = {"creditId": credit, "firstSerial": first, "lastSerial": last, "reason": reason, **({"agentId": agent} if agent else {})}
    with asked("post") as client:
        done = client.post("/api/carbon/retirements", body, dry_run=dry_run)
    say_done(done, output, f"{done['id']}: serials {first} to {last} are retired; they never move again.")


add_list(
    app,
    "/api/carbon/retirements",
    RETIREMENTS,
    "What was retired, newest first.",
    "Nothing was retired.",
    OF_PROGRAM,
    *of_noun(RETIREMENT_LIST),
    word="retirements",
)
