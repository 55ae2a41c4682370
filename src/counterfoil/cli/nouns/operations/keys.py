"""`counterfoil keys …`"""

from __future__ import annotations

from typing import Annotated

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.derived import Given, add_write
from counterfoil.cli.core.groups import command_group
from counterfoil.cli.core.output import TABLE, DryRun, Output, show_one, show_rows, waits

app = command_group("API keys and their roles.")


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What it is for; it stands in every record of what the key does.")],
    role: Annotated[str, typer.Option("--role", help="viewer, operator, approver, controller, auditor or administrator.")],
    expires_at: Annotated[str | None, typer.Option("--expires-at", help="Such as 2027-01-01T00:00:00Z; never, if absent.")] = None,
    program: Annotated[str | None, typer.Option("--program", help="It sees this program only.")] = None,
    principal: Annotated[str | None, typer.Option("--principal", help="Whose it is, prn_…; a new service of this name, if absent.")] = None,
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="Only this of the role, such as payouts:read; may be given several times.")
    ] = None,
    test: Annotated[bool, typer.Option("--test", help="Make a cf_test_… key.")] = False,
    dry_run: DryRun = False,
    output: Output = TABLE,
) -> None:
    """Make a key. Its secret is shown once, now, and kept nowhere."""
    body = {"name": name, "role": role, "live": not test, **({"expiresAt": expires_at} if expires_at else {})}
    more = {"programId": program, "principalId": principal, "scopes": scope}
    body |= {name: value for name, value in more.items() if value}
    with asked("administer") as client:
        done = client.post("/api/keys", body, dry_run=dry_run)
    if not waits(done, output):
        show_one(done, output)


@app.command("list")
def list_(output: Output = TABLE) -> None:
    """Every key, newest first; never a secret."""
    with asked("audit") as client:
        rows = list(client.every("/api/keys"))
    columns = ("id", "name", "role", "scopes", "hint", "createdBy", "createdAt", "expiresAt", "revokedAt", "lastUsedAt")
    show_rows(rows, columns, output)


add_write(
    app,
    "revoke",
    "administer",
    "/api/keys/{key_id}/revoke",
    "End a key. Every server knows within two seconds.",
    "{id} has ended.",
    Given("key_id", "The key's id, key_….", bare=True),
)
