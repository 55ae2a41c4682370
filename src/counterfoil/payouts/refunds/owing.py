"""Money that comes to a settlement after its payout was made: its payout gets it, or a new one when that is over and paid or empty."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.disputes.holding import hold_payouts
from counterfoil.payouts.disputes.standing import disputes_of
from counterfoil.payouts.machines import RESERVING
from counterfoil.payouts.payouts.payable import payable_of, take
from counterfoil.payouts.payouts.reissuing import PAID_OUT_AGAIN, issue_again
from counterfoil.payouts.payouts.verbs import Owed, Payout, create_payouts, show_payout
from counterfoil.payouts.provider_payouts.standings import lock_settlements
from counterfoil.settlement.settlements import Settlement

ACTOR: Final = "system:worker"
OweMore = Callable[[Connection[Any], int, MakeId, str], None]


def locked_payouts(conn: Connection[Any], settlement_ids: Sequence[str], *, now: datetime) -> dict[str, Payout]:
    """The last payout of each of these settlements, if it has one; all of theirs are locked, after the tranches and before accounts."""
    lock_settlements(conn, settlement_ids, now=now)
    rows = conn.execute(
        "select id, settlement_id, reissue from payout where settlement_id = any(%s) order by id for update", [list(settlement_ids)]
    ).fetchall()
    last = {row[1]: row[0] for row in sorted(rows, key=lambda row: row[2])}
    return {settlement_id: show_payout(conn, payout_id) for settlement_id, payout_id in last.items()}


def owe_more(conn: Connection[Any], settlement: Settlement, *, now: datetime) -> OweMore:
    """Lock what is to be written, and give what writes it once the journal that made it payable is posted."""
    payout = locked_payouts(conn, [settlement.id], now=now).get(settlement.id)

    def write(conn: Connection[Any], amount: int, make_id: MakeId, why: str) -> None:
        if amount:
            pay_more(conn, settlement, payout, amount, make_id=make_id, cause=why, now=now)

    return write


def pay_more(
    conn: Connection[Any], settlement: Settlement, payout: Payout | None, amount: int, *, make_id: MakeId, cause: str, now: datetime
) -> None:
    """This much more is owed for a settlement, in minor units; `payout` is its last one, locked. The journal is the caller's."""
    if payout is None:
        owed = Owed(settlement.program_id, settlement.invoice_id, settlement.id, settlement.payee_id, settlement.asset, amount)
        create_payouts(conn, [owed], make_id=make_id, actor=ACTOR, cause=cause, now=now)
        _hold_disputed(conn, settlement, now)
        return
    take(conn, payout.id, -amount, now=now)
    payable = payable_of(conn, [settlement.id])[settlement.id]
    if payout.state in PAID_OUT_AGAIN and payable > 0:
        issue_again(conn, payout, make_id("po"), payable, reason=cause, actor=ACTOR, now=now)
        _hold_disputed(conn, settlement, now)
    wake(conn, RESERVING)


def _hold_disputed(conn: Connection[Any], settlement: Settlement, now: datetime) -> None:
    """A payout that is made while a dispute is open waits for its end as those that were there before."""
    dispute = disputes_of(conn, [settlement.id], now=now).get(settlement.id)
    if dispute is not None:
        hold_payouts(conn, settlement.id, dispute.id, actor=ACTOR, now=now)
