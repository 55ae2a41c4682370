"""What the provider decides: a state, a request and a moment in; facts and an answer out. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from counterfoil.simulator.http.views import SimulatorReply, charge_view, error, payout_at_birth, payout_view, rule_view
from counterfoil.simulator.rules import facts as f
from counterfoil.simulator.rules.draft import Draft, mark_of, touch
from counterfoil.simulator.rules.faults import KINDS, PPM, FaultRefused, complete_params, pick_lines
from counterfoil.simulator.rules.state import FaultRule, Remembered, SimulatedCharge, SimulatedPayout, SimulatorSettings, State

# As card providers have test numbers: destinations whose name says what becomes of the money.
UNKNOWN, CLOSED, RETURNING = "unknown", "closed", "returning"
RETURNS_AFTER_MS: Final = 1_000


class SimulatorDecision(NamedTuple):
    """The facts to journal, and what is answered once they are on disk."""

    facts: list[f.Fact]
    answer: SimulatorReply


class ChargeAsk(NamedTuple):
    """A customer pays: `fee` None takes the provider's rate. `capture` False only reserves the money on the card."""

    key: str
    reference: str
    amount: int
    asset: str
    fee: int | None
    capture: bool = True


class PayoutAsk(NamedTuple):
    """Pay `amount` out to `destination`."""

    key: str
    reference: str
    destination: str
    amount: int
    asset: str
    told: Mapping[str, Any] = MappingProxyType({})


class RuleAsk(NamedTuple):
    """Plant a fault. `times` None: once when it is certain, else without end."""

    fault: str
    on: str | None
    match: str
    times: int | None
    probability_ppm: int
    params: dict[str, Any]


def decide_charge(state: State, settings: SimulatorSettings, ask: ChargeAsk, now_us: int) -> SimulatorDecision:
    """Take a customer's payment. Raises Refused for a key that was used for another request."""
    draft, names = Draft(state, now_us), (ask.key, ask.reference)
    if (instead := _answer_fault(draft, "before", "charge.create", names)) is not None:
        return SimulatorDecision(draft.facts, instead)
    mark = mark_of(ask.reference, str(ask.amount), ask.asset, str(ask.fee), *([] if ask.capture else ["reserve"]))
    known = _recall(state, settings, "charge.create", ask.key, mark, now_us)
    charge = state.charges[known.object_id] if known else _accept_charge(draft, settings, ask, mark)
    answer = _made(charge_view(charge), replayed=known is not None)
    return SimulatorDecision(draft.facts, _answer_fault(draft, "after", "charge.create", names) or answer)


def _accept_charge(draft: Draft, settings: SimulatorSettings, ask: ChargeAsk, mark: str) -> SimulatedCharge:
    fee = settings.charge_fee + ask.amount * settings.charge_fee_ppm // PPM if ask.fee is None else ask.fee
    charge_id = f"chg_{draft.state.instance}_{len(draft.state.charges) + 1:010d}"
    charge = SimulatedCharge(charge_id, ask.key, ask.reference, ask.amount, ask.asset, fee, draft.now_us, ask.capture, not ask.capture)
    if ask.capture:
        _take_money(draft, charge, mark)
    else:
        draft.add(f.ChargeReserved(charge_id, ask.key, mark, ask.reference, ask.amount, ask.asset, fee))
        draft.emit("charge.reserved", charge_id, (ask.key, ask.reference), charge_view(charge))
    return charge


def _take_money(draft: Draft, one: SimulatedCharge, mark: str) -> None:
    draft.add(f.ChargeAccepted(one.id, one.key, mark, one.reference, one.amount, one.asset, one.fee))
    draft.line("charge", one.reference, one.amount, one.fee, one.asset, one.id)
    draft.emit("charge.succeeded", one.id, (one.key, one.reference), charge_view(one))


def decide_capture(state: State, charge_id: str, now_us: int) -> SimulatorDecision:
    """Take what was reserved on a card; a second time changes nothing. Raises Refused for a charge that there is none of."""
    known = state.charges.get(charge_id)
    if known is None:
        raise FaultRefused(404, "not_found", "there is no such charge")
    draft, taken = Draft(state, now_us), replace(known, captured=True)
    if not known.captured:
        _take_money(draft, taken, mark_of("capture", charge_id))
    return SimulatorDecision(draft.facts, SimulatorReply(200, charge_view(taken)))


def decide_payout(state: State, settings: SimulatorSettings, ask: PayoutAsk, now_us: int) -> SimulatorDecision:
    """Accept a payout, refuse it for good (remembered under its key), or do what a fault says. Raises Refused: key reused."""
    draft, names = Draft(state, now_us), (ask.key, ask.reference)
    if (instead := _answer_fault(draft, "before", "payout.create", names)) is not None:
        return SimulatorDecision(draft.facts, instead)
    mark = mark_of(ask.reference, ask.destination, str(ask.amount), ask.asset, *_words(ask.told))
    known = _recall(state, settings, "payout.create", ask.key, mark, now_us)
    if known is not None and known.refusal is not None:
        return SimulatorDecision(draft.facts, _refusal(known.refusal, replayed=True))
    if known is not None:
        answer = _made(payout_at_birth(state.payouts[known.object_id]), replayed=True)
    else:
        made = _accept_payout(draft, settings, ask, mark)
        if isinstance(made, f.RequestRefused):
            draft.facts = [made]  # faults picked on the way hit nothing
            return SimulatorDecision(draft.facts, _refusal(made, replayed=False))
        answer = _made(payout_at_birth(made), replayed=False)
    return SimulatorDecision(draft.facts, _answer_fault(draft, "after", "payout.create", names) or answer)


def _words(told: Mapping[str, Any]) -> list[str]:
    """What the client wants kept with it, in one order: another word is another request."""
    return [f"{name}={_words(value) if isinstance(value, Mapping) else value}" for name, value in sorted(told.items())]


def _accept_payout(draft: Draft, settings: SimulatorSettings, ask: PayoutAsk, mark: str) -> SimulatedPayout | f.RequestRefused:
    state = draft.state
    rule = draft.hit("outcome", on="payout.create", subject=ask.key, names=(ask.key, ask.reference))
    moved = ask.amount
    if rule is not None and rule.planted.fault == "wrong_amount":
        delta = int(rule.planted.params["delta"])
        moved = ask.amount + delta if ask.amount + delta > 0 else ask.amount - delta
    refusal = _why_not(state, settings, ask, moved)
    if refusal is not None:
        return f.RequestRefused("payout.create", ask.key, mark, ask.reference, *refusal)
    payout_id = f"pout_{state.instance}_{len(state.payouts) + 1:010d}"
    settle_us = draft.now_us + settings.settle_ms * 1_000
    steps = _steps(ask.destination, rule, settle_us)
    if rule is not None:
        draft.fire(rule, ask.key, "payout.create", payout=payout_id, asked=str(ask.amount), moved=str(moved))
    money = (ask.amount, moved, ask.asset, settings.payout_fee)
    accepted = f.PayoutAccepted(payout_id, ask.key, mark, ask.reference, ask.destination, *money, steps, dict(ask.told))
    draft.add(accepted)
    draft.line("payout", ask.reference, -moved, settings.payout_fee, ask.asset, payout_id)
    return SimulatedPayout.of(accepted, draft.now_us)


def _why_not(state: State, settings: SimulatorSettings, ask: PayoutAsk, moved: int) -> tuple[int, str, str] | None:
    if ask.destination.startswith(UNKNOWN):
        return 400, "destination_unknown", "there is no such destination"
    if state.balances[ask.asset] < moved + settings.payout_fee:
        return 402, "insufficient_balance", f"the balance in {ask.asset} is smaller than amount and fee"
    return None


def _steps(destination: str, rule: FaultRule | None, settle_us: int) -> list[list[Any]]:
    fault = rule.planted.fault if rule else ""
    params: dict[str, int | str] = rule.planted.params if rule else {}
    code = str(params.get("code", ""))
    later_us = settle_us + int(params.get("after_ms", RETURNS_AFTER_MS)) * 1_000
    paid: list[Any] = [settle_us, "paid", ""]
    if fault == "payout_failed":
        return [[settle_us, "failed", code]]
    if fault == "paid_then_failed":
        return [paid, [later_us, "failed", code]]
    if fault == "returned_later":
        return [paid, [later_us, "returned", code]]
    if destination.startswith(CLOSED):
        return [[settle_us, "failed", "account_closed"]]
    if destination.startswith(RETURNING):
        return [paid, [later_us, "returned", "returned_by_bank"]]
    return [paid]


def decide_step(state: State, settings: SimulatorSettings, until_us: int) -> tuple[int, list[f.Fact]] | None:
    """The next payout step that is due by `until_us`: when it happened, and its facts. None when nothing is due."""
    if not state.due or state.due[0][0] > until_us:
        return None
    due_us, payout_id, step = state.due[0]
    draft = Draft(state, max(due_us, state.at_us))
    payout = state.payouts[payout_id]
    _, status, code = payout.steps[step]
    fee = settings.return_fee if status == "returned" else 0
    draft.add(f.PayoutStepped(payout_id, step, status, code, fee))
    if status == "failed":
        draft.line("payout_failure", payout.reference, payout.moved, -payout.fee, payout.asset, payout_id)
    if status == "returned":
        draft.line("payout_return", payout.reference, payout.moved, 0, payout.asset, payout_id)
        if fee:
            draft.line("fee", payout.reference, 0, fee, payout.asset, payout_id)
    view = payout_view(payout, status=status, code=code, updated_us=draft.now_us)
    draft.emit(f"payout.{status}", payout_id, (payout.key, payout.reference), view)
    return draft.now_us, draft.facts


def decide_attempt(
    state: State, settings: SimulatorSettings, event: int, copy: int, *, status: int, error_text: str, now_us: int
) -> f.DeliveryAttempted:
    """What follows from one try of a webhook: delivered on 2xx, else again later, twice as late each time, or given up."""
    attempt = state.deliveries[event, copy].attempts + 1
    if 200 <= status < 300:
        return f.DeliveryAttempted(event, copy, attempt, "delivered", status, "", now_us)
    if attempt >= settings.webhook_attempts_max:
        return f.DeliveryAttempted(event, copy, attempt, "given_up", status, error_text, now_us)
    wait_ms = min(settings.webhook_backoff_max_ms, settings.webhook_backoff_ms << min(attempt - 1, 40))
    return f.DeliveryAttempted(event, copy, attempt, "retry", status, error_text, now_us + wait_ms * 1_000)


def decide_read(state: State, operation: str, names: tuple[str, ...], answer: SimulatorReply, now_us: int) -> SimulatorDecision:
    """A request that only reads: its answer, unless a fault that is planted on `operation` says otherwise."""
    draft = Draft(state, now_us)
    instead = _answer_fault(draft, "before", operation, names) or _answer_fault(draft, "after", operation, names)
    return SimulatorDecision(draft.facts, instead or answer)


def decide_plant(state: State, ask: RuleAsk, now_us: int) -> list[f.Fact]:
    """Plant a fault. An outage begins at once; a statement fault touches the lines there are, then those to come. Raises Refused."""
    params = complete_params(ask.fault, ask.params)
    count = 1 if ask.times is None and ask.probability_ppm == PPM else ask.times
    on = KINDS[ask.fault].on if ask.on is None else ask.on
    planted = f.RulePlanted(f"flt_{len(state.rules) + 1}", ask.fault, on, ask.match, count, ask.probability_ppm, params)
    facts: list[f.Fact] = [planted]
    if ask.fault == "outage":
        told = {"from_us": str(now_us), "mode": str(params["mode"])}
        facts.append(f.FaultFired(planted.id, "outage", "service", "*", told))
    if KINDS[ask.fault].stage == "statement":
        for number in pick_lines(state, FaultRule(planted)):
            facts += touch(state, planted, state.lines[number - 1])
    return facts


def decide_clear(state: State, rule_id: str | None) -> list[f.Fact]:
    """Let one rule, or all, fire no more. Raises Refused when there is no such rule."""
    if rule_id is not None and rule_id not in state.rules:
        raise FaultRefused(404, "not_found", "there is no such fault", field="id")
    ids = list(state.rules) if rule_id is None else [rule_id]
    return [f.RuleCleared(each) for each in ids if not state.rules[each].cleared]


def rules_view(state: State) -> dict[str, Any]:
    """Every rule ever planted here, oldest first, with its hits."""
    return {"object": "faults", "data": [rule_view(rule) for rule in state.rules.values()]}


def _recall(state: State, settings: SimulatorSettings, operation: str, key: str, mark: str, now_us: int) -> Remembered | None:
    known = state.remembered.get((operation, key))
    if known is None:
        return None
    if settings.key_memory_s is not None and now_us - known.at_us > settings.key_memory_s * 1_000_000:
        return None  # pruned: the same key starts anew, as at providers that remember for a day
    if known.fingerprint != mark:
        raise FaultRefused(422, "idempotency_key_reused", "this key was used for another request", field="Idempotency-Key")
    return known


def _answer_fault(draft: Draft, stage: str, operation: str, names: tuple[str, ...]) -> SimulatorReply | None:
    rule = draft.hit(stage, on=operation, subject=names[0], names=names)
    if rule is None:
        return None
    draft.fire(rule, names[0], operation)
    params = rule.planted.params
    match rule.planted.fault:
        case "timeout_before_accepting" | "timeout_after_accepting":
            return SimulatorReply(0, {}, hang_ms=int(params["hold_ms"]))
        case "rate_limit":
            told = error(429, "rate_limited", "too many requests")
            return told._replace(headers=(("retry-after", str(params["retry_after_s"])),))
        case _:
            return error(int(params["status"]), "provider_error", "something went wrong on our side")


def _made(body: dict[str, Any], *, replayed: bool) -> SimulatorReply:
    return SimulatorReply(201, body, (("idempotent-replayed", "true"),) if replayed else ())


def _refusal(refused: f.RequestRefused, *, replayed: bool) -> SimulatorReply:
    answer = error(refused.status, refused.code, refused.message)
    return answer._replace(headers=(("idempotent-replayed", "true"),)) if replayed else answer
