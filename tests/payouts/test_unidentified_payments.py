"""Money that nobody has identified: it is on a list with the reason, goes back once and whole, and a bank that takes it then takes nobody
else's money."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.machine import history_kept
from counterfoil.base.migrations.runner import migrate
from counterfoil.base.problems import InvalidInput, NotFound, TransitionRefused
from counterfoil.operations.providers import ChargebackFact
from counterfoil.payouts.chargebacks.chargebacks import apply_chargebacks
from counterfoil.payouts.refunds.customer_debts import Said, pay_debt
from counterfoil.reconciliation.breaks.invariants import MONITORS as AGED
from counterfoil.settlement.escrow.escrows import fund_escrow
from counterfoil.settlement.escrow.moving import refund_escrow, repay_escrow
from counterfoil.settlement.escrow.taken_back import CustomerPurse
from counterfoil.settlement.payments.paying_back import BankTakesIt
from counterfoil.settlement.payments.unidentified import (
    INVARIANTS,
    UNIDENTIFIED_PAYMENT,
    UnidentifiedPayment,
    repay_unidentified,
    show_unidentified,
    why_unidentified,
)
from counterfoil.settlement.payments.unidentified_noun import UNIDENTIFIED_NOUN
from tests.builders import NOW, PROGRAM, Desk
from tests.payouts.test_chargebacks_of_before import a_database, funded_escrow, insert, payment, taken
from tests.payouts.test_escrow_chargebacks import DEBT, books_are_true, desk, funded, pays, says, strangers, tried
from tests.settlement.escrow.test_escrow_work import opened, row
from tests.settlement.escrow.vault import hand
from tests.waiting import second_waits

__all__ = ["desk"]  # the fixture
KNOWN = {"simulator"}


def of_charge(desk: Desk, charge: str) -> UnidentifiedPayment:
    ((found,),) = desk.rows("select id from unidentified_payment where charge_id = %s", charge)
    with desk.database.transaction() as conn:
        return show_unidentified(conn, found)


def repay(desk: Desk, charge: str, reference: str = "R-1", provider: str = "bank") -> str:
    one = of_charge(desk, charge)
    with desk.database.transaction() as conn:
        return repay_by(conn, desk, one.id, reference, provider)


def repay_by(conn: Connection[Any], desk: Desk, unidentified_id: str, reference: str = "R-1", provider: str = "bank") -> str:
    return repay_unidentified(
        conn, unidentified_id, provider=provider, reference=reference, known=KNOWN, actor="person:mira", now=desk.clock.now
    )


def standing(desk: Desk, charge: str) -> tuple[str, int, int, int, int, int]:
    """Its state, and what escrows, debts, who sent it and banks had of it, and what is left."""
    one = of_charge(desk, charge)
    return one.state, one.escrowed, one.debts_paid, one.repaid, one.charged_back, one.remaining


def why_not(desk: Desk, charge: str) -> str | None:
    with desk.database.transaction() as conn:
        return UNIDENTIFIED_NOUN.why_not(conn, of_charge(desk, charge).id, now=desk.clock.now)["repay"]


@pytest.mark.parametrize(
    ("reference", "asset", "why"),
    [
        ("RE 12", "EUR", "nothing of ours has its reference"),
        ("inv_1", "USD", "inv_1 is in EUR"),
        ("esc_1", "EUR", "esc_1 is in USD"),
        ("esc_1", "USD", "it names escrow esc_1"),
    ],
)
def test_why_a_payment_is_of_no_invoice_is_told_as_far_as_it_is_known(reference: str, asset: str, why: str):
    assert why_unidentified(reference, asset, {"inv_1": "EUR", "esc_1": "USD"}) == why


def test_what_was_left_of_it_goes_back_once_under_a_reference_of_its_own(desk: Desk):
    charge = pays(desk, "nothing-of-ours", 100_00)
    strangers(desk)
    one = of_charge(desk, charge)
    assert (one.state, one.reference, one.amount, one.remaining) == ("open", "nothing-of-ours", 100_00, 100_00)
    assert one.cause == "nothing of ours has its reference"
    with pytest.raises(InvalidInput, match="provider"):
        repay(desk, charge, provider="elsewhere")
    assert repay(desk, charge) == "repaid"
    assert standing(desk, charge) == ("repaid", 0, 0, 100_00, 0, 0)
    assert (desk.balance("suspense"), desk.balance("cash:bank:client")) == (70_00, -100_00)
    assert desk.rows("select payload ->> 'amount' from event where name = 'unidentified_repaid'") == [("10000",)]
    with pytest.raises(TransitionRefused):
        repay(desk, charge, "R-2")
    assert why_not(desk, charge) == "it is repaid: nothing of it is left"
    another = pays(desk, "nor-this", 5_00)
    with pytest.raises(InvalidInput, match=f"unidentified payment {one.id} was"):
        repay(desk, another)
    assert repay(desk, another, provider="simulator") == "repaid", "of another who pays the reference is another one"
    assert desk.balance("suspense") == 70_00
    escrow, _ = funded(desk, 10_00)
    with desk.database.transaction() as conn:
        refund_escrow(conn, escrow, hand(reason="late"))
    told = tried(desk, lambda conn: repay_escrow(conn, escrow, hand(), amount=None, provider="bank", reference="R-1", known=KNOWN))
    assert f"unidentified payment {one.id} was" in told
    with pytest.raises(NotFound), desk.database.transaction() as conn:
        repay_by(conn, desk, "unp_none")
    books_are_true(desk)


def test_what_an_escrow_and_a_debt_have_of_it_does_not_go_back(desk: Desk):
    charge = pays(desk, "nothing-of-ours", 100_00)
    escrow, gone = funded(desk, 20_00)
    assert standing(desk, gone) == ("used", 20_00, 0, 0, 0, 0)
    says(desk, gone, "open", amount=20_00)
    with desk.database.transaction() as conn:  # ann owes 20.00 now
        said = Said(make_id("cde"), "person:mira", "sent again", desk.clock.now)
        pay_debt(conn, CustomerPurse(PROGRAM, "ann", "EUR"), 20_00, said, provider="simulator", reference=charge)
    one = opened(desk, 50_00)
    with desk.database.transaction() as conn:
        fund_escrow(conn, one, hand(), provider="simulator", reference=charge)
    assert standing(desk, charge) == ("open", 50_00, 20_00, 0, 0, 30_00)
    assert repay(desk, charge) == "repaid"
    assert standing(desk, charge) == ("repaid", 50_00, 20_00, 30_00, 0, 0)
    with desk.database.transaction() as conn:
        parts = UNIDENTIFIED_NOUN.parts[0].read(conn, of_charge(desk, charge).id)[0]
    assert sorted((part.what, part.amount) for part in parts) == [
        ("funded an escrow", 50_00),
        ("paid a debt", 20_00),
        ("went back through bank", 30_00),
    ]
    more = opened(desk, 10_00)
    told = tried(desk, lambda conn: fund_escrow(conn, more, hand(), provider="simulator", reference=charge))
    assert f"it went back to who sent it ({of_charge(desk, charge).id})" in told
    assert desk.balance("suspense") == 0
    assert escrow != one
    books_are_true(desk)


def test_one_that_is_used_up_is_over(desk: Desk):
    charge = pays(desk, "nothing-of-ours", 100_00)
    for amount, state in ((60_00, "open"), (40_00, "used")):
        one = opened(desk, amount)
        with desk.database.transaction() as conn:
            fund_escrow(conn, one, hand(), provider="simulator", reference=charge)
        assert of_charge(desk, charge).state == state
    with pytest.raises(TransitionRefused):
        repay(desk, charge)
    assert why_not(desk, charge) == "it is used: nothing of it is left"
    books_are_true(desk)


def test_what_came_into_suspense_since_does_not_hide_what_lies_there_for_long(desk: Desk):
    """Postings have the clock of the database, which is younger; what came by them is as what a chargeback puts back."""
    charge = pays(desk, "nothing-of-ours", 30_00)
    pays(desk, "nor-this", 50_00)
    (aged,) = (one for one in AGED if one.code == "CLEARING_AGED")
    with desk.database.transaction(read_only=True) as conn:
        assert conn.execute(str(aged.offenders).encode(), {"now": of_charge(desk, charge).created_at + timedelta(days=29)}).fetchall() == []
    repay(desk, charge)
    with desk.database.transaction(read_only=True) as conn:
        [found] = conn.execute(str(aged.offenders).encode(), {"now": of_charge(desk, charge).created_at + timedelta(days=31)}).fetchall()
    assert found[:4] == ("suspense of main EUR", "main", "money that nobody claims", "50.00 EUR")


@pytest.mark.parametrize(("ended", "state", "left"), [("won", "open", 100_00), ("lost", "open", 70_00)])
def test_while_a_bank_takes_it_nothing_goes_back(desk: Desk, ended: str, state: str, left: int):
    charge = pays(desk, "nothing-of-ours", 100_00)
    says(desk, charge, "open", amount=30_00)
    with pytest.raises(BankTakesIt):
        repay(desk, charge)
    assert "is open on it" in str(why_not(desk, charge))
    says(desk, charge, ended, amount=30_00)
    assert standing(desk, charge) == (state, 0, 0, 0, 100_00 - left, left)
    assert repay(desk, charge) == "repaid"
    assert desk.balance("suspense") == 0
    books_are_true(desk)


def test_what_a_bank_took_whole_is_over_once_it_is_lost(desk: Desk):
    charge = pays(desk, "nothing-of-ours", 100_00)
    used = opened(desk, 60_00)
    says(desk, charge, "open", amount=40_00)
    with desk.database.transaction() as conn:
        fund_escrow(conn, used, hand(), provider="simulator", reference=charge)
    assert standing(desk, charge) == ("open", 60_00, 0, 0, 40_00, 0), "it may come back"
    books_are_true(desk)
    says(desk, charge, "lost", amount=40_00)
    assert standing(desk, charge) == ("charged_back", 60_00, 0, 0, 40_00, 0)
    books_are_true(desk)


@pytest.mark.parametrize("ended", ["won", "lost"])
def test_what_a_bank_takes_after_it_went_back_is_a_loss_of_the_house_and_of_nobody_else(desk: Desk, ended: str):
    charge = pays(desk, "nothing-of-ours", 100_00)
    strangers(desk)
    repay(desk, charge)
    says(desk, charge, "open")
    assert (desk.balance("suspense"), desk.balance("bad_debt")) == (70_00, 100_00)
    assert desk.rows("select level, payload ->> 'repaid' from event where name = 'chargeback_beyond'") == [("critical", "10000")]
    assert standing(desk, charge) == ("repaid", 0, 0, 100_00, 100_00, 0)
    books_are_true(desk)
    says(desk, charge, ended)
    assert (desk.balance("suspense"), desk.balance("bad_debt")) == (70_00, 0 if ended == "won" else 100_00)
    assert of_charge(desk, charge).state == "repaid"
    books_are_true(desk)


def test_a_part_takes_what_had_gone_back_last(desk: Desk):
    charge = pays(desk, "nothing-of-ours", 100_00)
    strangers(desk)
    one = opened(desk, 60_00)
    with desk.database.transaction() as conn:
        fund_escrow(conn, one, hand(), provider="simulator", reference=charge)
    repay(desk, charge)
    says(desk, charge, "open", amount=75_00)
    assert (desk.balance("suspense"), desk.balance(DEBT), desk.balance("bad_debt")) == (70_00, 60_00, 15_00)
    says(desk, charge, "open", amount=25_00, ref="cbk_2")
    assert (desk.balance("suspense"), desk.balance("bad_debt")) == (70_00, 40_00)
    assert desk.rows("select amount from chargeback_repaid order by amount") == [(15_00,), (25_00,)]
    books_are_true(desk)
    says(desk, charge, "won", amount=75_00)
    assert (desk.balance("suspense"), desk.balance(DEBT), desk.balance("bad_debt")) == (70_00, 0, 25_00)
    says(desk, charge, "lost", amount=25_00, ref="cbk_2")
    assert (row(desk, one)[0], desk.balance("bad_debt")) == ("active", 25_00)
    books_are_true(desk)


INSERTED = """insert into unidentified_repayment (unidentified_payment_id, program_id, payment_id, amount, provider, reference, actor, at)
              select id, program_id, payment_id, %s, 'bank', %s, 'x', now() from unidentified_payment where charge_id = %s"""


def test_the_database_lets_no_more_and_no_less_of_it_go_back_whoever_writes(desk: Desk):
    charge, taken = pays(desk, "nothing-of-ours", 100_00), pays(desk, "nor-this", 50_00)
    says(desk, taken, "open", amount=10_00)

    def refused(match: str, query: str, *given: Any) -> None:
        with pytest.raises(psycopg.DatabaseError, match=match), psycopg.connect(desk.database.url) as conn:
            conn.execute(query.encode(), given)

    for amount in (100_01, 99_99):
        refused("10000 is left of it", INSERTED, amount, "R-1", charge)
    refused("is open: nothing of it goes back", INSERTED, 40_00, "R-1", taken)
    repay(desk, charge)
    refused("paid something else", INSERTED, 40_00, "R-1", taken)
    refused("0 is left of it", INSERTED, 100_00, "R-2", charge)
    says(desk, charge, "open", amount=60_00, ref="cbk_2")
    again = "insert into chargeback_repaid (chargeback_id, unidentified_payment_id, amount) select %s, id, %s from unidentified_payment"
    ((second,),) = desk.rows("select id from chargeback where provider_ref = 'cbk_2'")
    refused("of what had gone back, and that was 4000", f"{again} where charge_id = %s", second, 40_01, charge)
    refused("of what had gone back, and that was 0", f"{again} where charge_id <> %s", second, 1, charge)


@pytest.mark.parametrize("first", ["repay", "use", "chargeback"])
def test_of_two_who_want_the_same_money_the_second_waits_and_sees_the_first(desk: Desk, first: str):
    charge = pays(desk, "nothing-of-ours", 100_00)
    strangers(desk)
    one, found = opened(desk), of_charge(desk, charge).id
    fact = ChargebackFact("cbk_1", charge, 100_00, 0, "EUR", "open", "fraudulent", desk.clock.now)
    acts: dict[str, Callable[[Connection[Any]], Any]] = {
        "repay": lambda conn: repay_by(conn, desk, found),
        "use": lambda conn: fund_escrow(conn, one, hand(), provider="simulator", reference=charge),
        "chargeback": lambda conn: apply_chargebacks(conn, [fact], provider="simulator", make_id=make_id, now=desk.clock.now),
    }
    second = "use" if first == "repay" else "repay"
    (refused,) = second_waits(desk.database, acts[first], acts[second])
    assert {"repay": "it went back to who sent it", "use": "used", "chargeback": "chargeback"}[first] in refused
    assert desk.balance("suspense") == 70_00
    books_are_true(desk)


def test_payments_of_before_are_on_the_list_with_what_became_of_them(make_database_url: Any, tmp_path: Path):
    url = make_database_url(empty=True)
    a_database(url, tmp_path, 290)
    with psycopg.connect(url) as conn:
        for number in (1, 2, 3, 4, 5):
            payment(conn, f"ch_{number}")
        funded_escrow(conn, 1, "ch_2", 100)
        taken(conn, 1, "ch_3", 100, "lost")
        taken(conn, 2, "ch_4", 100, "open")
        taken(conn, 3, "ch_5", 30, "lost")
        told = {"provider": "simulator", "amount": 7, "applied": 0, "fee": 0, "occurred_at": NOW, "recorded_at": NOW}
        insert(conn, "payment", id="pay_ch_6", charge_id="ch_6", reference="esc_1", program_id="main", asset="EUR", **told)
    migrate(url)
    with psycopg.connect(url) as conn:
        found = conn.execute("select charge_id, state, steps, cause from unidentified_payment order by charge_id").fetchall()
        strange = "nothing of ours has its reference"
        assert found == [
            ("ch_1", "open", 1, strange),
            ("ch_2", "used", 2, strange),
            ("ch_3", "charged_back", 2, strange),
            ("ch_4", "open", 1, strange),
            ("ch_5", "open", 1, strange),
            ("ch_6", "open", 1, "it names escrow esc_1"),
        ]
        assert run_invariants(conn, [*INVARIANTS, history_kept([UNIDENTIFIED_PAYMENT])]) == []
