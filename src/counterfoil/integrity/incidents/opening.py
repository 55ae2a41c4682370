"""Alerts that people answer at once open an incident; an imbalance pulls the brake of its program's settlements."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.invariant import IncidentLevel, Invariant
from counterfoil.base.machine import listed, record_birth
from counterfoil.integrity.alerts.queries import LIVE
from counterfoil.integrity.incidents.machine import INCIDENT, POST_MORTEM_WITHIN, RESPOND_WITHIN
from counterfoil.integrity.runs import ACTOR
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.pauses import QueuePart, pull_brake
from counterfoil.settlement.intents.intents import PROCESSING

BRAKE: Final = PROCESSING.name  # new settlements
BRAKED: Final = frozenset({"P0"})


def level_of(check: Invariant) -> IncidentLevel | None:
    """Which level a critical finding of `check` opens: its own, or P1 for what must never be; None for a monitor without one."""
    return check.incident or (None if check.monitor else "P1")


def open_incidents(conn: Connection[Any], check: Invariant, run_id: str, *, make_id: MakeId, now: datetime) -> list[str]:
    """See that each critical alert which `run_id` found belongs to an incident that is not closed; returns those that were opened.

    An alert that is new, has become critical, or stands again after its incident was closed is laid to the one of its check and program,
    or opens it. Either is a new imbalance: it pulls the brake, also where two people let it go for what was found before.
    """
    level = level_of(check)
    if level is None:
        return []
    made = []
    for program_id, alerts in _without_incident(conn, check.code, run_id):
        row = conn.execute(
            "select id from incident where code = %s and program_id = %s and state <> 'closed' for update", [check.code, program_id]
        ).fetchone()
        incident_id = row[0] if row else make_id("inc")
        if row is None:
            _open(conn, incident_id, check, level, program_id, now)
            made.append(incident_id)
        conn.execute("update alert set incident_id = %s where id = any(%s)", [incident_id, alerts])
        if level in BRAKED:
            pull_brake(conn, QueuePart(BRAKE, program_id=program_id), reason=f"{check.code}: incident {incident_id}", actor=ACTOR, now=now)
    return made


def _without_incident(conn: Connection[Any], code: str, run_id: str) -> list[tuple[str, list[str]]]:
    """Critical alerts of a check that a run found and that wait for somebody, with no incident that stands: by program."""
    return conn.execute(
        f"""select a.program_id, array_agg(a.id order by a.id) from alert a left join incident i on i.id = a.incident_id
            where a.code = %s and a.last_run = %s and a.severity = 'critical' and a.state in {listed(LIVE)}
              and (i.id is null or i.state = 'closed')
            group by a.program_id order by a.program_id""".encode(),
        [code, run_id],
    ).fetchall()


def _open(conn: Connection[Any], incident_id: str, check: Invariant, level: IncidentLevel, program_id: str, now: datetime) -> None:
    respond_by = now + RESPOND_WITHIN[level]
    conn.execute(
        """insert into incident (id, program_id, level, code, title, opened_at, respond_by, brake, post_mortem_by, due_at, state, state_at)
           values (%(id)s, %(program)s, %(level)s, %(code)s, %(title)s, %(now)s, %(by)s, %(brake)s, %(post_mortem)s, %(by)s, 'open',
                   %(now)s)""",
        {
            "id": incident_id,
            "program": program_id,
            "level": level,
            "code": check.code,
            "title": check.meaning,
            "now": now,
            "by": respond_by,
            "brake": BRAKE if level in BRAKED else None,
            "post_mortem": now + POST_MORTEM_WITHIN if level in BRAKED else None,
        },
    )
    record_birth(conn, INCIDENT, [incident_id], "open", actor=ACTOR, at=now)
    told = {"level": level, "code": check.code, "title": check.meaning, "respondBy": respond_by.isoformat()}
    told |= {"paused": BRAKE} if level in BRAKED else {}
    emit(conn, [NewEvent("incident_opened", program_id, incident_id, told)], at=now)
