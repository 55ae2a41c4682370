"""Incidents, found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import listed
from counterfoil.base.rows import Records
from counterfoil.integrity.alerts.queries import LIVE
from counterfoil.integrity.incidents.machine import Incident, IncidentAlert

ALERTS_MAX: Final = 500


INCIDENTS: Final = Records(Incident, f"select {', '.join(Incident._fields)} from incident", "incident")
show_incident: Final = INCIDENTS.show
list_incidents: Final = INCIDENTS.newest
select_incidents: Final = INCIDENTS.read


def lock_incident(conn: Connection[Any], incident_id: str) -> Incident:
    """One incident, locked. Raises NotFound."""
    return INCIDENTS.show(conn, incident_id, lock=True)


def open_incidents_of(conn: Connection[Any], *, rows_max: int, program_id: str | None = None) -> list[Incident]:
    """Incidents that are not closed, the gravest first."""
    return select_incidents(
        conn,
        "where state <> 'closed' and (%s::text is null or program_id in ('', %s)) order by level, opened_at, id limit %s",
        [program_id, program_id, rows_max],
    )


def count_alerts_of(conn: Connection[Any], incident_id: str) -> int:
    """How many alerts an incident has, however many are shown."""
    row = conn.execute("select count(*) from alert where incident_id = %s", [incident_id]).fetchone()
    return int(row[0]) if row else 0


def live_alerts_of(conn: Connection[Any], incident_id: str) -> tuple[int, str | None]:
    """How many alerts of an incident wait for somebody, and the first of them."""
    row = conn.execute(
        f"select count(*), min(id) from alert where incident_id = %s and state in {listed(LIVE)}".encode(), [incident_id]
    ).fetchone()
    return (int(row[0]), row[1]) if row else (0, None)


def alerts_of(conn: Connection[Any], incident_id: str, *, rows_max: int = ALERTS_MAX) -> Sequence[IncidentAlert]:
    """The alerts of an incident, the oldest first."""
    with conn.cursor(row_factory=class_row(IncidentAlert)) as cur:
        return cur.execute(
            f"select {', '.join(IncidentAlert._fields)} from alert where incident_id = %s order by first_seen_at, id limit %s".encode(),
            [incident_id, rows_max],
        ).fetchall()
