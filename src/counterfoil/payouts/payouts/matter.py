"""Everything that decides what a person may do with a payout, read at one moment; with `lock`, it stays so until the transaction ends."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import NotFound, Problem
from counterfoil.payouts.disputes.standing import DisputeStanding, disputes_of
from counterfoil.payouts.machines import UNDER_WAY
from counterfoil.payouts.payouts.payable import payable_of
from counterfoil.payouts.payouts.payout_rules import Matter, instead_of, offered, refusal_of
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout
from counterfoil.payouts.provider_payouts.standings import lock_settlements, standings_of

NOT_TRIED: Final = ("cancelled",)


class NotNow(Problem):
    """This cannot be done with the payout as it stands; `why` is the reason, `instead` what is safe."""


def matter_of(conn: Connection[Any], payout_id: str, *, now: datetime, lock: bool = False) -> Matter:
    """A payout and what goes for its settlement. Raises NotFound."""
    found = matters_of(conn, [payout_id], now=now, lock=lock)
    if not found:
        raise NotFound(what="payout", id=payout_id)
    return found[payout_id]


def matters_of(conn: Connection[Any], payout_ids: Iterable[str], *, now: datetime, lock: bool = False) -> dict[str, Matter]:
    """The same of several, by their ids, read by set; one that is not there is not in the answer."""
    wanted = sorted(set(payout_ids))
    rows = conn.execute("select id, settlement_id from payout where id = any(%s) order by id", [wanted]).fetchall()
    settlements = sorted({row[1] for row in rows})
    if not settlements:
        return {}
    attempts = (lock_settlements if lock else standings_of)(conn, settlements, now=now)
    payouts = conn.execute(
        "select id, state, reissue, program_id, settlement_id from payout where settlement_id = any(%s) order by id"
        + (" for update" if lock else ""),
        [settlements],
    ).fetchall()
    payable, disputes = payable_of(conn, settlements), disputes_of(conn, settlements, now=now)
    tried: dict[str, list[LockedProviderPayout]] = {one: [] for one in settlements}
    for one in attempts:
        tried[one.settlement_id].append(one)
    issued: dict[str, list[tuple[str, str, int, str]]] = {one: [] for one in settlements}
    for id_, state, reissue, program_id, settlement_id in payouts:
        issued[settlement_id].append((id_, state, reissue, program_id))
    return {
        id_: _matter(id_, settlement_id, issued[settlement_id], tried[settlement_id], payable[settlement_id], disputes.get(settlement_id))
        for id_, settlement_id in rows
    }


def _matter(
    payout_id: str,
    settlement_id: str,
    payouts: Sequence[tuple[str, str, int, str]],
    attempts: Sequence[LockedProviderPayout],
    payable: int,
    dispute: DisputeStanding | None,
) -> Matter:
    mine = next(each for each in payouts if each[0] == payout_id)
    own = [one for one in attempts if one.payout_id == payout_id]
    return Matter(
        payout_id=payout_id,
        state=mine[1],
        program_id=mine[3],
        settlement_id=settlement_id,
        tries=sum(one.state not in NOT_TRIED for one in own),
        payable=payable,
        open_calls=sum(one.open_calls for one in attempts),
        newest=mine[2] == max(each[2] for each in payouts),
        under_way=any(each[1] in UNDER_WAY for each in payouts if each[0] != payout_id),
        attempts=tuple(attempts),
        last=_last(own),
        dispute=dispute,
        disputed=next((one for one in attempts if one.conflict), None),
    )


def _last(own: list[LockedProviderPayout]) -> LockedProviderPayout | None:
    return max(own, key=lambda one: one.number, default=None)


def require(verb: str, one: Matter) -> None:
    """Raises NotNow with the true reason unless `verb` may be said."""
    why = refusal_of(verb, one)
    if why is not None:
        raise NotNow(payout=one.payout_id, verb=verb, why=why, state=one.state, allowed=offered(one), instead=instead_of(verb, one))
