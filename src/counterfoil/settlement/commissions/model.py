"""Commissions as they stand: their states, their rows, and what is read of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import Machine
from counterfoil.base.rows import Records
from counterfoil.operations.events.events import declare
from counterfoil.operations.work.runner import Queue
from counterfoil.settlement.affiliates.affiliates import AFFILIATE

COMMISSION: Final = Machine(
    name="commission",
    table="commission",
    initial=("accrued",),
    transitions={
        ("accrued", "mature"): "payable",
        ("accrued", "reverse"): "reversed",
        ("payable", "reverse"): "reversed",
        ("payable", "pay"): "paid",
        ("reversed", "reinstate"): "accrued",
    },
)
MATURING: Final = Queue("commission_maturity", "commission", COMMISSION.before("mature"), program="program_id")
PAYING: Final = Queue("commission_payment", "affiliate", tuple(AFFILIATE.states()), program="program_id")
EVENT_KINDS: Final = declare(
    debug={
        "sale_referred": "A customer who came through an affiliate paid for something.",
        "commission_accrued": "Affiliates earned of a sale; it may still be reversed.",
    },
    info={
        "commission_reversed": "A refund took a commission back, or a part of it.",
        "commission_paid": "Matured commissions of an affiliate are paid out together.",
    },
)


class Commission(NamedTuple):
    """What an affiliate earned of a sale, in minor units. `remaining`: the amount less what refunds took back of it."""

    id: str
    program_id: str
    sale_id: str
    customer_id: str
    affiliate_id: str
    level: int
    asset: str
    base_amount: int
    amount: int
    taken_back: int
    remaining: int
    rate_version: int
    matures_at: datetime
    created_at: datetime
    payment_id: str | None
    state: str
    state_at: datetime
    last_error: str | None


class CommissionReversal(NamedTuple):
    """What refunds took back of a commission; minor units, below nothing: given again. `state`: the commission's then; of one that was
    paid it is netted in the next payment."""

    number: int
    at: datetime
    asset: str
    amount: int
    state: str
    id: str


COMMISSIONS: Final = Records(
    Commission,
    """select c.id, c.program_id, c.sale_id, s.customer_id, c.affiliate_id, c.level, c.asset,
              commission_base(s.base_kind, s.gross, s.platform_fee) as base_amount, c.amount, c.taken_back,
              c.amount - c.taken_back as remaining, s.rate_version, c.matures_at, c.created_at, c.payment_id, c.state, c.state_at,
              c.last_error
       from commission c join commission_sale s on s.id = c.sale_id""",
    "commission",
    "c.",
)
show_commission: Final = COMMISSIONS.show
list_commissions: Final = COMMISSIONS.newest


def commissions_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[Commission]:
    """These commissions, locked, in id order; those that do not exist are not in the answer."""
    return COMMISSIONS.read(conn, "where c.id = any(%s) order by c.id for update of c", [list(ids)])


def reversals_of(conn: Connection[Any], commission_id: str, *, rows_max: int) -> list[CommissionReversal]:
    """What was taken back of a commission, the first first."""
    with conn.cursor(row_factory=class_row(CommissionReversal)) as cur:
        return cur.execute(
            """select r.number, r.at, c.asset, r.amount, r.state, r.id
               from commission_reversal r join commission c on c.id = r.commission_id
               where r.commission_id = %s order by r.number limit %s""",
            [commission_id, rows_max],
        ).fetchall()
