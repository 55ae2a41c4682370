"""What an inclusion file says, and of what one can be: what who makes it and who verifies it must agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from counterfoil.proofs.disclosures.concerning import PAYOUTS, source_of

FORMAT: Final = "counterfoil-inclusion-1"
JOURNAL, PAYOUT = "journal", "payout"
KINDS: Final = (JOURNAL, PAYOUT)
NAMES: Final = frozenset({"entries", "format", "id", "kind", "log"})
ENTRY_NAMES: Final = frozenset({"place", "proof", "record"})
BYTES_MAX: Final = 1 << 28
LINES_SAID: Final = 10  # of each journal


def is_of(kind: str, subject_id: str, journal: Mapping[str, Any]) -> bool:
    """Does this journal belong to the thing, as far as it says so itself? One of a payout is of the payout or of an attempt at one."""
    if kind == JOURNAL:
        return bool(journal["id"] == subject_id)
    source, source_id = source_of(journal)
    return source in PAYOUTS and (source != PAYOUT or source_id == subject_id)


def attempts_in(journals: list[Mapping[str, Any]]) -> list[str]:
    """The attempts that journals of a payout name; that these are attempts at it, none of them says."""
    return sorted({source_id for source, source_id in map(source_of, journals) if source != PAYOUT})
