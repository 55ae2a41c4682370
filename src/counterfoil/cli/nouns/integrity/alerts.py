"""`counterfoil alerts …`"""

from __future__ import annotations

import json
from typing import Annotated

import httpx2
import typer

from counterfoil.base.formats.counting import counted
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.cli.core.connection import asked
from counterfoil.cli.core.output import TABLE, Json, say, show_rows
from counterfoil.cli.core.verbs import noun_app
from counterfoil.wiring import ALERT_NOUN

TIMEOUT_S = 10.0


def _evidence(alert: Json) -> None:
    """The question, the rows that break it, and what to do, as an operator types it."""
    told = alert["evidence"]
    say(f"\nAsked: {told['question']}\nIt means: {told['meaning']}")
    more = f", and {alert['rest']:,} more that have no alert" if alert["rest"] else ""
    say(f"\nfound ({told['kind']} run {told['run']}, up to {told['watermark']}){more}")
    columns = [f"{number} {name}" for number, name in enumerate(told["columns"], start=1)]  # a query may name two alike
    show_rows([dict(zip(columns, row, strict=False)) for row in told["rows"]], columns, TABLE)
    say(f"\nplaybook {alert['playbook']}, step by step: `counterfoil runbook run {alert['playbook']} --alert {alert['id']}`")
    for number, step in enumerate(told["steps"], start=1):
        say(f"{number:>3}. {step}")


app = noun_app(ALERT_NOUN, shown=_evidence)


class AlertmanagerRefused(Problem, kind="busy"):
    """Alertmanager did not take the alerts; nothing is known to have arrived there."""

    todo = "Look at its log, and at the address: it ends before /api/v2/alerts."


@app.command("export")
def export(
    to: Annotated[str | None, typer.Option("--to", metavar="URL", help="Send them to this Alertmanager, such as http://am:9093.")] = None,
) -> None:
    """Open alerts in the form of Prometheus' Alertmanager, as JSON; or sent to it, as a cron does each minute.

    An alert that is not sent again within five minutes is over there. Snoozed and silenced ones are left out.
    """
    with asked("read") as client:
        alerts = client.get("/api/alertmanager/alerts")["data"]
    if to is None:
        typer.echo(json.dumps(alerts, indent=2, ensure_ascii=False))
        return
    try:
        told = httpx2.post(f"{to.rstrip('/')}/api/v2/alerts", json=alerts, timeout=TIMEOUT_S, trust_env=False)
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise InvalidInput("to", "an address such as http://am:9093", got=to[:200]) from error
    except httpx2.HTTPError as error:
        raise AlertmanagerRefused(address=to, detail=type(error).__name__) from error
    if not told.is_success:
        raise AlertmanagerRefused(address=to, answered=told.status_code, detail=told.text[:200])
    typer.echo(f"{counted(len(alerts), 'alert')} sent to {to}.")
