"""Everything that decides what a person may do with a payout, read at one moment; with `lock`, it stays so until the transaction ends."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import NotFound, Problem
from counterfoil.payouts.disputes.standing import disputes_of
from counterfoil.payouts.machines import UNDER_WAY
from counterfoil.payouts.payouts.payable import payable_of
from counterfoil.payouts.payouts.payout_rules import Matter, offered, refusal_of
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout
from counterfoil.payouts.provider_payouts.standings import lock_settlements, standings_of

NOT_TRIED: Final = ("cancelled",)


class NotNow(Problem):
    """This cannot be done with the payout as it stands; `why` is the reason."""


def matter_of(conn: Connection[Any], payout_id: str, *, now: datetime, lock: bool = False) -> Matter:
    """A payout and what goes for its settlement. Raises NotFound."""
    row = conn.execute("select settlement_id from payout where id = %s", [payout_id]).fetchone()
    if row is None:
        raise NotFound(what="payout", id=payout_id)
    settlement_id = row[0]
    attempts = (lock_settlements if lock else standings_of)(conn, [settlement_id], now=now)
    payouts = conn.execute(
        "select id, state, reissue, program_id from payout where settlement_id = %s order by id" + (" for update" if lock else ""),
        [settlement_id],
    ).fetchall()
    mine = next(each for each in payouts if each[0] == payout_id)
    own = [one for one in attempts if one.payout_id == payout_id]
    return Matter(
        payout_id=payout_id,
        state=mine[1],
        program_id=mine[3],
        settlement_id=settlement_id,
        tries=sum(one.state not in NOT_TRIED for one in own),
        payable=payable_of(conn, [settlement_id])[settlement_id],
        open_calls=sum(one.open_calls for one in attempts),
        newest=mine[2] == max(each[2] for each in payouts),
        under_way=any(each[1] in UNDER_WAY for each in payouts if each[0] != payout_id),
        attempts=tuple(attempts),
        last=_last(own),
        dispute=disputes_of(conn, [settlement_id], now=now).get(settlement_id),
        disputed=next((one for one in attempts if one.conflict), None),
    )


def _last(own: list[LockedProviderPayout]) -> LockedProviderPayout | None:
    return max(own, key=lambda one: one.number, default=None)


def require(verb: str, one: Matter) -> None:
    """Raises NotNow with the true reason unless `verb` may be said."""
    why = refusal_of(verb, one)
    if why is not None:
        raise NotNow(payout=one.payout_id, verb=verb, why=why, state=one.state, allowed=offered(one))
