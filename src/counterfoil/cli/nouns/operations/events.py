"""`counterfoil events …`"""

from __future__ import annotations

import typer

from counterfoil.cli.core.derived import Only, add_list

app = typer.Typer(no_args_is_help=True, help="What happened.")


@app.callback()
def noun() -> None:
    """What happened."""


add_list(
    app,
    "/api/events",
    ("at", "level", "name", "subjectId", "payload", "state"),
    "Events, newest first.",
    "No such events.",
    Only("--name", "Only of this name, such as payout_failed."),
    Only("--level", "debug, info, warning or critical."),
    Only("--subject", "Only about this thing.", "subjectId"),
)
