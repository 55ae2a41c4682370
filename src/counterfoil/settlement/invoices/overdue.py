"""Invoices that are overdue: said once their due date is over, and again a day after a part payment that leaves something due."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import Move, listed, steps_taken, take_steps
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.work.jobs import Job, of_runner
from counterfoil.operations.work.runner import Runner, Tally
from counterfoil.settlement.invoices.invoices import INVOICE

ACTOR: Final = "system:worker"
REST_S: Final = 300.0
ROWS_MAX: Final = 500
GRACE: Final = timedelta(days=1)
EVENT_KINDS: Final = declare(warning={"invoice_overdue": "An invoice's due date is over and something of it is unpaid."})


def call_overdue(runner: Runner) -> Tally:
    """One tick: the day after its due date, by UTC, an unpaid invoice is overdue; at most 500, and the next tick goes on."""
    with runner.database.transaction() as conn:
        now = runner.clock(conn)
        rows = conn.execute(
            f"""select id, program_id, state, asset, total - credited - written_off - paid from invoice
                where state in {listed(INVOICE.before("fall_due"))} and due_on < %(today)s
                  and (state = 'pending' or state_at < %(grace)s)
                order by due_on, id limit {ROWS_MAX} for update skip locked""",
            {"today": now.date(), "grace": now - GRACE},
        ).fetchall()
        take_steps(conn, INVOICE, [Move(row[0], row[2], "fall_due") for row in rows], actor=ACTOR, at=now)
        emit(conn, [_told(conn, *row) for row in rows], at=now)
        return Tally(handled=len(rows))


def _told(conn: Connection[Any], invoice_id: str, program_id: str, _: str, asset: str, due: int) -> NewEvent:
    once = f"step-{steps_taken(conn, INVOICE, invoice_id)}"
    return NewEvent("invoice_overdue", program_id, invoice_id, {"due": str(due), "asset": asset}, once=once)


JOBS: Final = (Job("overdue", None, of_runner(call_overdue), "Calls invoices overdue whose due date is over.", every=REST_S),)
