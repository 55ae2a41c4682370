"""A payout's life in the real tables beside a second opinion that is too simple to be wrong: whatever happens in whatever order,
no money is out twice without being owed back, none is given back that is out, and in the end books and provider agree.

Refunds and disputes of what its customer paid, a changed destination and a pause come between any two steps. After each of them the parts
are counted in another way than the product does (`tests.payouts.settled`): R + P + V + H + N = G.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from counterfoil.base.edge import make_id
from counterfoil.operations.providers import Accepted, Later, Refused, Unclear
from counterfoil.operations.work.pauses import QueuePart, is_paused, pause, resume
from counterfoil.payouts.machines import PROVIDER_PAYOUT, PULLING, RESERVING, SENDING
from counterfoil.payouts.payouts.by_hand import cancel_payout, reissue_payout, retry_payout
from counterfoil.payouts.payouts.matter import NotNow
from counterfoil.payouts.provider_payouts.attempts_by_hand import cancel_attempt, quarantine_attempt, release_attempt
from counterfoil.payouts.refunds.refunds import UnderDispute
from tests.lives import RolledBackLife
from tests.payouts.settled import Settled
from tests.soak import examples

NEXT = {"pending": ["paid", "failed"], "paid": ["returned"], "failed": [], "returned": []}
PICK = st.integers(0, 9)
GROSS, RATES = 107, (500, 300, 1000)


def life_in(conn: Any) -> type[RuleBasedStateMachine]:
    """A machine whose every life is lived in `conn` and rolled back."""

    class OnePayout(RolledBackLife):
        """`heard` is every word the provider ever said of a key: webhooks bring them late, doubled and out of order.

        `flying` holds announced calls that nobody has answered: each lands or not, at any time before its horizon.
        """

        books = conn

        @initialize()
        def begin(self) -> None:
            self.world = Settled(conn, gross=GROSS, rates=RATES)
            self.account = 1
            self.paused = False
            self.meant_for: dict[str, int] = {}  # attempt → the account that its payee had when it was reserved
            self.heard: list[tuple[str, str]] = []
            self.flying: list[tuple[str, str, Any]] = []

        def teardown(self) -> None:
            try:
                if hasattr(self, "world"):
                    self.in_the_end()
            finally:
                super().teardown()

        # What the provider does by itself.

        @precondition(lambda self: any(NEXT[status] for status in self.world.orders.values()))
        @rule(pick=PICK, way=PICK)
        def provider_goes_on(self, pick: int, way: int) -> None:
            keys = [key for key, status in self.world.orders.items() if NEXT[status]]
            self._say(keys[pick % len(keys)], way)

        def _say(self, key: str, way: int) -> None:
            ways = NEXT[self.world.orders[key]]
            self.world.orders[key] = ways[way % len(ways)]
            self.heard.append((key, self.world.orders[key]))

        # What we do.

        @rule()
        def reserve(self) -> None:
            self.world.tick(minutes=1)
            before = set(self.world.attempts())
            self.world.reserve()
            fresh = set(self.world.attempts()) - before
            assert not (fresh and (self.paused or self.world.dispute)), "set aside under a brake"
            self.meant_for |= dict.fromkeys(fresh, self.account)

        # What the customer, the payee and the operators do meanwhile.

        @precondition(lambda self: self.world.gone < GROSS)
        @rule(amount=st.integers(1, GROSS))
        def refund(self, amount: int) -> None:
            amount = min(amount, GROSS - self.world.gone)
            if self.world.dispute:
                with pytest.raises(UnderDispute), conn.transaction():
                    self.world.refund(amount)
            else:
                self.world.refund(amount)

        @precondition(lambda self: not self.world.dispute and self.world.gone < GROSS)
        @rule()
        def complain(self) -> None:
            self.world.complain()

        @precondition(lambda self: self.world.dispute)
        @rule(outcome=st.sampled_from(["provider_win", "customer_win", "partial"]))
        def decide(self, outcome: str) -> None:
            left = GROSS - self.world.gone
            if outcome == "partial" and left < 2:
                outcome = "customer_win"
            self.world.rule(outcome, left // 2 if outcome == "partial" else None)

        @rule()
        def change_the_account(self) -> None:
            self.world.tick(minutes=1)
            self.account += 1
            self.world.destination(f"acct_{self.account}")

        @rule()
        def pause_or_resume(self) -> None:
            said = {"reason": "test", "actor": "test", "now": self.world.now}
            for queue in (SENDING, RESERVING):
                if self.paused:
                    resume(conn, queue, QueuePart(queue.name), **said)
                else:
                    pause(conn, QueuePart(queue.name), **said)
            self.paused = not self.paused

        @precondition(lambda self: self._queued())
        @rule(how=st.sampled_from(["answered", "answer lost", "frozen", "not arrived", "refused", "busy", "lost before", "last busy"]))
        def send(self, how: str) -> None:
            world, attempt = self.world, self.world.live()
            assert attempt is not None
            world.tick(minutes=1)
            if self.paused:
                assert is_paused(conn, SENDING, attempt)
                return
            world.claim(attempt)
            if how == "lost before":
                world.lease_over(attempt, called=False)
                return
            call = world.try_to_announce(attempt)
            if call is None:
                assert world.standing(attempt).state != "sending", "what may not go is put elsewhere at once"
                return
            held = world.dispute or world.conflicts() or world.purse()[3] or self._old(attempt)
            assert not held, "a call begins under a brake"
            assert self.meant_for[attempt] == self.account, "a call goes to an account that was changed"
            if how == "frozen":  # its worker sleeps: the call lands later, or never
                self.flying.append((attempt, call, world.now))
                world.lease_over(attempt, called=True)
            elif how in ("answered", "answer lost"):
                self._land(attempt)
                fact = world.fact(world.standing(attempt).key, world.orders[world.standing(attempt).key])
                world.answer(attempt, call, Accepted(fact) if how == "answered" else Unclear("lost"))
            else:
                answer = {"refused": Refused("402"), "not arrived": Unclear("?")}.get(how, Later("429"))
                world.answer(attempt, call, answer, tries_left=how != "last busy")

        @precondition(lambda self: self._queued() and not self.paused and not self.world.dispute and self.world.gone < GROSS)
        @rule()
        def a_begun_order_meets_a_dispute(self) -> None:
            """What takes three steps in this order, which chance seldom takes."""
            self.send("busy")
            self.world.complain()
            if self._queued():
                self.send("answered")

        def _queued(self) -> bool:
            attempt = self.world.live()
            return attempt is not None and self.world.standing(attempt).state == "queued"

        def _old(self, attempt: str) -> bool:
            first = self.world.standing(attempt).first_call_at
            calls = self.world.calls[attempt]
            return len(calls) > 1 and first is not None and (self.world.now - first).total_seconds() >= 23 * 3600

        def _land(self, attempt: str) -> None:
            key = self.world.standing(attempt).key
            if key not in self.world.orders:
                self.world.lands(attempt)
                self.heard.append((key, "pending"))

        @precondition(lambda self: self.flying)
        @rule(pick=PICK, answered=st.booleans())
        def a_frozen_worker_wakes(self, pick: int, answered: bool) -> None:
            attempt, call, announced = self.flying.pop(pick % len(self.flying))
            if (self.world.now - announced).total_seconds() >= 15 * 60:
                return  # its connection is dead by then
            self._land(attempt)
            if answered:
                key = self.world.standing(attempt).key
                fact = self.world.fact(key, self.world.orders[key])
                self.world.answer(attempt, call, Accepted(fact), ours=False)

        @rule(hours=st.sampled_from([0.3, 1, 23]))
        def time_passes(self, hours: float) -> None:
            self.world.tick(hours=hours)

        @precondition(lambda self: self.world.attempts())
        @rule(pick=PICK, answered=st.booleans())
        def look_up(self, pick: int, answered: bool) -> None:
            found = [
                one
                for one in self.world.attempts()
                if self.world.standing(one).state in ("sent", "unknown", "quarantined") or self.world.standing(one).conflict
            ]
            if found:
                self.world.look_up(found[pick % len(found)], None if answered else Unclear("?"))

        @precondition(lambda self: self.heard)
        @rule(pick=st.integers(0, 99))
        def webhook(self, pick: int) -> None:
            key, status = self.heard[pick % len(self.heard)]
            attempt = next(one for one in self.world.attempts() if self.world.standing(one).key == key)
            self.world.webhook(attempt, status)

        # What a person does; what the guards refuse is refused.

        @rule(verb=st.sampled_from(["retry", "cancel", "reissue", "cancel_attempt", "quarantine", "release"]))
        def by_hand(self, verb: str) -> None:
            payout = self.world.newest_id()
            said = {"reason": "test", "actor": "test", "now": self.world.now}
            try:
                with conn.transaction():
                    match verb:
                        case "retry":
                            retry_payout(conn, payout, **said)
                        case "cancel":
                            cancel_payout(conn, payout, **said)
                        case "reissue":
                            reissue_payout(conn, payout, make_id("po"), **said)
                        case "cancel_attempt":
                            cancel_attempt(conn, payout, **said)
                        case "quarantine":
                            quarantine_attempt(conn, payout, **said)
                        case "release":
                            release_attempt(conn, payout, "unknown", **said)
            except NotNow:
                pass

        # What must hold.

        @invariant()
        def the_books_are_whole_and_every_pair_of_states_may_exist(self) -> None:
            if hasattr(self, "world"):
                self.world.still_true()

        @invariant()
        def no_money_is_out_or_on_its_way_twice(self) -> None:
            if hasattr(self, "world"):
                alive = [key for key, status in self.world.orders.items() if status in ("pending", "paid")]
                assert len(alive) <= 1, f"orders for one debt: {self.world.orders}"

        @invariant()
        def nothing_is_called_paid_that_is_not(self) -> None:
            if hasattr(self, "world"):
                for one in map(self.world.standing, self.world.attempts()):
                    if one.state == "succeeded":
                        assert self.world.orders.get(one.key) in ("paid", "returned")

        def in_the_end(self) -> None:
            """Every call has landed or died, the provider has its last word, we ask: both agree."""
            world = self.world
            world.horizon_passes()
            for key in list(world.orders):
                if world.orders[key] == "pending":
                    self._say(key, 0)
            for key, status in self.heard:
                world.webhook(next(one for one in world.attempts() if world.standing(one).key == key), status)
            for _ in range(3):
                for one in world.attempts():
                    if world.standing(one).state in PULLING.states:
                        world.look_up(one)
            world.still_true()
            out = sum(world.fact(key, status).amount for key, status in world.orders.items() if status == "paid")
            assert world.purse()[2] == out, f"{world.orders} {world.states()}"
            assert world.conflicts() == 0
            stuck = [one.state for one in map(world.standing, world.attempts()) if one.state in PROVIDER_PAYOUT.open]
            assert set(stuck) <= {"queued", "quarantined"}

    return OnePayout


@pytest.mark.parametrize("steps", [12, 30])
def test_whatever_happens_in_whatever_order_books_and_provider_agree(conn, steps):
    few = settings(
        max_examples=examples(20),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    run_state_machine_as_test(life_in(conn), settings=few)
