"""Texts of providers, with the payee's account taken out: "no such account DE89…" would keep in clear what the destination encrypts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from counterfoil.payouts.destinations.tokens import hint

WORDS: Final = ("error", "failure")  # what a provider says freely
PART_MIN: Final = 6  # characters: shorter parts of a destination are words that stand anywhere


def masked(text: str, token: str) -> str:
    """The text with each part of the account shown by its end alone, however it is grouped and whatever its case."""
    for part in sorted({*_parts(token)}, key=len, reverse=True):
        letters = r"[\s-]*".join(re.escape(one) for one in part if not one.isspace())
        text = re.sub(letters, f"…{hint(part)}", text, flags=re.IGNORECASE)
    return text


def masked_answer(told: Mapping[str, Any], token: str) -> dict[str, Any]:
    """A provider's answer as it is stored, its words without the account."""
    return {name: masked(said, token) if name in WORDS and said else said for name, said in told.items()}


def _parts(token: str) -> Sequence[str]:
    """The whole, and what a bank account is written of: number, bank, name."""
    return [part for part in (token, *(each.strip() for each in token.split(";"))) if len("".join(part.split())) >= PART_MIN]
