"""`counterfoil logins …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, ListFormat, ListOutput, Output, say_done, show_rows
from counterfoil.cli.nouns.operations.people import LOGIN_COLUMNS

app = command_group("Where you are logged in.")


@app.command("list")
def list_(output: ListOutput = ListFormat.TABLE) -> None:
    """Your sessions that open something now, of pages and of the command line, the newest first; no more than 50."""
    with asked("approve") as client:
        rows = client.get("/api/logins")["data"]
    show_rows(rows, LOGIN_COLUMNS, output, empty="Nowhere: you ask with a key.")


@app.command("end")
def end(session_id: Annotated[str, typer.Argument(help="The session's id, ses_….")], output: Output = TABLE) -> None:
    """End one of them; it opens nothing any more."""
    with asked("approve") as client:
        done = client.post(f"/api/logins/{session_id}/end")
    say_done(done, output, f"{done['id']} is ended.")
