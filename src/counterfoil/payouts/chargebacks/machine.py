"""The states of a chargeback, and what is told of it. Only the provider's word moves it."""

from __future__ import annotations

from typing import Final

from counterfoil.base.machine import Machine
from counterfoil.operations.events.events import EventKind, declare

CHARGEBACK: Final = Machine(
    name="chargeback",
    table="chargeback",
    initial=("open",),
    transitions={("open", "win"): "won", ("open", "lose"): "lost"},
)
EVENT_KINDS: Final = declare(
    EventKind("chargeback_opened", "warning", "A customer's bank took a payment back."),
    EventKind("chargeback_won", "info", "The provider gave a charged back payment back to us."),
    EventKind("chargeback_lost", "warning", "A charged back payment stays with the customer."),
    EventKind("chargeback_beyond", "critical", "A payment was charged back that had gone back to its customer before: it went back twice."),
    EventKind("chargeback_escrow_found", "critical", "A chargeback of before took other customers' money; it is booked rightly now."),
    EventKind(
        "chargeback_conflict",
        "critical",
        "A provider says something else of a chargeback; unless only the reason differs, nothing was booked.",
    ),
)
