"""The states of a chargeback, and what is told of it. Only the provider's word moves it."""

from __future__ import annotations

from typing import Final

from counterfoil.base.machine import Machine
from counterfoil.operations.events.events import declare

CHARGEBACK: Final = Machine(
    name="chargeback",
    table="chargeback",
    initial=("open",),
    transitions={("open", "win"): "won", ("open", "lose"): "lost"},
)
EVENT_KINDS: Final = declare(
    info={"chargeback_won": "The provider gave a charged back payment back to us."},
    warning={
        "chargeback_opened": "A customer's bank took a payment back.",
        "chargeback_lost": "A charged back payment stays with the customer.",
    },
    critical={
        "chargeback_beyond": "A payment was charged back that had gone back to its customer before: it went back twice.",
        "chargeback_escrow_found": "A chargeback of before took other customers' money; it is booked rightly now.",
        "chargeback_conflict": "A provider says something else of a chargeback; unless only the reason differs, nothing was booked.",
    },
)
