"""What people do with a destination that is there: stop paying at it, and end that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import Approval, steps_taken, take_step
from counterfoil.base.problems import NotFound, Problem
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.destinations.destinations import lock_accounts_of, same_account_elsewhere
from counterfoil.payouts.destinations.machine import DESTINATION, QUARANTINED
from counterfoil.payouts.machines import RESERVING
from counterfoil.payouts.provider_payouts.standings import lock_by_id
from counterfoil.payouts.provider_payouts.unreserving import queued_for, unreserve

REPLACED: Final = "another destination took its place; clear it instead"
IN_PLACE: Final = "it is still where its payee is paid; release it, or set another destination first"
ENDS: Final[Mapping[str, str]] = {"release": "destination_released", "clear": "destination_cleared"}


class DestinationRefuses(Problem):
    """This cannot be done with the destination as it stands; `why` is the reason."""


class _Locked(NamedTuple):
    id: str
    program_id: str
    payee_id: str
    state: str
    replaced: bool


def quarantine_destination(conn: Connection[Any], destination_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Send nothing there from now on: what waits to be sent is taken back; what was called may be out already. Returns the state.

    Other payees whose money goes to the same account are not paid there either: their destinations are quarantined with it, each for
    itself. Raises NotFound, TransitionRefused, ReasonRequired.
    """
    lock_accounts_of(conn, destination_id)
    one, *others = _lock(conn, [destination_id, *same_account_elsewhere(conn, destination_id)], now)
    state = _quarantine(conn, one, reason, actor, now)
    for other in others:
        if other.state == "active" and not other.replaced:  # it may have changed before it was locked
            _quarantine(conn, other, f"same account as {destination_id}: {reason}", actor, now)
    return state


def _quarantine(conn: Connection[Any], one: _Locked, reason: str, actor: str, now: datetime) -> str:
    state = take_step(conn, DESTINATION, one.id, one.state, "quarantine", actor=actor, at=now, reason=reason)
    why = f"{QUARANTINED}: {reason}"
    unreserve(conn, queued_for(conn, one.program_id, one.payee_id), why=why, actor=actor, now=now)
    make_due(conn, one.program_id, one.payee_id, now)  # so that each is told why it waits
    _tell(conn, "destination_quarantined", one, one.id, reason, now)
    return state


def end_quarantine(
    conn: Connection[Any], destination_id: str, verb: str, *, reason: str, actor: str, now: datetime, approval: Approval | None
) -> str:
    """`release`: pay there again; payouts that waited are due. `clear`, of one that was replaced: its account may be set again.

    Returns the state. Raises NotFound, DestinationRefuses, TransitionRefused, ReasonRequired, ApprovalNeeded.
    """
    [one] = _lock(conn, [destination_id], now)
    why = refusals_of(one.state, replaced=one.replaced)[verb]
    if why is not None:
        raise DestinationRefuses(destination=destination_id, verb=verb, why=why, state=one.state)
    state = take_step(conn, DESTINATION, destination_id, one.state, verb, actor=actor, at=now, reason=reason, approval=approval)
    if verb == "release":
        make_due(conn, one.program_id, one.payee_id, now)
    _tell(conn, ENDS[verb], one, destination_id, reason, now)
    return state


def refusals_of(state: str, *, replaced: bool) -> dict[str, str | None]:
    """For each verb why it may not be said now, or None where it may."""
    quarantined = state == "quarantined"
    return {
        "quarantine": None if state == "active" else f"it is {state}",
        "release": f"it is {state}" if not quarantined else REPLACED if replaced else None,
        "clear": f"it is {state}" if not quarantined else None if replaced else IN_PLACE,
    }


def make_due(conn: Connection[Any], program_id: str, payee_id: str, now: datetime) -> None:
    """Have what is pending for a payee judged anew, at once; what is in a batch waits for its batch."""
    conn.execute(
        """update payout p set due_at = %s, attempt = 0, last_error = null
           where p.program_id = %s and p.payee_id = %s and p.state = 'pending'""",
        [now, program_id, payee_id],
    )
    wake(conn, RESERVING)


def _lock(conn: Connection[Any], destination_ids: Sequence[str], now: datetime) -> list[_Locked]:
    """These destinations, the first one first, after the attempts that wait for them, in the order in which whoever announces a call locks
    them. Raises NotFound for the first."""
    query = "select id, program_id, payee_id, state, ended_at is not null from destination where id = any(%s) order by id"
    rows = conn.execute(query, [list(destination_ids)]).fetchall()
    if destination_ids[0] not in {row[0] for row in rows}:
        raise NotFound(what="destination", id=destination_ids[0])
    lock_by_id(conn, [attempt for row in rows for attempt in queued_for(conn, row[1], row[2])], now=now)
    rows = conn.execute(query + " for no key update", [list(destination_ids)]).fetchall()
    return [_Locked(*row) for row in sorted(rows, key=lambda row: destination_ids.index(row[0]))]


def _tell(conn: Connection[Any], name: str, one: _Locked, destination_id: str, reason: str, now: datetime) -> None:
    told = {"payeeId": one.payee_id, "reason": reason}
    once = f"step-{steps_taken(conn, DESTINATION, destination_id)}"
    emit(conn, [NewEvent(name, one.program_id, destination_id, told, once=once)], at=now)
