"""What must always hold of the trees of affiliates."""

from __future__ import annotations

from typing import Final

from counterfoil.base.invariant import Invariant
from counterfoil.settlement.affiliates.verifying import TREE_FAULTS

INVARIANTS: Final = (
    Invariant(
        "AFFILIATE_TREE",
        "Do the affiliates of every program make a tree, no circle, nobody under somebody who is not there, and none too deep?",
        TREE_FAULTS,
        "warning",
        "Commissions go to those who did not earn them.",
        "P12",
    ),
)
