"""Any sequence of requests, beside a second model that is too simple to be wrong."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from counterfoil.simulator.http.views import moment
from counterfoil.simulator.rules.faults import FaultRefused
from counterfoil.simulator.rules.oracle import tell
from counterfoil.simulator.rules.state import SimulatorSettings, replay
from counterfoil.simulator.rules.statement import Range, make_statement
from tests.simulator.builders import START_US, Provider
from tests.soak import examples

FEE, RETURN_FEE = 3, 7
KEYS = st.sampled_from([f"key{number}" for number in range(6)])
AMOUNTS = st.integers(1, 400)
ASSETS = st.sampled_from(["USD", "EUR"])
DESTINATIONS = st.sampled_from(["acct", "acct", "closed", "returning", "unknown"])


class ProviderBesideAModel(RuleBasedStateMachine):
    """The model: money that came in, and per key what was asked first. Statuses follow from the destination alone."""

    @initialize()
    def start(self) -> None:
        self.provider = Provider(SimulatorSettings(payout_fee=FEE, return_fee=RETURN_FEE), endpoint=True)
        self.came_in: Counter[str] = Counter()
        self.asked: dict[str, tuple[int, str, str]] = {}
        self.answers: dict[str, object] = {}
        self.spent: Counter[str] = Counter()
        self.charges = 0
        self.accepted: set[str] = set()

    @rule(amount=AMOUNTS, asset=ASSETS)
    def charge(self, amount: int, asset: str) -> None:
        self.charges += 1
        assert self.provider.charge(f"c{self.charges}", amount, asset=asset).status == 201
        self.came_in[asset] += amount

    @rule(key=KEYS, amount=AMOUNTS, asset=ASSETS, destination=DESTINATIONS)
    def payout(self, key: str, amount: int, asset: str, destination: str) -> None:
        ask = (amount, asset, destination)
        if self.asked.setdefault(key, ask) != ask:
            with pytest.raises(FaultRefused, match="another request"):
                self.provider.payout(key, amount, asset=asset, destination=destination)
            return
        balance = self.balance(asset)
        answer = self.provider.payout(key, amount, asset=asset, destination=destination)
        if key not in self.answers:
            fits = destination != "unknown" and balance >= amount + FEE
            assert answer.status == (201 if fits else 400 if destination == "unknown" else 402)
            self.answers[key] = answer.body
            if fits:
                self.accepted.add(key)
        assert answer.body == self.answers[key]

    @rule(key=KEYS)
    def ask_again(self, key: str) -> None:
        if key in self.asked:
            amount, asset, destination = self.asked[key]
            self.payout(key, amount, asset, destination)

    @rule(ms=st.sampled_from([1, 25, 50, 1_000, 86_400_000]))
    def advance(self, ms: int) -> None:
        self.provider.advance(ms)

    @rule(fault=st.sampled_from(["line_lost", "line_doubled", "line_altered", "webhook_lost", "webhook_doubled"]))
    def plant_what_only_changes_the_telling(self, fault: str) -> None:
        self.provider.plant(fault, times=2)

    def balance(self, asset: str) -> int:
        held = self.came_in[asset]
        for key in self.accepted:
            amount, of, destination = self.asked[key]
            if of != asset:
                continue
            age_ms = (self.provider.now_us - self.accepted_us(key)) // 1_000
            if destination == "closed" and age_ms >= 50:
                continue
            back = destination == "returning" and age_ms >= 1_050
            held -= FEE + (RETURN_FEE if back else amount)
        return held

    def accepted_us(self, key: str) -> int:
        (payout_id,) = self.provider.state.payouts_by_key[key]
        return self.provider.state.payouts[payout_id].created_us

    @invariant()
    def balances_agree_with_the_model_and_the_oracle(self) -> None:
        oracle = tell(self.provider.entries)
        for asset in ("USD", "EUR"):
            assert self.provider.state.balances[asset] == self.balance(asset) == oracle.balances[asset]

    @invariant()
    def no_key_moves_money_twice(self) -> None:
        assert tell(self.provider.entries).moved_twice() == []
        assert all(len(ids) == 1 for ids in self.provider.state.payouts_by_key.values())

    @invariant()
    def opening_and_lines_make_closing(self) -> None:
        days = Range(moment(START_US).date(), moment(self.provider.now_us).date())
        statement = make_statement(self.provider.state.lines, days)
        for asset, closing in statement.closing.items():
            assert sum(line.net for line in statement.lines if line.asset == asset) == closing
            assert closing == self.provider.state.balances[asset]

    @invariant()
    def every_status_was_told_in_order(self) -> None:
        told = [(event.subject, event.type) for event in self.provider.state.events if event.type != "charge.succeeded"]
        for payout_id, payout in tell(self.provider.entries).payouts.items():
            assert [type_ for subject, type_ in told if subject == payout_id] == [f"payout.{s}" for s in payout.history[1:]]

    def teardown(self) -> None:
        if hasattr(self, "provider"):
            assert vars(replay(self.provider.entries)) == vars(self.provider.state)


TestProviderBesideAModel = ProviderBesideAModel.TestCase
TestProviderBesideAModel.settings = settings(max_examples=examples(30), stateful_step_count=30, deadline=None)
