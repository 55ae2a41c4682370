"""What is asked for twice by the same person, and approved by another between: the first time it is tried and proposed, then it is done."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.operations import approvals
from counterfoil.operations.access.access import Caller
from counterfoil.operations.trial import trial


class ProposedVerb(NamedTuple):
    """What two people agree on: the verb of a noun, of which thing, and exactly what."""

    machine: str
    verb: str
    subject_id: str
    payload: dict[str, Any]
    program_id: str | None = None


def done_or_proposed(
    conn: Connection[Any],
    said: ProposedVerb,
    act: Callable[[], str],
    *,
    proposal_id: Callable[[], str],
    reason: str,
    by: Caller,
    now: datetime,
) -> approvals.Proposal | None:
    """Do it, and return None, once another person has approved exactly `said`; else try it, take it back, and propose it.

    `act` returns the id of what it made or changed. Raises what it raises, and what `approvals.propose` raises.
    """
    machine, verb, subject_id, payload, program_id = said
    one = approvals.approved_of(conn, machine, subject_id, verb, payload, now=now, maker_id=by.principal_id)
    if one is not None:
        approvals.use(conn, one, now=now, result_id=act())
        return None
    with trial(conn):
        act()  # nobody approves what cannot be done
    return approvals.propose(
        conn,
        proposal_id(),
        machine=machine,
        subject_id=subject_id,
        verb=verb,
        payload=payload,
        reason=reason,
        by=by,
        now=now,
        program_id=program_id,
    )
