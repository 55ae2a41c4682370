"""`counterfoil keys …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.acts import add_act
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import sort_help
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import Format, Json, ListFormat, ListOutput, say_done, show_one, show_rows
from counterfoil.operations.access.acts import CREATE_KEY, REVOKE_KEY, ROTATE_KEY
from counterfoil.operations.access.key_list import KEY_LIST

app = command_group("API keys and their roles.")


@app.command("list")
def list_(
    sort: Annotated[str | None, typer.Option("--sort", help=sort_help(KEY_LIST))] = None, output: ListOutput = ListFormat.TABLE
) -> None:
    """Every key, newest first unless sorted otherwise; never a secret."""
    with asked("audit") as client:
        rows = list(client.every("/api/keys", sort=sort))
    columns = ("id", "name", "role", "scopes", "hint", "createdBy", "createdAt", "expiresAt", "revokedAt", "lastUsedAt", "beforeUntil")
    show_rows(rows, columns, output)


def _ended(done: Json, output: Format) -> None:
    say_done(done, output, f"{done['id']} has ended.")


add_act(app, CREATE_KEY, show_one)
add_act(app, ROTATE_KEY, show_one)
add_act(app, REVOKE_KEY, _ended)
