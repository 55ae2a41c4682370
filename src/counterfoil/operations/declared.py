"""Which events the work itself emits, gathered for `wiring`."""

from __future__ import annotations

from typing import Final

from counterfoil.operations import credentials
from counterfoil.operations.access.administering import second
from counterfoil.operations.events import events
from counterfoil.operations.webhooks import inbound
from counterfoil.operations.webhooks_out import declared as webhooks_out
from counterfoil.operations.work import circuits, pauses

EVENT_KINDS: Final = (
    *inbound.EVENT_KINDS,
    *webhooks_out.EVENT_KINDS,
    *credentials.EVENT_KINDS,
    *second.EVENT_KINDS,
    *events.EVENT_KINDS,
    *pauses.EVENT_KINDS,
    *circuits.EVENT_KINDS,
)
