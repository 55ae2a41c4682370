"""What must always hold of what providers told us."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant

INVARIANTS: Final = (
    Invariant(
        "PROVIDER_CURSOR_TIE",
        "Is every provider's list of events read up to an event that we have?",
        """select c.provider, c.last_event_id from provider_cursor c
           where not exists (select from webhook_in w where w.provider = c.provider and w.event_id = c.last_event_id)""",
        "critical",
        "Events were passed over: what they told will never be known.",
    ),
)
