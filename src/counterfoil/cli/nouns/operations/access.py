"""`counterfoil access …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import ROWS, TABLE, Output, Rows, listed, show_rows

app = typer.Typer(no_args_is_help=True, help="Who came in, who failed to, and who was refused.")
COLUMNS = ("at", "kind", "name", "apiKeyId", "address", "method", "path", "needs", "requestId")


@app.callback()
def root() -> None:
    """Who came in, who failed to, and who was refused."""


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Option("--kind", help="login, login_failed, login_limited, logout, key_refused or refused.")] = None,
    limit: Rows = ROWS,
    output: Output = TABLE,
) -> None:
    """Logins, failed logins and refusals, newest first; for auditors, controllers and administrators."""
    with asked("audit") as client:
        rows = listed(client, "/api/access", limit, kind=kind)
    show_rows(rows, COLUMNS, output)
