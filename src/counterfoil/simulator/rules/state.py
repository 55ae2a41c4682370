"""What the simulator knows: the fold of its facts. Nothing here decides, reads a clock or touches a disk."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from counterfoil.simulator.rules import facts as f


class SimulatorSettings(NamedTuple):
    """How this provider behaves. Times in milliseconds, rates in millionths, amounts in minor units of whatever asset."""

    settle_ms: int = 50
    payout_fee: int = 25
    return_fee: int = 0
    charge_fee: int = 0
    charge_fee_ppm: int = 0
    key_memory_s: int | None = None
    webhook_backoff_ms: int = 200
    webhook_backoff_max_ms: int = 60_000
    webhook_attempts_max: int = 20
    webhook_timeout_ms: int = 10_000
    first_byte_ms: int = 10_000


class SimulatorLine(NamedTuple):
    """One movement of a balance, as the statement shows it: net = gross - fee, all signed from the client's side."""

    number: int
    type: str
    reference: str
    gross: int
    fee: int
    asset: str
    at_us: int
    source: str

    @property
    def net(self) -> int:
        """What the balance changed by."""
        return self.gross - self.fee


class Touch(NamedTuple):
    """What the CSV statement does to a line."""

    fault: str
    delta: int


@dataclass(slots=True)
class SimulatedCharge:
    """A customer's payment."""

    id: str
    key: str
    reference: str
    amount: int
    asset: str
    fee: int
    created_us: int
    captured: bool = True
    reserved: bool = False


@dataclass(frozen=True)
class SimulatedChargeback(f.ChargebackOpened):
    """What a customer's bank took back of a charge. `status` is open, won or lost; `fee` is what was taken beside it and not given back."""

    created_us: int
    updated_us: int
    status: str = "open"


@dataclass(slots=True)
class SimulatedPayout:
    """Money on its way out. `status` is pending, paid, failed or returned."""

    id: str
    key: str
    reference: str
    destination: str
    asked: int
    moved: int
    asset: str
    fee: int
    created_us: int
    updated_us: int
    steps: list[list[Any]]
    status: str = "pending"
    code: str = ""
    was_paid: bool = False
    told: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, fact: f.PayoutAccepted, at_us: int) -> SimulatedPayout:
        """As it begins."""
        money = (fact.asked, fact.moved, fact.asset, fact.fee)
        return cls(fact.id, fact.key, fact.reference, fact.destination, *money, at_us, at_us, fact.steps, told=fact.told)


class Remembered(NamedTuple):
    """What an idempotency key answered: an object made, or a refusal."""

    fingerprint: str
    at_us: int
    object_id: str
    refusal: f.RequestRefused | None


@dataclass(slots=True)
class Delivery:
    """One webhook: an event may have none, one or several."""

    event: int
    copy: int
    due_us: int
    bad_signatures: int
    behind: str
    attempts: int = 0
    outcome: str = "pending"


@dataclass(slots=True)
class FaultRule:
    """A fault that was asked for, and whom it hit."""

    planted: f.RulePlanted
    fired: list[f.FaultFired] = field(default_factory=list)
    fired_for: Counter[str] = field(default_factory=Counter)
    cleared: bool = False

    def remaining(self) -> int | None:
        """How often it may still fire; None is for ever."""
        if self.cleared:
            return 0
        return None if self.planted.count is None else max(0, self.planted.count - len(self.fired))


class Outage(NamedTuple):
    """The provider is away until then. `mode`: 503, closed or refused."""

    rule: str
    until_us: int
    mode: str


class State:
    """All of it, in memory. `apply` is the only way to change it."""

    def __init__(self) -> None:
        self.instance, self.seed = "", 0
        self.entries, self.at_us, self.offset_us = 0, 0, 0
        self.balances: Counter[str] = Counter()
        self.charges: dict[str, SimulatedCharge] = {}
        self.chargebacks: dict[str, SimulatedChargeback] = {}
        self.payouts: dict[str, SimulatedPayout] = {}
        self.payouts_by_key: defaultdict[str, list[str]] = defaultdict(list)
        self.account_payouts: dict[str, tuple[f.AccountPaidOut, int]] = {}
        self.remembered: dict[tuple[str, str], Remembered] = {}
        self.due: list[tuple[int, str, int]] = []
        self.lines: list[SimulatorLine] = []
        self.touched: dict[int, Touch] = {}
        self.events: list[f.EventEmitted] = []
        self.event_numbers: dict[str, int] = {}
        self.endpoint: f.EndpointSet | None = None
        self.deliveries: dict[tuple[int, int], Delivery] = {}
        self.delivery_due: list[tuple[int, int, int]] = []
        self.held: list[tuple[int, int]] = []
        self.rules: dict[str, FaultRule] = {}
        self.live: dict[str, FaultRule] = {}  # the rules that may still fire, in the order they were planted
        self.outage: Outage | None = None

    def apply(self, entry: f.FactEntry) -> None:
        """Take in one entry."""
        self.entries, self.at_us = entry.number, entry.at_us
        for fact in entry.facts:
            self._take(fact, entry.at_us)

    def _take(self, fact: f.Fact, at_us: int) -> None:
        match fact:
            case f.Opened():
                self.instance, self.seed = fact.instance, fact.seed
            case f.ClockAdvanced():
                self.offset_us += fact.by_us
            case f.EndpointSet():
                self.endpoint = fact
            case f.ChargeAccepted() | f.ChargeReserved():
                self._charge(fact, at_us)
            case f.ChargebackOpened() | f.ChargebackClosed():
                self._charge_back(fact, at_us)
            case f.PayoutAccepted():
                self._payout(fact, at_us)
            case f.AccountPaidOut():
                self.account_payouts[fact.id] = (fact, at_us)
                self.remembered["account.payout", fact.key] = Remembered(fact.fingerprint, at_us, fact.id, None)
            case f.RequestRefused():
                self.remembered[fact.operation, fact.key] = Remembered(fact.fingerprint, at_us, "", fact)
            case f.PayoutStepped():
                self._step(fact, at_us)
            case f.EventEmitted():
                self._event(fact)
            case f.DeliveryAttempted():
                self._attempt(fact, at_us)
            case _:
                self._take_fault(fact, at_us)

    def _take_fault(self, fact: f.RulePlanted | f.RuleCleared | f.FaultFired | f.LineTouched, at_us: int) -> None:
        match fact:
            case f.RulePlanted():
                self.rules[fact.id] = self.live[fact.id] = FaultRule(fact)
            case f.RuleCleared():
                self.rules[fact.id].cleared = True
                self.live.pop(fact.id, None)
                if self.outage is not None and self.outage.rule == fact.id:
                    self.outage = None
            case f.FaultFired():
                rule = self.rules[fact.rule]
                rule.fired.append(fact)
                rule.fired_for[fact.subject] += 1
                if rule.remaining() == 0:
                    self.live.pop(fact.rule, None)
                if fact.fault == "outage":
                    params = rule.planted.params
                    self.outage = Outage(fact.rule, at_us + int(params["ms"]) * 1_000, str(params["mode"]))
            case f.LineTouched():
                self.touched[fact.line] = Touch(fact.fault, fact.delta)

    def _charge(self, fact: f.ChargeAccepted | f.ChargeReserved, at_us: int) -> None:
        before = self.charges.get(fact.id)
        self.charges[fact.id] = SimulatedCharge(
            fact.id,
            fact.key,
            fact.reference,
            fact.amount,
            fact.asset,
            fact.fee,
            created_us=before.created_us if before else at_us,
            captured=isinstance(fact, f.ChargeAccepted),
            reserved=before is not None or isinstance(fact, f.ChargeReserved),
        )
        if before is None:
            self.remembered["charge.create", fact.key] = Remembered(fact.fingerprint, at_us, fact.id, None)
        if isinstance(fact, f.ChargeReserved):
            return
        self._line("charge", fact.reference, fact.amount, fact.fee, fact.asset, at_us, fact.id)

    def _charge_back(self, fact: f.ChargebackOpened | f.ChargebackClosed, at_us: int) -> None:
        if isinstance(fact, f.ChargebackOpened):
            self.chargebacks[fact.id] = SimulatedChargeback(**vars(fact), created_us=at_us, updated_us=at_us)
            self._line("chargeback", fact.reference, -fact.amount, fact.fee, fact.asset, at_us, fact.id)
            return
        one = self.chargebacks[fact.id]
        self.chargebacks[fact.id] = replace(one, status=fact.outcome, updated_us=at_us, fee=one.fee - fact.fee_back)
        if fact.outcome == "won":
            self._line("chargeback_won", one.reference, one.amount, -fact.fee_back, one.asset, at_us, one.id)

    def _payout(self, fact: f.PayoutAccepted, at_us: int) -> None:
        self.payouts[fact.id] = SimulatedPayout.of(fact, at_us)
        self.payouts_by_key[fact.key].append(fact.id)
        self.remembered["payout.create", fact.key] = Remembered(fact.fingerprint, at_us, fact.id, None)
        self._line("payout", fact.reference, -fact.moved, fact.fee, fact.asset, at_us, fact.id)
        self._plan(fact.id, 0)

    def _step(self, fact: f.PayoutStepped, at_us: int) -> None:
        heapq.heappop(self.due)  # steps are taken in the order they fall due
        payout = self.payouts[fact.id]
        payout.status, payout.code, payout.updated_us = fact.status, fact.code, at_us
        payout.was_paid |= fact.status == "paid"
        if fact.status == "failed":
            self._line("payout_failure", payout.reference, payout.moved, -payout.fee, payout.asset, at_us, payout.id)
        if fact.status == "returned":
            self._line("payout_return", payout.reference, payout.moved, 0, payout.asset, at_us, payout.id)
            if fact.fee:
                self._line("fee", payout.reference, 0, fact.fee, payout.asset, at_us, payout.id)
        self._plan(fact.id, fact.step + 1)

    def _plan(self, payout_id: str, step: int) -> None:
        steps = self.payouts[payout_id].steps
        if step < len(steps):
            heapq.heappush(self.due, (steps[step][0], payout_id, step))

    def _line(self, type_: str, reference: str, gross: int, fee: int, asset: str, at_us: int, source: str) -> None:
        line = SimulatorLine(len(self.lines) + 1, type_, reference, gross, fee, asset, at_us, source)
        self.lines.append(line)
        self.balances[asset] += line.net

    def _event(self, fact: f.EventEmitted) -> None:
        number = len(self.events) + 1
        self.events.append(fact)
        self.event_numbers[fact.id] = number
        for copy, (due_us, bad_signatures, behind) in enumerate(fact.deliveries, start=1):
            self.deliveries[number, copy] = Delivery(number, copy, due_us, bad_signatures, behind)
            heapq.heappush(self.delivery_due, (due_us, number, copy))
            if behind:
                self.held.append((number, copy))

    def _attempt(self, fact: f.DeliveryAttempted, at_us: int) -> None:
        delivery = self.deliveries[fact.event, fact.copy]
        delivery.attempts, delivery.outcome, delivery.due_us = fact.attempt, fact.outcome, fact.next_us
        delivery.behind = ""
        if fact.outcome == "retry":
            heapq.heappush(self.delivery_due, (fact.next_us, fact.event, fact.copy))
        self._let_go_behind(fact.event, at_us)

    def _let_go_behind(self, event: int, at_us: int) -> None:
        """A later event was tried: what was held back behind it may go now."""
        if not self.held:
            return
        subject = self.events[event - 1].subject
        still: list[tuple[int, int]] = []
        for number, copy in self.held:
            delivery = self.deliveries[number, copy]
            if number < event and (delivery.behind == "any" or self.events[number - 1].subject == subject):
                delivery.due_us, delivery.behind = at_us, ""
                heapq.heappush(self.delivery_due, (at_us, number, copy))
            elif delivery.behind:
                still.append((number, copy))
        self.held = still


def replay(entries: Iterable[f.FactEntry]) -> State:
    """The state after these entries."""
    state = State()
    for entry in entries:
        state.apply(entry)
    return state
