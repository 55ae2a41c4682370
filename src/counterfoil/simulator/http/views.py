"""What the provider shows of its objects: plain data, amounts as strings, times in ISO 8601. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from counterfoil.simulator.rules import facts as f
from counterfoil.simulator.rules.state import FaultRule, SimulatedCharge, SimulatedChargeback, SimulatedPayout, State

ACCOUNT: Final = "acct_main"  # the client's account that charges are paid into: it has but one
ANSWER_WITHIN_US: Final = 7 * 86_400 * 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class SimulatorReply(NamedTuple):
    """What to say to a request. With `hang_ms` nothing is said: the connection is held that long and dropped."""

    status: int
    body: dict[str, Any]
    headers: tuple[tuple[str, str], ...] = ()
    hang_ms: int | None = None


def moment(at_us: int) -> datetime:
    """A journal's time as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=at_us)


def iso(at_us: int) -> str:
    """A journal's time as text: `2026-01-05T09:30:00.000001Z`."""
    return moment(at_us).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def error(status: int, code: str, message: str, **facts: str | int) -> SimulatorReply:
    """An error as this provider words it; `code` is stable, the message is not."""
    told = {name: fact for name, fact in facts.items() if fact != ""}
    return SimulatorReply(status, {"error": {"code": code, "message": message, **told}})


def payout_view(payout: SimulatedPayout, *, status: str, code: str, updated_us: int) -> dict[str, Any]:
    """A payout as it stood. `amount` is what was asked, `amount_paid` what really went out, once it did."""
    return {
        "id": payout.id,
        "object": "payout",
        "idempotency_key": payout.key,
        "reference": payout.reference,
        "destination": payout.destination,
        "amount": str(payout.asked),
        "amount_paid": str(payout.moved) if status in ("paid", "returned") else None,
        "asset": payout.asset,
        "fee": str(payout.fee),
        "status": status,
        "failure_code": code or None,
        "created_at": iso(payout.created_us),
        "updated_at": iso(updated_us),
    }


def payout_now(payout: SimulatedPayout) -> dict[str, Any]:
    """A payout as it stands."""
    return payout_view(payout, status=payout.status, code=payout.code, updated_us=payout.updated_us)


def payout_at_birth(payout: SimulatedPayout) -> dict[str, Any]:
    """A payout as it was answered first: what a repeated idempotency key gets, whatever came after."""
    return payout_view(payout, status="pending", code="", updated_us=payout.created_us)


def charge_view(charge: SimulatedCharge) -> dict[str, Any]:
    """A customer's payment."""
    return {
        "id": charge.id,
        "object": "charge",
        "idempotency_key": charge.key,
        "reference": charge.reference,
        "account": ACCOUNT,
        "amount": str(charge.amount),
        "asset": charge.asset,
        "fee": str(charge.fee),
        "net": str(charge.amount - charge.fee),
        "status": "succeeded" if charge.captured else "reserved",
        "created_at": iso(charge.created_us),
    }


def chargeback_view(one: SimulatedChargeback) -> dict[str, Any]:
    """What a customer's bank took back."""
    return {
        "id": one.id,
        "object": "chargeback",
        "charge": one.charge,
        "reference": one.reference,
        "amount": str(one.amount),
        "asset": one.asset,
        "fee": str(one.fee),
        "reason": one.reason,
        "status": one.status,
        "answer_by": iso(one.created_us + ANSWER_WITHIN_US),
        "created_at": iso(one.created_us),
        "updated_at": iso(one.updated_us),
    }


def rule_view(rule: FaultRule) -> dict[str, Any]:
    """A fault rule, and every hit with what was done: the planted truth."""
    planted = rule.planted
    return {
        "id": planted.id,
        "fault": planted.fault,
        "on": planted.on,
        "match": planted.match,
        "count": planted.count,
        "probability_ppm": planted.probability_ppm,
        "params": planted.params,
        "remaining": rule.remaining(),
        "cleared": rule.cleared,
        "fired": len(rule.fired),
        "hits": [{"subject": hit.subject, "on": hit.on, **hit.told} for hit in rule.fired],
    }


def event_view(event: f.EventEmitted) -> dict[str, Any]:
    """An event, as its webhook's body."""
    return event.body


def line_id(state: State, number: int) -> str:
    """The id of a statement line."""
    return f"txn_{state.instance}_{number:010d}"


def balances_view(state: State) -> dict[str, Any]:
    """What the client's account holds, per asset."""
    held = [{"asset": asset, "amount": str(minor)} for asset, minor in sorted(state.balances.items())]
    return {"object": "balances", "data": held}
