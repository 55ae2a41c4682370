"""Taking back what was set aside and never began: its payout is pending again, and is set aside anew as things stand then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from counterfoil.payouts.provider_payouts.outcome_rules import OutcomeDecision
from counterfoil.payouts.provider_payouts.outcomes import carry_out
from counterfoil.payouts.provider_payouts.standings import lock_by_id


def unreserve(conn: Connection[Any], attempt_ids: Sequence[str], *, why: str, actor: str, now: datetime) -> list[str]:
    """Cancel those of these attempts that wait to be sent and never called; their payouts are due again. Returns their ids.

    One that ever called is left alone: the money may be out.
    """
    unbegun = [one for one in lock_by_id(conn, attempt_ids, now=now) if one.state in ("queued", "sending") and not one.calls]
    decisions = [OutcomeDecision(one, ("cancel",), error=why, error_class="changed", unreserved=True) for one in unbegun]
    if decisions:
        carry_out(conn, decisions, cause="unreserve", now=now, actor=actor, reason=why)
    return [one.id for one in unbegun]


def queued_for(conn: Connection[Any], program_id: str, payee_id: str) -> list[str]:
    """The attempts that wait to be sent to this payee."""
    rows = conn.execute(
        """select pp.id from provider_payout pp join payout p on p.id = pp.payout_id
           where p.program_id = %s and p.payee_id = %s and pp.state = 'queued' order by pp.id""",
        [program_id, payee_id],
    ).fetchall()
    return [row[0] for row in rows]
