"""What people were not told of an alert, because of a silence or of something graver: they are told once it ends, if it still stands.

A silence of a night does not end with nobody knowing that an alert went up to the last step meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import listed
from counterfoil.integrity.alerts.queries import LIVE, select_alerts
from counterfoil.integrity.silences import SILENCED
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally

REST_S: Final = 30.0
# While an alert of the first is live, nothing is told of the others: they follow from it.
INHIBITS: Final[Mapping[str, frozenset[str]]] = {
    "WORKER_DOWN": frozenset(
        {"QUEUE_DEPTH", "INTENT_STUCK", "OUTBOX_SENDING_STUCK", "PAYOUT_SENT_SILENT", "PAYOUT_PROCESSING_AGED", "STALE_SOURCE"}
    ),
    "LEDGER_UNBALANCED": frozenset({"TRIAL_BALANCE_NONZERO", "ACCOUNT_BALANCE_DRIFT"}),
}


def keep_for_later(conn: Connection[Any], alert_id: str, *, now: datetime) -> None:
    """Nobody was told of this alert now."""
    conn.execute("update alert set untold_since = coalesce(untold_since, %s) where id = %s", [now, alert_id])


def is_inhibited(conn: Connection[Any], code: str, program_id: str) -> bool:
    """Is something graver live, from which this follows?"""
    graver = [source for source, follows in INHIBITS.items() if code in follows]
    if not graver:
        return False
    row = conn.execute(
        f"select exists (select from alert where code = any(%s) and program_id in ('', %s) and state in {listed(LIVE)})".encode(),
        [graver, program_id],
    ).fetchone()
    return bool(row and row[0])


def tell_untold(conn: Connection[Any], *, rows_max: int, now: datetime) -> int:
    """Alerts that nothing keeps back any more and that nobody has answered: told once, with who is asked by now. Returns how many.

    One that somebody acknowledged is known; one that is over or accepted needs no answer; the end of a snooze is told by itself.
    """
    conn.execute("update alert set untold_since = null where untold_since is not null and state <> 'open'")
    pairs = [(source, code) for source, follows in INHIBITS.items() for code in sorted(follows)]
    ended = select_alerts(
        conn,
        f"""where untold_since is not null and coalesce(snoozed_until, %(now)s) <= %(now)s and not {SILENCED}
              and not exists (select from unnest(%(graver)s::text[], %(follows)s::text[]) pair (graver, follows)
                              join alert above on above.code = pair.graver and above.state in {listed(LIVE)}
                              where pair.follows = alert.code and above.program_id in ('', alert.program_id))
            order by id limit %(rows)s for update""",
        {"now": now, "rows": rows_max, "graver": [one for one, _ in pairs], "follows": [one for _, one in pairs]},
    )
    conn.execute("update alert set untold_since = null where id = any(%s)", [[one.id for one in ended]])
    told = [
        (one, {"code": one.code, "subject": one.subject, "severity": one.severity, "period": one.period, "to": one.escalated_to})
        for one in ended
    ]
    emit(
        conn,
        [NewEvent(f"alert_{one.severity}", one.program_id, one.id, what, once=f"untold.{now.isoformat()}") for one, what in told],
        at=now,
    )
    return len(ended)


def _tick(context: JobContext, _: str | None) -> Tally:
    with context.database.transaction() as conn:
        return Tally(handled=tell_untold(conn, rows_max=context.runner.rows_max, now=context.clock()))


JOBS: Final = (Job("untold", None, _tick, "Tells of alerts that a silence, or something graver, kept back, and that stand.", every=REST_S),)
