"""Alerts that people answer at once open an incident; an imbalance pulls the brake of its program's settlements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.invariant import IncidentLevel, Invariant
from counterfoil.base.machine import record_birth
from counterfoil.integrity.alerts.machine import Alert
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


def open_incidents(conn: Connection[Any], check: Invariant, opened: Sequence[Alert], *, make_id: MakeId, now: datetime) -> list[str]:
    """Open an incident for each program in which there are new critical alerts, or lay them to the one that stands; returns new ones."""
    level = level_of(check)
    made = []
    for program_id in sorted({one.program_id for one in opened if one.severity == "critical"} if level else ()):
        alerts = [one.id for one in opened if one.program_id == program_id and one.severity == "critical"]
        row = conn.execute(
            "select id from incident where code = %s and program_id = %s and state <> 'closed' for update", [check.code, program_id]
        ).fetchone()
        incident_id = row[0] if row else None
        if incident_id is None and level is not None:
            incident_id = _open(conn, make_id("inc"), check, level, program_id, now)
            made.append(incident_id)
        conn.execute("update alert set incident_id = %s where id = any(%s)", [incident_id, alerts])
    return made


def _open(conn: Connection[Any], incident_id: str, check: Invariant, level: IncidentLevel, program_id: str, now: datetime) -> str:
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
    if level in BRAKED:
        pull_brake(conn, QueuePart(BRAKE, program_id=program_id), reason=f"{check.code}: incident {incident_id}", actor=ACTOR, now=now)
    told = {"level": level, "code": check.code, "title": check.meaning, "respondBy": respond_by.isoformat()}
    emit(conn, [NewEvent("incident_opened", program_id, incident_id, told)], at=now)
    return incident_id
