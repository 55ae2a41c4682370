"""Unidentified payments as a noun: routes, commands and forms follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.noun_pages import (
    Elsewhere,
    First,
    Narrow,
    SortKey,
    WaitingForPerson,
    between_amounts,
    between_moments,
    of_party,
)
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Noun, Part, Verb
from counterfoil.settlement.payments.paying_back import noting, open_chargeback, paid_by
from counterfoil.settlement.payments.unidentified import (
    UNIDENTIFIED_PAYMENT,
    UNIDENTIFIED_PAYMENTS,
    UnidentifiedPayment,
    list_unidentified,
    repay_unidentified,
    show_unidentified,
)


class PaymentUse(NamedTuple):
    """What was done with a part of an unidentified payment, or what a bank took of it; minor units. `id`: of the escrow, of the entry that
    paid a debt, of the chargeback. `reference`: under which it went back, or the provider's of a chargeback."""

    what: str
    id: str
    asset: str
    amount: int
    reference: str | None
    at: datetime


def _uses(conn: Connection[Any], unidentified_id: str, *, rows_max: int) -> list[PaymentUse]:
    with conn.cursor(row_factory=class_row(PaymentUse)) as cur:
        return cur.execute(
            """select x.what, x.id, u.asset, x.amount, x.reference, x.at from unidentified_payment u
               cross join lateral (
                   select 'funded an escrow' as what, m.escrow_id as id, m.amount, null as reference, m.at
                   from escrow_movement m where m.payment_id = u.payment_id
                   union all
                   select 'paid a debt', d.id, d.amount, null, d.at from customer_debt_entry d where d.payment_id = u.payment_id
                   union all
                   select 'went back through ' || r.provider, u.id, r.amount, r.reference, r.at
                   from unidentified_repayment r where r.unidentified_payment_id = u.id
                   union all
                   select 'chargeback, ' || c.state, c.id, c.amount, c.provider_ref, c.opened_at
                   from chargeback c where c.payment_id = u.payment_id) x
               where u.id = %s order by x.at, x.what, x.id limit %s""",
            [unidentified_id, rows_max],
        ).fetchall()


def _refusals(conn: Connection[Any], unidentified_id: str, now: datetime) -> Mapping[str, str | None]:  # noqa: ARG001
    one = show_unidentified(conn, unidentified_id)
    chargeback = open_chargeback(conn, one.payment_id)
    waits = f"chargeback {chargeback} is open on it" if chargeback else None
    return {"repay": f"it is {one.state.replace('_', ' ')}: nothing of it is left" if one.state != "open" else waits}


VERBS: Final = (
    Verb(
        "repay",
        OPERATE,
        "Record as paid back",
        "Who sent it has back all that is left of it: note through whom, and under which reference. Each reference pays one thing.",
        do=noting(repay_unidentified),
        done="What was left of {id} went back.",
        reason=False,
        takes=paid_by("simulator"),
    ),
)
UNIDENTIFIED_NOUN: Final = Noun(
    "unidentified_payment",
    "unidentified-payments",
    "unp",
    UNIDENTIFIED_PAYMENT,
    VERBS,
    show_unidentified,
    _refusals,
    row=UnidentifiedPayment,
    rows=list_unidentified,
    by_id=UNIDENTIFIED_PAYMENTS.by_id,
    parts=(Part("uses", PaymentUse, _uses),),
    sorts=(SortKey("created_at", datetime), SortKey("amount", int, money=True)),
    narrows=(
        Narrow("provider", "t.provider = %(provider)s", "Only those that this provider told of."),
        *of_party("customer"),
        *between_moments("created_at", "told"),
        *between_amounts("amount"),
    ),
    help="Money that belongs to no open invoice and lies in suspense: of whom, why, and what is left of it.",
    columns=("id", "provider", "charge_id", "reference", "asset", "amount", "remaining", "cause", "state"),
    elsewhere=(
        Elsewhere(
            "Let an escrow have it, as far as the escrow lacks money.",
            "counterfoil escrow fund ESCROW --provider PROVIDER --reference CHARGE",
            "open",
            "/admin/escrows",
        ),
        Elsewhere(
            "Let it pay what a customer owes.",
            "counterfoil debts pay CUSTOMER ASSET AMOUNT --provider PROVIDER --reference CHARGE --reason WHY",
            "open",
            "/admin/customers",
        ),
    ),
    waits=(
        WaitingForPerson(
            "unidentified_payment",
            "Money that nobody has identified",
            "It lies in suspense and belongs to no open invoice: let an escrow or a debt have it, or give it back.",
            "t.state = 'open' and payment_unused(t.payment_id) > 0",
            "counterfoil unidentified-payments show {id}",
            "counterfoil unidentified-payments list --state open",
            ("See what came", "See the payments"),
            "open",
            whose="coalesce(t.customer_id, t.reference)",
            amount="payment_unused(t.payment_id)",
            asset="t.asset",
            since="t.created_at",
            why="t.cause",
        ),
    ),
    first=First("It comes when a payment names no open invoice, or is in another asset than its invoice."),
    sought=(
        FoundBy("charge_id", "of this charge"),
        FoundBy("reference", "of this reference"),
        FoundBy("amount", "of this amount", "amount"),
    ),
)
