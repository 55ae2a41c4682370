"""What holds a payout back at the last moment: asked in the transaction that announces its call, whatever was true when it was reserved."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.payouts.destinations.tokens import readable_tokens
from counterfoil.payouts.disputes.standing import in_dispute
from counterfoil.payouts.machines import RESERVED
from counterfoil.payouts.payouts.payable import Purse, receivables_of
from counterfoil.payouts.provider_payouts.conflicts import in_conflict
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout

ELSEWHERE: Final = "its destination is not the payee's active one any more"


class Brake(NamedTuple):
    """Why a provider payout may not be sent now. `changed`: what it was reserved for is no longer so; reserving it anew helps."""

    why: str
    changed: bool = False


def brake_on(conn: Connection[Any], one: LockedProviderPayout) -> Brake | None:
    """What holds this provider payout back, the worst first; None when nothing does. It and its settlement are locked.

    A pause of the queue is the runner's to look at, a quarantine a state of its own.
    """
    if one.payout_state not in RESERVED:
        return Brake(f"its payout is {one.payout_state}")
    if one.paid_beside:
        return Brake("another attempt for this settlement is paid")
    if in_conflict(conn, [one.settlement_id]):
        return Brake("the provider contradicts itself about an attempt for this settlement")
    if in_dispute(conn, [one.settlement_id]):
        return Brake("a dispute of its customer, or about money that went to the same payee, is open", changed=True)
    astray = _astray(conn, one)
    if astray is not None:
        return Brake(astray, changed=True)
    # What was called once may be out already; netting it now would not call it back.
    if not one.calls and receivables_of(conn, [Purse(one.program_id, one.payee_id, one.asset)]):
        return Brake("its payee owes us money, which is taken from it first", changed=True)
    return None


def _astray(conn: Connection[Any], one: LockedProviderPayout) -> str | None:
    """Why nothing goes to this attempt's destination. Whoever quarantines or replaces it waits until the call is announced, or is seen."""
    row = conn.execute(
        """select pp.destination_id, d.id, d.state from provider_payout pp
           join destination d on d.program_id = %s and d.payee_id = %s and d.ended_at is null and d.provider = pp.provider
           where pp.id = %s for share of d""",
        [one.program_id, one.payee_id, one.id],
    ).fetchone()
    if row is None or row[0] is None:
        return ELSEWHERE
    ours, active, state = row
    if state == "quarantined":
        return "its payee's destination is quarantined"
    if ours == active:
        return None
    accounts = readable_tokens(conn, [ours, active])  # the payee's account was changed, and changed back
    return None if ours in accounts and accounts[ours] == accounts.get(active) else ELSEWHERE
