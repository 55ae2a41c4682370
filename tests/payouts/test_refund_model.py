"""Refunds, disputes and chargebacks of one payment in any order, while its payouts arrive, fail, come back and are issued anew, through the
tables, beside a second model that counts in another way.

The product adds up what each refund takes of each part. The model forgets all that: of a payment of G of which C has gone back, the
platform has its rate of G - C, the validator has, and the payee's side has all the rest, wherever it lies. R + P + V + H + N = G always.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from counterfoil.base.edge import Database, make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import InvalidInput
from counterfoil.operations.providers import ChargebackFact
from counterfoil.payouts.chargebacks.chargebacks import apply_chargebacks
from counterfoil.payouts.payouts.matter import NotNow
from counterfoil.payouts.refunds.refunds import UnderDispute, execute_refund, lock_invoice, refundable
from counterfoil.wiring import INVARIANTS
from tests.builders import Desk, a_program
from tests.lives import LastingLife, lived
from tests.payouts.refunding import SETTLED, go, paid, refund
from tests.payouts.test_disputes import decided, effect, opened
from tests.payouts.test_returned_and_refunded import by_hand, comes_back, fails, nothing_stays_behind, returning
from tests.simulators import spawn_simulator
from tests.soak import examples

GROSS = 100_01
PLATFORM, VALIDATOR = 500, 100  # hundredths of a percent, as the program's
AMOUNTS = st.one_of(st.integers(1, 3), st.integers(1_00, 40_00))


def life_of(desk: Desk) -> type[LastingLife]:
    class OnePayment(LastingLife):
        """What may happen to one payment; `gone` and `owed` are the model's."""

        @initialize()
        def pay(self) -> None:
            OnePayment.number += 1
            self.prefix = f"m{OnePayment.number}"
            self.invoice = paid(desk, "100.01", prefix=self.prefix)
            desk.work(*SETTLED)
            self.gone, self.dispute, self.ruled = 0, "", 0
            self.open: dict[str, int] = {}
            self.before = self.balances()

        number = 0

        @property
        def contested(self) -> bool:
            return bool(self.dispute or self.open)

        @rule(amount=AMOUNTS)
        def ask_for_a_refund(self, amount: int) -> None:
            if self.contested:
                with pytest.raises(UnderDispute):
                    refund(desk, self.invoice, amount)
            elif amount > GROSS - self.gone:
                with pytest.raises(InvalidInput):
                    refund(desk, self.invoice, amount)
            else:
                refund(desk, self.invoice, amount)
                self.gone += amount
                self.paid_to_the_customer()

        @rule()
        def pay_out(self) -> None:
            go(desk)

        @rule()
        def pay_out_in_vain(self) -> None:
            fails(desk)
            go(desk)

        @rule()
        def send_back(self) -> None:
            comes_back(desk)

        @rule(verb=st.sampled_from(["retry", "reissue", "reissue", "cancel"]))
        def act(self, verb: str) -> None:
            with suppress(NotNow):  # it is not offered
                by_hand(desk, verb)

        @precondition(lambda self: not self.contested and self.gone < GROSS)
        @rule()
        def complain(self) -> None:
            self.dispute = opened(desk, self.invoice)

        @precondition(lambda self: self.dispute)
        @rule(outcome=st.sampled_from(("provider_win", "customer_win", "partial")), amount=AMOUNTS)
        def decide(self, outcome: str, amount: int) -> None:
            left = GROSS - self.gone
            wanted = {"provider_win": 0, "customer_win": left, "partial": min(amount, left)}[outcome]
            decided(desk, self.dispute, outcome, amount=wanted if outcome == "partial" else None)
            effect(desk)
            self.gone, self.dispute = self.gone + wanted, ""
            self.paid_to_the_customer()

        @rule(amount=AMOUNTS)
        def take_back(self, amount: int) -> None:
            ref = make_id("cbk")
            if amount > GROSS - self.gone:
                return  # what the customer owes then is tried elsewhere
            if self.contested and desk.rows("select id from refund where invoice_id = %s and state = 'owed'", self.invoice):
                return  # a refund that waits for a ruling or a bank's word: this takes the same money, which is tried elsewhere
            self.told(ref, amount, "open")
            self.open[ref] = amount
            self.gone += amount

        @precondition(lambda self: self.open)
        @rule(won=st.booleans(), again=st.booleans())
        def say(self, won: bool, again: bool) -> None:
            ref, amount = self.open.popitem()
            for _ in range(1 + again):
                self.told(ref, amount, "won" if won else "lost")
            self.gone -= amount if won else 0
            self.paid_to_the_customer()

        def told(self, ref: str, amount: int, status: Any) -> None:
            ((charge,),) = desk.rows("select charge_id from payment where invoice_id = %s", self.invoice)
            fact = ChargebackFact(ref, str(charge), amount, 0, "EUR", status, "fraudulent", desk.clock.now)
            with desk.database.transaction() as conn:
                apply_chargebacks(conn, [fact], provider="simulator", make_id=make_id, now=desk.clock.now)
            desk.work("events")

        def paid_to_the_customer(self) -> None:
            """So that a chargeback after it is other money, and the model need not know which refund it pays. While a dispute or a
            chargeback is open nothing is paid: the bank may take the same money."""
            if self.contested:
                return
            with desk.database.transaction() as conn:
                for (one,) in conn.execute("select id from refund where state = 'owed'").fetchall():
                    execute(conn, one, desk)

        def balances(self) -> tuple[int, int, int]:
            """Of platform, validator, and the payee's side: what is payable, held back and on its way, less what is owed."""
            payee = [desk.balance(f"{name}:payee:payee-1") for name in ("payable", "holdback", "receivable")]
            out = int(desk.rows("select coalesce(sum(amount), 0) from provider_payout where state = 'succeeded'")[0][0])
            out += desk.balance("in_transit:simulator")
            return desk.balance("fee:platform"), desk.balance("payable:validator"), payee[0] + payee[1] - payee[2] + out

        @invariant()
        def both_agree(self) -> None:
            if not hasattr(self, "gone"):
                return
            now = [after - before for after, before in zip(self.balances(), self.before, strict=True)]
            start = GROSS * PLATFORM // 10_000, GROSS * VALIDATOR // 10_000
            kept = GROSS - self.gone
            platform, validator = kept * PLATFORM // 10_000, kept * VALIDATOR // 10_000
            wanted = [platform - start[0], validator - start[1], (kept - platform - validator) - (GROSS - sum(start))]
            assert now == wanted, f"of {GROSS} {self.gone} has gone back"
            with desk.database.transaction() as conn:
                assert refundable(conn, lock_invoice(conn, self.invoice)) == kept
                assert run_invariants(conn, INVARIANTS) == []
            nothing_stays_behind(desk)

        def teardown(self) -> None:
            """Nothing is left open: the next payment is of the same payee."""
            super().teardown()
            if hasattr(self, "gone"):
                while self.open:
                    self.say(won=False, again=False)
                if self.dispute:
                    self.decide("provider_win", 1_00)
                self.both_agree()

    return OnePayment


def execute(conn: Any, refund_id: str, desk: Desk) -> None:
    execute_refund(conn, refund_id, provider="bank", reference=refund_id, known=set(), actor="test", now=desk.clock.now)


def test_whatever_happens_to_a_payment_its_parts_add_up_to_it(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=0) as simulator:
        a_program(database, holdback_bps=1000)
        desk = Desk(database, simulator, timeout_s=30)  # a charge that is not verified in time would not be settled
        returning(desk)
        few = settings(
            phases=[Phase.generate],  # to shrink would go on with the same database
            max_examples=examples(6),
            stateful_step_count=10,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        lived(life_of(desk), few)


def test_what_goes_wrong_once_is_told_as_it_was_and_not_as_a_flaky_test():
    class Once(LastingLife):
        """Its third step is too slow, on one day only."""

        steps = 0

        @rule()
        def step(self) -> None:
            Once.steps += 1
            if Once.steps == 3:
                raise TimeoutError("the provider did not answer in time")

    with pytest.raises(TimeoutError, match="in time"):
        lived(Once, settings(phases=[Phase.generate], max_examples=2, stateful_step_count=5, database=None))
