"""Refunds as a noun: routes, commands and forms follow from it. Opening one has a route of its own, since there is no thing yet."""

from __future__ import annotations

from typing import Final

from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.verbs import Field, Noun, Verb, VerbCall, VerbResult
from counterfoil.payouts.refunds.refunds import REFUND, Refund, execute_refund, list_refunds, show_refund


def _execute(one: VerbCall) -> VerbResult:
    return VerbResult(
        execute_refund(
            one.conn,
            one.subject_id,
            provider=one.taken["provider"],
            reference=one.taken["reference"],
            known=set(one.providers),
            actor=one.actor,
            now=one.now,
        )
    )


VERBS: Final = (
    Verb(
        "execute",
        OPERATE,
        "Record as paid",
        "The customer has the money, or what of it the customer's bank had not paid by a chargeback: note through whom, and under which "
        "reference. Each reference pays one refund.",
        do=_execute,
        done="{id} is paid to its customer.",
        reason=False,
        takes=(
            Field("provider", "The provider that paid it, or bank for a transfer from the client money account.", example="simulator"),
            Field("reference", "The provider's or the bank's own reference of the payment.", example="re_1042"),
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
    row=Refund,
    rows=list_refunds,
    help="What goes back to customers, and from where it was taken.",
)
