"""What the provider decides of chargebacks: the bank takes a charge back, and decides in the end. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from counterfoil.simulator.http.views import SimulatorReply, chargeback_view
from counterfoil.simulator.rules import facts as f
from counterfoil.simulator.rules.decisions import SimulatorDecision
from counterfoil.simulator.rules.draft import Draft
from counterfoil.simulator.rules.faults import FaultRefused
from counterfoil.simulator.rules.state import SimulatedChargeback, State


class ChargebackAsk(NamedTuple):
    """The bank takes back: `amount` None, all that is left of the charge."""

    charge: str
    amount: int | None
    fee: int
    reason: str


def decide_chargeback(state: State, ask: ChargebackAsk, now_us: int) -> SimulatorDecision:
    """Take a charge back, wholly or in part. Raises FaultRefused for a charge that there is none of, and for more than is left of it."""
    charge = state.charges.get(ask.charge)
    if charge is None or not charge.captured:
        raise FaultRefused(404, "not_found", "there is no such charge")
    left = charge.amount - sum(one.amount for one in state.chargebacks.values() if one.charge == charge.id and one.status != "won")
    amount = left if ask.amount is None else ask.amount
    if not 0 < amount <= left:
        raise FaultRefused(400, "invalid_request", "more than is left of the charge", field="amount", limit=str(left))
    draft = Draft(state, now_us)
    made = SimulatedChargeback(
        f"cbk_{state.instance}_{len(state.chargebacks) + 1:010d}",
        charge.id,
        charge.reference,
        amount,
        charge.asset,
        ask.fee,
        ask.reason,
        created_us=now_us,
        updated_us=now_us,
    )
    draft.add(f.ChargebackOpened(made.id, made.charge, made.reference, made.amount, made.asset, made.fee, made.reason))
    draft.line("chargeback", made.reference, -made.amount, made.fee, made.asset, made.id)
    draft.emit("chargeback.open", made.id, (made.id, made.reference), chargeback_view(made))
    return SimulatorDecision(draft.facts, SimulatorReply(201, chargeback_view(made)))


def decide_outcome(state: State, chargeback_id: str, outcome: str, fee_back: bool, now_us: int) -> SimulatorDecision:
    """The bank decides, once. Raises FaultRefused for one that there is none of, or that is decided."""
    known = state.chargebacks.get(chargeback_id)
    if known is None:
        raise FaultRefused(404, "not_found", "there is no such chargeback")
    if known.status != "open":
        raise FaultRefused(400, "invalid_request", f"it is {known.status}", field="outcome")
    back = known.fee if fee_back and outcome == "won" else 0
    draft, made = Draft(state, now_us), replace(known, status=outcome, updated_us=now_us, fee=known.fee - back)
    draft.add(f.ChargebackClosed(known.id, outcome, back))
    if outcome == "won":
        draft.line("chargeback_won", known.reference, known.amount, -back, known.asset, known.id)
    draft.emit(f"chargeback.{outcome}", known.id, (known.id, known.reference), chargeback_view(made))
    return SimulatorDecision(draft.facts, SimulatorReply(200, chargeback_view(made)))
