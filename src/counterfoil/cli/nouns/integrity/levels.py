"""`counterfoil slo` and `counterfoil trends`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.exit_codes import NOT_GREEN
from counterfoil.cli.core.output import TABLE, Format, Output, say, show_one, show_rows

app = typer.Typer()
PAYOUTS = ("day", "payouts", "medianH", "p95H", "late")
QUEUES = ("queue", "hour", "depthMean", "depthMax", "oldestMaxS", "minutesMeasured")
PROCESSING = ("day", "intents", "medianS", "p95S")
EVERY_COLUMN = ("of", *PROCESSING, *QUEUES, *PAYOUTS[1:])
COLUMNS = ("name", "target", "kept", "verdict", "good", "counted", "budgetUsed", "burn.1h", "burn.6h", "burn.3d", "burning")


@app.command("slo")
def slo(output: Output = TABLE) -> None:
    """Service levels of the last 30 days, with their budgets and how fast those are used up. Ends with 1 unless every one is kept."""
    with asked("read") as client:
        rows: list[dict[str, Any]] = client.get("/api/admin/slo")["data"]
    show_rows(rows, COLUMNS, output)
    if output is TABLE and any((one["name"], one["verdict"]) == ("availability", "not_measured") for one in rows):
        say("Nobody asks whether the server answers: set COUNTERFOIL_HEALTH_URL, which a worker asks each minute.")
    if any(one["verdict"] != "kept" for one in rows):
        raise typer.Exit(NOT_GREEN)


@app.command("trends")
def trends(days: Annotated[int, typer.Option(min=1, max=92, help="How many days, today with them.")] = 28, output: Output = TABLE) -> None:
    """How long intents took by day, how deep queues were by the hour of the day (UTC), how late payouts went out by day."""
    with asked("read") as client:
        found = client.get("/api/admin/trends", days=days)
    if output is Format.JSON:
        show_one(found, output)
        return
    if output is Format.CSV:
        show_rows([{"of": name, **row} for name in ("processing", "queues", "payouts") for row in found[name]], EVERY_COLUMN, output)
        return
    show_rows([one for one in found["processing"] if one["intents"]], PROCESSING, output, empty="No intents.")
    say("Queues by the hour of the day (UTC):")
    show_rows([one for one in found["queues"] if one["depthMax"]], QUEUES, output, empty="No queue held anything when it was measured.")
    say("Payouts of batches, hours from approval to execution:")
    show_rows([one for one in found["payouts"] if one["payouts"]], PAYOUTS, output, empty="None.")
