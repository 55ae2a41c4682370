"""Alerts, found again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import listed
from counterfoil.base.problems import NotFound
from counterfoil.integrity.alerts.machine import ALERT, Alert

LIVE: Final = ("open", "acknowledged")  # nobody has said that it may stay, and it is not over
_COLUMNS: Final = ", ".join(name if name != "playbook" else "evidence ->> 'playbook' as playbook" for name in Alert._fields)


class LiveAlerts(NamedTuple):
    """How many are open or acknowledged, and how many were accepted for a time."""

    critical: int
    warning: int
    accepted: int


def show_alert(conn: Connection[Any], alert_id: str) -> Alert:
    """One alert. Raises NotFound."""
    return _one(conn, alert_id, "where id = %s")


def lock_alert(conn: Connection[Any], alert_id: str) -> Alert:
    """One alert, locked. Raises NotFound."""
    return _one(conn, alert_id, "where id = %s for update")


def list_alerts(conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> Sequence[Alert]:
    """Alerts, newest first."""
    given = [after, after, state, state, rows_max]
    return select_alerts(conn, "where (%s::text is null or id < %s) and (%s::text is null or state = %s) order by id desc limit %s", given)


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


def select_alerts(conn: Connection[Any], ending: str, given: Sequence[Any]) -> list[Alert]:
    """Alerts with this ending of the query."""
    with conn.cursor(row_factory=class_row(Alert)) as cur:
        return cur.execute(f"select {_COLUMNS} from alert {ending}".encode(), given).fetchall()


def _one(conn: Connection[Any], alert_id: str, ending: str) -> Alert:
    found = select_alerts(conn, ending, [alert_id])
    if not found:
        raise NotFound(what="alert", id=alert_id)
    return found[0]
