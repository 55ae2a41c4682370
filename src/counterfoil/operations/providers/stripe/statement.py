"""Stripe's balance transactions as a statement. The balance is told for this moment only, so the days are counted back from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from counterfoil.operations.providers.statement_file import MovementType, StatementMovement, statement_csv
from counterfoil.operations.providers.stripe.amounts import from_stripe
from counterfoil.operations.providers.stripe.facts import CHARGE_REFERENCE, REFERENCE

TRIES: Final = 3
TYPES: Final[Mapping[str, MovementType]] = {
    "charge": "charge",
    "payment": "charge",
    "refund": "refund",
    "payment_refund": "refund",
    "transfer": "payout",
    "transfer_refund": "payout_return",
    "transfer_cancel": "payout_return",
    "transfer_failure": "payout_failure",
    "stripe_fee": "fee",
}

DISPUTED: Final[Mapping[str, MovementType]] = {"dispute": "chargeback", "dispute_reversal": "chargeback_won"}

ReadBalance = Callable[[], Mapping[str, Any]]
ReadMovements = Callable[[datetime], list[Mapping[str, Any]]]


class BalanceMoved(Exception):
    """The balance moved while it was counted back; ask again."""


def statement_of(first: date, last: date, balance: ReadBalance, since: ReadMovements) -> bytes:
    """The statement of these days. `since` gives every movement from a moment on, newest first, with its source.

    Raises BalanceMoved, ValueError, and what the two raise.
    """
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    held, rows = _at_rest(balance, since, start)
    closing, opening = Counter(held), Counter(held)
    movements = []
    for row in rows:
        net, asset = from_stripe(row["net"], row["currency"])
        opening[asset] -= net
        if row["created"] >= end.timestamp():
            closing[asset] -= net
        else:
            movements.append(_movement(row))
    assets = {*held, *opening}
    return statement_csv(
        reversed(movements),
        {one: opening[one] for one in assets},
        {one: closing[one] for one in assets},
        first=first,
        last=last,
    )


def _at_rest(balance: ReadBalance, since: ReadMovements, start: datetime) -> tuple[dict[str, int], list[Mapping[str, Any]]]:
    """The balance and the movements up to it: read between two balances that are the same."""
    before = _held(balance())
    for _ in range(TRIES):
        rows = since(start)
        after = _held(balance())
        if before == after:
            return after, rows
        before = after
    raise BalanceMoved("the balance at Stripe moved while its movements were read")


def _held(told: Mapping[str, Any]) -> dict[str, int]:
    """What the account holds, available or pending, by asset."""
    held: Counter[str] = Counter()
    for part in ("available", "pending"):
        for one in told[part]:
            minor, asset = from_stripe(one["amount"], one["currency"])
            held[asset] += minor
    return dict(held)


def _movement(row: Mapping[str, Any]) -> StatementMovement:
    gross, asset = from_stripe(row["amount"], row["currency"])
    fee, _ = from_stripe(row["fee"], row["currency"])
    source = row.get("source")
    kept = source.get("metadata") or {} if isinstance(source, Mapping) else {}
    kind = DISPUTED.get(row.get("reporting_category", ""), TYPES.get(row["type"], "other"))
    back = isinstance(source, Mapping) and bool(source.get("reversed"))
    return StatementMovement(
        id=str(row["id"]),
        type=kind,
        reference=str(kept.get(REFERENCE) or kept.get(CHARGE_REFERENCE) or row.get("description") or ""),
        gross=gross,
        fee=fee,
        asset=asset,
        at=datetime.fromtimestamp(row["created"], UTC),
        available_on=datetime.fromtimestamp(row["available_on"], UTC).date(),
        status=_status(kind, back),
        source=_source(source) or str(row["id"]),
    )


def _source(source: Any) -> str:
    """What moved it; a reversal is a movement of its transfer."""
    if isinstance(source, Mapping):
        return str(source["transfer"] if source.get("object") == "transfer_reversal" else source["id"])
    return str(source or "")


def _status(kind: MovementType, back: bool) -> str:
    if kind == "payout":
        return "returned" if back else "paid"
    return {"payout_return": "returned", "payout_failure": "failed"}.get(kind, "succeeded")
