"""How much waits for a person, as the rail of every page says it beside the page on which it stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import Connection

from counterfoil.integrity.alerts.queries import count_live
from counterfoil.integrity.incidents.machine import INCIDENT
from counterfoil.operations.approval_inbox import count_waiting

COUNTED: Final = ("/admin/approvals", "/admin/batches", "/admin/disputes", "/admin/alerts", "/admin/incidents")

_COUNTS: Final = """
    select (select count(*) from payout_batch where state = 'pending_approval' and (%(program)s::text is null or program_id = %(program)s)),
           (select count(*) from dispute where ended_at is null and (%(program)s::text is null or program_id = %(program)s)),
           (select count(*) from incident
            where state = any(%(open)s) and (%(program)s::text is null or program_id in ('', %(program)s)))"""


def waiting_told(conn: Connection[Any], *, now: datetime, program_id: str | None) -> Mapping[str, int | None]:
    """By the address of a page what waits there, of the program or of all; None where it could not be counted, which fails no page."""
    try:
        with conn.transaction():
            alerts = count_live(conn, program_id=program_id)
            given = {"program": program_id, "open": list(INCIDENT.open)}
            batches, disputes, incidents = conn.execute(_COUNTS, given).fetchone() or (0, 0, 0)
            counts = (count_waiting(conn, now=now, program_id=program_id), batches, disputes, alerts.critical + alerts.warning, incidents)
    except psycopg.Error:
        return dict.fromkeys(COUNTED)
    return dict(zip(COUNTED, counts, strict=True))
