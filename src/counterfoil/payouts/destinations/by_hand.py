"""What people do with a destination that is there: stop paying at it, and end that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import Approval, take_step
from counterfoil.base.problems import NotFound, Problem
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.destinations.machine import DESTINATION
from counterfoil.payouts.machines import RESERVING
from counterfoil.payouts.provider_payouts.standings import lock_by_id
from counterfoil.payouts.provider_payouts.unreserving import queued_for, unreserve

REPLACED: Final = "another destination took its place; clear it instead"
IN_PLACE: Final = "it is still where its payee is paid; release it, or set another destination first"
ENDS: Final[Mapping[str, str]] = {"release": "destination_released", "clear": "destination_cleared"}


class DestinationRefuses(Problem):
    """This cannot be done with the destination as it stands; `why` is the reason."""


class _Locked(NamedTuple):
    program_id: str
    payee_id: str
    state: str
    replaced: bool


def quarantine_destination(conn: Connection[Any], destination_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Send nothing there from now on: what waits to be sent is taken back; what was called may be out already. Returns the state.

    Raises NotFound, TransitionRefused, ReasonRequired.
    """
    one = _lock(conn, destination_id, now)
    state = take_step(conn, DESTINATION, destination_id, one.state, "quarantine", actor=actor, at=now, reason=reason)
    why = f"its payee's destination is quarantined: {reason}"
    unreserve(conn, queued_for(conn, one.program_id, one.payee_id), why=why, actor=actor, now=now)
    make_due(conn, one.program_id, one.payee_id, now)  # so that each is told why it waits
    _tell(conn, "destination_quarantined", one, destination_id, reason, now)
    return state


def end_quarantine(
    conn: Connection[Any], destination_id: str, verb: str, *, reason: str, actor: str, now: datetime, approval: Approval | None
) -> str:
    """`release`: pay there again; payouts that waited are due. `clear`, of one that was replaced: its account may be set again.

    Returns the state. Raises NotFound, DestinationRefuses, TransitionRefused, ReasonRequired, ApprovalNeeded.
    """
    one = _lock(conn, destination_id, now)
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


def _lock(conn: Connection[Any], destination_id: str, now: datetime) -> _Locked:
    """The destination, after the attempts that wait for it, in the order in which whoever announces a call locks them."""
    query = "select program_id, payee_id, state, ended_at is not null from destination where id = %s"
    row = conn.execute(query, [destination_id]).fetchone()
    if row is None:
        raise NotFound(what="destination", id=destination_id)
    lock_by_id(conn, queued_for(conn, row[0], row[1]), now=now)
    row = conn.execute(query + " for no key update", [destination_id]).fetchone()
    assert row is not None
    return _Locked(*row)


def _tell(conn: Connection[Any], name: str, one: _Locked, destination_id: str, reason: str, now: datetime) -> None:
    told = {"payeeId": one.payee_id, "reason": reason}
    emit(conn, [NewEvent(name, one.program_id, destination_id, told, once=now.isoformat())], at=now)
