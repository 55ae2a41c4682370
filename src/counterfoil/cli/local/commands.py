"""Commands that run on this machine: the processes of an installation, and its schema."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from counterfoil.base.tracing.opentelemetry_sdk import traced
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.local.installation import addresses, settings_now

app = typer.Typer(no_args_is_help=True)

Host = Annotated[str | None, typer.Option("--host", help="Address to listen on; COUNTERFOIL_HOST, if absent.")]
Port = Annotated[int | None, typer.Option("--port", help="Port to listen on, 0 for a free one; COUNTERFOIL_PORT, if absent.")]


@app.command("serve")
def serve(host: Host = None, port: Port = None) -> None:
    """Run the API until SIGTERM, then answer what was begun. Without COUNTERFOIL_DATABASE_URL it starts a private PostgreSQL."""
    from counterfoil.cli.local import processes

    with traced(os.environ, "counterfoil-server"):
        processes.serve(settings_now(host=host, port=port))


@app.command("worker")
def worker() -> None:
    """Run every job until SIGTERM, then let running ones end. Several workers on several machines share the work."""
    from counterfoil.cli.local import working

    with traced(os.environ, "counterfoil-worker"):
        well = working.work(settings_now())
    if not well:
        raise typer.Exit(NOT_GREEN)


@app.command("up")
def up(host: Host = None, port: Port = None) -> None:
    """Run API and worker in one process, over the private PostgreSQL or COUNTERFOIL_DATABASE_URL, migrated first."""
    from counterfoil.cli.local import processes

    with traced(os.environ, "counterfoil"):
        processes.up(settings_now(host=host, port=port))


@app.command("migrate")
def migrate() -> None:
    """Apply what this version's schema has and the database lacks. Safe to run twice, and from several machines at once."""
    from counterfoil.base.migrations.runner import migrate as apply
    from counterfoil.base.postgres.reach import refuse_unless_reached

    with addresses(settings_now()) as found:
        refuse_unless_reached(found.migrating)
        done = apply(found.migrating)
    typer.echo("\n".join(f"applied {name}" for name in done) if done else "Nothing to do: the database is up to date.")
