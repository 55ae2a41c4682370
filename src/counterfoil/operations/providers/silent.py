"""What a provider answers that tells of nothing by itself: no webhooks, no events, no payments of customers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from counterfoil.base.problems import NotFound
from counterfoil.operations.providers import ChargeFact, NotThere, PayoutFact, PulledEvent, Tells, Unclear


class SilentProvider:
    """The part of a provider that it does not have. What becomes of an order is asked, or read from files."""

    name: str
    tells: Mapping[str, Tells] = {}
    takes_no_charges: str  # why it knows of no payments of customers

    def find_charge(self, charge_id: str) -> ChargeFact | NotThere | Unclear:  # noqa: ARG002
        """It tells of no charges."""
        return Unclear(self.takes_no_charges)

    def events(self, after: str | None) -> list[PulledEvent] | Unclear:  # noqa: ARG002
        """It has none."""
        return []

    def verify(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> tuple[str, str]:  # noqa: ARG002
        """It sends no webhooks: whoever does is somebody else."""
        raise NotFound(what="webhook", id=self.name)

    def charge_of(self, body: bytes) -> ChargeFact:  # noqa: ARG002
        """It sends no webhooks."""
        raise NotFound(what="charge", id=self.name)

    def payout_of(self, body: bytes) -> PayoutFact | None:  # noqa: ARG002
        """It sends no webhooks."""
        return None
