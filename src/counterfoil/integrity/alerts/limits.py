"""Time limits of alerts: nobody answered, so the next is asked; what was accepted for a time is open again when it is over, and what was
snoozed is told of again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import listed
from counterfoil.integrity.alerts.filing import lapse, resolve
from counterfoil.integrity.alerts.machine import LIMITS, STEPS_UP, Alert
from counterfoil.integrity.alerts.queries import LIVE, select_alerts
from counterfoil.integrity.runs import ACTOR
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Claim, Runner, Tally, run_here


def keep_limits(context: JobContext, _: str | None) -> Tally:
    """One tick: alerts whose time limit has passed."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        for one in select_alerts(conn, "where id = any(%s) order by id for update", [[claim.id for claim in claims]]):
            if one.state == "accepted":
                _lapse(conn, one, now)
            elif one.state == "open":
                _escalate(conn, one, now)
            else:
                conn.execute("update alert set due_at = null where id = %s", [one.id])

    return run_here(context.runner, LIMITS, work).plus(_end_snoozes(context.runner))


def _end_snoozes(runner: Runner) -> Tally:
    """Steps up were taken meanwhile, and nobody heard of them: whoever is asked by now does."""
    with runner.database.transaction() as conn:
        now = runner.clock(conn)
        ended = select_alerts(
            conn,
            f"where state in {listed(LIVE)} and snoozed_until <= %s order by id limit %s for update skip locked",
            [now, runner.rows_max],
        )
        conn.execute("update alert set snoozed_until = null where id = any(%s)", [[one.id for one in ended]])
        told = [(one, {"code": one.code, "subject": one.subject, "severity": one.severity, "to": one.escalated_to}) for one in ended]
        emit(conn, [NewEvent("alert_snooze_over", one.program_id, one.id, what, once=now.isoformat()) for one, what in told], at=now)
    return Tally(handled=len(ended))


def _escalate(conn: Connection[Any], one: Alert, now: datetime) -> None:
    """One step up. At the top there is nobody else to ask: it is told once, and shown as overdue from then on."""
    up = STEPS_UP.get(one.escalated_to)
    who, by = (up.who, now + up.within) if up else (one.escalated_to, None)
    conn.execute(
        "update alert set escalated_to = %s, respond_by = coalesce(%s, respond_by), due_at = %s where id = %s", [who, by, by, one.id]
    )
    told = {"code": one.code, "subject": one.subject, "severity": one.severity, "from": one.escalated_to, "to": who}
    emit(conn, [NewEvent("alert_escalated", one.program_id, one.id, told, once=now.isoformat())], at=now)


def _lapse(conn: Connection[Any], one: Alert, now: datetime) -> None:
    if one.gone_run is not None:
        resolve(conn, one, actor=ACTOR, now=now, cause=one.gone_run)
        return
    lapse(conn, one, now, "the time for which it was accepted is over")
    told = {"code": one.code, "subject": one.subject, "severity": one.severity}
    emit(conn, [NewEvent("alert_lapsed", one.program_id, one.id, told, once=now.isoformat())], at=now)


JOBS: Final = (
    Job(
        "alerts",
        LIMITS,
        keep_limits,
        "Asks the next when nobody answered an alert in time, and ends what was accepted or snoozed.",
    ),
)
