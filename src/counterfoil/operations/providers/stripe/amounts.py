"""Stripe's amounts and ours. Both are whole minor units; where Stripe counts a currency in other units than ISO 4217, it is converted
exactly or refused (docs.stripe.com/currencies, "zero-decimal currencies" and "special cases")."""

from __future__ import annotations

from typing import Any, Final

from counterfoil.base.formats.currencies import scale_of

ZERO_DECIMAL: Final = frozenset(["BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"])
TWO_DECIMALS: Final = frozenset({"ISK", "UGX"})  # none in life, two in the API, for as long as Stripe keeps it so


def stripe_scale(asset: str) -> int | None:
    """How many decimals Stripe counts this currency in; None when it is no currency."""
    if asset in ZERO_DECIMAL:
        return 0
    return 2 if asset in TWO_DECIMALS else scale_of(asset)


def to_stripe(minor: int, asset: str) -> int:
    """Our minor units as Stripe's. Raises ValueError when it is no currency, or Stripe cannot pay that amount exactly."""
    ours, theirs = scale_of(asset), stripe_scale(asset)
    if ours is None or theirs is None:
        raise ValueError(f"{asset} is no currency that Stripe pays")
    if theirs >= ours:
        return int(minor * 10 ** (theirs - ours))
    whole, rest = divmod(minor, 10 ** (ours - theirs))
    if rest:
        raise ValueError(f"Stripe pays {asset} in units of {10 ** (ours - theirs)} minor units only")
    return int(whole)


def from_stripe(amount: Any, currency: Any) -> tuple[int, str]:
    """Stripe's amount (a JSON whole number) as ours, with its asset. Raises ValueError."""
    if not isinstance(amount, int) or isinstance(amount, bool) or not isinstance(currency, str):
        raise ValueError(f"no whole amount of a currency: {amount!r} {currency!r}"[:100])
    asset = currency.upper()
    ours, theirs = scale_of(asset), stripe_scale(asset)
    if ours is None or theirs is None:
        raise ValueError(f"no currency that we know: {asset}"[:100])
    if ours >= theirs:
        return int(amount * 10 ** (ours - theirs)), asset
    whole, rest = divmod(amount, 10 ** (theirs - ours))
    if rest:
        raise ValueError(f"{amount} {asset} is less than our smallest unit")
    return int(whole), asset
