"""The exhaustive model of one payout's amounts and brakes beside the real tables: the same events, the same state and money.

An attempt is one step of this model (`test_second_opinion` walks through its inside). The invoice, its settlement, refund and dispute are
the product's own. Batches leave no trace here; nothing is held back, since the model and the tables take a refund from it in another order.
"""

from __future__ import annotations

import importlib
import random
from collections import Counter
from datetime import timedelta
from types import ModuleType
from typing import Any

import pytest

from counterfoil.base.edge import make_id
from counterfoil.ledger.periods import close_period
from counterfoil.operations.providers import Accepted, PayoutFact, Unclear
from counterfoil.operations.work.pauses import QueuePart, is_paused, pause, resume
from counterfoil.payouts.machines import RESERVING, SENDING
from counterfoil.payouts.payouts.by_hand import cancel_payout, reissue_payout, retry_payout
from counterfoil.payouts.payouts.matter import NotNow
from counterfoil.payouts.provider_payouts.attempts_by_hand import cancel_attempt
from tests.payouts.settled import Settled
from tests.payouts.world import PROGRAM, brake_on
from tests.shared_data import shared

STATE = {
    "p": "pending",
    "o": "processing",
    "b": "processing",
    "r": "reconcile_required",
    "c": "completed",
    "F": "failed",
    "x": "cancelled",
    "R": "returned",
    "h": "held",
    "z": "refunded",
}
WALKS, STEPS = 12, 40
NOWHERE = (
    "batch",
    "is asked for",
    "cooling-off ends",
    "is netted",
    "refund is refused",
)  # the tables do not see it
RARE = ("an operator", "two people", "the batch is cancelled", "the destination", "a refund")
NOT_OURS = ("refused five times", "write the receivable off")
RULINGS = {"payee": "provider_win", "customer": "customer_win", "half": "partial"}


class Life:
    """One walk: a state of the model and the tables that should be in the same."""

    def __init__(self, conn: Any, model: ModuleType, seed: int) -> None:
        self.successors = model.successors_for(frozenset(model.RULES))
        held = model.cut(model.G)
        self.state = model.S("p", 0, 0, "-", 0, "a", 0, 0, 0, 1, held[3], held[3], held[2], 0, 0, 0, 0, 0, held[0], held[1], 0, 0)
        self.world, self.random = Settled(conn, gross=model.G, rates=(2000, 1000, 0)), random.Random(seed)
        self.trail: list[str] = []
        self.call: str | None = None
        self.occurred = timedelta()  # how long before now what the provider tells happened

    def go(self, seen: Counter[str]) -> None:
        for _ in range(STEPS):
            ways = [
                (label, after)
                for label, after, *_ in self.successors(self.state)
                if after != self.state and not any(word in label for word in NOT_OURS)
            ]
            # People who cancel and pause all day would be all that is seen.
            ways.sort(key=lambda way: self.random.random() * (1 if way[0].startswith(RARE) else 8), reverse=True)
            taken = next((way for way in ways if self.follow(*way)), None)
            if taken is None:
                break
            self.trail.append(taken[0])
            seen["".join(one for one in taken[0] if not one.isdigit()).strip()] += 1
            self.state = taken[1]
            self.compare()
        self.world.invariants_hold()

    def follow(self, label: str, after: Any) -> bool:
        """Do the event here. False when a person's three tries are over, which this model does not count."""
        self.world.tick(seconds=1)
        if any(word in label for word in NOWHERE):
            return True
        try:
            with self.world.conn.transaction():
                self.event(label, after)
        except NotNow as refused:
            if "tried 3 times" in str(refused) or "it can be retried" in str(refused):
                return False
            raise AssertionError("\n".join([*self.trail, label, str(refused)])) from refused
        return True

    def event(self, label: str, after: Any) -> None:
        world, by = self.world, {"reason": "test", "actor": "test", "now": self.world.now}
        conn, newest = world.conn, world.newest_id()
        if "is reserved and queued" in label:
            world.reserve()
        elif label == "the call begins":
            one = self.live()
            assert brake_on(conn, world.standing(one)) is None, self.trail
            assert not is_paused(conn, SENDING, one)
            world.claim(one)
            self.call = world.announce(one)  # as a sender does, whom nothing may stop
        elif label == "nobody knows what came of the call":
            self.answer(Unclear("?"))
        elif label.startswith(("the provider", "the bank")):
            self.told({"paid": "paid", "says failed": "failed"}.get(label.removeprefix("the provider "), "returned"))
        elif label.startswith("the period closes"):
            close_period(conn, PROGRAM, until=world.now, reason="month-end", actor="test", now=world.now)
            self.occurred = timedelta(days=1)
        elif label == "an operator retries":
            retry_payout(conn, newest, **by)
        elif label == "an operator cancels":
            cancel_payout(conn, newest, **by)
        elif label == "an operator cancels the queued attempt":
            cancel_attempt(conn, newest, **by)
        elif "is issued again" in label:
            reissue_payout(conn, newest, make_id("po"), **by)
        elif label == "an operator pauses":
            for queue in (SENDING, RESERVING):
                pause(conn, QueuePart(queue.name), **by)
        elif label == "two people resume":
            for queue in (SENDING, RESERVING):
                resume(conn, queue, QueuePart(queue.name), **by)
        elif label.startswith("the destination is changed"):
            world.destination("acct_2")
        elif label == "a dispute is opened":
            world.complain()
        elif label.startswith("the dispute ends: "):
            outcome = RULINGS[label.removeprefix("the dispute ends: ")]
            world.rule(outcome, after.refunded - self.state.refunded if outcome == "partial" else None)
        else:
            assert label == "the refund is booked", label
            world.refund(after.refunded - self.state.refunded)

    def live(self) -> str:
        one = self.world.live()
        assert one is not None, self.trail
        return one

    def answer(self, said: Any) -> None:
        assert self.call is not None
        self.world.answer(self.live(), self.call, said)
        self.call = None

    def told(self, status: str) -> None:
        """The provider's word: as the answer to the call if nobody has had it, by a look-up otherwise."""
        world = self.world
        one = world.live() or next(one for one in world.attempts() if world.standing(one).state == "succeeded")
        standing = world.standing(one)
        fact = PayoutFact(
            f"ref-{standing.key}",
            standing.key,
            standing.amount,
            0,
            "EUR",
            status,
            None,
            world.now - self.occurred,  # type: ignore[arg-type]
        )
        if self.call is not None:
            self.answer(Accepted(fact))
        else:  # this model knows no calls: none of them is open any more
            world.horizon_passes()
            world.look_up(one, Accepted(fact))

    def compare(self) -> None:
        s, world = self.state, self.world
        payable, transit, _, receivable = world.purse()
        out = sum(world.standing(one).amount for one in world.attempts() if world.standing(one).state == "succeeded")
        ours = (world.payout(), payable + transit - receivable, transit, out)
        theirs = (STATE[s.p], s.payable + s.transit - s.recv, s.transit, s.out)
        assert ours == theirs, "\n".join(self.trail)
        assert world.gone == s.refunded
        world.adds_up()
        if s.p == "p" and (s.pause or not s.due):
            return
        if s.p == "o" and s.pause:
            assert is_paused(world.conn, SENDING, self.live()), self.trail
        # What the model holds back for money or destination is taken back here at once, or held back at the announcement.
        if s.p == "o" and (s.recv or s.dest != "a"):
            assert brake_on(world.conn, world.standing(self.live())) is not None, self.trail


@pytest.fixture
def payout_life(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The model, which lies beside the repository and imports its own neighbours."""
    monkeypatch.syspath_prepend(str(shared("models")))
    model = importlib.import_module("payout_life")
    shares = model.cut
    monkeypatch.setattr(model, "cut", lambda kept: (*shares(kept)[:2], 0, kept - sum(shares(kept)[:2])))
    return model


def test_amounts_and_brakes_go_where_the_model_goes(conn, payout_life):
    seen: Counter[str] = Counter()
    for seed in range(WALKS):
        with conn.transaction(force_rollback=True):
            Life(conn, payout_life, seed).go(seen)
    needed = {
        "is reserved and queued",
        "the call begins",
        "the provider paid",
        "the refund is booked",
        "the bank returns the money",
        "a dispute is opened",
        *(f"the dispute ends: {one}" for one in RULINGS),
    }
    needed |= {
        "the destination is changed and cools off",
        "the period closes over what was not yet told",
        "an operator retries",
    }
    assert needed <= set(seen), sorted(seen)
