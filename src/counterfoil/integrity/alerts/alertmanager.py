"""What waits for somebody, in the form that Prometheus' Alertmanager takes (`POST /api/v2/alerts`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import listed
from counterfoil.integrity.alerts.machine import Alert
from counterfoil.integrity.alerts.queries import LIVE, select_alerts
from counterfoil.integrity.silences import SILENCED

STANDS_FOR: Final = timedelta(minutes=5)
EXPORTED_MAX: Final = 5_000


class ExportedAlert(NamedTuple):
    """An alert as Alertmanager knows one; alerts with the same labels are one there. It is over at `ends_at` unless it is sent again."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: datetime
    ends_at: datetime
    generator_path: str


def exported_alerts(conn: Connection[Any], *, now: datetime, program_id: str | None = None) -> Sequence[ExportedAlert]:
    """Open and acknowledged alerts that are neither snoozed nor silenced here, critical ones first. Beyond 5,000 the rest is
    left out, and an alert of its own, `ALERTS_CUT`, says so."""
    found = select_alerts(
        conn,
        f"""where state in {listed(LIVE)} and (%(program)s::text is null or program_id in ('', %(program)s))
              and (snoozed_until is null or snoozed_until <= %(now)s)
              and not {SILENCED}
            order by severity, first_seen_at, id limit %(rows)s""",
        {"program": program_id, "now": now, "rows": EXPORTED_MAX + 1},
    )
    told = [exported(one, now=now) for one in found[:EXPORTED_MAX]]
    return [*told, _cut(now)] if len(found) > EXPORTED_MAX else told


def exported(one: Alert, *, now: datetime) -> ExportedAlert:
    """Labels say which alert it is and to whom it goes; what changes while it is open is an annotation."""
    labels = {
        "alertname": one.code,
        "severity": one.severity,
        "service": "counterfoil",
        "subject": one.subject,
        "program": one.program_id,
        "period": one.period,
        "playbook": one.playbook,
    }
    steps = one.evidence.get("steps") or []
    annotations = {
        "summary": str(one.evidence.get("question") or one.code),
        "description": str(one.evidence.get("meaning") or ""),
        "steps": "\n".join(map(str, steps)),
        "alert": one.id,
        "state": one.state,
        "extent": one.extent,
        "escalated_to": one.escalated_to,
        "owner": one.owner or "",
        "incident": one.incident_id or "",
    }
    return ExportedAlert(_filled(labels), _filled(annotations), one.first_seen_at, now + STANDS_FOR, f"/admin/alerts/{one.id}")


def _cut(now: datetime) -> ExportedAlert:
    labels = {"alertname": "ALERTS_CUT", "severity": "critical", "service": "counterfoil"}
    told = {
        "summary": f"More than {EXPORTED_MAX:,} alerts are open; those beyond are not here.",
        "description": "See `counterfoil alerts list`.",
    }
    return ExportedAlert(labels, told, now, now + STANDS_FOR, "/admin/alerts")


def _filled(words: Mapping[str, str]) -> dict[str, str]:
    """An empty label is no label, to Prometheus."""
    return {name: word for name, word in words.items() if word}
