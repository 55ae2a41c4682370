"""`counterfoil breaks …`: what does not agree, and what to do about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import Need, asked
from counterfoil.cli.core.money import figure, to_minor
from counterfoil.cli.core.output import (
    ROWS,
    TABLE,
    DryRun,
    Format,
    Output,
    Reason,
    Rows,
    listed,
    say_done,
    show_one,
    show_rows,
    waits,
)
from counterfoil.cli.core.verbs import add_verbs
from counterfoil.client.client import Client
from counterfoil.reconciliation.breaks.noun import BREAK_NOUN

app = typer.Typer(no_args_is_help=True, help="What does not agree, why, and what is done about it.")
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
Owner = Annotated[str | None, typer.Option("--owner", help="Only this person's; '' is nobody's.")]
Expected = Annotated[str | None, typer.Option("--expected-state", help="Refuse it when it is no longer in this state.")]


@app.command("list")
def list_(
    state: State = "live",
    kind: Kind = None,
    cause: Annotated[str | None, typer.Option("--cause", help="Only with this cause.")] = None,
    severity: Annotated[str | None, typer.Option("--severity", help="low, medium, high or critical.")] = None,
    owner: Owner = None,
    source: Source = None,
    program: Program = None,
    run: Annotated[str | None, typer.Option("--run", help="Only those that this run found first or last.")] = None,
    limit: Rows = ROWS,
    output: Output = TABLE,
) -> None:
    """Breaks, newest first; those that somebody still has to do something about, unless told otherwise."""
    by = {"state": state, "kind": kind, "cause": cause, "severity": severity, "owner": owner, "source": source}
    with asked("read") as client:
        rows = listed(client, "/api/breaks", limit, **by, programId=program, runId=run)
    show_rows(rows, COLUMNS, output, empty="No such breaks.")


@app.command("overview")
def overview(source: Source = None, program: Program = None, output: Output = TABLE) -> None:
    """Live breaks by cause and age, and how many came and went in the last 30 days."""
    with asked("read") as client:
        found = client.get("/api/breaks/overview", source=source, programId=program)
    if output is not Format.TABLE:
        show_one(found, output)
        return
    groups = ("kind", "cause", "number", "atStake", "overdue", "oldestAt")
    show_rows(found["groups"], groups, output, empty="Nothing is open.")
    show_rows(found["ages"], ("age", "number", "atStake"), output, empty="")
    flow = [one for one in found["flow"] if one["opened"] or one["closed"]]
    show_rows(
        flow, ("on", "opened", "closed", "matched", "accepted", "duplicate", "adjusted", "writtenOff"), output, empty=""
    )


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


@app.command("withdraw")
def withdraw(
    break_id: Break, reason: Reason, expected: Expected = None, dry_run: DryRun = False, output: Output = TABLE
) -> None:
    """Take a proposed journal back, or turn somebody else's down. Nothing is booked."""
    _step("work", break_id, "withdraw", reason, expected, dry_run, output)


@app.command("assign")
def assign(
    break_id: Break,
    owner: Annotated[str, typer.Argument(help="Whose it is from now on; '' is nobody's.")],
    reason: Annotated[str | None, typer.Option("--reason", help="Why. Kept in the action log.")] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Make somebody the owner of a break. Its state stays."""
    body = {"owner": owner or None, "reason": reason}
    with asked("work") as client:
        done = client.post(f"/api/breaks/{break_id}/assign", body, dry_run=dry_run)
    say_done(done, output, f"{break_id} is {owner or 'nobody'}'s.")


@app.command("comment")
def comment(
    break_id: Break,
    text: Annotated[str, typer.Argument(help="What to say.")],
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Say something about a break. It is kept for ever."""
    with asked("work") as client:
        done = client.post(f"/api/breaks/{break_id}/comment", {"text": text}, dry_run=dry_run)
    say_done(done, output, f"Comment {done['number']} is kept.")


@app.command("adjust")
def adjust(
    break_id: Break,
    reason: Reason,
    line: Annotated[
        list[str] | None,
        typer.Option(
            "--line",
            metavar="DEBIT,CREDIT,AMOUNT",
            help="One movement, such as provider_fee,clearing:simulator,12.00; repeat it.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", help='JSON: {"lines": [{"debit", "credit", "amount"}]}; - reads standard input.'),
    ] = None,
    effective_at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="When it happened; noon of the break's day.")
    ] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Propose a journal that puts the books right. Nothing is posted until another person approves it, within 24 hours."""
    with asked("operate") as client:
        lines = _typed(client, break_id, line or ()) if file is None else _lines_of(file)
        body: dict[str, Any] = {"lines": lines, "reason": reason}
        if effective_at:
            body["effectiveAt"] = effective_at
        done = client.post(f"/api/breaks/{break_id}/adjust", body, dry_run=dry_run)
    _say_proposed(done, break_id, output)


@app.command("write-off")
def write_off(
    break_id: Break,
    reason: Reason,
    effective_at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="When it takes effect; noon of the break's day.")
    ] = None,
    expected: Expected = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Propose to book the difference as a loss or a gain, within the limit. Another person approves it, within 24 hours."""
    body = _because(reason, expected) | ({"effectiveAt": effective_at} if effective_at else {})
    with asked("operate") as client:
        done = client.post(f"/api/breaks/{break_id}/write-off", body, dry_run=dry_run)
    _say_proposed(done, break_id, output)


@app.command("approve")
def approve(
    break_id: Break,
    reason: Reason,
    sha256: Annotated[
        str, typer.Option("--sha256", help="The hash of the journal that you looked at: `breaks show` tells it.")
    ],
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Approve the proposed journal, as another person than its maker. It is posted at once."""
    with asked("approve") as client:
        done = client.post(
            f"/api/breaks/{break_id}/approve", {"payloadSha256": sha256, "reason": reason}, dry_run=dry_run
        )
    say_done(done, output, f"{break_id} is {done['state'].replace('_', ' ')} by journal {done['journalId']}.")


@app.command("bulk")
def bulk(
    verb: Annotated[
        str, typer.Argument(help="investigate, wait, mature, reopen, accept, mark_duplicate, assign or comment.")
    ],
    rows: Annotated[
        list[str], typer.Argument(metavar="ID=STATE...", help="Each break with the state in which you saw it.")
    ],
    reason: Reason,
    owner: Annotated[str | None, typer.Option("--owner", help="With assign: whose they are.")] = None,
    of: Annotated[
        str | None, typer.Option("--of", help="With mark_duplicate: the break that all are copies of.")
    ] = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Say one verb of many breaks. A line that moved meanwhile is refused; the others are done. Ends with 5 when one was refused."""
    wanted = [{"id": one.partition("=")[0], "expectedState": one.partition("=")[2]} for one in rows]
    body = {"verb": verb, "rows": wanted, "reason": reason, "owner": owner, "duplicateOf": of}
    with asked("post" if verb == "accept" else "operate") as client:
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
    """Breaks as a spreadsheet. Fill in action, reason, assign_to and comment, and give it to `breaks import`."""
    from counterfoil.reconciliation.breaks.sheet import as_csv, as_xlsx

    with asked("read") as client:
        found = client.get("/api/breaks/export", state=state, kind=kind, source=source, programId=program, owner=owner)
    body = as_xlsx(found["rows"]) if file.suffix.lower() == ".xlsx" else as_csv(found["rows"])
    if str(file) == "-":
        sys.stdout.write(body.decode())
        return
    file.write_bytes(body)
    typer.echo(f"{len(found['rows'])} breaks are in {file}.")


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
    say_done(done, output, f"{done['done']} of {done['rows']} lines had something to do, and it is done.")


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


def _step(
    need: Need, break_id: str, verb: str, reason: str, expected: str | None, dry_run: bool, output: Format, **more: str
) -> None:
    with asked(need) as client:
        done = client.post(f"/api/breaks/{break_id}/{verb}", _because(reason, expected) | more, dry_run=dry_run)
    say_done(done, output, f"{break_id} is {done['state'].replace('_', ' ')}.")


def _because(reason: str, expected: str | None) -> dict[str, Any]:
    return {"reason": reason} | ({"expectedState": expected} if expected else {})


def _say_proposed(done: dict[str, Any], break_id: str, output: Format) -> None:
    command = f"counterfoil breaks approve {break_id} --sha256 {done['payloadSha256']} --reason …"
    say_done(done, output, f"Proposed; it waits for a second person until {done['expiresAt']}:\n{command}")


def _typed(client: Client, break_id: str, given: Sequence[str]) -> list[dict[str, str]]:
    """Lines as a person types them, their amounts in major units of the break's asset."""
    asset = str(client.get(f"/api/breaks/{break_id}")["asset"])
    return [_line(one, asset) for one in given]


def _line(given: str, asset: str) -> dict[str, str]:
    parts = [part.strip() for part in given.split(",")]
    if len(parts) != 3:
        raise typer.BadParameter("a line is DEBIT,CREDIT,AMOUNT", param_hint="--line")
    debit, credit, amount = parts
    return {"debit": debit, "credit": credit, "amount": to_minor(amount, asset, "amount")}


def _lines_of(file: Path) -> list[Any]:
    try:
        found = json.loads(sys.stdin.read() if str(file) == "-" else file.read_text())
        return list(found["lines"] if isinstance(found, dict) else found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise typer.BadParameter(f'{file} holds no {{"lines": […]}}: {error}', param_hint="--file") from error


def _show_detail(detail: dict[str, Any]) -> None:
    for side, name in (("left", "our books"), ("right", "the other side")):
        for record in detail[side]:
            told = ", ".join(f"{key} {value}" for key, value in record.items() if key not in ("amount", "asset"))
            typer.echo(f"\n{name}: {figure(record['amount'], record['asset'])} ({told})")
        if not detail[side]:
            typer.echo(f"\n{name}: nothing")
    show_rows(detail["fields"], ("name", "left", "right", "distance"), TABLE, empty="")
    show_rows(detail["hypotheses"], ("cause", "verdict", "test", "finding"), TABLE, empty="No cause could be tested.")
    show_rows(detail["candidates"], ("id", "amount", "day", "why_refused"), TABLE, empty="")
    typer.echo(f"Do: {detail['action']['sentence']} {detail['action']['not_offered']}")
