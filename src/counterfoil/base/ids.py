"""Identifiers: prefixed, time-ordered, safe in a URL. `po_01KA…` says what it names and sorts by when it was made."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from counterfoil.base.problems import InvalidInput, check

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U
ENTROPY_BYTES: Final = 10
MakeId = Callable[[str], str]  # a new id for a prefix; an argument wherever something is made
_PAIRS: Final = [first + second for first in ALPHABET for second in ALPHABET]  # two digits at a time
_PLACES: Final = range(120, -1, -10)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_ID: Final = re.compile(r"[a-z]{2,5}_[0-9A-HJKMNP-TV-Z]{26}", re.ASCII)


def new_id(prefix: str, *, now: datetime, entropy: bytes) -> str:
    """A ULID behind its prefix: 48 bits of milliseconds, 80 of `entropy` (10 bytes)."""
    check(len(entropy) == ENTROPY_BYTES, "an id carries 80 random bits", length=len(entropy))
    number = (now - _EPOCH) // _MILLISECOND << 80 | int.from_bytes(entropy)
    return f"{prefix}_{''.join([_PAIRS[number >> place & 1023] for place in _PLACES])}"


def valid_id(given: str, prefix: str, field: str) -> str:
    """`given`, if it is an id of that prefix. Raises InvalidInput: ids of different things are never swapped (traps, 1)."""
    if not _ID.fullmatch(given) or not given.startswith(prefix + "_"):
        raise InvalidInput(field, f"an id such as {prefix}_01KA0000000000000000000000", got=given[:40])
    return given
