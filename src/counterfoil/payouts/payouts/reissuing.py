"""A later payout of a settlement, behind one that is over: by a person's word, or by itself for money that came to it meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import record_birth
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.disputes.holding import hold_payouts
from counterfoil.payouts.disputes.standing import disputes_of
from counterfoil.payouts.machines import PAYOUT, RESERVING
from counterfoil.payouts.payouts.payable import payable_of
from counterfoil.payouts.payouts.verbs import Payout, payout_key, payouts_by_id, show_payout

PAID_OUT_AGAIN: Final = ("completed", "refunded")  # after any other end a person decides whether it is paid out
CAME_MEANWHILE: Final = "more came to it than it was made for"


def issue_again(conn: Connection[Any], old: Payout, new_id: str, amount: int, *, reason: str, actor: str, now: datetime) -> Payout:
    """A payout of `amount` minor units behind `old`, the last one of its settlement, which is locked and over."""
    number = old.reissue + 1
    key = payout_key(invoice_id=old.invoice_id, settlement_id=old.settlement_id, reissue=number)
    conn.execute(
        """insert into payout (id, program_id, payee_id, invoice_id, settlement_id, reissue, key, asset, amount, created_at,
                               state, state_at, due_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'pending', %s, %s)""",
        [
            new_id,
            old.program_id,
            old.payee_id,
            old.invoice_id,
            old.settlement_id,
            number,
            key,
            old.asset,
            amount,
            now,
            now,
            now,
        ],
    )
    record_birth(conn, PAYOUT, [new_id], "pending", actor=actor, at=now, cause=old.id)
    told = {"reissueOf": old.id, "key": key, "amount": str(amount), "asset": old.asset, "reason": reason}
    emit(conn, [NewEvent("payout_reissued", old.program_id, new_id, told)], at=now)
    wake(conn, RESERVING)
    return show_payout(conn, new_id)


def pay_what_came_meanwhile(conn: Connection[Any], ended: Mapping[str, str], *, actor: str, now: datetime) -> None:
    """Issue those of these locked payouts anew that are over and left something owed, since money came to them after they were made: no
    payout pays more than it was made for. `ended`: the id of the new one for each, should there be one."""
    rows = conn.execute(
        """select p.id from payout p where p.id = any(%s) and p.state = any(%s)
             and exists (select from payout_netting n where n.payout_id = p.id and n.amount < 0)
             and not exists (select from payout later where later.settlement_id = p.settlement_id and later.reissue > p.reissue)
           order by p.id""",
        [list(ended), list(PAID_OUT_AGAIN)],
    ).fetchall()
    if not rows:
        return
    payouts = payouts_by_id(conn, [row[0] for row in rows])
    settlements = [one.settlement_id for one in payouts]
    owed, disputed = payable_of(conn, settlements), disputes_of(conn, settlements, now=now)
    for one in payouts:
        if owed[one.settlement_id] > 0:
            issue_again(conn, one, ended[one.id], owed[one.settlement_id], reason=CAME_MEANWHILE, actor=actor, now=now)
            if one.settlement_id in disputed:
                hold_payouts(conn, one.settlement_id, disputed[one.settlement_id].id, actor=actor, now=now)
