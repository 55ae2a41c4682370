"""What a queued attempt asks its provider to do: as it was reserved, to the account that its destination holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.encryption.keys import EncryptionKeyMissing, EnvelopeDoesNotOpen
from counterfoil.base.problems import InvariantBroken
from counterfoil.operations.providers import PayoutOrder
from counterfoil.payouts.destinations.tokens import tokens_of
from counterfoil.payouts.payouts.reserving import order_hash

CANNOT_BE_SENT: Final = (EncryptionKeyMissing, EnvelopeDoesNotOpen, InvariantBroken)


class ReservedOrder(NamedTuple):
    """An order, the provider that it goes to, and the hash of what was reserved, which it fits."""

    provider: str
    order: PayoutOrder
    payload_sha256: bytes


class _Queued(NamedTuple):
    id: str
    provider: str
    idempotency_key: str
    amount: int
    asset: str
    destination_id: str | None
    payload_sha256: bytes


def orders_to_send(conn: Connection[Any], ids: Sequence[str]) -> Mapping[str, ReservedOrder]:
    """The orders of these attempts, by id.

    Raises CANNOT_BE_SENT: for one whose account we cannot read, and for one that was changed since. Nobody is paid then.
    """
    with conn.cursor(row_factory=class_row(_Queued)) as cur:
        rows = cur.execute(
            """select id, provider, idempotency_key, amount, asset, destination_id, payload_sha256
               from provider_payout where id = any(%s)""",
            [list(ids)],
        ).fetchall()
    tokens = tokens_of(conn, [row.destination_id for row in rows if row.destination_id])
    return {row.id: _order(row, tokens) for row in rows}


def _order(row: _Queued, tokens: Mapping[str, str]) -> ReservedOrder:
    where = row.destination_id or ""
    if where not in tokens:
        raise InvariantBroken(f"a provider payout goes to a destination that we know: {row.id} names none")
    # What was reserved before attempts named their destination was hashed with its token.
    reserved = (order_hash(row.idempotency_key, row.amount, row.asset, told) for told in (where, tokens[where]))
    if bytes(row.payload_sha256) not in reserved:
        raise InvariantBroken(f"what is sent is what was reserved: provider payout {row.id} was changed by hand")
    order = PayoutOrder(row.idempotency_key, row.amount, row.asset, tokens[where], row.id)
    return ReservedOrder(row.provider, order, bytes(row.payload_sha256))
