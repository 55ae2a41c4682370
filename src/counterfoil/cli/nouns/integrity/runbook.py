"""`counterfoil runbook …` and `counterfoil checklist …`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.base.formats.runbook import parse_runbook
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Format, ListFormat, ListOutput, Output, give_text, patience, say, say_done, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.runbooks.model import GREEN, RunbookStep
from counterfoil.runbooks.runs import what_next
from counterfoil.wiring import CHECKS, RUNBOOK_NOUN

checklists = command_group("What is looked at every morning, week and month.")
COLUMNS = ("number", "type", "title", "outcome", "told")
KINDS = ("name", "kind", "title", "covers", "steps", "own", "lastRun.id", "lastRun.state", "lastRun.passed", "lastRun.startedAt")
WRONG = ("failed", "not_checked")
Name = Annotated[str, typer.Argument(help="Its name, as `counterfoil runbook catalogue` lists it.")]
Day = Annotated[str | None, typer.Option("--day", help="A day of the span to look at, such as 2026-10-15; absent: the last whole one.")]
Program = Annotated[str | None, typer.Option("--program", help="Of which program.")]


def _shown(run: dict[str, Any]) -> None:
    """What a person types for each step that is not answered yet, and which is next."""
    for one in run["answers"]:
        if one["outcome"] not in GREEN and (one["help"] or one["command"]):
            typed = f"`{one['command']}`" if one["command"] else ""
            say(f"{one['number']:>3}. {one['title']}: {' '.join(filter(None, (one['help'], typed)))}")
    _say_next(run)


app = noun_app(RUNBOOK_NOUN, shown=_shown)


@app.command("run")
def run(
    name: Name,
    alert: Annotated[str | None, typer.Option("--alert", help="The alert that it answers, alt_….")] = None,
    subject: Annotated[str | None, typer.Option("--subject", help="The one thing that it is about.")] = None,
    program: Program = None,
    day: Day = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Begin a run: the machine answers what it can. Ends with 1 when a step fails or could not be asked."""
    body = {"alertId": alert, "subject": subject, "programId": program, "day": day}
    _run("runbooks", name, body, dry_run, output)


@checklists.command("run")
def run_checklist(name: Name, program: Program = None, day: Day = None, dry_run: DryRun = False, output: Output = TABLE) -> None:
    """Begin a run: the machine answers each item that it can, with evidence. Ends with 1 when one fails or could not be asked."""
    _run("checklists", name, {"programId": program, "day": day}, dry_run, output)


def _run(where: str, name: str, body: dict[str, Any], dry_run: bool, output: Format) -> None:
    with asked("operate") as client, patience("asking what the machine can answer"):
        given = {key: value for key, value in body.items() if value is not None}
        made = client.post(f"/api/{where}/{name}/runs", given, dry_run=dry_run)
        whole = {} if dry_run else client.get(f"/api/runbook-runs/{made['id']}")
    if output is TABLE:
        show_rows(made["steps"], COLUMNS, output)
        passed = f"{made['id']}: {made['passed']} of {counted(made['stepsTotal'], 'step')} passed."
        say(f"{'(dry run, nothing was changed) ' if dry_run else ''}{passed}")
        _say_next(whole)
    else:
        say_done(made, output, "")
    if any(one["outcome"] in WRONG for one in made["steps"]):
        raise typer.Exit(NOT_GREEN)


@app.command("catalogue")
def catalogue(output: Output = TABLE) -> None:
    """Every runbook that can be run, and what its newest run came to. Ends with 1 when a file of yours is wrong, which it names."""
    _list("runbooks", output)


@checklists.command("list")
def list_(output: ListOutput = ListFormat.TABLE) -> None:
    """The checklists, each with its newest run. Ends with 1 when a file of yours is wrong, which it names."""
    _list("checklists", output)


def _say_next(run: dict[str, Any]) -> None:
    """What is typed next, of a run that goes on."""
    if run.get("state") == "running":
        say(what_next(run["id"], [RunbookStep(**{name: one[name] for name in RunbookStep._fields}) for one in run["answers"]]))


def _list(where: str, output: Format | ListFormat) -> None:
    with asked("read") as client:
        found = client.get(f"/api/{where}")
    show_rows(found["data"], KINDS, output)
    for one in found["refused"]:
        typer.echo(f"{one['file']}: {one['detail']}", err=True)
    if found["refused"]:
        raise typer.Exit(NOT_GREEN)


@app.command("validate")
def validate(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A runbook as TOML.")]) -> None:
    """Is a file well written? Asks no server; what is wrong is named with its line."""
    book = parse_runbook(file.read_text(encoding="utf-8"), file=file.name, checks=[one.code for one in CHECKS])
    say(f"{file.name}: {book.kind} {book.name}, {counted(len(book.steps), 'step')}.")


@app.command("print")
def print_(
    run_id: Annotated[str, typer.Argument(metavar="ID", help="The run's id, rbr_….")],
    file: Annotated[Path | None, typer.Option("--file", help="Where to write it; printed if absent.")] = None,
) -> None:
    """A run as Markdown: each step with its answer, who gave it and when, and its evidence."""
    with asked("read") as client:
        body = client.download(f"/api/runbook-runs/{run_id}/document")
    give_text(body, file)
