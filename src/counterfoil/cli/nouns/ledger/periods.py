"""`counterfoil periods …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Given, add_write
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, Output, show_one

app = command_group("Close the books up to a date.")
PROGRAM = Given("program", "The program.", bare=True)


@app.command("show")
def show(program: Annotated[str, typer.Argument(help=PROGRAM.help)], output: Output = TABLE) -> None:
    """Until when the books are closed."""
    with asked("read") as client:
        show_one(client.get(f"/api/programs/{program}/period"), output)


add_write(
    app,
    "close",
    "post",
    "/api/programs/{program}/period/close",
    "Close the books of everything before a moment.",
    "The books of {programId} are closed until {closedUntil}.",
    PROGRAM,
    Given("until", "Nothing effective before it is posted any more: 2026-11-01T00:00:00Z."),
)


add_write(
    app,
    "reopen",
    "post",
    "/api/programs/{program}/period/reopen",
    "Propose to reopen the books. Another person approves it within 24 hours, and then it is done.",
    "Proposed: {id}. Another person approves it:\n  counterfoil approvals approve {id} --sha256 {payloadSha256} --reason …",
    PROGRAM,
    Given("until", "What is effective at or after it is posted again: 2026-11-01T00:00:00Z."),
)
