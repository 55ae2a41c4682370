"""What is declared for invoices, from the asking to the end of one that is not paid as it was asked: `wiring` connects it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from counterfoil.operations.events.events import Event
from counterfoil.payouts.customers import statement
from counterfoil.payouts.disputes.waking import wake_what_waited
from counterfoil.payouts.invoices import crediting, expiring
from counterfoil.payouts.invoices.noun import INTENT_NOUN, INVOICE_NOUN
from counterfoil.settlement.intents import intents
from counterfoil.settlement.invoices import invoices, overdue, writing_off
from counterfoil.settlement.payments import overpayments, unidentified
from counterfoil.settlement.payments.unidentified_noun import UNIDENTIFIED_NOUN

MACHINES: Final = (invoices.INVOICE, intents.INTENT, overpayments.OVERPAYMENT, unidentified.UNIDENTIFIED_PAYMENT)
NOUNS: Final = (INVOICE_NOUN, INTENT_NOUN, overpayments.OVERPAYMENT_NOUN, UNIDENTIFIED_NOUN)
JOBS: Final = (*overdue.JOBS, *expiring.JOBS)
PAIRED: Final = writing_off.PAIRED
INVARIANTS: Final = (*statement.INVARIANTS, *unidentified.INVARIANTS)
EVENT_KINDS: Final = (
    *invoices.EVENT_KINDS,
    *overdue.EVENT_KINDS,
    *writing_off.EVENT_KINDS,
    *crediting.EVENT_KINDS,
    *overpayments.EVENT_KINDS,
    *unidentified.EVENT_KINDS,
)


def follow_lost_chargebacks(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
    """What the bank took for good is not owed back any more; what waited for its word goes on."""
    overpayments.end_charged_back(conn, [event.subject_id for event in events], now=now)
    wake_what_waited(conn, events, now)
