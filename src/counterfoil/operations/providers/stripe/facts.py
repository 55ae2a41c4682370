"""What Stripe's objects say, read strictly: an amount that is no whole number, or a field that is not there, is no fact. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from counterfoil.operations.providers import ChargebackFact, ChargeFact, PayoutFact
from counterfoil.operations.providers.stripe.amounts import from_stripe

KEY: Final = "counterfoil_key"  # our names in Stripe's metadata
REFERENCE: Final = "counterfoil_reference"
CHARGE_REFERENCE: Final = "reference"  # the platform's own: which invoice a charge pays

Stripe = Mapping[str, Any]


def transfer_fact(one: Stripe, *, note: str | None = None) -> PayoutFact:
    """A transfer: our money is out as soon as it exists; reversed in full it has come back.

    Reversed in part, its amount ties to nothing of ours and is shown as a conflict. `note` is what else became of it.
    Raises ValueError, KeyError, TypeError.
    """
    amount, asset = from_stripe(one["amount"], one["currency"])
    back, _ = from_stripe(one["amount_reversed"], one["currency"])
    reversed_ = one["reversed"]
    if not isinstance(reversed_, bool):
        raise ValueError("reversed is neither true nor false")
    return PayoutFact(
        provider_ref=str(one["id"]),
        key=key_of(one),
        amount=amount if reversed_ else amount - back,
        fee=_fee(one, asset),
        asset=asset,
        status="returned" if reversed_ else "paid",
        failure="reversed" if reversed_ else note,
        occurred_at=_instant(_when(one) if reversed_ else one["created"]),
    )


def _when(one: Stripe) -> Any:
    """When it was reversed last, where its reversals stand with it."""
    known = [each["created"] for each in (one.get("reversals") or {}).get("data", [])]
    return max(known, default=one["created"])


def key_of(one: Stripe) -> str:
    """The key that we gave a transfer; empty when it is none of ours."""
    return str((one.get("metadata") or {}).get(KEY, ""))


def charge_fact(one: Stripe) -> ChargeFact:
    """A charge with its fee, which only its balance transaction tells; of one that was captured in part, what was taken.

    Raises ValueError, KeyError, TypeError.
    """
    amount, asset = from_stripe(one["amount_captured"], one["currency"])
    return ChargeFact(
        charge_id=str(one["id"]),
        reference=str((one.get("metadata") or {}).get(CHARGE_REFERENCE) or one.get("transfer_group") or one["id"]),
        amount=amount,
        fee=_fee(one, asset),
        asset=asset,
        occurred_at=_instant(one["created"]),
        status=str(one["status"]),
    )


def _fee(one: Stripe, asset: str) -> int:
    """What Stripe kept of it. Raises ValueError when that is not told, or is told in another currency."""
    moved = one["balance_transaction"]
    if not isinstance(moved, Mapping):
        raise ValueError("its balance transaction, and so its fee, is not told")
    fee, of = from_stripe(moved["fee"], moved["currency"])
    if of != asset:
        raise ValueError(f"it was paid in {asset} and moved a balance in {of}: conversions are booked by hand")
    return fee


def _instant(at: Any) -> datetime:
    if not isinstance(at, int) or isinstance(at, bool):
        raise ValueError("no time in seconds")
    return datetime.fromtimestamp(at, UTC)


def chargeback_fact(one: Stripe) -> ChargebackFact | None:
    """A dispute with what it took, which its own balance transactions tell; None while nothing was taken (an inquiry).

    Raises ValueError, KeyError, TypeError.
    """
    moved = one["balance_transactions"]
    if not moved:
        return None
    amount, asset = from_stripe(one["amount"], one["currency"])
    fee = 0
    for each in moved:
        taken, of = from_stripe(each["fee"], each["currency"])
        if of != asset:
            raise ValueError(f"it is of {asset} and moved a balance in {of}: conversions are booked by hand")
        fee += taken
    due_by = (one.get("evidence_details") or {}).get("due_by")
    return ChargebackFact(
        chargeback_id=str(one["id"]),
        charge_id=one["charge"] if isinstance(one["charge"], str) else str(one["charge"]["id"]),
        amount=amount,
        fee=fee,
        asset=asset,
        status="won" if one["status"] == "won" else "lost" if one["status"] == "lost" else "open",
        cause=str(one["reason"]),
        occurred_at=_instant(max(each["created"] for each in moved)),
        answer_by=None if due_by is None else _instant(due_by),
    )
