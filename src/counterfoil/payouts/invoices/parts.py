"""What is declared for invoices that are not paid as they were asked, together: `wiring` connects it."""

from __future__ import annotations

from typing import Final

from counterfoil.payouts.invoices import crediting, expiring
from counterfoil.settlement.invoices import overdue, writing_off
from counterfoil.settlement.payments import overpayments
from counterfoil.settlement.payments.overpayments import OVERPAYMENT, OVERPAYMENT_NOUN, end_charged_back

__all__ = ["EVENT_KINDS", "JOBS", "OVERPAYMENT", "OVERPAYMENT_NOUN", "PAIRED", "end_charged_back"]
EVENT_KINDS: Final = (*overdue.EVENT_KINDS, *writing_off.EVENT_KINDS, *crediting.EVENT_KINDS, *overpayments.EVENT_KINDS)
JOBS: Final = (*overdue.JOBS, *expiring.JOBS)
PAIRED: Final = writing_off.PAIRED
