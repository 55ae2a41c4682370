"""Chargebacks as they stand, and what is read of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.rows import Records


class Chargeback(NamedTuple):
    """A chargeback as it stands; minor units. `excess`: what of it no invoice had taken; `beyond`: what had gone back before.

    Of a payment that no invoice took `beyond` is all of it, `escrowed` what of that had funded escrows, and `repaid` what of it had gone
    back to who sent it: that the house loses, until it is won.
    """

    id: str
    program_id: str
    provider: str
    provider_ref: str
    charge_id: str
    invoice_id: str | None
    customer_id: str | None
    payee_id: str | None
    asset: str
    amount: int
    fee: int
    fee_back: int
    excess: int
    beyond: int
    escrowed: int
    repaid: int
    cause: str
    answer_by: datetime | None
    opened_at: datetime
    ended_at: datetime | None
    state: str
    state_at: datetime


def charge_of(conn: Connection[Any], provider: str, provider_ref: str) -> str | None:
    """The charge that the chargeback which a provider knows by this reference took back; None when it is new."""
    row = conn.execute("select charge_id from chargeback where provider = %s and provider_ref = %s", [provider, provider_ref]).fetchone()
    return str(row[0]) if row else None


def locked_chargeback(conn: Connection[Any], provider: str, provider_ref: str) -> Chargeback | None:
    """The chargeback that a provider knows by this reference, locked; None when it is new."""
    conn.execute("select from chargeback where provider = %s and provider_ref = %s for update", [provider, provider_ref])
    found = CHARGEBACKS.read(conn, "where provider = %s and provider_ref = %s", [provider, provider_ref])
    return found[0] if found else None


CHARGEBACKS: Final = Records(
    Chargeback,
    """select id, program_id, provider, provider_ref, charge_id, invoice_id, customer_id, payee_id, asset, amount, fee, fee_back,
              excess, beyond,
              coalesce((select sum(x.amount) from chargeback_escrow x where x.chargeback_id = chargeback.id), 0)::bigint
                  as escrowed,
              coalesce((select x.amount from chargeback_repaid x where x.chargeback_id = chargeback.id), 0) as repaid,
              cause, answer_by, opened_at, ended_at, state, state_at from chargeback""",
    "chargeback",
)
show_chargeback: Final = CHARGEBACKS.show
list_chargebacks: Final = CHARGEBACKS.newest
