"""Payouts: what we owe a payee for one settlement. One key each: asking again returns the first and moves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import record_birth
from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.payouts.machines import PAYOUT

STATES: Final = tuple(PAYOUT.states())


class Owed(NamedTuple):
    """What a settlement leaves to be paid out, in minor units."""

    program_id: str
    invoice_id: str
    settlement_id: str
    payee_id: str
    asset: str
    amount: int


class Payout(NamedTuple):
    """A payout as it stands; amount in minor units."""

    id: str
    program_id: str
    payee_id: str
    invoice_id: str
    settlement_id: str
    key: str
    asset: str
    amount: int
    created_at: datetime
    state: str
    state_at: datetime
    last_error: str | None
    reissue: int = 0  # 0: the first of its settlement; later ones pay what is still owed


class ProviderPayout(NamedTuple):
    """One attempt at a provider, as it stands; amounts in minor units."""

    id: str
    payout_id: str
    number: int
    provider: str
    idempotency_key: str
    destination_id: str | None  # None: of before there were ids, and to an account that no destination names
    asset: str
    amount: int
    fee: int
    state: str
    state_at: datetime
    request_sent_at: datetime | None
    sent_at: datetime | None
    provider_ref: str | None
    due_at: datetime | None
    attempt: int
    last_error: str | None
    error_class: str | None
    paid: int | None
    beyond: int


def payout_key(*, invoice_id: str, settlement_id: str, reissue: int = 0) -> str:
    """The payout's key; keyword-only, because two ids of one shape are easily swapped. A later one ends in `-r1`, `-r2`, …"""
    return f"payout-{invoice_id}-{settlement_id}" + (f"-r{reissue}" if reissue else "")


def create_payouts(conn: Connection[Any], owed: Sequence[Owed], *, make_id: MakeId, actor: str, cause: str, now: datetime) -> list[Payout]:
    """A pending payout for each settlement, by set. One whose key is known already is returned as it is, and told as an event.

    Moves no money: the settlement made it payable, the reservation takes it.
    """
    keys = [payout_key(invoice_id=one.invoice_id, settlement_id=one.settlement_id) for one in owed]
    with conn.cursor() as cur:
        cur.execute(
            """insert into payout (id, program_id, payee_id, invoice_id, settlement_id, key, asset, amount, created_at,
                                   state, state_at, due_at)
               select o.id, o.program_id, o.payee_id, o.invoice_id, o.settlement_id, o.key, o.asset, o.amount, %s,
                      'pending', %s, %s
               from unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::bigint[])
                 as o (id, program_id, payee_id, invoice_id, settlement_id, key, asset, amount)
               on conflict (key) do nothing returning id, key""",
            [
                now,
                now,
                now,
                [make_id("po") for _ in owed],
                [one.program_id for one in owed],
                [one.payee_id for one in owed],
                [one.invoice_id for one in owed],
                [one.settlement_id for one in owed],
                keys,
                [one.asset for one in owed],
                [one.amount for one in owed],
            ],
        )
        created = dict(cur.fetchall())
    record_birth(conn, PAYOUT, list(created), "pending", actor=actor, at=now, cause=cause)
    found = _select(conn, "where key = any(%s) order by id", [keys])
    told = []
    for one in found:
        name = "payout_created" if one.id in created else "payout_idempotent_skip"
        payload = {"key": one.key, "amount": str(one.amount), "asset": one.asset}
        told.append(NewEvent(name, one.program_id, one.id, payload, once=now.isoformat()))
    emit(conn, told, at=now)
    return found


def show_payout(conn: Connection[Any], payout_id: str, *, lock: bool = False) -> Payout:
    """One payout. Raises NotFound."""
    found = _select(conn, "where id = %s" + (" for update" if lock else ""), [payout_id])
    if not found:
        raise NotFound(what="payout", id=payout_id)
    return found[0]


def payouts_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Payout]:
    """These payouts, in id order."""
    return _select(conn, "where id = any(%s) order by id", [list(ids)])


def list_payouts(
    conn: Connection[Any],
    *,
    rows_max: int,
    after: str | None = None,
    program_id: str | None = None,
    state: str | None = None,
    invoice_id: str | None = None,
    key: str | None = None,
) -> list[Payout]:
    """Payouts, newest first, keyset-paged by id. Raises InvalidInput for a state that is none."""
    if state is not None and state not in STATES:
        raise InvalidInput("state", f"one of {', '.join(STATES)}", got=state[:40])
    return _select(
        conn,
        """where (%(program)s::text is null or program_id = %(program)s) and (%(state)s::text is null or state = %(state)s)
             and (%(invoice)s::text is null or invoice_id = %(invoice)s) and (%(key)s::text is null or key = %(key)s)
             and (%(after)s::text is null or id < %(after)s)
           order by id desc limit %(rows_max)s""",
        {
            "program": program_id,
            "state": state,
            "invoice": invoice_id,
            "key": key,
            "after": after,
            "rows_max": rows_max,
        },
    )


def provider_payouts_of(conn: Connection[Any], payout_id: str) -> list[ProviderPayout]:
    """Every attempt at a payout, the first one first."""
    with conn.cursor(row_factory=class_row(ProviderPayout)) as cur:
        return cur.execute(
            """select id, payout_id, number, provider, idempotency_key, destination_id, asset, amount, fee, state, state_at,
                      request_sent_at, sent_at, provider_ref, due_at, attempt, last_error, error_class, paid, beyond
               from provider_payout where payout_id = %s order by number""",
            [payout_id],
        ).fetchall()


def _select(conn: Connection[Any], ending: str, given: Any) -> list[Payout]:
    with conn.cursor(row_factory=class_row(Payout)) as cur:
        return cur.execute(
            """select id, program_id, payee_id, invoice_id, settlement_id, key, asset, amount, created_at, state, state_at,
                      last_error, reissue from payout """
            + ending,
            given,
        ).fetchall()
