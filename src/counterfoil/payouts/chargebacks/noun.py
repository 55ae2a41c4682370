"""Chargebacks as a noun: they are looked at here, and moved by the provider's word alone."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.operations.verbs import Noun, Part
from counterfoil.payouts.chargebacks.chargebacks import Chargeback, list_chargebacks, show_chargeback
from counterfoil.payouts.chargebacks.machine import CHARGEBACK


class ChargebackRefund(NamedTuple):
    """A refund that the bank paid by a chargeback, and how much of it; minor units. `was_owed`: it was owed before, and not made for it."""

    id: str
    asset: str
    amount: int
    state: str
    was_owed: bool


def _refunds(conn: Connection[Any], chargeback_id: str) -> list[ChargebackRefund]:
    with conn.cursor(row_factory=class_row(ChargebackRefund)) as cur:
        return cur.execute(
            """select r.id, r.asset, c.amount, r.state, not c.is_own as was_owed
               from chargeback_refund c join refund r on r.id = c.refund_id where c.chargeback_id = %s order by r.id limit 1000""",
            [chargeback_id],
        ).fetchall()


CHARGEBACK_NOUN: Final = Noun(
    "chargeback",
    "chargebacks",
    "cb",
    CHARGEBACK,
    (),
    show_chargeback,
    row=Chargeback,
    rows=list_chargebacks,
    parts=(Part("refunds", ChargebackRefund, _refunds),),
    help="Payments that customers' banks took back, from whom it was taken, and until when the provider takes evidence.",
)
