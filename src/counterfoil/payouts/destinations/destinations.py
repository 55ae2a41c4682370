"""Destinations: where a payee's money goes. One is active at a time; a change ends the old one and adds the new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from psycopg import Connection

from counterfoil.base.encryption.confidential import encrypt
from counterfoil.base.encryption.keys import keys_of
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.destinations.tokens import CONFIDENTIAL, fingerprints, readable
from counterfoil.payouts.machines import RESERVING
from counterfoil.payouts.provider_payouts.unreserving import queued_for, unreserve

TOKEN_MAX = 200


class Destination(NamedTuple):
    """Where a payee is paid: a provider, and the provider's own token for the account; None where its key is not there."""

    id: str
    program_id: str
    payee_id: str
    provider: str
    token: str | None


def set_destination(
    conn: Connection[Any],
    destination_id: str,
    *,
    program_id: str,
    payee_id: str,
    provider: str,
    token: str,
    actor: str,
    now: datetime,
) -> Destination:
    """Pay this payee there from now on; payouts that waited for a destination are due at once. The same again changes nothing."""
    if not 0 < len(token) <= TOKEN_MAX or not token.isprintable():
        raise InvalidInput("token", f"1 to {TOKEN_MAX} printable characters")
    if not 0 < len(payee_id) <= 64 or not payee_id.isprintable():
        raise InvalidInput("payee_id", "1 to 64 printable characters")
    known = active_destinations(conn, program_id, [payee_id]).get(payee_id)
    if known is not None and (known.provider, known.token) == (provider, token):
        return known
    conn.execute(
        """update destination set ended_at = %s where program_id = %s and payee_id = %s and ended_at is null""",
        [now, program_id, payee_id],
    )
    conn.execute(
        """insert into destination (id, program_id, payee_id, provider, envelope, fingerprint, actor, created_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s)""",
        [
            destination_id,
            program_id,
            payee_id,
            provider,
            encrypt(conn, CONFIDENTIAL, [destination_id], [token]),
            fingerprints(keys_of(conn), token)[0],
            actor,
            now,
        ],
    )
    # What was set aside for the old one and never called goes to the new one; what called may be out, and stays.
    waiting = queued_for(conn, program_id, payee_id)
    unreserve(conn, waiting, why="the payee's destination was changed", actor=actor, now=now)
    conn.execute(
        """update payout set due_at = %s, attempt = 0, last_error = null
           where program_id = %s and payee_id = %s and state = 'pending'""",
        [now, program_id, payee_id],
    )
    wake(conn, RESERVING)
    return Destination(destination_id, program_id, payee_id, provider, token)


def active_destinations(conn: Connection[Any], program_id: str, payee_ids: Sequence[str]) -> dict[str, Destination]:
    """The active destination of each of these payees that has one."""
    where = "program_id = %s and payee_id = any(%s) and ended_at is null order by payee_id"
    return {row.payee_id: row for row in _select(conn, where, [program_id, list(payee_ids)])}


def list_destinations(
    conn: Connection[Any], *, rows_max: int, after: str | None = None, program_id: str | None = None
) -> list[Destination]:
    """Where payees are paid now, by id, newest first."""
    return _select(
        conn,
        """ended_at is null and (%(program)s::text is null or program_id = %(program)s)
             and (%(after)s::text is null or id < %(after)s)
           order by id desc limit %(rows_max)s""",
        {"program": program_id, "after": after, "rows_max": rows_max},
    )


def _select(conn: Connection[Any], where: LiteralString, given: Any) -> list[Destination]:
    rows = conn.execute("select id, program_id, payee_id, provider, envelope, token from destination where " + where, given).fetchall()
    return [Destination._make([*row[:4], readable(conn, row)]) for row in rows]
