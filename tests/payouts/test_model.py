"""The rules of a payout beside a tiny provider that loses answers, forgets nothing and speaks out of order.

The provider here is too simple to be wrong. Whatever happens in whatever order, our books never give money back that is out,
and never call paid what is not; and in the end both agree.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from counterfoil.operations.providers import Accepted, Later, NotThere, PayoutFact, Refused, Unclear
from counterfoil.payouts.machines import PAYOUT, PROVIDER_PAYOUT
from counterfoil.payouts.provider_payouts.outcome_rules import (
    EFFECTS,
    Decision,
    Standing,
    decide_answer,
    decide_fact,
    decide_lookup,
    decide_orphan,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SILENT = timedelta(minutes=10)
NEXT = {"pending": ["paid", "failed"], "paid": ["returned"], "failed": [], "returned": []}


class OnePayout(RuleBasedStateMachine):
    """One provider payout; `words` is what the provider ever said of it, in the order it happened."""

    def __init__(self) -> None:
        super().__init__()
        self.ours = Standing(
            "pp", "po", "main", "payee", "sim", "EUR", 100, "key", "queued", "processing", None, None, None, 0
        )
        self.words: list[PayoutFact] = []
        self.refused = False
        self.reserved, self.given_back, self.booked_out = 100, 0, 0

    @rule()
    def nothing_happens(self) -> None:
        """A final payout that the provider never had has nothing more to come."""

    # What the provider does by itself.

    @precondition(lambda self: self.words)
    @rule(choice=st.integers(0, 5))
    def provider_goes_on(self, choice: int) -> None:
        ways = NEXT[self.words[-1].status]
        if ways:
            self._say(ways[choice % len(ways)])

    def _say(self, status: str) -> None:
        at = NOW + timedelta(seconds=len(self.words))
        self.words.append(PayoutFact("ref", "key", 100, 0, "EUR", status, None, at))

    # What we do.

    @precondition(lambda self: self.ours.state == "queued")
    @rule(
        how=st.sampled_from(["answered", "answer lost", "not arrived", "refused", "busy", "worker lost", "lost before"])
    )
    def send(self, how: str) -> None:
        self.ours = self.ours._replace(state="sending", request_sent_at=None if how == "lost before" else NOW)
        if how in ("answered", "answer lost", "worker lost") and not self.words and not self.refused:
            self._say("pending")
        if how == "refused" and not self.words:
            self.refused = True
        if how in ("worker lost", "lost before"):
            self._carry_out(decide_orphan(self.ours))
            return
        if self.words and how in ("answered", "refused"):
            answer = Accepted(self.words[0])  # the key was known: the first answer again
        else:
            answer = {"refused": Refused("402"), "busy": Later("429"), "answered": Refused("402")}.get(
                how, Unclear("?")
            )
        self._carry_out(decide_answer(self.ours, answer, silent_after=SILENT, tries_left=True))

    @precondition(lambda self: self.ours.state in ("sent", "unknown"))
    @rule(answered=st.booleans())
    def look_up(self, answered: bool) -> None:
        self._carry_out(
            decide_lookup(self.ours, self._found() if answered else Unclear("?"), now=NOW, silent_after=SILENT)
        )

    def _found(self) -> Accepted | NotThere | Refused:
        if self.words:
            return Accepted(self.words[-1])
        return Refused("402") if self.refused else NotThere()

    @precondition(lambda self: self.words)
    @rule(which=st.integers(0, 9))
    def webhook(self, which: int) -> None:
        """Any word ever said, late, doubled, out of order."""
        self._carry_out(decide_fact(self.ours, self.words[which % len(self.words)], silent_after=SILENT))

    def _carry_out(self, decision: Decision) -> None:
        for verb in decision.verbs:
            state = PROVIDER_PAYOUT.next_state(self.ours.state, verb)
            effect, journal = EFFECTS.get(verb, ("", ""))
            payout = self.ours.payout_state
            if effect and not (effect == "doubt" and payout == "reconcile_required"):
                payout = PAYOUT.next_state(payout, effect)
            self.ours = self.ours._replace(state=state, payout_state=payout)
            self.given_back += 100 if journal in ("release", "return") else 0
            self.booked_out += 100 if journal == "finalize" else 0
        if decision.fact:
            self.ours = self.ours._replace(provider_ref=decision.fact.provider_ref)
        if "requeue" in decision.verbs:
            self.ours = self.ours._replace(request_sent_at=None)

    # What must hold.

    @invariant()
    def nothing_is_given_back_that_is_out_and_nothing_is_called_paid_that_is_not(self) -> None:
        said = [word.status for word in self.words]
        if self.ours.state == "failed":
            assert not self.words or "failed" in said
        if self.ours.state == "succeeded":
            assert "paid" in said
        if self.ours.state == "returned":
            assert "returned" in said
        assert self.given_back <= 100
        assert self.booked_out <= 100

    @invariant()
    def the_payout_stands_where_its_attempt_puts_it(self) -> None:
        fits = {
            "queued": {"processing", "reconcile_required"},
            "sending": {"processing", "reconcile_required"},
            "sent": {"processing", "reconcile_required"},
            "unknown": {"reconcile_required"},
            "succeeded": {"completed"},
            "failed": {"failed"},
            "returned": {"returned"},
        }
        assert self.ours.payout_state in fits[self.ours.state]

    def teardown(self) -> None:
        """Whatever happened: one word from the provider at a time, and both agree in the end."""
        for _ in range(6):
            if self.ours.state == "queued":
                self.send("answered")
            if self.words and NEXT[self.words[-1].status]:
                self._say(NEXT[self.words[-1].status][0])
            if self.ours.state in ("sent", "unknown"):
                self.look_up(answered=True)
        for word in self.words:
            self._carry_out(decide_fact(self.ours, word, silent_after=SILENT))
        final = self.words[-1].status if self.words else "failed"
        assert self.ours.state == {"paid": "succeeded", "failed": "failed", "returned": "returned"}[final]


OnePayout.TestCase.settings = settings(max_examples=300, stateful_step_count=25, deadline=None)
TestOnePayout = OnePayout.TestCase
