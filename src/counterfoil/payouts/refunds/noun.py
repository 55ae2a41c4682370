"""Refunds as a noun: routes, commands and forms follow from it. Opening one has a route of its own, since there is no thing yet."""

from __future__ import annotations

from typing import Final

from counterfoil.operations.access.access import OPERATE
from counterfoil.operations.verbs import Noun, Verb
from counterfoil.payouts.refunds.refunds import REFUND, Refund, execute_refund, list_refunds, show_refund
from counterfoil.settlement.payments.paying_back import noting, paid_by

VERBS: Final = (
    Verb(
        "execute",
        OPERATE,
        "Record as paid",
        "The customer has the money, or what of it the customer's bank had not paid by a chargeback: note through whom, and under which "
        "reference. Each reference pays one refund.",
        do=noting(execute_refund),
        done="{id} is paid to its customer.",
        reason=False,
        takes=paid_by("simulator"),
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
