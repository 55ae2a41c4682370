"""What holds a payout back at the last moment: asked in the transaction that announces its call, whatever was true when it was reserved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.formats.amounts import known_assets, tell_in
from counterfoil.base.problems import in_minor_units
from counterfoil.payouts.destinations.machine import NO_DESTINATION
from counterfoil.payouts.destinations.tokens import readable_tokens
from counterfoil.payouts.disputes.standing import in_dispute
from counterfoil.payouts.machines import RESERVED
from counterfoil.payouts.payouts.payable import Purse, receivables_of
from counterfoil.payouts.provider_payouts.conflicts import in_conflict
from counterfoil.payouts.provider_payouts.outcome_rules import LockedProviderPayout


class Brake(NamedTuple):
    """Why a provider payout may not be sent now. `changed`: what it was reserved for is no longer so; reserving it anew helps."""

    why: str
    changed: bool = False


def brakes_on(conn: Connection[Any], wanted: Sequence[LockedProviderPayout], *, lock: bool = True) -> dict[str, Brake]:
    """What holds each of these provider payouts back that something holds, the worst first, in a fixed number of queries however many they
    are. They and their settlements are locked; without `lock` it is only told, and may have changed a moment later.

    A pause of the queue is the runner's to look at, a quarantine a state of its own.
    """
    settlements = [one.settlement_id for one in wanted]
    conflicts, disputes = in_conflict(conn, settlements), in_dispute(conn, settlements)
    elsewhere = _destinations_changed(conn, wanted, lock=lock)
    debts = receivables_of(conn, [_purse(one) for one in wanted])
    tell = tell_in(known_assets(conn)) if debts else in_minor_units
    found: dict[str, Brake] = {}
    for one in wanted:
        owed = debts.get(_purse(one))
        if one.payout_state not in RESERVED:
            found[one.id] = Brake(f"its payout is {one.payout_state}")
        elif one.paid_beside:
            found[one.id] = Brake("another attempt for this settlement is paid")
        elif why := conflicts.get(one.settlement_id):
            found[one.id] = Brake(why)
        elif why := disputes.get(one.settlement_id) or elsewhere.get(one.id):
            found[one.id] = Brake(why, changed=True)
        elif owed:
            found[one.id] = Brake(f"its payee owes us {tell(owed, one.asset)}, which are taken from it first", changed=True)
    return found


def _purse(one: LockedProviderPayout) -> Purse:
    return Purse(one.program_id, one.payee_id, one.asset)


class _Places(NamedTuple):
    """Where an order goes, and where its payee is paid now: destinations and providers, and the state of the destination in place."""

    order_id: str
    ours: str | None
    was_at: str
    active: str | None
    now_at: str | None
    state: str | None


def _destinations_changed(conn: Connection[Any], wanted: Sequence[LockedProviderPayout], *, lock: bool) -> dict[str, str]:
    """Why nothing goes to the destinations of those of these where it may not. Whoever quarantines or replaces a destination waits until
    the call is announced, or is seen."""
    with conn.cursor(row_factory=class_row(_Places)) as cursor:
        rows = cursor.execute(
            f"""select pp.id as order_id, pp.destination_id as ours, pp.provider as was_at, d.id as active, d.provider as now_at, d.state
               from provider_payout pp join payout p on p.id = pp.payout_id
               left join lateral (select id, provider, state from destination
                                  where program_id = p.program_id and payee_id = p.payee_id and ended_at is null
                                  {"for share" if lock else ""}) d on true
               where pp.id = any(%s) order by d.id""".encode(),
            [[one.id for one in wanted]],
        ).fetchall()
    compared = {each for one in rows if one.ours != one.active and one.now_at == one.was_at for each in (one.ours, one.active) if each}
    accounts = readable_tokens(conn, sorted(compared)) if compared else {}  # a payee's account may be changed, and changed back
    return {one.order_id: why for one in rows if (why := _why_elsewhere(one, accounts))}


def _why_elsewhere(one: _Places, accounts: Mapping[str, str]) -> str | None:
    if one.active is None:
        return f"{NO_DESTINATION} any more"
    if one.now_at != one.was_at:
        return f"its payee is paid at {one.now_at} now, and this is an order for {one.was_at}"
    if one.state == "quarantined":
        return f"its payee's destination {one.active} is quarantined"
    if one.ours == one.active or (one.ours is not None and one.ours in accounts and accounts[one.ours] == accounts.get(one.active)):
        return None
    return f"its payee is paid to destination {one.active} now, and this is an order for {one.ours or 'one that is not on record'}"
