"""`counterfoil notify …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, Output, patience, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.operations.notices.notices import NOTICE_NOUN

app = noun_app(NOTICE_NOUN)


@app.command("test")
def send_test(
    channel: Annotated[str | None, typer.Option("--channel", help="This channel only.")] = None,
    output: Output = TABLE,
) -> None:
    """Send a test notice to every channel that the server knows. Ends with 1 when one of them did not take it."""
    with asked("operate") as client, patience("sending"):
        rows = client.post("/api/admin/notices/test", {"channel": channel} if channel else {})["data"]
    show_rows(rows, ("channel", "taken", "error"), output)
    if not all(one["taken"] for one in rows):
        raise typer.Exit(NOT_GREEN)
