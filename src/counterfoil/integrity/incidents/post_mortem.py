"""The post-mortem of an incident as Markdown: what was found, who did what when, and what people wrote."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import Step, history_of
from counterfoil.integrity.incidents.machine import Correction, Incident, IncidentAlert
from counterfoil.integrity.incidents.queries import alerts_of, corrections_of, count_alerts_of, show_incident
from counterfoil.operations.work.pauses import history_of_pauses

ALERTS_TOLD_MAX: Final = 20
CORRECTIONS_TOLD_MAX: Final = 100


class Moment(NamedTuple):
    """Something that happened while it was open."""

    at: datetime
    what: str
    actor: str
    reason: str | None


def post_mortem_of(conn: Connection[Any], incident_id: str, *, now: datetime) -> str:
    """The document, with the timeline that the records hold. Raises NotFound."""
    incident = show_incident(conn, incident_id)
    alerts, number = alerts_of(conn, incident_id, rows_max=ALERTS_TOLD_MAX), count_alerts_of(conn, incident_id)
    timeline = [_step(f"incident {step.verb}", step) for step in history_of(conn, incident_id, rows_max=None)]
    for alert in alerts:
        timeline += [_step(f"alert {alert.id} {step.verb}", step) for step in history_of(conn, alert.id, rows_max=None)]
    corrections = corrections_of(conn, incident_id, rows_max=CORRECTIONS_TOLD_MAX + 1)
    timeline += [*_brake(conn, incident, now), *_posted(corrections[:CORRECTIONS_TOLD_MAX]), *_runbooks(conn, alerts)]
    cut = _cut(alerts=len(alerts) < number, corrections=len(corrections) > CORRECTIONS_TOLD_MAX)
    parts = [_head(incident, now), _alerts(alerts, number), _timeline(sorted(timeline, key=lambda one: one.at), cut), _written(incident)]
    return "\n\n".join(parts) + "\n"


def _step(what: str, step: Step) -> Moment:
    return Moment(step.at, what, step.actor, step.reason)


def _brake(conn: Connection[Any], incident: Incident, now: datetime) -> list[Moment]:
    """When the queue that was paused for it was paused and let go, while it was open."""
    if not incident.brake:
        return []
    turns = [one for one in history_of_pauses(conn, incident.brake) if one.program_id == incident.program_id]
    mine = [one for one in turns if incident.opened_at <= one.at <= (incident.closed_at or now)]
    return [Moment(one.at, f"queue {one.queue} {'paused' if one.paused else 'resumed'}", one.actor, one.reason) for one in mine]


def _posted(corrections: Sequence[Correction]) -> list[Moment]:
    return [Moment(one.at, f"journal {one.journal_id} posted{_proved(one)}", one.actor, one.reason) for one in corrections]


def _proved(one: Correction) -> str:
    if one.proof == "not_shown":
        return ""
    return f" (in proof {one.proof_id}, {one.proof})" if one.proof_id else " (in no proof yet)"


def _cut(*, alerts: bool, corrections: bool) -> str:
    """What the timeline leaves out."""
    left_out = [f"alerts behind the first {ALERTS_TOLD_MAX}"] if alerts else []
    left_out += [f"journals behind the first {CORRECTIONS_TOLD_MAX}"] if corrections else []
    return f"\n\nNot in it: {' and '.join(left_out)}." if left_out else ""


def _runbooks(conn: Connection[Any], alerts: Sequence[IncidentAlert]) -> list[Moment]:
    """Playbooks that were run for its alerts: begun, signed or closed."""
    rows = conn.execute(
        """select started_at, runbook || ' begun (' || id || ')', started_by from runbook_run where alert_id = any(%(alerts)s)
           union all
           select ended_at, runbook || ' ' || state || ' (' || id || ')', ended_by from runbook_run
           where alert_id = any(%(alerts)s) and ended_at is not null""",
        {"alerts": [one.id for one in alerts]},
    ).fetchall()
    return [Moment(at, f"playbook {what}", actor, None) for at, what, actor in rows]


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


def _timeline(moments: Sequence[Moment], cut: str) -> str:
    rows = "\n".join(f"- {_at(one.at)} {one.what} by {one.actor}" + (f": {_cell(one.reason)}" if one.reason else "") for one in moments)
    return f"## Timeline (UTC)\n\n{rows}{cut}"


def _written(incident: Incident) -> str:
    return f"## Cause, correction, what follows\n\n{incident.post_mortem or 'Not written yet.'}"


def _at(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
