"""Disputes in the real tables beside a second model that is a few numbers: who may do what and when, and where each unit lies after it.

Refunds, chargebacks of the customer's bank, payouts and the release of the holdback come between any two steps, before and after the
settlement. The model knows nothing of journals, locks or fees per refund: of a gross of which so much has gone back the platform has its
rate of what is left and what rulings let it keep, the validators have theirs, and the payee's side has all the rest, wherever it lies.
R + P + V + H + N = G after every step.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import Problem
from counterfoil.operations.access.access import Caller
from counterfoil.operations.providers import Accepted, ChargebackFact
from counterfoil.operations.work.runner import Runner
from counterfoil.payouts.chargebacks.chargebacks import apply_chargebacks
from counterfoil.payouts.disputes import disputes, evidence
from counterfoil.payouts.disputes.waking import wake_what_waited
from counterfoil.payouts.payouts.verbs import Owed, create_payouts
from counterfoil.payouts.refunds.refunds import book_refund, execute_refund, lock_invoice, refundable
from counterfoil.payouts.refunds.release import release_due
from counterfoil.settlement.settlements import settle_due, settlement_of
from counterfoil.wiring import INVARIANTS
from tests.lives import RolledBackLife
from tests.payouts.settled import Settled
from tests.payouts.world import PAYEE, PROGRAM, _Same
from tests.soak import examples

GROSS, RATES = 10_007, (500, 300, 1000)
PEOPLE: Final = {name: Caller("", name, "operator+approver", principal_id=f"prn_{name}") for name in ("anna", "ben", "carl", "dora")}
WHO = st.sampled_from(sorted(PEOPLE))
AMOUNTS = st.one_of(st.integers(-1, 3), st.integers(4, GROSS + 1))
HOURS_TO_ANSWER, HOURS_TO_DECIDE, HOURS_TO_APPEAL, LEVELS = 48, 72, 168, 3
# Typed by hand: where each verb leads from each state.
LEADS: Final = {
    "ask_evidence": {"open": "evidence"},
    "review": {"open": "under_review", "evidence": "under_review"},
    "escalate": dict.fromkeys(("open", "evidence", "under_review", "escalated"), "escalated"),
    "reject": dict.fromkeys(("open", "evidence", "under_review", "escalated"), "rejected"),
    "cancel": dict.fromkeys(("open", "evidence"), "cancelled"),
    "resolve": dict.fromkeys(("under_review", "escalated"), "resolved_pending_appeal"),
}


class Complaint:
    """What the model knows of the dispute that is open."""

    def __init__(self, by: str, number: str, due: Any) -> None:
        self.id, self.state, self.level, self.due = number, "open", 0, due
        self.parties, self.files = {by}, dict[bytes, int]()
        self.refund, self.retains, self.decided_by, self.appealed = 0, False, "", False


class Taken(NamedTuple):
    """A chargeback that is open: of what was owed anyway, of what had not gone back yet, and beyond both."""

    owed: int
    new: int
    beyond: int


class Complained(Settled):
    """An invoice that is paid, and settled when the machine says so."""

    def earn(self) -> None:
        self.be_paid()
        self.first = SimpleNamespace(id="")  # type: ignore[assignment]

    @property
    def runner(self) -> Runner:
        return Runner(_Same(self.conn), lambda *_: self.now, "worker:test")  # type: ignore[arg-type]


def life_in(conn: Any) -> type[RuleBasedStateMachine]:
    """A machine whose every life is lived in `conn` and rolled back."""

    class OneInvoice(RolledBackLife):
        books = conn

        @initialize()
        def begin(self) -> None:
            self.world = Complained(conn, gross=GROSS, rates=RATES)
            self.case: Complaint | None = None
            self.over: list[tuple[str, str, int]] = []  # of each dispute that ended: its id, its state, and what it gave back
            self.settled = False
            self.gone = self.owed = self.paid_back = self.customer_owes = 0
            self.kept_more = [0, 0]  # by platform and validators, beyond their rates of what is left
            self.banks: dict[str, Taken] = {}
            self.lost = 0
            self.references = 0

        def teardown(self) -> None:
            try:
                if hasattr(self, "world"):
                    self.in_the_end()
            finally:
                super().teardown()

        # What the model works out.

        @property
        def left(self) -> int:
            return GROSS - self.gone

        @property
        def contested(self) -> bool:
            return bool(self.case or self.banks)

        def fees(self, kept: int) -> tuple[int, int]:
            return kept * RATES[0] // 10_000, kept * RATES[1] // 10_000

        def _try(self, may: bool, act: Callable[[], object]) -> bool:
            """Whatever we do, the model said before whether it may be done."""
            refused = ""
            try:
                with conn.transaction():
                    act()
            except Problem as problem:
                refused = str(problem)
            assert may == (refused == ""), refused or "done although it may not be"
            return may

        def _said(self, by: str, reason: str = "seen") -> dict[str, Any]:
            return {"reason": reason, "by": PEOPLE[by], "now": self.world.now}

        def _goes_back(self, amount: int, *, retains: bool = False) -> None:
            before, after = self.fees(self.left), self.fees(self.left - amount)
            if retains:
                self.kept_more = [more + was - now for more, was, now in zip(self.kept_more, before, after, strict=True)]
            self.gone += amount

        # Time, and the worker.

        @rule(hours=st.sampled_from([1, 30, 49, 73, 169, 800]), worker=st.booleans())
        def time_passes(self, hours: int, worker: bool) -> None:
            self.world.tick(hours=hours)
            if worker:
                self.the_worker_looks()

        @rule()
        def the_worker_looks(self) -> None:
            tally = disputes.disputes_due(self.world.runner, make_id)
            assert tally.failed == 0
            case = self.case
            if case is None or case.due > self.world.now:
                assert tally.handled == 0
            elif case.state == "resolved_pending_appeal":
                self._takes_effect()
            else:
                if case.level < LEVELS:
                    case.level, case.state = case.level + 1, "escalated"
                case.due = self.world.now + timedelta(hours=HOURS_TO_DECIDE)

        def _takes_effect(self) -> None:
            assert self.case is not None
            booked = min(self.case.refund, self.left)
            self._goes_back(booked, retains=self.case.retains)
            self.owed += booked
            self._ends("final", booked)

        def _ends(self, state: str, booked: int = 0) -> None:
            assert self.case is not None
            self.over.append((self.case.id, state, booked))
            self._wake([self.case.id])
            self.case = None

        @precondition(lambda self: not self.settled)
        @rule()
        def settle(self) -> None:
            conn.execute("update intent set due_at = %s where state = 'processing'", [self.world.now])
            settle_due(self.world.runner, make_id)
            made = settlement_of(conn, self.world.invoice)
            assert (made is not None) == (not self.contested and self.left > 0)
            self.settled = made is not None
            if made is not None and made.net:
                owed = [Owed(PROGRAM, self.world.invoice, made.id, PAYEE, "EUR", made.net)]
                create_payouts(conn, owed, make_id=make_id, actor="test", cause="test", now=self.world.now)

        @precondition(lambda self: self.settled)
        @rule(arrives=st.booleans())
        def pay_out(self, arrives: bool) -> None:
            world = self.world
            world.tick(minutes=1)
            before = world.attempts()
            world.reserve()
            fresh = set(world.attempts()) - set(before)
            assert not (fresh and self.contested), "set aside while it is disputed"
            attempt = world.live()
            if attempt is None:
                return
            if world.standing(attempt).state != "queued":  # nobody knows whether it went out: it did not
                world.horizon_passes()
                world.look_up(attempt)
                return
            world.claim(attempt)
            call = world.try_to_announce(attempt)
            assert call is None or not self.contested, "a call begins while it is disputed"
            if call is not None and arrives:
                world.lands(attempt)
                key = world.standing(attempt).key
                world.orders[key] = "paid"
                world.answer(attempt, call, Accepted(world.fact(key, "paid")))
            elif call is not None:
                world.lease_over(attempt, called=True)

        @precondition(lambda self: self.settled)
        @rule()
        def release_the_holdback(self) -> None:
            held = self.world.balance(f"holdback:payee:{PAYEE}")
            conn.execute("update holdback_tranche set due_at = greatest(release_at, %s) where state = 'held'", [self.world.now])
            assert release_due(self.world.runner, make_id).failed == 0
            if self.contested:
                assert self.world.balance(f"holdback:payee:{PAYEE}") == held, "released while it is disputed"

        # What parties and operators do with a dispute.

        @rule(by=WHO)
        def complain(self, by: str) -> None:
            one = make_id("dsp")
            given: dict[str, Any] = {"cause": "empty box", "make_id": make_id, "by": PEOPLE[by], "now": self.world.now}
            may = not self.contested and self.left > 0
            if self._try(may, lambda: disputes.open_dispute(conn, one, self.world.invoice, **given)):
                self.case = Complaint(by, one, self.world.now + timedelta(hours=HOURS_TO_ANSWER))

        @precondition(lambda self: self.case)
        @rule(by=WHO, verb=st.sampled_from(["ask_evidence", "review", "escalate"]))
        def step(self, by: str, verb: str) -> None:
            case = self.case
            assert case is not None
            may = case.state in LEADS[verb] and not (verb == "escalate" and case.level == LEVELS)
            if self._try(may, lambda: disputes.step(conn, case.id, verb, **self._said(by))):
                case.state, case.level = LEADS[verb][case.state], case.level + (verb == "escalate")
                hours = HOURS_TO_ANSWER if verb == "ask_evidence" else HOURS_TO_DECIDE
                case.due = self.world.now + timedelta(hours=hours)

        @precondition(lambda self: self.case)
        @rule(by=WHO, content=st.sampled_from([b"", b"a picture", b"a letter", b"a receipt"]))
        def hand_in(self, by: str, content: bytes) -> None:
            case = self.case
            assert case is not None
            may = case.state in LEADS["escalate"] and content != b""
            given: dict[str, Any] = {"name": "it.pdf", "by": PEOPLE[by], "now": self.world.now}
            if self._try(may, lambda: evidence.add_evidence(conn, case.id, content, **given)):
                if content not in case.files:
                    case.parties.add(by)
                number = case.files.setdefault(content, len(case.files) + 1)
                assert evidence.evidence_file(conn, case.id, number).content == content

        @precondition(lambda self: self.case)
        @rule(by=WHO, outcome=st.sampled_from(["provider_win", "customer_win"]))
        def decide_for_one_side(self, by: str, outcome: str) -> None:
            self._decide(by, outcome, None, None, "proportional", self.left if outcome == "customer_win" else 0)

        @precondition(lambda self: self.case)
        @rule(by=WHO, amount=AMOUNTS, policy=st.sampled_from(["proportional", "retain_fees"]))
        def decide_in_part(self, by: str, amount: int, policy: str) -> None:
            self._decide(by, "partial", amount, None, policy, amount)

        @precondition(lambda self: self.case)
        @rule(by=WHO, bps=st.integers(-1, 10_001), policy=st.sampled_from(["proportional", "retain_fees"]))
        def decide_by_a_share(self, by: str, bps: int, policy: str) -> None:
            refund = self.left * bps // 10_000 if 0 <= bps <= 10_000 else -1
            self._decide(by, "partial", None, bps, policy, refund)

        def _decide(self, by: str, outcome: str, amount: int | None, bps: int | None, policy: str, refund: int) -> None:
            case = self.case
            assert case is not None
            retains = policy == "retain_fees"
            may = case.state in LEADS["resolve"] and by not in case.parties and 0 <= refund <= self.left
            if retains:
                may = may and self.settled and self._split(refund, retains=True)[-1] >= 0
            given: dict[str, Any] = {"outcome": outcome, "amount": amount, "ratio_bps": bps, "policy": policy, **self._said(by)}
            if self._try(may, lambda: disputes.resolve(conn, case.id, **given)):
                case.state, case.refund, case.retains, case.decided_by = "resolved_pending_appeal", refund, retains, by
                case.due = self.world.now + timedelta(hours=HOURS_TO_APPEAL)
                told = disputes.split_of(conn, disputes.show_dispute(conn, case.id))
                assert told == (self._split(refund, retains=retains) if self.settled else None)

        def _split(self, refund: int, *, retains: bool) -> tuple[int, ...]:
            """What a ruling leaves, by the model: gone, platform, validators, held back, and the payee's."""
            kept = self.left - refund
            platform, validator = (fee + more for fee, more in zip(self.fees(self.left if retains else kept), self.kept_more, strict=True))
            settlement = settlement_of(conn, self.world.invoice)
            held = self.world.balance(f"holdback:payee:{PAYEE}")
            before, after = (rest * RATES[2] // 10_000 for rest in (self.left, kept))
            held -= min(before - after, held)
            before_it = GROSS - (settlement.gross if settlement else GROSS)
            return self.gone + refund - before_it, platform, validator, held, kept - platform - validator - held

        @precondition(lambda self: self.case)
        @rule(by=WHO)
        def appeal(self, by: str) -> None:
            case = self.case
            assert case is not None
            may = case.state == "resolved_pending_appeal" and not case.appealed and self.world.now < case.due
            if self._try(may, lambda: disputes.appeal(conn, case.id, **self._said(by))):
                case.state, case.appealed = "under_review", True
                case.parties |= {by, case.decided_by}
                case.due = self.world.now + timedelta(hours=HOURS_TO_DECIDE)

        @precondition(lambda self: self.case)
        @rule(by=WHO, verb=st.sampled_from(["reject", "cancel"]))
        def end_it_unruled(self, by: str, verb: str) -> None:
            case = self.case
            assert case is not None
            may = case.state in LEADS[verb] and not (verb == "reject" and (case.appealed or by in case.parties))
            if self._try(may, lambda: disputes.end_unruled(conn, case.id, verb, **self._said(by))):
                self._ends(LEADS[verb][case.state])

        @precondition(lambda self: self.case)
        @rule()
        def have_it_take_effect(self) -> None:
            case = self.case
            assert case is not None
            may = case.state == "resolved_pending_appeal" and self.world.now >= case.due
            now = self.world.now
            if self._try(may, lambda: disputes.apply_ruling(conn, case.id, make_id=make_id, actor="test", now=now)):
                self._takes_effect()

        # What the customer and their bank do.

        @rule(amount=AMOUNTS)
        def refund(self, amount: int) -> None:
            invoice = lock_invoice(conn, self.world.invoice)
            given: dict[str, Any] = {"cause": "asked", "make_id": make_id, "actor": "test", "now": self.world.now}
            may = not self.contested and 0 < amount <= self.left
            if self._try(may, lambda: book_refund(conn, make_id("ref"), invoice, amount, **given)):
                self._goes_back(amount)
                self.owed += amount

        @rule()
        def pay_a_refund(self) -> None:
            """The oldest one that is owed."""
            row = conn.execute("select id from refund where state = 'owed' order by id limit 1").fetchone()
            if row is None:
                return
            self.references += 1
            given: dict[str, Any] = {"provider": "bank", "reference": f"R{self.references}", "known": set(), "actor": "test"}
            before = self.world.balance("cash:bank:client")
            if self._try(not self.contested, lambda: execute_refund(conn, row[0], now=self.world.now, **given)):
                paid = before - self.world.balance("cash:bank:client")
                assert 0 < paid <= self.owed
                self.owed, self.paid_back = self.owed - paid, self.paid_back + paid

        @property
        def with_the_bank(self) -> int:
            return self.lost + sum(map(sum, self.banks.values()))

        @rule(amount=AMOUNTS)
        def the_bank_takes(self, amount: int) -> None:
            reference = f"cbk_{len(self.banks)}_{self.references}"
            self.references += 1
            may = 0 < amount <= GROSS - self.with_the_bank
            if self._try(may, lambda: self._told(reference, amount, "open")):
                owed = min(amount, self.owed)
                new = min(amount - owed, self.left)
                self.owed -= owed
                self._goes_back(new)
                self.banks[reference] = Taken(owed, new, amount - owed - new)
                self.customer_owes += amount - owed - new

        @precondition(lambda self: self.banks)
        @rule(won=st.booleans())
        def the_bank_says(self, won: bool) -> None:
            reference, taken = self.banks.popitem()
            self._told(reference, sum(taken), "won" if won else "lost")
            if not won:
                self.lost += sum(taken)
            else:
                self._comes_back(taken.new)
                self.owed, self.customer_owes = self.owed + taken.owed, self.customer_owes - taken.beyond
            self._wake([row[0] for row in conn.execute("select id from chargeback").fetchall()])

        def _wake(self, ended: list[str]) -> None:
            """What waited is due, as the event of the end has it."""
            wake_what_waited(conn, [SimpleNamespace(subject_id=one) for one in ended], self.world.now)  # type: ignore[misc]

        def _comes_back(self, amount: int) -> None:
            """Of one or two units the fees take no more than there is."""
            before, after = self.fees(self.left), self.fees(self.left + amount)
            self.gone -= amount
            platform = min(after[0] - before[0], amount)
            validator = min(after[1] - before[1], amount - platform)
            self.kept_more[0] += platform - (after[0] - before[0]) if self.settled else 0
            self.kept_more[1] += validator - (after[1] - before[1]) if self.settled else 0

        def _told(self, reference: str, amount: int, status: Any) -> None:
            fact = ChargebackFact(reference, "ch_1", amount, 0, "EUR", status, "fraudulent", self.world.now)
            apply_chargebacks(conn, [fact], provider="simulator", make_id=make_id, now=self.world.now)

        # What must hold.

        @invariant()
        def the_tables_say_what_the_model_says(self) -> None:
            if not hasattr(self, "world"):
                return
            row = conn.execute("select id, state, level, due_at, refund, retain_fees from dispute where ended_at is null").fetchone()
            case = self.case
            pending = case is not None and case.state == "resolved_pending_appeal"
            assert row == (
                (case.id, case.state, case.level, case.due, case.refund if pending else None, case.retains if pending else False)
                if case
                else None
            )
            ended = conn.execute(
                """select d.id, d.state, coalesce(r.amount, 0) from dispute d left join refund r on r.id = d.refund_id
                   where d.ended_at is not null order by d.id"""
            ).fetchall()
            assert ended == sorted(self.over)
            assert refundable(conn, lock_invoice(conn, self.world.invoice)) == self.left
            self.each_unit_is_where_it_should_be()
            self.world.invariants_hold()

        def each_unit_is_where_it_should_be(self) -> None:
            at = self.world.balance
            customer = self.world.row("select customer_id from invoice where id = %s", self.world.invoice)[0]
            out = sum(self.world.fact(key, status).amount for key, status in self.world.orders.items() if status == "paid")
            payee = at(f"payable:payee:{PAYEE}") + at("in_transit:simulator") + out - at(f"receivable:payee:{PAYEE}")
            back = at(f"refund_payable:customer:{customer}")
            parts = {
                "R": back + self.paid_back + self.with_the_bank - at(f"receivable:customer:{customer}"),
                "E": at(f"escrow:{self.world.invoice}"),
                "P": at("fee:platform"),
                "V": at("payable:validator") - at("receivable:validator"),
                "H + N": at(f"holdback:payee:{PAYEE}") + payee,
            }
            platform, validator = (
                (fee + more for fee, more in zip(self.fees(self.left), self.kept_more, strict=True)) if self.settled else (0, 0)
            )
            theirs = self.left - platform - validator if self.settled else 0
            wanted = {"R": self.gone, "E": 0 if self.settled else self.left, "P": platform, "V": validator, "H + N": theirs}
            assert (parts, back) == (wanted, self.owed)
            assert sum(parts.values()) == GROSS
            assert at(f"receivable:customer:{customer}") == self.customer_owes
            assert at("clearing:simulator") == GROSS - out - self.with_the_bank
            assert -at("cash:bank:client") == self.paid_back

        def in_the_end(self) -> None:
            """Nobody does anything any more: what was decided takes effect, what was not goes up and is told; every check of all holds."""
            for _ in range(LEVELS + 2):
                self.time_passes(800, worker=True)
            self.the_tables_say_what_the_model_says()
            assert self.case is None or self.case.level == LEVELS
            assert run_invariants(conn, INVARIANTS) == []

    return OneInvoice


@pytest.mark.parametrize(("lives", "steps"), [(10, 12), (5, 30)])
def test_whatever_happens_to_a_dispute_every_unit_is_where_the_ruling_says(conn: Any, lives: int, steps: int) -> None:
    few = settings(
        max_examples=examples(lives),
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    run_state_machine_as_test(life_in(conn), settings=few)
