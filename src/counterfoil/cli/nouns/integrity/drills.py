"""`counterfoil drills …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import InvalidInput
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.moments import moment_of
from counterfoil.cli.core.output import TABLE, DryRun, Format, Output, patience, say, say_done, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.cli.local.installation import backups_here, drills_of, settings_now
from counterfoil.drills.drills import DRILL_NOUN, KIND_BY_NAME, RECOVERY, RESTORE, Drill, checks_of
from counterfoil.drills.running import run_drill

app = noun_app(DRILL_NOUN)
ACTOR = "local:drills"
Name = Annotated[str, typer.Argument(help=f"Which drill: {', '.join(KIND_BY_NAME)}.")]
At = Annotated[str | None, typer.Option("--at", help="Of `recovery`: the moment to go to; the last that can be reached, if absent.")]


@app.command("run")
def run(
    name: Name,
    backup: Annotated[str | None, typer.Option("--backup", help="The backup's id, or its folder; the newest, if absent.")] = None,
    at: At = None,
    output: Output = TABLE,
) -> None:
    """Run a drill on this machine, which has the backups, their key and PostgreSQL's programs. `restore`: into a scratch database that
    cannot send; every check is asked there. `recovery`: the same, to a second. `workers`, `webhooks`, `database`: payments at the
    simulator while these are taken away. Ends with 1 when it failed."""
    if name not in KIND_BY_NAME:
        raise InvalidInput("name", f"one of {', '.join(KIND_BY_NAME)}", got=name[:40])
    settings = settings_now()
    with backups_here(settings) as backups, patience("The drill runs"):
        done = run_drill(drills_of(settings, backups), name, wanted=backup, at=None if at is None else moment_of(at), actor=ACTOR)
        with backups.database.transaction(read_only=True) as conn:
            checks = checks_of(conn, done.id)
    show_rows([{"what": one.what, "outcome": one.outcome, "told": one.told} for one in checks], ("what", "outcome", "told"), output)
    if output is Format.TABLE:
        ended = "was withdrawn" if done.state == "withdrawn" else f"has {done.state}"
        say(f"{done.id} {ended}{f': {done.error}' if done.error else ''}. {_measured(done)}Evidence: counterfoil drills show {done.id}")
    if done.state != "passed":
        raise typer.Exit(NOT_GREEN)


@app.command("ask")
def ask(
    name: Name,
    backup: Annotated[str | None, typer.Option("--backup", help="Of `restore`: the backup's id; the newest, if absent.")] = None,
    at: At = None,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Have the worker run a drill, on its machine; `drills show` says how it goes."""
    moment = None if at is None else moment_of(at)
    body = {"name": name, "backupId": backup, "recoverTo": moment.isoformat() if moment else None}
    with asked("operate") as client:
        made = client.post("/api/drills", {key: value for key, value in body.items() if value is not None}, dry_run=dry_run)
    say_done(made, output, f"{made['id']} waits for a worker. See how it goes: counterfoil drills show {made['id']}")


def _measured(done: Drill) -> str:
    if done.name not in (RESTORE, RECOVERY):
        return ""
    took = "The time to restore is not known" if done.restore_ms is None else f"Restored in {done.restore_ms} ms"
    lost = "the loss is not known"
    if done.lost_s is not None and done.lost_entries is not None:
        lost = f"{done.lost_s} s and {counted(done.lost_entries, 'entry', 'entries')} would have been lost"
    return f"{took}, {lost}. "
