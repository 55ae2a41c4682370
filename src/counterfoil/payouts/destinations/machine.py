"""The states of a destination: it is paid at, or nobody is while a person looks at it, or it was replaced."""

from __future__ import annotations

from typing import Final

from counterfoil.base.machine import Machine
from counterfoil.operations.events.events import declare

# Why a payout waits, as it is told and written down; whoever asks for those that wait for a destination looks for the second one.
QUARANTINED: Final = "its payee's destination is quarantined"
NO_DESTINATION: Final = "its payee has no active destination"
DESTINATION: Final = Machine(
    name="destination",
    table="destination",
    initial=("active",),
    transitions={
        ("active", "replace"): "ended",
        ("active", "quarantine"): "quarantined",
        ("quarantined", "release"): "active",
        ("quarantined", "clear"): "ended",
    },
    reasoned=frozenset({"quarantine"}),
    paired=frozenset({"release", "clear"}),
)
EVENT_KINDS: Final = declare(
    info={
        "destination_released": "Two people ended the quarantine of a destination; payouts that waited for it are due.",
        "destination_cleared": "Two people ended the quarantine of a replaced destination: its account may be set again.",
    },
    warning={"destination_quarantined": "A person stopped paying at a destination: nothing is sent there while that lasts."},
)
