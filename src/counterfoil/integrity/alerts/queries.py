"""Alerts, found again."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import listed
from counterfoil.base.rows import Records
from counterfoil.integrity.alerts.machine import ALERT, Alert

LIVE: Final = ("open", "acknowledged")  # nobody has said that it may stay, and it is not over
_COLUMNS: Final = ", ".join(name if name != "playbook" else "evidence ->> 'playbook' as playbook" for name in Alert._fields)


class LiveAlerts(NamedTuple):
    """How many are open or acknowledged, and how many were accepted for a time."""

    critical: int
    warning: int
    accepted: int


ALERTS: Final = Records(Alert, f"select {_COLUMNS} from alert", "alert")
show_alert: Final = ALERTS.show
list_alerts: Final = ALERTS.newest
select_alerts: Final = ALERTS.read


def lock_alert(conn: Connection[Any], alert_id: str) -> Alert:
    """One alert, locked. Raises NotFound."""
    return ALERTS.show(conn, alert_id, lock=True)


def live_alerts(conn: Connection[Any], *, rows_max: int, program_id: str | None = None) -> list[Alert]:
    """Those that wait for somebody, critical ones first, then the oldest."""
    return select_alerts(
        conn,
        f"""where state in {listed(LIVE)} and (%s::text is null or program_id in ('', %s))
            order by severity, first_seen_at, id limit %s""",
        [program_id, program_id, rows_max],
    )


def count_live(conn: Connection[Any], *, program_id: str | None = None) -> LiveAlerts:
    """How many there are."""
    row = conn.execute(
        f"""select count(*) filter (where state in {listed(LIVE)} and severity = 'critical'),
                   count(*) filter (where state in {listed(LIVE)} and severity = 'warning'),
                   count(*) filter (where state = 'accepted')
            from alert where state in {listed(ALERT.open)} and (%s::text is null or program_id in ('', %s))""",
        [program_id, program_id],
    ).fetchone()
    return LiveAlerts(*row) if row else LiveAlerts(0, 0, 0)
