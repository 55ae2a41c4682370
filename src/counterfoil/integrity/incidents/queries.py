"""Incidents, found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import NotFound
from counterfoil.integrity.incidents.machine import Incident, IncidentAlert

ALERTS_MAX: Final = 500


def show_incident(conn: Connection[Any], incident_id: str) -> Incident:
    """One incident. Raises NotFound."""
    return _one(conn, incident_id, "where id = %s")


def lock_incident(conn: Connection[Any], incident_id: str) -> Incident:
    """One incident, locked. Raises NotFound."""
    return _one(conn, incident_id, "where id = %s for update")


def list_incidents(conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> Sequence[Incident]:
    """Incidents, newest first."""
    given = [after, after, state, state, rows_max]
    return select_incidents(
        conn, "where (%s::text is null or id < %s) and (%s::text is null or state = %s) order by id desc limit %s", given
    )


def open_incidents_of(conn: Connection[Any], *, rows_max: int, program_id: str | None = None) -> list[Incident]:
    """Incidents that are not closed, the gravest first."""
    return select_incidents(
        conn,
        "where state <> 'closed' and (%s::text is null or program_id in ('', %s)) order by level, opened_at, id limit %s",
        [program_id, program_id, rows_max],
    )


def alerts_of(conn: Connection[Any], incident_id: str, *, rows_max: int = ALERTS_MAX) -> Sequence[IncidentAlert]:
    """The alerts of an incident, the oldest first."""
    with conn.cursor(row_factory=class_row(IncidentAlert)) as cur:
        return cur.execute(
            f"select {', '.join(IncidentAlert._fields)} from alert where incident_id = %s order by first_seen_at, id limit %s".encode(),
            [incident_id, rows_max],
        ).fetchall()


def select_incidents(conn: Connection[Any], ending: str, given: Sequence[Any]) -> list[Incident]:
    """Incidents with this ending of the query."""
    with conn.cursor(row_factory=class_row(Incident)) as cur:
        return cur.execute(f"select {', '.join(Incident._fields)} from incident {ending}".encode(), given).fetchall()


def _one(conn: Connection[Any], incident_id: str, ending: str) -> Incident:
    found = select_incidents(conn, ending, [incident_id])
    if not found:
        raise NotFound(what="incident", id=incident_id)
    return found[0]
