"""Commissions in the real tables beside a second model that is a list of numbers: nothing is earned twice, paid twice, or forgotten.

The second opinion knows nothing of journals, triggers or payments: of each commission what it was, what is left of it and where it is, and
of each affiliate what it has and what it still owes. After every step the accounts say what it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from counterfoil.base.edge import make_id
from counterfoil.settlement.commissions.model import list_commissions
from counterfoil.settlement.commissions.moving import mature, pay_affiliates, take_back
from counterfoil.settlement.commissions.verifying import verify_commissions
from tests.builders import NOW, balance_of
from tests.lives import RolledBackLife
from tests.settlement.commissions.shop import DAYS, TERMS, a_refund, a_sale, a_shop, still_true


@dataclass
class Piece:
    """A commission, as the second opinion sees it."""

    sale: str
    whole: int
    left: int
    where: str = "accrued"


def life_in(conn: Any) -> type[RuleBasedStateMachine]:
    """A machine whose every life is lived in `conn` and rolled back."""

    class OneAffiliate(RolledBackLife):
        books = conn

        @initialize(bps=st.integers(1, 2000), minimum=st.integers(0, 300))
        def begin(self, bps: int, minimum: int) -> None:
            self.affiliate, _ = a_shop(conn, TERMS._replace(levels=(bps,), minimum=minimum, mature_days=5))
            self.bps, self.minimum, self.now = bps, minimum, NOW
            self.gross: dict[str, int] = {}
            self.pieces: list[Piece] = []
            self.has = self.owes = 0

        @rule(gross=st.integers(1, 20_000))
        def sell(self, gross: int) -> None:
            sale = a_sale(conn, gross, at=self.now)
            self.gross[sale] = gross
            if earned := gross * self.bps // 10_000:
                self.pieces.append(Piece(sale, earned, earned))

        @precondition(lambda self: any(self.gross.values()))
        @rule(data=st.data())
        def refund(self, data: st.DataObject) -> None:
            sale = data.draw(st.sampled_from([one for one, left in self.gross.items() if left]))
            amount = data.draw(st.integers(1, self.gross[sale]))
            self.gross[sale] -= amount
            a_refund(conn, sale, amount, at=self.now)
            if data.draw(st.booleans()):  # else its event is late
                take_back(conn, [sale], make_id=make_id, now=self.now)
                self._follow({sale})

        @rule()
        def follow_events(self) -> None:
            take_back(conn, list(self.gross), make_id=make_id, now=self.now)
            self._follow(set(self.gross))

        @rule(days=st.integers(1, 8))
        def time_passes(self, days: int) -> None:
            self.now += days * DAYS
            found = [one for one in list_commissions(conn, rows_max=1000, after=None, state="accrued") if one.matures_at <= self.now]
            take_back(conn, sorted({one.sale_id for one in found}), make_id=make_id, now=self.now)
            mature(conn, [one.id for one in found], make_id=make_id, now=self.now)
            ripe = {one.sale_id for one in found}
            self._follow(ripe)
            for one in self.pieces:
                if one.sale in ripe and one.where == "accrued":
                    one.where = "payable"

        @rule()
        def pay(self) -> None:
            made = pay_affiliates(conn, [self.affiliate], make_id=make_id, now=self.now)
            self._follow({one.sale for one in self.pieces if one.where == "payable"})
            ready = [one for one in self.pieces if one.where == "payable"]
            amount = sum(one.left for one in ready) - self.owes
            assert bool(made) == (bool(ready) and amount >= max(1, self.minimum))
            if made:
                self.has, self.owes = self.has + amount, 0
                for one in ready:
                    one.where = "paid"

        @rule(gross=st.integers(5_000, 20_000))
        def sell_and_be_paid(self, gross: int) -> None:
            self.sell(gross)
            self.time_passes(5)
            self.pay()

        def _follow(self, sales: set[str]) -> None:
            for one in self.pieces:
                if one.sale in sales:
                    due = self.gross[one.sale] * self.bps // 10_000
                    if one.where == "paid":
                        self.owes += one.left - due
                    one.left = due
                    if due == 0 and one.where in ("accrued", "payable"):
                        one.where = "reversed"

        @invariant()
        def the_accounts_say_the_same(self) -> None:
            if not hasattr(self, "affiliate"):
                return
            for where in ("accrued", "payable"):
                expected = sum(one.left for one in self.pieces if one.where == where)
                assert balance_of(conn, f"{where}:affiliate:{self.affiliate}") == expected, where
            assert balance_of(conn, f"payable:payee:{self.affiliate}") == self.has
            held = sum(one.left for one in self.pieces if one.where in ("accrued", "payable"))
            assert balance_of(conn, "commission_expense") == held + self.has

        @rule()
        def all_is_followed_and_nothing_differs(self) -> None:
            self.follow_events()
            assert verify_commissions(conn, program_id=None, sample=None, seed=self.now).differing == 0
            still_true(conn)

    return OneAffiliate


def test_nothing_is_earned_or_paid_twice_whatever_comes_in_which_order(conn: Any) -> None:
    machine = life_in(conn)
    limits = settings(max_examples=25, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=limits)  # type: ignore[no-untyped-call]
