"""Chargebacks as a noun: the provider's word moves them, and where its words exclude each other two people do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.operations.noun_pages import First, SortKey, WaitingForPerson, between_amounts, between_moments, of_party
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Noun, Part
from counterfoil.payouts.chargebacks.machine import CHARGEBACK
from counterfoil.payouts.chargebacks.model import CHARGEBACKS, Chargeback, list_chargebacks, show_chargeback
from counterfoil.payouts.chargebacks.repaid import Repaid, repaid_of
from counterfoil.payouts.chargebacks.ruling import VERBS, why_not_ruled
from counterfoil.payouts.chargebacks.words import ChargebackConflict, conflicts_of


class ChargebackRefund(NamedTuple):
    """A refund that the bank paid by a chargeback, and how much of it; minor units. `was_owed`: it was owed before, and not made for it."""

    id: str
    asset: str
    amount: int
    state: str
    was_owed: bool


class ChargebackEscrow(NamedTuple):
    """An escrow that the payment had funded, and what of that was taken; minor units. `remaining`: what is still in it."""

    id: str
    asset: str
    amount: int
    remaining: int
    state: str


def _escrows(conn: Connection[Any], chargeback_id: str, *, rows_max: int) -> list[ChargebackEscrow]:
    with conn.cursor(row_factory=class_row(ChargebackEscrow)) as cur:
        return cur.execute(
            """select e.id, e.asset, x.amount, e.funded - e.released - e.refunded as remaining, e.state
               from chargeback_escrow x join escrow e on e.id = x.escrow_id where x.chargeback_id = %s order by e.id limit %s""",
            [chargeback_id, rows_max],
        ).fetchall()


def _refunds(conn: Connection[Any], chargeback_id: str, *, rows_max: int) -> list[ChargebackRefund]:
    with conn.cursor(row_factory=class_row(ChargebackRefund)) as cur:
        return cur.execute(
            """select r.id, r.asset, c.amount, r.state, not c.is_own as was_owed
               from chargeback_refund c join refund r on r.id = c.refund_id where c.chargeback_id = %s order by r.id limit %s""",
            [chargeback_id, rows_max],
        ).fetchall()


def _refusals(conn: Connection[Any], chargeback_id: str, now: datetime) -> Mapping[str, str | None]:
    return {"rule": why_not_ruled(conn, show_chargeback(conn, chargeback_id), now)}


CHARGEBACK_NOUN: Final = Noun(
    "chargeback",
    "chargebacks",
    "cb",
    CHARGEBACK,
    VERBS,
    show_chargeback,
    _refusals,
    row=Chargeback,
    rows=list_chargebacks,
    by_id=CHARGEBACKS.by_id,
    sorts=(
        SortKey("opened_at", datetime),
        SortKey("amount", int, money=True),
    ),
    narrows=(*of_party("payee", "customer", "invoice"), *between_moments("opened_at", "opened"), *between_amounts("amount")),
    parts=(
        Part("refunds", ChargebackRefund, _refunds),
        Part("escrows", ChargebackEscrow, _escrows),
        Part("debts", Repaid, repaid_of),
        Part("conflicts", ChargebackConflict, conflicts_of),
    ),
    help="Payments that customers' banks took back, from whom it was taken, and until when the provider takes evidence.",
    waits=(
        WaitingForPerson(
            "chargeback",
            "Chargebacks to be answered",
            "The provider takes evidence until the time limit; then it decides. Of one that its provider contradicts, two people decide.",
            """t.state = 'open' and (t.answer_by is null or t.answer_by > %(now)s or exists (
                   select from chargeback_conflict c where c.chargeback_id = t.id and not starts_with(c.differs, 'reason was ')))""",
            "counterfoil chargebacks show {id}",
            "counterfoil chargebacks list --state open",
            ("See what to answer", "See the chargebacks"),
            "open",
            whose="coalesce(t.customer_id, t.charge_id)",
            amount="t.amount",
            asset="t.asset",
            since="t.opened_at",
            why="t.cause",
            due="t.answer_by",
        ),
    ),
    first=First("It comes when a customer's bank takes a payment back, and the provider says so."),
    sought=(
        FoundBy("charge_id", "of this charge"),
        FoundBy("provider_ref", "of this reference"),
        FoundBy("amount", "of this amount", "amount"),
    ),
)
