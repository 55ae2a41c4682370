"""`counterfoil metrics …`: the files that Prometheus and Grafana take, in the names of this installation."""

from __future__ import annotations

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.local.installation import settings_now
from counterfoil.integrity.metrics.board import board
from counterfoil.integrity.metrics.rules import rules_file
from counterfoil.wiring import METRICS

app = typer.Typer()


@app.command("rules")
def rules() -> None:
    """The alert rules for Prometheus, as YAML, for its `rule_files`."""
    typer.echo(rules_file(settings_now().metrics_namespace), nl=False)


@app.command("dashboard")
def dashboard() -> None:
    """The dashboard for Grafana, as JSON, to import there."""
    typer.echo(board(METRICS, settings_now().metrics_namespace), nl=False)


@app.command("show")
def show() -> None:
    """The metrics as Prometheus reads them."""
    with asked("read") as client:
        typer.echo(client.download("/metrics").decode(), nl=False)
