"""`counterfoil breaks …`: what does not agree, and what to do about it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import OF_PROGRAM, Only, add_list, of_noun
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.money import figure, to_minor
from counterfoil.cli.core.output import TABLE, DryRun, Format, Output, Reason, say_done, show_one, show_rows, waits, write_file
from counterfoil.cli.core.verbs import add_verbs, need_of
from counterfoil.reconciliation.breaks.noun import BREAK_NOUN

app = command_group("What does not agree, why, and what is done about it.")
COLUMNS = ("id", "kind", "cause", "severity", "asset", "atStake", "reference", "state", "owner", "dueOn")
PARTS = (
    ("timeline", ("at", "where", "what", "minor", "asset", "id")),
    ("proposals", ("number", "kind", "minor", "maker", "expiresAt", "decision", "checker", "payloadSha256")),
    ("remarks", ("number", "at", "actor", "kind", "text")),
    ("steps", ("step", "at", "fromState", "verb", "toState", "actor", "reason", "cause")),
)
Break = Annotated[str, typer.Argument(help="The break's id, break_….")]
State = Annotated[str | None, typer.Option("--state", help="Only in this state; live and closed are several.")]
Kind = Annotated[str | None, typer.Option("--kind", help="Only of this kind, such as MISSING_RIGHT.")]
Source = Annotated[str | None, typer.Option("--source", help="Only of this provider or bank account.")]
Program = Annotated[str | None, typer.Option("--program", help="Only of this program.")]
Owner = Annotated[str | None, typer.Option("--owner", help="Only this person's; '' for unassigned.")]


add_list(
    app,
    "/api/breaks",
    COLUMNS,
    "Breaks, newest first unless sorted otherwise; those that somebody still has to do something about, unless told otherwise.",
    "No such breaks.",
    Only("--state", "Only in this state; live and closed are several.", default="live"),
    Only("--kind", "Only of this kind, such as MISSING_RIGHT."),
    Only("--cause", "Only with this cause."),
    Only("--severity", "low, medium, high or critical."),
    Only("--owner", "Only this person's; '' for unassigned."),
    Only("--source", "Only of this provider or bank account."),
    OF_PROGRAM,
    Only("--run", "Only those that this run found first or last.", "runId"),
    *of_noun(BREAK_NOUN),
)


@app.command("overview")
def overview(source: Source = None, program: Program = None, output: Output = TABLE) -> None:
    """Open breaks by cause and age, and how many came and went in the last 30 days."""
    with asked("read") as client:
        found = client.get("/api/breaks/overview", source=source, programId=program)
    if output is not Format.TABLE:
        show_one(found, output)
        return
    groups = ("kind", "cause", "number", "atStake", "overdue", "oldestAt")
    show_rows(found["groups"], groups, output, empty="Nothing is open.")
    show_rows(found["ages"], ("age", "number", "atStake"), output, empty="")
    flow = [one for one in found["flow"] if one["opened"] or one["closed"]]
    show_rows(flow, ("on", "opened", "closed", "matched", "accepted", "duplicate", "adjusted", "writtenOff"), output, empty="")


@app.command("show")
def show(break_id: Break, output: Output = TABLE) -> None:
    """One break: both records, what differs, why, the one safe action, its timeline and what was done."""
    with asked("read") as client:
        found = client.get(f"/api/breaks/{break_id}")
    if output is not Format.TABLE:
        show_one(found, output)
        return
    show_one({name: value for name, value in found.items() if name != "detail"}, output)
    _show_detail(found["detail"])
    for name, columns in PARTS:
        if found[name]:
            typer.echo(f"\n{name}")
            show_rows(found[name], columns, output)
    if found["allowed"]:
        typer.echo(f"\nWhat may be done now: {', '.join(found['allowed'])}")


add_verbs(app, BREAK_NOUN)


@app.command("bulk")
def bulk(
    verb: Annotated[str, typer.Argument(help=f"One of {', '.join(one.name for one in BREAK_NOUN.verbs if one.many)}.")],
    rows: Annotated[list[str], typer.Argument(metavar="ID=STATE...", help="Each break with the state in which you saw it.")],
    reason: Reason,
    owner: Annotated[str | None, typer.Option("--owner", help="With assign: whose they are.")] = None,
    of: Annotated[str | None, typer.Option("--of", help="With mark_duplicate: the break that all are copies of.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Say one verb of many breaks. A line that moved meanwhile is refused; the others are done. Ends with 5 when one was refused."""
    wanted = [{"id": one.partition("=")[0], "expectedState": one.partition("=")[2]} for one in rows]
    body = {"verb": verb, "rows": wanted, "reason": reason, "owner": owner, "duplicateOf": of}
    with asked(need_of(BREAK_NOUN, verb)) as client:
        done = client.post("/api/breaks/bulk", body, dry_run=dry_run)
    show_one(done, output, parts=(("lines", ("line", "id", "state", "refused")),))
    if done["refused"]:
        raise typer.Exit(5)


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="breaks.xlsx or breaks.csv; - writes CSV to standard output.")],
    state: State = "live",
    kind: Kind = None,
    source: Source = None,
    program: Program = None,
    owner: Owner = None,
) -> None:
    """Breaks as a spreadsheet. Fill in action, reason, assign_to and comment, and hand it to `breaks import`."""
    from counterfoil.reconciliation.breaks.sheet import as_csv, as_xlsx

    with asked("read") as client:
        found = client.get("/api/breaks/export", state=state, kind=kind, source=source, programId=program, owner=owner)
    body = as_xlsx(found["rows"]) if file.suffix.lower() == ".xlsx" else as_csv(found["rows"])
    if str(file) == "-":
        sys.stdout.write(body.decode())
        return
    write_file(file, body)
    typer.echo(f"{counted(len(found['rows']), 'break is', 'breaks are')} in {file}.")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="The spreadsheet of `breaks export`, filled in: CSV or XLSX.")],
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Carry out a spreadsheet, all of it or nothing. Lines whose break moved meanwhile are named."""
    try:
        body = file.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file}: {error.strerror}") from error
    with asked("operate") as client:
        done = client.post("/api/breaks/import", content=body, dry_run=dry_run)
    say_done(done, output, f"{done['done']} of {counted(done['rows'], 'line')} had something to do, and it is done.")


@app.command("limit")
def limit(
    asset: Annotated[str, typer.Argument(help="Such as EUR.")],
    amount: Annotated[str | None, typer.Argument(help="The new limit, such as 50.00; absent: show it.")] = None,
    reason: Annotated[str, typer.Option("--reason", help="Why. Kept in the action log.")] = "",
    program: Annotated[str, typer.Option("--program", help="Whose.")] = "main",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Up to what a break may be written off; set it with a reason, as an administrator."""
    if amount is None:
        with asked("read") as client:
            found = client.get("/api/breaks/limits", asset=asset, programId=program)
        show_one(found, output)
        return
    body = {"programId": program, "asset": asset, "minor": to_minor(amount, asset, "amount"), "reason": reason}
    with asked("administer") as client:
        done = client.post("/api/breaks/limits", body, dry_run=dry_run)
    if waits(done, output):
        return
    say_done(done, output, f"Breaks of {program} are written off up to {figure(done['minor'], asset)}.")


def _show_detail(detail: dict[str, Any]) -> None:
    for side, name in (("left", "our books"), ("right", "the other side")):
        for record in detail[side]:
            told = ", ".join(f"{key} {value}" for key, value in record.items() if key not in ("amount", "asset"))
            typer.echo(f"\n{name}: {figure(record['amount'], record['asset'])} ({told})")
        if not detail[side]:
            typer.echo(f"\n{name}: nothing")
    show_rows([_in_whole_units(field, detail) for field in detail["fields"]], ("name", "left", "right", "distance"), TABLE, empty="")
    show_rows(detail["hypotheses"], ("cause", "verdict", "test", "finding"), TABLE, empty="No cause could be tested.")
    near = [{**one, "amount": figure(one["amount"], detail["asset"])} for one in detail["candidates"]]
    show_rows(near, ("id", "amount", "day", "why_refused"), TABLE, empty="")
    typer.echo(f"Do: {detail['action']['sentence']} {detail['action']['not_offered']}")


def _in_whole_units(field: dict[str, Any], detail: dict[str, Any]) -> dict[str, Any]:
    if field["name"] != "amount" or not detail["left"] or not detail["right"]:
        return field
    here, there = (detail[side][0]["asset"] for side in ("left", "right"))
    told = {"left": figure(field["left"], here), "right": figure(field["right"], there)}
    if here == there:
        told["distance"] = figure(int(field["right"]) - int(field["left"]), here)
    return {**field, **told}
