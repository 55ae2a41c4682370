"""Incidents, found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import listed
from counterfoil.base.problems import InvalidInput
from counterfoil.base.rows import Records
from counterfoil.integrity.alerts.queries import LIVE
from counterfoil.integrity.incidents.machine import Correction, Incident, IncidentAlert

ALERTS_MAX: Final = 500


INCIDENTS: Final = Records(Incident, f"select {', '.join(Incident._fields)} from incident", "incident")
show_incident: Final = INCIDENTS.show
list_incidents: Final = INCIDENTS.newest
select_incidents: Final = INCIDENTS.read


def refuse_other_incident(conn: Connection[Any], incident_id: str, program_id: str) -> None:
    """What is posted for an incident is posted in its program, or in any where it is of all. Raises NotFound, InvalidInput."""
    of = show_incident(conn, incident_id).program_id
    if of not in ("", program_id):
        raise InvalidInput("incidentId", f"an incident of program {program_id}, or of all", got=f"{incident_id} of {of}")


def corrections_of(conn: Connection[Any], incident_id: str, *, rows_max: int) -> list[Correction]:
    """The journals that were posted for it, the first one first."""
    with conn.cursor(row_factory=class_row(Correction)) as cur:
        return cur.execute(
            """select j.recorded_at as at, j.id::text as journal_id, j.program_id, b.asset, j.kind, j.key, j.actor,
                      coalesce(j.narrative, '') as reason, p.id as proof_id,
                      coalesce(p.state, case when current_user = 'counterfoil_program' then 'not_shown' else 'none' end) as proof
               from journal j join book b on b.id = j.book_id
               left join log_entry e on e.relation = 'journal' and e.row_id = j.id::text
               left join lateral (select id, state from proof where open_size <= e.index and e.index < close_size
                                  order by (state = 'signed') desc, created_at desc limit 1) p on true
               where j.source_type = 'incident' and j.source_id = %s order by j.recorded_at, j.id limit %s""",
            [incident_id, rows_max],
        ).fetchall()


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
