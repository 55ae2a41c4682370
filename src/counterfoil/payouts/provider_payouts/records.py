"""The provider's own record that an attempt was paid: what a payout may be finalised on when that record was never applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection

from counterfoil.base.problems import InvalidInput, NotFound
from counterfoil.operations.providers import PayoutFact, Provider
from counterfoil.operations.webhooks.inbound import received_by_id


def paid_by_webhook(conn: Connection[Any], webhook_id: str, providers: Mapping[str, Provider]) -> PayoutFact:
    """What a stored webhook, parked or not, says was paid. Raises NotFound, InvalidInput when it says something else."""
    found = received_by_id(conn, [webhook_id])
    if not found or found[0].provider not in providers:
        raise NotFound(what="webhook", id=webhook_id)
    (one,) = found
    provider = providers[one.provider]
    fact = provider.payout_of(one.body) if provider.tells.get(one.event_type) == "payout" else None
    if fact is None or fact.status != "paid":
        raise InvalidInput("record", "a webhook that says that a payout was paid", got=one.event_type[:80])
    return fact
