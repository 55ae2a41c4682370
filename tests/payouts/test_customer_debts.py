"""What customers owe after a chargeback: they pay it with another payment, it is won after all, or two people give it up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.operations.providers import ChargebackFact
from counterfoil.payouts.chargebacks.chargebacks import apply_chargebacks
from counterfoil.payouts.chargebacks.model import list_chargebacks
from counterfoil.payouts.chargebacks.noun import CHARGEBACK_NOUN
from counterfoil.payouts.customers.statement import statement_of_customer
from counterfoil.payouts.refunds.customer_debts import Said, pay_debt, write_off_customer
from counterfoil.payouts.refunds.debts import DEBT_LIST
from counterfoil.settlement.escrow.moving import release_escrow
from counterfoil.settlement.escrow.taken_back import CustomerPurse
from tests.builders import NOW, Desk
from tests.listed import newest
from tests.payouts.test_escrow_chargebacks import (  # noqa: F401 - the fixtures
    DEBT,
    books_are_true,
    desk,
    funded,
    pays,
    says,
    strangers,
    tried,
)
from tests.settlement.escrow.test_escrow_work import opened, row
from tests.settlement.escrow.vault import hand
from tests.waiting import WAITS

ANN = CustomerPurse("main", "ann", "EUR")


def owing(desk: Desk) -> str:  # noqa: F811
    """A customer owes 100.00 of an escrow that was released before its money was taken back; the charge's id."""
    one, charge = funded(desk)
    with desk.database.transaction() as conn:
        release_escrow(conn, one, hand())
    says(desk, charge, "open")
    return charge


def done(desk: Desk, act: Callable[[Connection[Any], Said], int]) -> int:  # noqa: F811
    with desk.database.transaction() as conn:
        return act(conn, Said(make_id("cde"), "person:anna", "r", desk.clock.now))


def test_another_payment_pays_it_and_nothing_of_that_payment_is_used_twice(desk: Desk):  # noqa: F811
    charge = owing(desk)
    strangers(desk)
    says(desk, charge, "lost")
    again = pays(desk, "a second try", 60_00)
    given: dict[str, Any] = {"provider": "simulator", "reference": again}
    with pytest.raises(InvalidInput, match=r"to 60\.00 EUR"):
        done(desk, lambda conn, said: pay_debt(conn, ANN, 60_01, said, **given))
    assert done(desk, lambda conn, said: pay_debt(conn, ANN, 40_00, said, **given)) == 60_00
    with pytest.raises(InvalidInput, match=r"to 20\.00 EUR, which is what the payment still has"):
        done(desk, lambda conn, said: pay_debt(conn, ANN, 20_01, said, **given))
    assert (desk.balance(DEBT), desk.balance("suspense")) == (60_00, 90_00)
    assert done(desk, lambda conn, said: write_off_customer(conn, ANN, 60_00, said)) == 0
    assert (desk.balance(DEBT), desk.balance("bad_debt")) == (0, 60_00)
    with desk.database.transaction() as conn:
        assert newest(conn, DEBT_LIST, program_id="main") == []
        told = statement_of_customer(conn, "main", "ann", asset=None, start=NOW - timedelta(days=1), end=NOW + timedelta(days=1))
    assert [(one.kind, one.amount) for one in told.lines[-3:]] == [
        ("chargeback", 100_00),
        ("debt paid", -40_00),
        ("debt written off", -60_00),
    ]
    assert (told.closing, told.in_books) == (0, 0)
    books_are_true(desk)


def test_what_a_bank_has_not_decided_is_not_written_off(desk: Desk):  # noqa: F811
    owing(desk)
    with pytest.raises(InvalidInput, match=r"100\.00 EUR that wait for a bank"):
        done(desk, lambda conn, said: write_off_customer(conn, ANN, 1, said))


def test_what_an_escrow_is_about_to_pay_is_not_written_off(desk: Desk):  # noqa: F811
    one = opened(desk)
    first, second = pays(desk, one, 50_00), pays(desk, one, 50_00)
    says(desk, first, "open", amount=50_00)
    says(desk, second, "open", amount=50_00, ref="cbk_2")
    says(desk, first, "lost", amount=50_00)
    with pytest.raises(InvalidInput, match=r"100\.00 EUR that wait for a bank"):
        done(desk, lambda conn, said: write_off_customer(conn, ANN, 1, said))
    with desk.database.transaction() as conn:
        assert [(debt.amount, debt.undecided) for debt in newest(conn, DEBT_LIST, program_id="main")] == [(100_00, 100_00)]
    says(desk, second, "won", amount=50_00, ref="cbk_2")
    assert (row(desk, one), desk.balance(DEBT)) == (("active", 100_00, 0, 50_00), 0)
    books_are_true(desk)


def test_what_was_paid_back_and_is_won_after_all_is_owed_to_the_customer(desk: Desk):  # noqa: F811
    charge = owing(desk)
    again = pays(desk, "a second try", 30_00)
    done(desk, lambda conn, said: pay_debt(conn, ANN, 30_00, said, provider="simulator", reference=again))
    says(desk, charge, "won")
    assert (desk.balance(DEBT), desk.balance("refund_payable:customer:ann"), desk.balance("suspense")) == (0, 30_00, 0)
    books_are_true(desk)


def test_what_was_paid_back_is_not_taken_out_of_the_escrow_as_well(desk: Desk):  # noqa: F811
    one, charge = funded(desk)
    says(desk, charge, "open")
    again = pays(desk, "a second try", 100_00)
    assert done(desk, lambda conn, said: pay_debt(conn, ANN, 100_00, said, provider="simulator", reference=again)) == 0
    says(desk, charge, "lost")
    assert desk.rows("select state, refunded from escrow where id = %s", one) == [("active", 0)]
    books_are_true(desk)


def test_a_payment_of_an_invoice_pays_no_debt(desk: Desk):  # noqa: F811
    owing(desk)
    with pytest.raises(InvalidInput, match="told of"):
        done(desk, lambda conn, said: pay_debt(conn, ANN, 1, said, provider="simulator", reference="ch_none"))


@pytest.mark.parametrize("end", ["lost", "won"])
def test_what_paid_a_debt_and_is_taken_back_the_customer_owes_again(desk: Desk, end: str):  # noqa: F811
    charge = owing(desk)
    says(desk, charge, "lost")
    strangers(desk)
    again = pays(desk, "a second try", 60_00)
    done(desk, lambda conn, said: pay_debt(conn, ANN, 50_00, said, provider="simulator", reference=again))
    says(desk, again, "open", amount=60_00, ref="cbk_2")
    assert (desk.balance(DEBT), desk.balance("suspense")) == (100_00, 70_00), "the others bear nothing"
    books_are_true(desk)
    with pytest.raises(InvalidInput, match=r"50\.00 EUR that wait for a bank"):
        done(desk, lambda conn, said: write_off_customer(conn, ANN, 50_01, said))
    with desk.database.transaction() as conn:
        (one,) = [each for each in list_chargebacks(conn, rows_max=9, after=None, state=None) if each.provider_ref == "cbk_2"]
        (part,) = [each for each in CHARGEBACK_NOUN.parts if each.name == "debts"]
        rows, cut = part.read(conn, one.id)
        assert ([(row.customer_id, row.amount) for row in rows], cut) == ([("ann", 50_00)], False)
    says(desk, again, end, amount=60_00, ref="cbk_2")
    owed, unused = (100_00, 70_00) if end == "lost" else (50_00, 80_00)
    assert (desk.balance(DEBT), desk.balance("suspense")) == (owed, unused)
    with desk.database.transaction() as conn:
        told = statement_of_customer(conn, "main", "ann", asset=None, start=NOW - timedelta(days=1), end=NOW + timedelta(days=1))
    assert (told.closing, told.in_books) == (owed, owed)
    books_are_true(desk)


@pytest.mark.parametrize("end", ["lost", "won"])
def test_an_escrow_whose_lost_money_was_paid_for_waits_when_that_is_taken_back_as_well(desk: Desk, end: str):  # noqa: F811
    one, charge = funded(desk)
    strangers(desk)
    says(desk, charge, "open")
    again = pays(desk, "a second try", 100_00)
    done(desk, lambda conn, said: pay_debt(conn, ANN, 100_00, said, provider="simulator", reference=again))
    says(desk, charge, "lost")
    assert row(desk, one) == ("active", 100_00, 0, 0)
    says(desk, again, "open", ref="cbk_2")
    assert (row(desk, one)[0], desk.balance(DEBT)) == ("disputed", 100_00)
    assert "or paid what its customer owed, is open" in tried(desk, lambda conn: release_escrow(conn, one, hand()))
    with desk.database.transaction() as conn:
        assert [(debt.amount, debt.undecided) for debt in newest(conn, DEBT_LIST, program_id="main")] == [(100_00, 100_00)]
    books_are_true(desk)
    says(desk, again, end, ref="cbk_2")
    there = ("refunded", 100_00, 0, 100_00) if end == "lost" else ("active", 100_00, 0, 0)
    assert (row(desk, one), desk.balance(DEBT), desk.balance("suspense")) == (there, 0, 70_00)
    books_are_true(desk)


@pytest.mark.parametrize("first", ["pay", "write off", "win"])
def test_of_two_who_end_a_debt_at_once_the_second_waits_and_sees_what_the_first_left(desk: Desk, first: str):  # noqa: F811
    charge = owing(desk)
    again, third = pays(desk, "a second try", 80_00), pays(desk, "a third try", 80_00)
    if first != "win":
        says(desk, charge, "lost")
    fact = ChargebackFact("cbk_1", charge, 100_00, 0, "EUR", "won", "fraudulent", desk.clock.now)
    acts: dict[str, Callable[[Connection[Any], Said], Any]] = {
        "pay": lambda conn, said: pay_debt(conn, ANN, 80_00, said, provider="simulator", reference=again),
        "write off": lambda conn, said: write_off_customer(conn, ANN, 80_00, said),
        "win": lambda conn, _: apply_chargebacks(conn, [fact], provider="simulator", make_id=make_id, now=desk.clock.now),
    }
    left = 0 if first == "win" else 20_00
    with desk.database.transaction() as conn:
        acts[first](conn, Said(make_id("cde"), "person:anna", "r", desk.clock.now))
        late = Late(desk, lambda conn, said: pay_debt(conn, ANN, 80_00, said, provider="simulator", reference=third))
    assert {0: "none: 0.00 EUR", 20_00: "from 0.01 EUR to 20.00 EUR"}[left] in late.refused()
    books_are_true(desk)


class Late(threading.Thread):
    """Who comes while another transaction is open, and waits for it."""

    def __init__(self, desk: Desk, act: Callable[[Connection[Any], Said], Any]) -> None:  # noqa: F811
        super().__init__()
        self.desk, self.act, self.told = desk, act, "nothing was refused"
        self.start()
        while self.is_alive() and not desk.rows(WAITS):
            self.join(0.02)
        assert self.is_alive(), f"it waits for whoever was first, but: {self.told}"

    def run(self) -> None:
        try:
            done(self.desk, self.act)
        except Problem as problem:
            self.told = problem.sentence()

    def refused(self) -> str:
        self.join()
        return self.told
