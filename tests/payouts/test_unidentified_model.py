"""However money that nobody has identified is used, given back and taken by banks, in whatever order: a second opinion says where each unit
is, and suspense holds what is left of all of them, to the unit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import Problem
from counterfoil.operations.providers import ChargebackFact
from counterfoil.payouts.chargebacks.chargebacks import apply_chargebacks
from counterfoil.settlement.escrow.escrows import fund_escrow
from counterfoil.settlement.payments.payments import receive_charges
from counterfoil.settlement.payments.unidentified import repay_unidentified, show_unidentified
from counterfoil.wiring import INVARIANTS
from tests.builders import NOW, PROGRAM, a_charge, balance_of
from tests.lives import RolledBackLife
from tests.settlement.escrow.vault import a_program_for_escrow, an_escrow, hand
from tests.soak import examples


@dataclass
class TakenPart:
    """What a bank took of a charge: of what nothing was done with, of what escrows had, of what had gone back."""

    fact: ChargebackFact
    unused: int
    escrowed: int
    repaid: int
    status: str = "open"


@dataclass
class Came:
    """A charge, and what became of it."""

    amount: int
    escrowed: int = 0
    repaid: int = 0
    taken: list[TakenPart] = field(default_factory=list)

    def kept(self, part: str) -> int:
        """What banks hold of a part of it."""
        return sum(getattr(one, part) for one in self.taken if one.status != "won")

    @property
    def unused(self) -> int:
        return self.amount - self.escrowed - self.repaid - self.kept("unused")

    @property
    def over(self) -> bool:
        """Nothing is left of it, and nothing can come back."""
        return self.unused == 0 and not any(one.unused for one in self.taken if one.status == "open")


def life_in(conn: Any) -> type[RolledBackLife]:
    class OfNobody(RolledBackLife):
        books = conn

        @initialize()
        def begin(self) -> None:
            a_program_for_escrow(conn)
            self.came: dict[str, Came] = {}
            self.number = 0

        @rule(amount=st.integers(1, 100))
        def pay(self, amount: int) -> None:
            self.number += 1
            charge = a_charge(f"ch_{self.number}", "RE 12", amount)
            receive_charges(conn, [charge], provider="simulator", program_id=PROGRAM, make_id=make_id, cause="t", now=NOW)
            self.came[charge.charge_id] = Came(amount)

        @precondition(lambda self: self.came)
        @rule(data=st.data(), part=st.integers(1, 80))
        def fund(self, data: Any, part: int) -> None:
            charge, one = self.one_of(data)
            escrow = an_escrow(conn, part)
            given: dict[str, Any] = {"provider": "simulator", "reference": charge, "amount": part}
            if self.may(lambda: fund_escrow(conn, escrow, hand(), **given), part <= one.unused):
                one.escrowed += part

        @precondition(lambda self: self.came)
        @rule(data=st.data())
        def repay(self, data: Any) -> None:
            charge, one = self.one_of(data)
            given: dict[str, Any] = {"provider": "bank", "reference": charge, "known": set(), "actor": "t", "now": NOW}
            allowed = one.unused > 0 and all(each.status != "open" for each in one.taken)
            if self.may(lambda: repay_unidentified(conn, self.id_of(charge), **given), allowed):
                one.repaid += one.unused

        @precondition(lambda self: self.came)
        @rule(data=st.data(), amount=st.integers(1, 100))
        def bank_takes_back(self, data: Any, amount: int) -> None:
            charge, one = self.one_of(data)
            amount = min(amount, one.amount - sum(one.kept(part) for part in ("unused", "escrowed", "repaid")))
            if amount:
                self.number += 1
                unused = min(amount, one.unused)
                escrowed = min(amount - unused, one.escrowed - one.kept("escrowed"))
                fact = ChargebackFact(f"cb_{self.number}", charge, amount, 0, "EUR", "open", "fraudulent", NOW)
                one.taken.append(TakenPart(fact, unused, escrowed, amount - unused - escrowed))
                self.say(fact)

        @precondition(lambda self: self.undecided())
        @rule(data=st.data(), status=st.sampled_from(("won", "lost")))
        def bank_decides(self, data: Any, status: str) -> None:
            one = data.draw(st.sampled_from(self.undecided()))
            one.status = status
            self.say(one.fact._replace(status=status))

        def undecided(self) -> list[TakenPart]:
            return [each for one in self.came.values() for each in one.taken if each.status == "open"]

        def one_of(self, data: Any) -> tuple[str, Came]:
            charge = data.draw(st.sampled_from(sorted(self.came)))
            return charge, self.came[charge]

        def id_of(self, charge: str) -> str:
            return str(conn.execute("select id from unidentified_payment where charge_id = %s", [charge]).fetchone()[0])

        def say(self, fact: ChargebackFact) -> None:
            apply_chargebacks(conn, [fact], provider="simulator", make_id=make_id, now=NOW)

        def may(self, act: Any, allowed: bool) -> bool:
            """What is refused moves nothing, and just that is refused which should be."""
            try:
                with conn.transaction():
                    act()
            except Problem:
                assert not allowed
                return False
            assert allowed
            return True

        @invariant()
        def every_unit_has_one_place(self) -> None:
            if not hasattr(self, "came"):
                return
            every = self.came.values()
            assert balance_of(conn, "suspense") == sum(one.unused for one in every), "nobody's money pays for another's"
            assert balance_of(conn, "bad_debt") == sum(one.kept("repaid") for one in every), "what went twice, and nothing else"
            for charge, one in self.came.items():
                found = show_unidentified(conn, self.id_of(charge))
                assert (found.escrowed, found.repaid, found.remaining) == (one.escrowed, one.repaid, one.unused)
                ended = ("repaid",) if one.repaid else ("used", "charged_back") if one.over else ("open",)
                assert found.state in ended
            assert run_invariants(conn, INVARIANTS) == []

    return OfNobody


def test_however_it_is_used_given_back_and_taken_each_unit_has_one_place(conn: Any) -> None:
    how = settings(
        phases=[Phase.generate],
        max_examples=examples(12),
        stateful_step_count=14,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(life_in(conn), settings=how)
