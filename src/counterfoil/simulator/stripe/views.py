"""The simulator's money as Stripe shows it: a payout is a transfer to a connected account, one that came back is reversed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from counterfoil.simulator.http.views import ANSWER_WITHIN_US, line_id
from counterfoil.simulator.rules import facts as f
from counterfoil.simulator.rules.state import SimulatedCharge, SimulatedChargeback, SimulatedPayout, SimulatorLine, State

VERSION: Final = "2026-10-28.endive"
LINE_TYPES: Final = {
    "charge": "charge",
    "payout": "transfer",
    "payout_failure": "transfer_refund",
    "payout_return": "transfer_refund",
    "fee": "stripe_fee",
    "chargeback": "adjustment",
    "chargeback_won": "adjustment",
}
CATEGORIES: Final = {"chargeback": "dispute", "chargeback_won": "dispute_reversal"}
DISPUTE_EVENTS: Final = {"open": "charge.dispute.created", "won": "charge.dispute.closed", "lost": "charge.dispute.closed"}
EVENT_TYPES: Final = {
    "payout.paid": "transfer.created",
    "payout.failed": "transfer.reversed",
    "payout.returned": "transfer.reversed",
}


def transfer_id(payout_id: str) -> str:
    """Stripe's name of a payout of ours."""
    return "tr_" + payout_id.removeprefix("pout_")


def reversal_id(payout_id: str) -> str:
    """Stripe's name of what brought it back."""
    return "trr_" + payout_id.removeprefix("pout_")


def payout_id(transfer: str) -> str:
    """The reverse of `transfer_id`."""
    return "pout_" + transfer.removeprefix("tr_")


def transfer_view(state: State, one: SimulatedPayout, *, back: bool | None = None, expanded: bool = False) -> dict[str, Any]:
    """A transfer as it stands, or as it stood when `back` says whether it was reversed then."""
    reversed_ = one.status in ("failed", "returned") if back is None else back
    line = next(each for each in reversed(state.lines) if each.source == one.id and each.type == "payout")
    return {
        "id": transfer_id(one.id),
        "object": "transfer",
        "amount": one.moved,
        "amount_reversed": one.moved if reversed_ else 0,
        "balance_transaction": line_view(state, line) if expanded else line_id(state, line.number),
        "created": seconds(one.created_us),
        "currency": one.asset.lower(),
        "description": one.reference,
        "destination": "acct_" + one.destination,
        "livemode": False,
        "metadata": one.told.get("metadata", {}),
        "reversals": {
            "object": "list",
            "data": [{"id": reversal_id(one.id), "amount": one.moved, "created": seconds(one.updated_us)}] if reversed_ else [],
            "has_more": False,
            "url": f"/v1/transfers/{transfer_id(one.id)}/reversals",
        },
        "reversed": reversed_,
        "transfer_group": one.told.get("transfer_group"),
    }


def charge_view(state: State, one: SimulatedCharge, *, expanded: bool = False) -> dict[str, Any]:
    """A charge; what it is for stands in its metadata."""
    line = next((each for each in reversed(state.lines) if each.source == one.id and each.type == "charge"), None)
    moved = None if line is None else line_view(state, line) if expanded else line_id(state, line.number)
    return {
        "id": "ch_" + one.id.removeprefix("chg_"),
        "object": "charge",
        "amount": one.amount,
        "amount_captured": one.amount if one.captured else 0,
        "amount_refunded": 0,
        "balance_transaction": moved,
        "captured": one.captured,
        "created": seconds(one.created_us),
        "currency": one.asset.lower(),
        "description": None,
        "livemode": False,
        "metadata": {"reference": one.reference},
        "paid": True,
        "refunded": False,
        "status": "succeeded",
        "transfer_group": None,
    }


def account_payout_view(one: f.AccountPaidOut, at_us: int) -> dict[str, Any]:
    """What a connected account pays out to its bank."""
    return {
        "id": one.id,
        "object": "payout",
        "amount": one.amount,
        "arrival_date": seconds(at_us),
        "created": seconds(at_us),
        "currency": one.asset.lower(),
        "destination": one.destination,
        "livemode": False,
        "metadata": one.told.get("metadata", {}),
        "status": "pending",
    }


def line_view(state: State, line: SimulatorLine, *, delta: int = 0, source: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A movement of the balance: net = amount - fee. `delta` is what a statement fault says wrongly."""
    at = seconds(line.at_us)
    ids = {"chg": "ch", "pout": "tr", "cbk": "du"}
    kind, _, rest = line.source.partition("_")
    return {
        "id": line_id(state, line.number),
        "object": "balance_transaction",
        "amount": line.gross + delta,
        "available_on": at,
        "created": at,
        "currency": line.asset.lower(),
        "description": line.reference,
        "fee": line.fee,
        "net": line.net + delta,
        "reporting_category": CATEGORIES.get(line.type, LINE_TYPES[line.type]),
        "source": dict(source) if source is not None else f"{ids.get(kind, kind)}_{rest}",
        "status": "available",
        "type": LINE_TYPES[line.type],
    }


def told_lines(state: State, *, expanded: bool) -> list[dict[str, Any]]:
    """The movements of the balance, newest first, as they are told: lines may be lost, doubled or altered."""
    found: list[dict[str, Any]] = []
    for line in reversed(state.lines):
        touch = state.touched.get(line.number)
        fault = touch.fault if touch else ""
        if fault == "line_lost":
            continue
        source = _source(state, line) if expanded else None
        view = line_view(state, line, delta=touch.delta if touch and fault == "line_altered" else 0, source=source)
        found += [view, {**view, "id": view["id"] + "_again"}] if fault == "line_doubled" else [view]
    return found


def _source(state: State, line: SimulatorLine) -> dict[str, Any] | None:
    if line.type in ("payout_failure", "payout_return"):
        told = {
            "object": "transfer_reversal",
            "amount": line.gross,
            "metadata": {},
            "transfer": transfer_id(line.source),
        }
        return {"id": reversal_id(line.source), **told}
    if line.source in state.payouts:
        return transfer_view(state, state.payouts[line.source])
    if line.source in state.chargebacks:
        return dispute_view(state, state.chargebacks[line.source])
    return charge_view(state, state.charges[line.source]) if line.source in state.charges else None


def dispute_view(state: State, one: SimulatedChargeback, *, status: str | None = None) -> dict[str, Any]:
    """A dispute as it stands, or as it stood in `status`, with what it moved of the balance by then."""
    at = status or one.status
    types = ("chargeback",) if at != "won" else ("chargeback", "chargeback_won")
    moved = [
        line_view(state, line, source={"id": dispute_id(one.id)}) for line in state.lines if line.source == one.id and line.type in types
    ]
    return {
        "id": dispute_id(one.id),
        "object": "dispute",
        "amount": one.amount,
        "balance_transactions": [{**line, "source": dispute_id(one.id)} for line in moved],
        "charge": "ch_" + one.charge.removeprefix("chg_"),
        "created": seconds(one.created_us),
        "currency": one.asset.lower(),
        "evidence_details": {"due_by": seconds(one.created_us + ANSWER_WITHIN_US), "has_evidence": False, "past_due": False},
        "livemode": False,
        "metadata": {},
        "reason": one.reason,
        "status": "needs_response" if at == "open" else at,
    }


def dispute_id(chargeback_id: str) -> str:
    """Stripe's name of a chargeback of ours."""
    return "du_" + chargeback_id.removeprefix("cbk_")


def stripe_event(state: State, event: f.EventEmitted) -> dict[str, Any]:
    """An event in Stripe's words."""
    told = event.body["data"]
    if event.type.startswith("chargeback."):
        kind = DISPUTE_EVENTS[told["status"]]
        thing = dispute_view(state, state.chargebacks[told["id"]], status=told["status"])
    elif event.type.startswith("charge."):
        charge = state.charges[told["id"]]
        # A card's reservation succeeds, too, at Stripe; what is taken of it later is told by another name.
        kind = "charge.captured" if charge.reserved and event.type == "charge.succeeded" else "charge.succeeded"
        thing = charge_view(state, charge)
    else:
        kind = EVENT_TYPES[event.type]
        thing = transfer_view(state, state.payouts[told["id"]], back=kind == "transfer.reversed")
    return {
        "id": event.id,
        "object": "event",
        "api_version": VERSION,
        "created": int(datetime.fromisoformat(event.body["timestamp"]).timestamp()),
        "data": {"object": thing},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": kind,
    }


def seconds(at_us: int) -> int:
    """A journal's time as Stripe writes it: seconds since 1970."""
    return at_us // 1_000_000
