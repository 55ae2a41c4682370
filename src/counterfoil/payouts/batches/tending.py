"""Looking after batches that are being executed: what became of their lines, and whether an approval is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import steps_taken, take_step
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.runner import Claim, Runner, Tally, run_here
from counterfoil.payouts.batches import gate
from counterfoil.payouts.batches.batches import LockedBatch, lock_batch
from counterfoil.payouts.batches.deciding import expire_approval
from counterfoil.payouts.batches.executing import Standing, let_go, standing_of
from counterfoil.payouts.batches.gathering import free_payouts
from counterfoil.payouts.batches.machine import ARRIVED, BATCHES, ENDED_UNPAID, PAYOUT_BATCH, SERVICE_LEVEL

ACTOR: Final = "system:worker"
LOOK_EVERY: Final = timedelta(seconds=5)
LOOK_LATER: Final = timedelta(minutes=1)  # a person has to do something first


def look_after_batches(runner: Runner) -> Tally:
    """One tick: what became of the lines of batches that are being executed; which batches are done, which fell short, which expired."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        for claim in claims:
            _look_after(conn, lock_batch(conn, claim.id), now)

    return run_here(runner, BATCHES, work)


def _look_after(conn: Connection[Any], one: LockedBatch, now: datetime) -> None:
    if one.state == "approved":
        expire_approval(conn, one.id, actor=ACTOR, now=now)
        return
    _note_paid(conn, one, now)
    standing = standing_of(conn, one.id)
    if standing.paid == standing.lines:
        _end(conn, one, "finish", "payout_batch_executed", standing, now)
        return
    if one.state == "executing" and not standing.under_way:
        _end(conn, one, "fall_short", "payout_batch_fell_short", standing, now)
    due_at = now + (LOOK_EVERY if standing.under_way else LOOK_LATER)
    conn.execute("update payout_batch set due_at = %s where id = %s", [due_at, one.id])


def _note_paid(conn: Connection[Any], one: LockedBatch, now: datetime) -> None:
    """Which lines are paid, which will never be, and which are not any more what was approved. Payouts are locked before lines."""
    gone = conn.execute(
        """select l.payout_id from payout_batch_line l join payout p on p.id = l.payout_id
           where l.batch_id = %s and l.live and p.state = 'pending' and not exists (
               select from destination d where d.id = l.destination_id and d.ended_at is null) order by l.payout_id""",
        [one.id],
    ).fetchall()
    if gone:
        free_payouts(conn, [row[0] for row in gone], now)
        lines = [(one.id, row[0]) for row in gone]
        gate.leave_batch(conn, one.program_id, lines, "its destination is not the one that was approved", now)
    conn.execute(
        """update payout_batch_line l set live = false, paid_at = %s from payout p
           where p.id = l.payout_id and l.batch_id = %s and l.live and p.state = any(%s)""",
        [now, one.id, list(ARRIVED)],
    )
    let_go(conn, one, ENDED_UNPAID, "its payout was ended without being paid", now)


def _end(conn: Connection[Any], one: LockedBatch, verb: str, event: str, standing: Standing, now: datetime) -> None:
    take_step(conn, PAYOUT_BATCH, one.id, one.state, verb, actor=ACTOR, at=now)
    late = one.approved_at is not None and now > one.approved_at + SERVICE_LEVEL
    told = {"lines": standing.lines, "paid": standing.paid, "amount": str(one.amount), "asset": one.asset, "late": late}
    once = f"step-{steps_taken(conn, PAYOUT_BATCH, one.id)}"
    emit(conn, [NewEvent(event, one.program_id, one.id, told, once=once)], at=now)


JOBS: Final = (
    Job(
        "batches",
        BATCHES,
        lambda context, _: look_after_batches(context.runner),
        "Finds out which payout batches are paid, which fell short, and whose approval is over.",
    ),
)
