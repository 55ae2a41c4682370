"""What takes two administrators: whatever gives somebody power here."""

from __future__ import annotations

from typing import Final

from counterfoil.operations.access.access import ADMINISTER
from counterfoil.operations.approvals import Paired

PAIRED: Final = (
    Paired("api_key", "create", approved_by=ADMINISTER, label="Make an API key"),
    Paired("principal", "grant", approved_by=ADMINISTER, label="Grant a role"),
    Paired("principal", "link", approved_by=ADMINISTER, label="Link a login of the provider to a person"),
    Paired("principal", "reset", approved_by=ADMINISTER, label="Reset a password"),
)
