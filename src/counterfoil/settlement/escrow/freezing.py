"""Freezing an escrow: nothing leaves it, and it does not expire, until what froze it is over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import steps_taken, take_step
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.settlement.escrow.model import ESCROW, Escrow, show_escrow
from counterfoil.settlement.escrow.moving import EscrowRefuses, refuse_charged_back

WARNED_BEFORE: Final = timedelta(days=1)


def freeze_escrow(conn: Connection[Any], escrow_id: str, *, reason: str, actor: str, now: datetime, cause: str | None = None) -> str:
    """Let nothing leave an active escrow while it is disputed; it does not expire either.

    What a chargeback froze a person may freeze, too: it stays frozen when the bank has decided, until a person ends that.
    Raises NotFound, EscrowRefuses of what a person froze, TransitionRefused.
    """
    one = show_escrow(conn, escrow_id, lock=True)
    if one.state == "disputed" and not frozen_by_chargeback(conn, one.id):
        raise EscrowRefuses(escrow=one.id, verb="freeze", why="it is disputed")
    return _step(conn, one, "freeze", None, reason, actor, now, cause)


def unfreeze_escrow(conn: Connection[Any], escrow_id: str, *, reason: str, actor: str, now: datetime, cause: str | None = None) -> str:
    """End the freeze of an escrow whose dispute was withdrawn; if its time was over meanwhile, it expires now.

    Raises NotFound, TransitionRefused, EscrowRefuses while a chargeback of what funded it is open.
    """
    one = show_escrow(conn, escrow_id, lock=True)
    refuse_charged_back(conn, one, "unfreeze")
    warned = conn.execute("select from escrow where id = %s and warned_at is not null", [one.id]).fetchone() is not None
    due_at = one.expires_at if warned else one.expires_at - WARNED_BEFORE  # a freeze does not swallow the warning
    return _step(conn, one, "unfreeze", due_at, reason, actor, now, cause)


def frozen_by_chargeback(conn: Connection[Any], escrow_id: str) -> bool:
    """Was it a chargeback that froze this disputed escrow last? Of a person's freeze a person decides."""
    row = conn.execute(
        """select exists (select from chargeback c where c.id = s.cause) from step s
           where (s.machine, s.subject_id, s.verb) = (%s, %s, 'freeze') order by s.step desc limit 1""",
        [ESCROW.name, escrow_id],
    ).fetchone()
    return row is not None and bool(row[0])


def _step(
    conn: Connection[Any], one: Escrow, verb: str, due_at: datetime | None, reason: str, actor: str, now: datetime, cause: str | None
) -> str:
    state = take_step(conn, ESCROW, one.id, one.state, verb, actor=actor, at=now, reason=reason, cause=cause)
    conn.execute("update escrow set due_at = %s where id = %s", [due_at, one.id])
    once = f"step-{steps_taken(conn, ESCROW, one.id)}"
    name = "escrow_frozen" if verb == "freeze" else "escrow_unfrozen"
    emit(conn, [NewEvent(name, one.program_id, one.id, {"reason": reason}, once=once)], at=now)
    return state
