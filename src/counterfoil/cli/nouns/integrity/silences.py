"""`counterfoil silences …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import TABLE, DryRun, Output, Reason, say_done
from counterfoil.cli.core.verbs import noun_app
from counterfoil.integrity.silences import SILENCE_NOUN

app = noun_app(SILENCE_NOUN)


@app.command("create")
def create(
    until: Annotated[str, typer.Option("--until", help="Until when, such as 2026-12-01T08:00:00Z; at most 90 days from now.")],
    reason: Reason,
    code: Annotated[str, typer.Option("--code", help="Of this check; all of them if absent.")] = "",
    program: Annotated[str, typer.Option("--program", help="In this program; in all of them if absent.")] = "",
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """No notices of these alerts until then. The alerts stay, and so do their time limits."""
    body = {"code": code, "programId": program, "until": until, "reason": reason}
    with asked("operate") as client:
        done = client.post("/api/silences", body, dry_run=dry_run)
    say_done(done, output, f"{done['id']} is {done['state']}.")
