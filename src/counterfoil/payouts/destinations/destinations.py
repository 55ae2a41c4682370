"""Destinations: where a payee's money goes. One is in place at a time; a change ends the old one and adds the new."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, LiteralString, NamedTuple

from psycopg import Connection

from counterfoil.base.encryption.confidential import encrypt
from counterfoil.base.encryption.keys import keys_of
from counterfoil.base.machine import record_birth, take_step
from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.operations.noun_pages import ListCondition
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.destinations.machine import DESTINATION
from counterfoil.payouts.destinations.tokens import CONFIDENTIAL, fingerprints, hint, readable, same_account
from counterfoil.payouts.machines import RESERVING
from counterfoil.payouts.provider_payouts.standings import lock_by_id
from counterfoil.payouts.provider_payouts.unreserving import queued_for, unreserve

TOKEN_MAX = 200


class AccountQuarantined(Problem):
    """This account is quarantined: nobody is paid there until two people release or clear the destination that is named."""

    todo = "Find out why (counterfoil destinations show ID); then release it, clear it, or set another account."


class Destination(NamedTuple):
    """Where a payee is paid: a provider, and the provider's own token for the account; None where its key is not there."""

    id: str
    program_id: str
    payee_id: str
    provider: str
    token: str | None
    state: str = "active"

    @property
    def quarantined(self) -> bool:
        """Has a person stopped paying there?"""
        return self.state == "quarantined"


class ShownDestination(NamedTuple):
    """A destination as people see it: its account by the last characters alone. `ended_at`: since when another is in its place."""

    id: str
    program_id: str
    payee_id: str
    provider: str
    token_hint: str
    state: str
    quarantine_reason: str | None
    actor: str
    created_at: datetime
    ended_at: datetime | None


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
    """Pay this payee there from now on; payouts that waited for a destination are due at once. The same again changes nothing.

    Raises InvalidInput, AccountQuarantined.
    """
    if not 0 < len(token) <= TOKEN_MAX or not token.isprintable():
        raise InvalidInput("token", f"1 to {TOKEN_MAX} printable characters")
    if not 0 < len(payee_id) <= 64 or not payee_id.isprintable():
        raise InvalidInput("payee_id", "1 to 64 printable characters")
    _lock_accounts(conn, program_id, provider)
    _refuse_quarantined(conn, program_id, provider, token)
    known = active_destinations(conn, program_id, [payee_id]).get(payee_id)
    if known is not None and (known.provider, known.token) == (provider, token):
        return known
    # Before the destination, as whoever announces a call locks them.
    lock_by_id(conn, queued_for(conn, program_id, payee_id), now=now)
    _replace(conn, program_id, payee_id, actor=actor, now=now)
    conn.execute(
        """insert into destination (id, program_id, payee_id, provider, envelope, fingerprint, actor, created_at, state, state_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, 'active', %s)""",
        [
            destination_id,
            program_id,
            payee_id,
            provider,
            encrypt(conn, CONFIDENTIAL, [destination_id], [token]),
            fingerprints(keys_of(conn), token)[0],
            actor,
            now,
            now,
        ],
    )
    record_birth(conn, DESTINATION, [destination_id], "active", actor=actor, at=now)
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
    """The destination in place of each of these payees that has one; it may be quarantined."""
    where = "program_id = %s and payee_id = any(%s) and ended_at is null order by payee_id"
    return {row.payee_id: row for row in _select(conn, where, [program_id, list(payee_ids)])}


IN_USE: Final = ListCondition("t.ended_at is null or t.state = 'quarantined'")  # where payees are paid now, or are not to be paid


def list_destinations(
    conn: Connection[Any],
    *,
    rows_max: int,
    after: str | None = None,
    program_id: str | None = None,
    payee_id: str | None = None,
    state: str | None = None,
) -> list[ShownDestination]:
    """By id, newest first: in one state; without a state, where payees are paid now, and all that are quarantined."""
    return _shown(
        conn,
        f"""(case when %(state)s::text is null then {IN_USE.where} else t.state = %(state)s end)
             and (%(program)s::text is null or t.program_id = %(program)s) and (%(payee)s::text is null or t.payee_id = %(payee)s)
             and (%(after)s::text is null or t.id < %(after)s)
           order by t.id desc limit %(rows_max)s""",
        {"program": program_id, "payee": payee_id, "state": state, "after": after, "rows_max": rows_max},
    )


def newest_destinations(conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> list[ShownDestination]:
    """Every one, also those that are over, newest first; in one state or in any."""
    return _shown(
        conn,
        """(%(state)s::text is null or t.state = %(state)s) and (%(after)s::text is null or t.id < %(after)s)
           order by t.id desc limit %(rows_max)s""",
        {"state": state, "after": after, "rows_max": rows_max},
    )


def destinations_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[ShownDestination]:
    """These destinations, in any order."""
    return _shown(conn, "t.id = any(%(ids)s)", {"ids": list(ids)})


def shown_destination(conn: Connection[Any], destination_id: str) -> ShownDestination:
    """One destination, in place or not. Raises NotFound."""
    found = _shown(conn, "t.id = %(id)s", {"id": destination_id})
    if not found:
        raise NotFound(what="destination", id=destination_id)
    return found[0]


def _refuse_quarantined(conn: Connection[Any], program_id: str, provider: str, token: str) -> None:
    """An account that somebody stopped paying at is not set again, for this payee or another, past those who look at it."""
    rows = conn.execute(
        """select id, program_id, payee_id, provider, envelope, token, fingerprint from destination
           where program_id = %s and provider = %s and state = 'quarantined' order by id""",
        [program_id, provider],
    ).fetchall()
    found = next((row for row in rows if same_account(conn, row, token)), None)
    if found is not None:
        raise AccountQuarantined(destination=found[0], payee=found[2])


def lock_accounts_of(conn: Connection[Any], destination_id: str) -> None:
    """Before the account of a destination is quarantined: nobody sets it meanwhile."""
    row = conn.execute("select program_id, provider from destination where id = %s", [destination_id]).fetchone()
    if row is not None:
        _lock_accounts(conn, *row)


def _lock_accounts(conn: Connection[Any], program_id: str, provider: str) -> None:
    conn.execute("select pg_advisory_xact_lock(hashtextextended('destination:' || %s || ':' || %s, 0))", [program_id, provider])


def same_account_elsewhere(conn: Connection[Any], destination_id: str) -> list[str]:
    """The other destinations in place, of the same program and provider, that hold the same account; by id."""
    query = "select d.id, d.program_id, d.payee_id, d.provider, d.envelope, d.token, d.fingerprint from destination d "
    one = conn.execute(query + "where d.id = %s", [destination_id]).fetchone()
    if one is None:
        return []
    token = readable(conn, one[:6])
    marks = [one[6]] if token is None else fingerprints(keys_of(conn), token)
    # What was marked under a key that is gone, or never, is opened; all others are told apart by their fingerprints alone.
    rows = conn.execute(
        query
        + """where d.program_id = %s and d.provider = %s and d.id <> %s and d.state = 'active' and d.ended_at is null
               and (d.fingerprint is null or d.fingerprint = any(%s) or substr(d.fingerprint, 1, 4) <> all(%s)) order by d.id""",
        [*one[1:2], one[3], one[0], marks, [bytes(mark)[:4] for mark in marks if mark is not None]],
    ).fetchall()
    if token is None:
        return [row[0] for row in rows if one[6] is not None and row[6] == one[6]]
    return [row[0] for row in rows if same_account(conn, row, token)]


def _replace(conn: Connection[Any], program_id: str, payee_id: str, *, actor: str, now: datetime) -> None:
    """End the destination in place, if there is one; one that is quarantined stays so until two people clear it."""
    row = conn.execute(
        """update destination set ended_at = %s where program_id = %s and payee_id = %s and ended_at is null returning id, state""",
        [now, program_id, payee_id],
    ).fetchone()
    if row is not None and row[1] == "active":
        take_step(conn, DESTINATION, row[0], row[1], "replace", actor=actor, at=now)


def _select(conn: Connection[Any], where: LiteralString, given: Any) -> list[Destination]:
    query = "select id, program_id, payee_id, provider, envelope, token, state from destination where " + where
    return [Destination._make([*row[:4], readable(conn, row[:6]), row[6]]) for row in conn.execute(query, given).fetchall()]


def _shown(conn: Connection[Any], where: LiteralString, given: Any) -> list[ShownDestination]:
    # A quarantine is the last step that a quarantined destination took.
    query = """select t.id, t.program_id, t.payee_id, t.provider, t.envelope, t.token, t.state,
                      case when t.state = 'quarantined' then (select s.reason from step s
                                where s.machine = 'destination' and s.subject_id = t.id and s.step = t.steps) end,
                      t.actor, t.created_at, t.ended_at
               from destination t where """
    rows = conn.execute(query + where, given).fetchall()
    return [ShownDestination._make([*row[:4], hint(readable(conn, row[:6])), *row[6:]]) for row in rows]
