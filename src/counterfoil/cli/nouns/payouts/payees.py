"""`counterfoil payees …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, Output, show_one

app = command_group("What a payee is told about its money.")
PARTS = (
    ("destination", ("id", "provider", "tokenHint", "state", "quarantineReason")),
    ("lines", ("effect", "sentence")),
    ("accounts", ("name", "asset", "balance", "frozen")),
)


@app.command("card")
def card(
    payee: Annotated[str, typer.Argument(metavar="ID", help="The payee's id.")],
    program: Annotated[str, typer.Option("--program", help="In which program.")] = "main",
    output: Output = TABLE,
) -> None:
    """Why its payouts are paused, smaller or late: each sentence from a fact, and the accounts whose statements show the money."""
    with asked("read") as client:
        show_one(client.get(f"/api/payees/{payee}/card", programId=program), output, parts=PARTS)
