"""The post-mortem of an incident as Markdown: what was found, who did what when, and what people wrote."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import Step, history_of
from counterfoil.integrity.incidents.machine import Incident, IncidentAlert
from counterfoil.integrity.incidents.queries import alerts_of, count_alerts_of, show_incident

ALERTS_TOLD_MAX: Final = 20


def post_mortem_of(conn: Connection[Any], incident_id: str, *, now: datetime) -> str:
    """The document, with the timeline that the records hold. Raises NotFound."""
    incident = show_incident(conn, incident_id)
    alerts, number = alerts_of(conn, incident_id, rows_max=ALERTS_TOLD_MAX), count_alerts_of(conn, incident_id)
    timeline = [(step.at, f"incident {step.verb}", step) for step in history_of(conn, incident_id, rows_max=None)]
    for alert in alerts:
        timeline += [(step.at, f"alert {alert.id} {step.verb}", step) for step in history_of(conn, alert.id, rows_max=None)]
    parts = [_head(incident, now), _alerts(alerts, number), _timeline(sorted(timeline, key=lambda one: one[0])), _written(incident)]
    return "\n\n".join(parts) + "\n"


def _head(incident: Incident, now: datetime) -> str:
    where = f"program {incident.program_id}" if incident.program_id else "the whole installation"
    answered = f"{_at(incident.responded_at)} by {incident.responded_by}" if incident.responded_at else "by nobody"
    late = incident.responded_at is None or incident.responded_at > incident.respond_by
    facts = [
        ("Incident", incident.id),
        ("Code", incident.code),
        ("Where", where),
        ("State", incident.state),
        ("Opened", _at(incident.opened_at)),
        ("To be answered by", _at(incident.respond_by)),
        ("Answered", answered + (" (late)" if late else "")),
        ("Settlements paused", "yes" if incident.brake else "no"),
        ("Closed", _at(incident.closed_at) if incident.closed_at else "not yet"),
        ("Written", _at(now)),
    ]
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts)
    return f"# {incident.level}: {incident.title}\n\n| | |\n|---|---|\n{rows}"


def _alerts(alerts: Sequence[IncidentAlert], number: int) -> str:
    rows = "\n".join(
        f"| {one.id} | {one.severity} | {_cell(one.subject)} | {one.state} | {one.times} "
        f"| {_at(one.first_seen_at)} | {_at(one.last_seen_at)} |"
        for one in alerts
    )
    more = f"\n\n{number - len(alerts):,} more are not listed." if number > len(alerts) else ""
    return f"## What was found\n\n| alert | severity | what | state | times | first | last |\n|---|---|---|---|---|---|---|\n{rows}{more}"


def _timeline(steps: Sequence[tuple[datetime, str, Step]]) -> str:
    rows = "\n".join(f"- {_at(at)} {what} by {step.actor}" + (f": {_cell(step.reason)}" if step.reason else "") for at, what, step in steps)
    return f"## Timeline (UTC)\n\n{rows}"


def _written(incident: Incident) -> str:
    return f"## Cause, correction, what follows\n\n{incident.post_mortem or 'Not written yet.'}"


def _at(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
