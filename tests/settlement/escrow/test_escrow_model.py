"""An escrow's life in the real tables beside a second model that is five numbers: no unit is made or lost, whatever comes in which order.

The second opinion knows nothing of movements, journals or locks. After every step the tables, asked by SQL, say what it says.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from counterfoil.base.problems import Problem
from counterfoil.settlement.escrow.escrows import fund_escrow
from counterfoil.settlement.escrow.freezing import freeze_escrow, unfreeze_escrow
from counterfoil.settlement.escrow.model import escrows_by_id
from counterfoil.settlement.escrow.moving import expire_escrow, refund_escrow, release_escrow, repay_escrow, rule_escrow
from tests.builders import NOW
from tests.lives import RolledBackLife
from tests.settlement.escrow.vault import a_program_for_escrow, an_escrow, hand, still_true

AMOUNT = 101
PART = st.one_of(st.none(), st.integers(-1, AMOUNT + 1))


def life_in(conn: Any) -> type[RuleBasedStateMachine]:
    """A machine whose every life is lived in `conn` and rolled back."""

    class OneEscrow(RolledBackLife):
        books = conn

        @initialize(platform=st.integers(0, 9000), validator=st.integers(0, 1000))
        def begin(self, platform: int, validator: int) -> None:
            a_program_for_escrow(conn, platform_bps=platform, validator_bps=validator)
            self.escrow = an_escrow(conn, AMOUNT, expires_at=NOW + timedelta(hours=9))
            self.now, self.references = NOW, 0
            # The second opinion.
            self.into = self.to_payee = self.to_customer = self.paid_back = 0
            self.disputed = self.over = False

        def _try(self, may: bool, act: Any) -> bool:
            """Whatever we do, the second opinion said before whether it may be done."""
            refused = ""
            try:
                with conn.transaction():
                    act()
            except Problem as problem:
                refused = str(problem)
            assert may == (refused == ""), refused or "done although it may not be"
            return may

        def _held(self) -> int:
            return self.into - self.to_payee - self.to_customer

        def _active(self) -> bool:
            return self.into == AMOUNT and not self.over and not self.disputed

        def _in_time(self) -> bool:
            return self.now < NOW + timedelta(hours=9)

        def _reference(self) -> str:
            self.references += 1
            return f"R{self.references}"

        @rule(hours=st.sampled_from([1, 4]))
        def time_passes(self, hours: int) -> None:
            self.now += timedelta(hours=hours)

        @rule(amount=PART)
        def fund(self, amount: int | None) -> None:
            wanted = AMOUNT - self.into if amount is None else amount
            may = not self.over and self.into < AMOUNT and self._in_time() and 0 < wanted <= AMOUNT - self.into
            given = {"provider": "bank", "reference": self._reference(), "amount": amount}
            if self._try(may, lambda: fund_escrow(conn, self.escrow, hand(self.now), **given)):
                self.into += wanted

        @rule(amount=PART)
        def release(self, amount: int | None) -> None:
            wanted = self._held() if amount is None else amount
            may = self._active() and self._in_time() and 0 < wanted <= self._held()
            if self._try(may, lambda: release_escrow(conn, self.escrow, hand(self.now), amount=amount)):
                self.to_payee += wanted
                self.over = self._held() == 0

        @rule(amount=PART)
        def refund(self, amount: int | None) -> None:
            wanted = self._held() if amount is None else amount
            pending = not self.over and not self.disputed and self.into < AMOUNT
            may = (pending and wanted == self._held()) or (self._active() and 0 < wanted <= self._held())
            if self._try(may, lambda: refund_escrow(conn, self.escrow, hand(self.now, "r"), amount=amount)):
                self.to_customer += wanted
                self.over = self._held() == 0

        @rule()
        def freeze_or_unfreeze(self) -> None:
            act = unfreeze_escrow if self.disputed else freeze_escrow
            said = {"reason": "r", "actor": "t", "now": self.now}
            if self._try(self.disputed or self._active(), lambda: act(conn, self.escrow, **said)):
                self.disputed = not self.disputed

        @rule(refund=st.integers(-1, AMOUNT + 1))
        def rule_on_it(self, refund: int) -> None:
            held = self._held()
            if self._try(
                self.disputed and 0 <= refund <= held,
                lambda: rule_escrow(conn, self.escrow, hand(self.now, "r", actor="another"), refund=refund),
            ):
                self.to_customer, self.to_payee = self.to_customer + refund, self.to_payee + held - refund
                self.disputed, self.over = False, True

        @rule()
        def expire(self) -> None:
            may = not self.over and not self.disputed and not self._in_time()
            if self._try(may, lambda: expire_escrow(conn, escrows_by_id(conn, [self.escrow])[0], hand(self.now))):
                self.to_customer, self.over = self.to_customer + self._held(), True

        @rule(amount=PART)
        def pay_back(self, amount: int | None) -> None:
            owed = self.to_customer - self.paid_back
            wanted = owed if amount is None else amount
            given: dict[str, Any] = {"provider": "bank", "reference": self._reference(), "known": set(), "amount": amount}
            if self._try(0 < wanted <= owed, lambda: repay_escrow(conn, self.escrow, hand(self.now), **given)):
                self.paid_back += wanted

        @invariant()
        def the_tables_say_what_the_second_opinion_says(self) -> None:
            if not hasattr(self, "escrow"):
                return
            row = conn.execute("select funded, released, refunded, repaid from escrow where id = %s", [self.escrow]).fetchone()
            assert row == (self.into, self.to_payee, self.to_customer, self.paid_back)
            books = dict(
                conn.execute("select name, case when debit_normal then debits - credits else credits - debits end from account").fetchall()
            )
            payee = sum(books.get(name, 0) for name in ("fee:platform", "payable:validator", "payable:payee:payee-1"))
            assert payee == self.to_payee
            assert books.get("refund_payable:customer:ann", 0) == self.to_customer - self.paid_back
            assert books.get(f"escrow:{self.escrow}", 0) == self._held()
            assert books.get("cash:bank:client", 0) == self.into - self.paid_back, "conservation: all that came and did not go back is here"
            still_true(conn)

    return OneEscrow


def test_whatever_happens_in_whatever_order_no_unit_is_made_or_lost(conn: Any) -> None:
    few = settings(max_examples=40, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck), print_blob=False)
    run_state_machine_as_test(life_in(conn), settings=few)
