"""What webhooks out declare, gathered for `wiring`."""

from __future__ import annotations

from typing import Final

from counterfoil.operations.webhooks_out import acts, noun, sending
from counterfoil.operations.webhooks_out.model import CONFIDENTIAL, DELIVERY, ENDPOINT, EVENT_KINDS
from counterfoil.operations.webhooks_out.noun import DELIVERY_NOUN, ENDPOINT_NOUN

__all__ = ("CONFIDENTIAL", "EVENT_KINDS", "JOBS", "MACHINES", "NOUNS", "PAIRED")
MACHINES: Final = (ENDPOINT, DELIVERY)
NOUNS: Final = (ENDPOINT_NOUN, DELIVERY_NOUN)
JOBS: Final = sending.JOBS
PAIRED: Final = (*noun.PAIRED, *acts.PAIRED)
