"""What an error of the SDK means for our money. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import stripe

from counterfoil.operations.providers import Later, Refused, Unclear

TEXT_MAX: Final = 300


def meaning_of(error: stripe.StripeError, headers: Mapping[str, str]) -> Later | Refused | Unclear:
    """A refusal by Stripe's rules did nothing. A key in use or used for something else, and any failure of theirs, leaves doubt."""
    said = told(error)
    status = error.http_status or 0
    if isinstance(error, stripe.RateLimitError) or status == 429:  # also from what stands before Stripe, in no words of its own
        return Later(said, _wait(headers), down=False)
    if isinstance(error, (stripe.AuthenticationError, stripe.PermissionError)):
        return Later(said, down=True)  # our key is wrong: nothing was done, and it can be mended
    if isinstance(error, stripe.IdempotencyError) or status == 409:
        return Unclear(said)
    if isinstance(error, (stripe.InvalidRequestError, stripe.CardError)) and 400 <= status < 500:
        return Refused(said)
    return Unclear(said)


def is_missing(error: stripe.StripeError) -> bool:
    """Does Stripe say that there is no such object?"""
    return error.http_status == 404 and error.code == "resource_missing"


def told(error: stripe.StripeError) -> str:
    """What it says, short, without anything secret."""
    words = (str(error.http_status or ""), str(error.code or type(error).__name__), str(error.user_message or ""))
    return " ".join(filter(None, words))[:TEXT_MAX]


def _wait(headers: Mapping[str, str]) -> int:
    wait = headers.get("retry-after", "")
    return int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 6 else 0
