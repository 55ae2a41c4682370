"""`counterfoil drills …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.base.problems import InvalidInput
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, Format, Output, patience, say, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.cli.local.installation import backups_here, settings_now
from counterfoil.drills.drills import DRILL_NOUN, KIND_BY_NAME, checks_of
from counterfoil.drills.running import run_restore_drill
from counterfoil.wiring import INVARIANTS

app = noun_app(DRILL_NOUN)
ACTOR = "local:drills"


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(help="Which drill: restore.")],
    backup: Annotated[str | None, typer.Option("--backup", help="The backup's id, or its folder; the newest, if absent.")] = None,
    output: Output = TABLE,
) -> None:
    """Run a drill on this machine, which has the backups, their key and PostgreSQL's programs. `restore`: into a scratch database that
    cannot send; every check is asked there. Ends with 1 when it failed."""
    if name not in KIND_BY_NAME:
        raise InvalidInput("name", f"one of {', '.join(KIND_BY_NAME)}", got=name[:40])
    settings = settings_now()
    with backups_here(settings) as backups, patience("The backup is being restored and looked at"):
        done = run_restore_drill(backups, INVARIANTS, settings.data_folder / "scratch", wanted=backup, actor=ACTOR)
        with backups.database.transaction(read_only=True) as conn:
            checks = checks_of(conn, done.id)
    show_rows([{"what": one.what, "outcome": one.outcome, "told": one.told} for one in checks], ("what", "outcome", "told"), output)
    if output is Format.TABLE:
        lost = (
            f"{done.lost_s} s and {done.lost_entries} entries would have been lost" if done.lost_s is not None else "the loss is not known"
        )
        say(f"{done.id} has {done.state}: restored in {done.restore_ms or '?'} ms, {lost}. Evidence: counterfoil drills show {done.id}")
    if done.state != "passed":
        raise typer.Exit(NOT_GREEN)
