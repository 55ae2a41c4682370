"""Taking back what was set aside and is not at the provider: its payout is set aside anew as things stand then, or a dispute holds it.

What never called is not there. What called is looked for first, and is never sent again while something holds it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.operations.providers.capabilities import Capabilities
from counterfoil.payouts.provider_payouts.brakes import Brake
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout, OutcomeDecision, give_up
from counterfoil.payouts.provider_payouts.outcomes import ACTOR, carry_out
from counterfoil.payouts.provider_payouts.standings import lock_by_id

ASKED_FIRST: Final = "it was called before, and the provider is asked what became of that"


def unreserve(conn: Connection[Any], attempt_ids: Sequence[str], *, why: str, actor: str, now: datetime) -> list[str]:
    """Cancel those of these attempts that wait to be sent and never called; their payouts are due again. Returns their ids.

    One that ever called is left alone: the money may be out.
    """
    unbegun = [one for one in lock_by_id(conn, attempt_ids, now=now) if one.state in ("queued", "sending") and not one.calls]
    decisions = [OutcomeDecision(one, ("cancel",), error=why, error_class="changed", unreserved=True) for one in unbegun]
    if decisions:
        carry_out(conn, decisions, cause="unreserve", now=now, actor=actor, reason=why)
    return [one.id for one in unbegun]


def hold_back(conn: Connection[Any], one: LockedProviderPayout, brake: Brake, *, capabilities: Capabilities, now: datetime) -> bool:
    """Take a locked attempt, about to be sent, out of the queue because of this brake; False: it never called, and waits in the queue.

    One that called is looked up: where the provider has nothing of it, the look-up takes it back. A provider that cannot be asked has
    nothing of it when it said a definite no to each call; else people say what became of it.
    """
    if not one.calls:
        return brake.changed and bool(unreserve(conn, [one.id], why=brake.why, actor=ACTOR, now=now))
    if not capabilities.looks_up and one.refused_each_time:
        carry_out(conn, [give_up(one, brake.why)], cause="brake", now=now, reason=brake.why)
    else:
        doubt = OutcomeDecision(one, ("lose",), again=timedelta(), error=f"{brake.why}; {ASKED_FIRST}", error_class="braked")
        carry_out(conn, [doubt], cause="brake", now=now)
    return True


def queued_for(conn: Connection[Any], program_id: str, payee_id: str) -> list[str]:
    """The attempts that wait to be sent to this payee."""
    rows = conn.execute(
        """select pp.id from provider_payout pp join payout p on p.id = pp.payout_id
           where p.program_id = %s and p.payee_id = %s and pp.state = 'queued' order by pp.id""",
        [program_id, payee_id],
    ).fetchall()
    return [row[0] for row in rows]
