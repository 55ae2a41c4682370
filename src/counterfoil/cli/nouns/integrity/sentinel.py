"""`counterfoil sentinel …`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from counterfoil.base.formats.counting import counted
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, Output, patience, say_done, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.integrity.runs import SENTINEL_NOUN

app = noun_app(SENTINEL_NOUN)


@app.command("run")
def run(
    full: Annotated[bool, typer.Option("--full", help="Ask of everything, not only of what is new.")] = False,
    output: Output = TABLE,
) -> None:
    """Ask now: of what is new, or with --full every check of everything.

    Ends with 1 when something is found, or when not everything could be asked."""
    with asked("operate") as client, patience("asking every check"):
        done = client.post("/api/sentinel-runs", {"kind": "full" if full else "recent"})
    say_done(
        done,
        output,
        f"{done['id']} is {str(done['state']).replace('_', ' ')}: {counted(done['checks'], 'check')}, {done['broken']} broken, "
        f"{done['failed']} could not be asked, {counted(done['opened'], 'alert')} opened.{_unasked(done)}",
    )
    if done["verdict"] != "holds":
        raise typer.Exit(NOT_GREEN)


def _unasked(done: dict[str, Any]) -> str:
    if not done["unasked"]:
        return ""
    left = counted(len(done["unasked"]), "check was not asked", "checks were not asked")
    if done["kind"] == "recent":
        return f" {left}, only full runs ask all of them: `counterfoil sentinel show {done['id']}`."
    return f" {left}, it did not come so far: {', '.join(done['unasked'])}."


@app.command("checks")
def checks(output: Output = TABLE) -> None:
    """Every check: its severity, its playbook and owner, and what it last answered."""
    with asked("read") as client:
        rows = client.get("/api/admin/checks")["data"]
    show_rows(rows, ("code", "severity", "recent", "outcome", "findings", "askedAt", "playbook.name", "playbook.owner", "question"), output)
