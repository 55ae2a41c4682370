"""What an inclusion file says, and of what one can be: what who makes it and who verifies it must agree on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from counterfoil.proofs.disclosures.concerning import PAYOUTS, source_of

FORMAT: Final = "counterfoil-inclusion-1"
JOURNAL, PAYOUT = "journal", "payout"
KINDS: Final = (JOURNAL, PAYOUT)
NAMES: Final = frozenset({"entries", "format", "id", "kind", "log"})
ENTRY_NAMES: Final = frozenset({"place", "proof", "record"})
BYTES_MAX: Final = 1 << 28
LINES_SAID: Final = 10  # of each journal


_ATTEMPT: Final = re.compile(r"Attempt [1-9][0-9]* at (\S+)")


def is_of(kind: str, subject_id: str, journal: Mapping[str, Any]) -> bool:
    """Does this journal belong to the thing, as far as it says so itself? One of a payout is of the payout or of an attempt at one."""
    if kind == JOURNAL:
        return bool(journal["id"] == subject_id)
    source, source_id = source_of(journal)
    return source in PAYOUTS and (source_id == subject_id if source == PAYOUT else payout_of(journal) in (None, subject_id))


def payout_of(journal: Mapping[str, Any]) -> str | None:
    """At which payout the attempt is whose journal this is, if it says so: the one that reserves for an attempt does, under a key that
    nobody else can give."""
    source, source_id = source_of(journal)
    if source == PAYOUT or journal["key"] != f"PAYOUT_RESERVE:{source_id}":
        return None
    told = _ATTEMPT.fullmatch(journal["narrative"] or "")
    return told[1] if told else None


def attempts_in(journals: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[str]]:
    """The attempts that journals of a payout name: those of which one of the journals says that they are at a payout, and those of which
    none does."""
    named = {source_id for source, source_id in map(source_of, journals) if source != PAYOUT}
    said = {source_of(one)[1] for one in journals if payout_of(one) is not None}
    return sorted(said), sorted(named - said)
