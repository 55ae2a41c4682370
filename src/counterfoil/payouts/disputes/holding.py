"""Holding: what is not paid out of a disputed settlement waits for the end of its dispute, whenever its payout was made."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from counterfoil.base.machine import Move, take_steps
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.payouts.machines import PAYOUT


def hold_payouts(conn: Connection[Any], settlement_id: str, dispute_id: str, *, actor: str, now: datetime) -> None:
    """Hold the payouts of a settlement, which are locked, that would otherwise go on their way."""
    rows = conn.execute(
        "select id, state, program_id from payout where settlement_id = %s and state = any(%s)",
        [settlement_id, ["pending", "failed"]],
    ).fetchall()
    take_steps(conn, PAYOUT, [Move(row[0], row[1], "hold") for row in rows], actor=actor, at=now, cause=dispute_id)
    conn.execute("update payout set due_at = null where id = any(%s)", [[row[0] for row in rows]])
    emit(
        conn,
        [NewEvent("payout_held", row[2], row[0], {"disputeId": dispute_id}, once=dispute_id) for row in rows],
        at=now,
    )
