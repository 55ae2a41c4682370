"""The sweep of holds: those whose time is over give their money back, and those that will soon expire are told of before they do."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import Busy
from counterfoil.ledger.holds import SWEEP_ROWS_MAX, expire_holds, holds_expiring
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.work.jobs import Job, of_runner
from counterfoil.operations.work.runner import Runner, Tally

ACTOR: Final = "system:worker"
# Nothing is posted from the expiry on, so a sweep that comes a little later takes nothing from anybody; one by a clock that is ahead
# would take from the holder what is still theirs.
SWEPT_AFTER: Final = timedelta(minutes=2)
WARNED_BEFORE: Final = timedelta(hours=1)
PROGRAMS_MAX: Final = 1_000
REST_S: Final = 30.0


EVENT_KINDS: Final = declare(
    info={"hold_expired": "A hold's time was over, and its money returned."},
    warning={"hold_expiring": "A hold expires within the hour; then it cannot be posted, and its money returns."},
)


def expire_due(runner: Runner) -> Tally:
    """One tick: warn of holds that expire within an hour, and give back those that have; each program in a transaction of its own."""
    with runner.database.transaction() as conn:
        programs = _programs(conn, runner.clock(conn))
    handled = failed = 0
    for program_id in programs:
        try:
            with runner.database.transaction() as conn:
                now = runner.clock(conn)
                _warn(conn, program_id, now)
                expired = expire_holds(conn, program_id, actor=ACTOR, now=now, after=SWEPT_AFTER)
                told = [NewEvent("hold_expired", program_id, str(one), {}) for one in expired]
                emit(conn, told, at=now)
            handled += len(expired)
        except Busy:
            failed += 1  # somebody has this program alone; the next tick comes soon, and the others do not wait for it
    return Tally(handled=handled, failed=failed)


def _programs(conn: Connection[Any], now: datetime) -> list[str]:
    """Where something is to be told or given back."""
    rows = conn.execute(
        """select distinct b.program_id from open_hold o join book b on b.id = o.debit >> 40
           where o.expires_at <= %s order by b.program_id limit %s""",
        [now + WARNED_BEFORE, PROGRAMS_MAX],
    ).fetchall()
    return [row[0] for row in rows]


def _warn(conn: Connection[Any], program_id: str, now: datetime) -> None:
    soon = holds_expiring(conn, program_id, now=now, within=WARNED_BEFORE, rows_max=SWEEP_ROWS_MAX)
    warnings = [
        NewEvent(
            "hold_expiring",
            program_id,
            str(one.id),
            {
                "expiresAt": one.expires_at.isoformat() if one.expires_at else None,
                "amount": str(one.minor),
                "asset": one.asset,
            },
        )
        for one in soon
    ]
    ids = [one.id() for one in warnings]
    known = {row[0] for row in conn.execute("select id from event where id = any(%s)", [ids]).fetchall()}
    emit(conn, [one for one in warnings if one.id() not in known], at=now)


JOBS: Final = (
    Job(
        "expire-holds",
        None,
        of_runner(expire_due),
        "Gives back the money of holds whose time is over, and warns an hour before.",
        every=REST_S,
    ),
)
