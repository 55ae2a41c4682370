"""Commissions as a noun: their list, their page and their commands follow from it. They have no verbs: refunds and time move them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from counterfoil.operations.noun_pages import First, Narrow, SortKey, between_amounts, between_moments
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Noun, Part
from counterfoil.settlement.commissions.model import (
    COMMISSION,
    COMMISSIONS,
    Commission,
    CommissionReversal,
    list_commissions,
    reversals_of,
    show_commission,
)

COMMISSION_NOUN: Final = Noun(
    "commission",
    "commissions",
    "com",
    COMMISSION,
    (),
    show_commission,
    row=Commission,
    rows=list_commissions,
    by_id=COMMISSIONS.by_id,
    sorts=(
        SortKey("created_at", datetime),
        SortKey("matures_at", datetime),
        SortKey("amount", int, money=True),
    ),
    narrows=(
        Narrow("affiliate_id", "t.affiliate_id = %(affiliate_id)s", "Only of this affiliate."),
        Narrow("sale_id", "t.sale_id = %(sale_id)s", "Only of this sale."),
        *between_moments("created_at", "earned"),
        *between_amounts("amount"),
    ),
    help="What affiliates earn of the sales that they referred.",
    parts=(Part("reversals", CommissionReversal, reversals_of),),
    columns=("id", "affiliate_id", "sale_id", "level", "asset", "amount", "remaining", "state", "matures_at"),
    first=First("It comes with the settlement of a sale that an affiliate referred.", "counterfoil affiliates set NAME --reason …"),
    sought=(FoundBy("amount", "of this amount", "amount", recent=True),),
)
