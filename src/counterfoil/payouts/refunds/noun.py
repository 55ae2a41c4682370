"""Refunds as a noun: routes, commands and forms follow from it. Opening one has a route of its own, since there is no thing yet."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.formats.amounts import told_amount
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.noun_pages import First, SortKey, WaitingForPerson, between_amounts, between_moments, of_party
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Begin, Field, Noun, Verb, VerbCall, VerbResult
from counterfoil.payouts.disputes.standing import contests_of
from counterfoil.payouts.refunds.refunds import (
    REFUND,
    Refund,
    book_refund,
    execute_refund,
    list_refunds,
    lock_invoice,
    refunds_by_id,
    show_refund,
)
from counterfoil.settlement.payments.paying_back import noting, paid_by


def _refusals(conn: Connection[Any], refund_id: str, _: datetime) -> Mapping[str, str | None]:
    one = show_refund(conn, refund_id)
    open_ones = contests_of(conn, one.invoice_id)
    waits = open_ones[0].why if open_ones else None
    if waits and all(each.kind == "dispute" for each in open_ones):
        waits += "; only what was paid before it was opened is recorded, with paid_at"
    return {"execute": waits if one.state in REFUND.before("execute") else f"it is {one.state.replace('_', ' ')}"}


def _open(one: VerbCall) -> VerbResult:
    taken, invoice = one.taken, lock_invoice(one.conn, one.taken["invoice_id"])
    if invoice.asset != taken["asset"]:
        raise InvalidInput("asset", f"{invoice.asset}, as the invoice", got=taken["asset"])
    how: dict[str, Any] = {"cause": taken["cause"], "make_id": one.make_id, "actor": one.actor, "now": one.now}
    made = book_refund(one.conn, one.make_id("ref"), invoice, taken["amount"], **how)
    amount = told_amount(one.conn, made.amount, made.asset)
    return VerbResult(
        "owed", made.id, f"{amount} of {made.invoice_id} are owed to {made.customer_id}. It is paid, and then recorded as paid."
    )


VERBS: Final = (
    Verb(
        "execute",
        OPERATE,
        "Record as paid",
        "The customer has the money, or what of it the customer's bank had not paid by a chargeback: note through whom, and under which "
        "reference. Each reference pays one refund. While a dispute or a chargeback is open on its invoice it waits; what was paid before "
        "the dispute was opened is recorded with its moment.",
        do=noting(execute_refund),
        done="{id} is paid to its customer.",
        reason=False,
        takes=(
            *paid_by("simulator"),
            Field("paid_at", "When it was paid, if not now.", "moment", required=False, example="2026-11-26T15:00:00Z"),
        ),
    ),
)
REFUND_NOUN: Final = Noun(
    "refund",
    "refunds",
    "ref",
    REFUND,
    VERBS,
    show_refund,
    _refusals,
    row=Refund,
    rows=list_refunds,
    by_id=refunds_by_id,
    sorts=(
        SortKey("created_at", datetime),
        SortKey("amount", int, money=True),
    ),
    narrows=(*of_party("payee", "customer", "invoice"), *between_moments("created_at", "owed"), *between_amounts("amount")),
    help="What goes back to customers, and from where it was taken.",
    begin=Begin(
        "refund.open",
        OPERATE,
        "Owe a customer a refund",
        "Before the settlement it comes from escrow; after it, from fees, from what is not paid out yet, from holdback; the payee owes the "
        "rest. Money that may be on its way is left alone.",
        do=_open,
        because="cause",
        takes=(
            Field("invoice_id", "Of which invoice.", "id", prefix="inv", example="inv_01KA0000000000000000000000"),
            Field("asset", "In the asset of the invoice."),
            Field("amount", "How much goes back.", "amount", example="12.50"),
            Field("cause", "Why it goes back.", "prose", example="it came late"),
        ),
    ),
    waits=(
        WaitingForPerson(
            "refund",
            "Refunds to be paid",
            "It is booked as owed to the customer. Pay it, and note on its page through whom and under which reference.",
            """t.state = 'owed'
               and not exists (select from dispute d where d.invoice_id = t.invoice_id and d.ended_at is null)
               and not exists (select from chargeback c where c.invoice_id = t.invoice_id and c.state = 'open')""",
            'counterfoil refunds execute {id} --provider … --reference "…"',
            "counterfoil refunds list --state owed",
            ("Record as paid", "See the refunds"),
            "owed",
            whose="t.customer_id",
            amount="t.amount",
            asset="t.asset",
            why="'owed and not paid'",
        ),
    ),
    first=First("It comes when a customer gets money back."),
    sought=(FoundBy("amount", "of this amount", "amount"),),
)
