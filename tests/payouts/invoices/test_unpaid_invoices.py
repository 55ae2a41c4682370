"""Invoices that are not paid as they were asked, in the real tables: overdue, credited, written off, expired, paid too late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.base.machine import ApprovalNeeded
from counterfoil.base.problems import InvalidInput, TransitionRefused
from counterfoil.operations import approvals
from counterfoil.operations.verbs import VerbCall
from counterfoil.payouts.disputes.disputes import open_dispute
from counterfoil.payouts.invoices import expiring
from counterfoil.payouts.invoices.crediting import credit_invoice
from counterfoil.payouts.invoices.expiring import CannotReopen, reopen_intent
from counterfoil.payouts.invoices.noun import INVOICE_NOUN
from counterfoil.payouts.payouts.missing import NothingToPayOut, execute_payout
from counterfoil.payouts.refunds.refunds import UnderDispute
from counterfoil.settlement.invoices.invoices import cancel_invoice, show_invoice
from counterfoil.settlement.invoices.writing_off import PAIRED, DueHasChanged, propose_write_off, write_off_invoice
from counterfoil.settlement.payments.overpayments import repay_overpayment
from counterfoil.settlement.payments.paying_back import BankTakesIt
from tests.builders import NOW, Desk, a_program, issue
from tests.payouts.refunding import SETTLED, go, paid
from tests.payouts.test_chargebacks import bank_says, charged_back
from tests.people import log_in_as
from tests.simulators import spawn_simulator

LATE = {"days": 15}  # invoices are due after 14
EXPIRED = {"days": 75}


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=0) as simulator:
        a_program(database)
        yield Desk(database, simulator)


def pays(desk: Desk, invoice: str, amount: int, *, key: str = "") -> None:
    desk.pay(invoice, amount, fee=0, key=key)
    desk.deliver()
    desk.work("webhooks")


def state(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.rows("select i.state, t.state from invoice i join intent t on t.invoice_id = i.id order by i.id")


def overdue(desk: Desk, price: str = "100.00", prefix: str = "u") -> str:
    (invoice,) = issue(desk.database, price, prefix=prefix)
    desk.clock.advance(**LATE)
    desk.work("overdue")
    return invoice


def credit(desk: Desk, invoice: str, amount: int) -> str:
    with desk.database.transaction() as conn:
        given: dict[str, Any] = {"make_id": make_id, "reason": "too much", "actor": "test", "now": desk.clock.now}
        return credit_invoice(conn, invoice, amount, **given)[0]


def propose(desk: Desk, invoice: str) -> str:
    with desk.database.transaction() as conn:
        by, _ = log_in_as(conn, "mira", "operator", at=desk.clock.now)
        return propose_write_off(VerbCall(conn, invoice, by, desk.clock.now, make_id, "bankrupt")).id


def approve(desk: Desk, proposal: str) -> None:
    with desk.database.transaction() as conn:
        by, _ = log_in_as(conn, "vera", "approver", at=desk.clock.now)
        one = approvals.find_proposal(conn, proposal)
        given: dict[str, Any] = {"reason": "agreed", "by": by, "now": desk.clock.now}
        approved = approvals.approve(conn, proposal, payload_sha256=one.payload_sha256, **given)
        assert PAIRED[0].do is not None
        PAIRED[0].do(conn, approved, by, desk.clock.now)


def test_an_invoice_is_overdue_from_the_day_after_its_due_date_on_and_that_is_told_once(desk: Desk):
    issue(desk.database, "10.00")
    desk.clock.now = NOW + timedelta(days=14)
    desk.work("overdue")
    assert state(desk) == [("pending", "payment_pending")], "its due date is its own"
    desk.clock.now = NOW + timedelta(days=15)
    desk.work("overdue")
    desk.work("overdue")
    assert state(desk) == [("overdue", "payment_pending")]
    assert desk.rows("select payload ->> 'due' from event where name = 'invoice_overdue'") == [("1000",)]
    desk.still_true()


def test_an_overdue_invoice_is_paid_in_parts_and_settled(desk: Desk):
    invoice = overdue(desk)
    pays(desk, invoice, 40_00)
    assert state(desk) == [("partially_paid", "payment_pending")]
    desk.work("overdue")
    assert state(desk)[0][0] == "partially_paid", "who has just paid a part has a day"
    desk.clock.advance(days=1, seconds=1)
    desk.work("overdue")
    assert state(desk)[0][0] == "overdue"
    pays(desk, invoice, 60_00, key="rest")
    desk.work(*SETTLED)
    assert state(desk) == [("paid", "completed")]
    assert desk.rows("select count(*) from event where name = 'invoice_overdue'") == [(2,)]
    desk.still_true()


def test_a_credit_note_lowers_what_is_due_and_the_settlement_is_of_what_was_paid(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    assert credit(desk, invoice, 30_00) == "pending"
    pays(desk, invoice, 70_00)
    desk.work(*SETTLED)
    assert state(desk) == [("paid", "completed")]
    assert desk.rows("select gross, platform_fee, validator_fee, net from settlement") == [(70_00, 3_50, 70, 65_80)]
    desk.still_true()


def test_a_credit_note_for_the_rest_settles_what_was_paid_at_once(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    pays(desk, invoice, 40_00)
    assert credit(desk, invoice, 60_00) == "paid"
    desk.work(*SETTLED)
    assert desk.rows("select gross from settlement") == [(40_00,)]
    desk.still_true()


def test_a_credit_note_for_more_than_is_due_owes_the_rest_back(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    pays(desk, invoice, 40_00)
    assert credit(desk, invoice, 75_00) == "paid"
    assert desk.rows("select against_due, refunded from credit_note") == [(60_00, 15_00)]
    desk.work(*SETTLED)
    assert desk.rows("select gross from settlement") == [(25_00,)]
    assert desk.balance("refund_payable:customer:customer-u-1") == 15_00
    desk.still_true()


def test_a_credit_note_after_payment_is_a_refund_and_of_everything_the_invoice_is_refunded(desk: Desk):
    invoice = paid(desk)
    go(desk)
    assert credit(desk, invoice, 20_00) == "paid"
    assert credit(desk, invoice, 80_00) == "refunded"
    assert desk.rows("select amount, platform_fee, cause like 'credit note crn_%%' from refund order by id") == [
        (20_00, 1_00, True),
        (80_00, 4_00, True),
    ]
    with pytest.raises(TransitionRefused):
        credit(desk, invoice, 1)
    desk.still_true()


def test_an_invoice_that_is_credited_in_full_is_cancelled_and_what_comes_for_it_is_owed_back(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    with pytest.raises(InvalidInput, match=r"from 0\.01 EUR to 100\.00 EUR"):
        credit(desk, invoice, 100_01)
    assert credit(desk, invoice, 100_00) == "cancelled"
    assert state(desk) == [("cancelled", "cancelled")]
    pays(desk, invoice, 100_00)
    assert desk.rows("select amount, cause, state from overpayment") == [(100_00, "it is cancelled", "owed")]
    assert desk.rows("select count(*) from event where name = 'payment_late'") == [(1,)]
    desk.still_true()


def test_nothing_is_credited_while_a_dispute_is_open(desk: Desk):
    invoice = paid(desk)
    with desk.database.transaction() as conn:
        by, _ = log_in_as(conn, "olga", "operator", at=NOW)
        open_dispute(conn, make_id("dsp"), invoice, cause="broken", make_id=make_id, by=by, now=NOW)
    with pytest.raises((UnderDispute, TransitionRefused)):
        credit(desk, invoice, 1_00)


def test_two_people_write_off_what_is_due_it_is_a_loss_and_the_payee_is_settled_in_full(desk: Desk):
    invoice = overdue(desk)
    pays(desk, invoice, 40_00)
    desk.clock.advance(days=2)
    desk.work("overdue")
    approve(desk, propose(desk, invoice))
    assert (desk.balance("bad_debt"), desk.balance(f"escrow:{invoice}")) == (60_00, 100_00)
    go(desk)
    assert state(desk) == [("cancelled", "completed")]
    assert desk.rows("select gross, platform_fee, net from settlement") == [(100_00, 5_00, 94_00)]
    assert desk.rows("select state, amount, last_error like '402 insufficient_balance%' from payout") == [("failed", 94_00, True)]
    assert desk.rows("select level from event where name = 'invoice_written_off'") == [("critical",)]
    desk.still_true()


def test_what_was_paid_of_an_invoice_that_was_written_off_goes_back_with_its_part_of_the_fees(desk: Desk):
    from tests.payouts.refunding import refund

    invoice = overdue(desk)
    pays(desk, invoice, 40_00)
    desk.clock.advance(days=2)
    desk.work("overdue")
    approve(desk, propose(desk, invoice))
    desk.work(*SETTLED)
    made = refund(desk, invoice, 40_00)
    assert (made.platform_fee, made.validator_fee, made.payable) == (2_00, 40, 37_60)
    desk.still_true()


def test_of_an_invoice_of_which_nothing_was_paid_all_is_written_off(desk: Desk):
    approve(desk, propose(desk, overdue(desk)))
    desk.work(*SETTLED)
    assert state(desk) == [("cancelled", "completed")]
    desk.still_true()


def test_one_person_writes_nothing_off_and_nothing_else_than_was_approved(desk: Desk):
    invoice = overdue(desk)
    with desk.database.transaction() as conn, pytest.raises(ApprovalNeeded), conn.transaction():
        write_off_invoice(conn, invoice, "iwo_1", 100_00, reason="x", actor="person:mira", now=desk.clock.now, approval=None)
    proposal = propose(desk, invoice)
    credit(desk, invoice, 10_00)
    with pytest.raises(DueHasChanged):
        approve(desk, proposal)
    assert (desk.balance("bad_debt"), state(desk)[0][0]) == (0, "overdue")
    (fresh,) = issue(desk.database, "5.00", prefix="v")
    with pytest.raises(TransitionRefused):
        propose(desk, fresh)
    desk.still_true()


def test_no_payment_is_waited_for_for_ever_and_what_was_paid_of_it_is_owed_back(desk: Desk):
    invoice = overdue(desk)
    pays(desk, invoice, 40_00)
    desk.clock.advance(**EXPIRED)
    desk.work("overdue", "expire-intents")
    assert state(desk) == [("overdue", "expired")]
    assert desk.rows("select amount, state from refund") == [(40_00, "owed")]
    assert desk.balance(f"escrow:{invoice}") == 0
    pays(desk, invoice, 60_00, key="late")
    assert desk.rows("select amount, cause from overpayment") == [(60_00, "its intent has expired")]
    assert state(desk) == [("overdue", "expired")]
    with pytest.raises(CannotReopen, match="owed back"):
        reopen(desk)
    assert credit(desk, invoice, 60_00) == "cancelled"
    desk.still_true()


def test_one_that_cannot_be_expired_keeps_no_other_one_from_it_however_few_are_looked_at_at_once(desk: Desk, monkeypatch):
    monkeypatch.setattr(expiring, "ROWS_MAX", 1)
    first, second = issue(desk.database, "100.00", prefix="u")[0], issue(desk.database, "100.00", prefix="v")[0]
    pays(desk, first, 40_00)
    desk.clock.advance(**LATE)
    desk.work("overdue")
    desk.clock.advance(**EXPIRED)
    desk.work("overdue")

    def no_id(_: str) -> str:
        raise RuntimeError("the refund of what was paid cannot be made")

    tally = expiring.expire_due(desk.wiring.runner("test"), no_id)
    assert (tally.handled, tally.failed) == (1, 1)
    assert desk.rows("select invoice_id, state from intent order by state") == [(second, "expired"), (first, "payment_pending")]


def test_why_an_invoice_is_not_credited_or_paid_out_is_said_in_words(desk: Desk):
    invoice = overdue(desk)
    credit(desk, invoice, 30_00)

    def instead() -> tuple[str, str]:
        with pytest.raises(NothingToPayOut) as refused, desk.database.transaction() as conn:
            execute_payout(conn, invoice, make_id=make_id, actor="test", now=desk.clock.now)
        return str(refused.value.facts["why"]), str(refused.value.facts["instead"])

    why = "0.00 EUR of 70.00 EUR are paid, and only what is paid in full is paid out"
    assert instead() == (why, "wait for its customer's payment")
    desk.clock.advance(**EXPIRED)
    desk.work("expire-intents")
    assert (instead()[0], "intents reopen" in instead()[1]) == (why, True)
    paid_one = paid(desk, prefix="v")
    with desk.database.transaction() as conn:
        by, _ = log_in_as(conn, "olga", "operator", at=desk.clock.now)
        dispute = open_dispute(conn, make_id("dsp"), paid_one, cause="broken", make_id=make_id, by=by, now=desk.clock.now)
        assert INVOICE_NOUN.why_not(conn, paid_one, now=desk.clock.now)["credit"] == f"dispute {dispute.id} is open, until it is decided"


def reopen(desk: Desk) -> str:
    ((intent,),) = desk.rows("select id from intent")
    with desk.database.transaction() as conn:
        return reopen_intent(conn, intent, reason="they will pay", actor="test", now=desk.clock.now)


def test_an_intent_that_expired_unpaid_may_wait_again_and_is_paid(desk: Desk):
    invoice = overdue(desk)
    with pytest.raises(CannotReopen, match="payment pending"):
        reopen(desk)
    desk.clock.advance(**EXPIRED)
    desk.work("expire-intents")
    assert reopen(desk) == "payment_pending"
    desk.work("expire-intents")
    assert state(desk) == [("overdue", "payment_pending")], "for sixty days more"
    pays(desk, invoice, 100_00)
    desk.work(*SETTLED)
    assert state(desk) == [("paid", "completed")]
    desk.still_true()


def test_an_expired_invoice_may_be_written_off(desk: Desk):
    invoice = overdue(desk)
    desk.clock.advance(**EXPIRED)
    desk.work("expire-intents")
    approve(desk, propose(desk, invoice))
    desk.work(*SETTLED)
    assert state(desk) == [("cancelled", "completed")]
    desk.still_true()


def test_of_a_cancelled_invoice_no_payment_is_waited_for(desk: Desk):
    (invoice,) = issue(desk.database, "10.00")
    with desk.database.transaction() as conn:
        cancel_invoice(conn, invoice, reason="twice", actor="test", now=NOW)
        assert show_invoice(conn, invoice).due == 0
    assert state(desk) == [("cancelled", "cancelled")]


def repay(desk: Desk, reference: str = "re_1") -> str:
    ((found,),) = desk.rows("select id from overpayment")
    with desk.database.transaction() as conn:
        given: dict[str, Any] = {"known": {"simulator"}, "actor": "test", "now": desk.clock.now}
        return repay_overpayment(conn, found, provider="bank", reference=reference, **given)


def test_what_was_paid_too_much_is_paid_back_once(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    pays(desk, invoice, 130_00)
    assert desk.rows("select amount, cause from overpayment") == [(30_00, "more than was asked")]
    assert repay(desk) == "repaid"
    with pytest.raises(TransitionRefused):
        repay(desk, "re_2")
    assert desk.balance("refund_payable:customer:customer-u-1") == 0
    desk.still_true()


def test_what_the_bank_takes_back_of_an_overpayment_is_not_paid_back_too(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    pays(desk, invoice, 130_00)
    one = charged_back(desk, invoice, 30_00, fee=0)
    with pytest.raises(BankTakesIt):
        repay(desk)
    bank_says(desk, one, "lost")
    assert desk.rows("select state from overpayment") == [("charged_back",)]
    desk.still_true()


def test_what_the_bank_took_whole_is_over_although_it_still_looks_at_another_part_of_the_payment(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    pays(desk, invoice, 130_00)
    whole, other = charged_back(desk, invoice, 30_00, fee=0), charged_back(desk, invoice, 20_00, fee=0)
    bank_says(desk, whole, "lost")
    assert desk.rows("select state from overpayment") == [("charged_back",)]
    bank_says(desk, other, "won")
    desk.still_true()


def test_what_came_for_a_cancelled_invoice_and_is_taken_back_is_no_finding(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    with desk.database.transaction() as conn:
        cancel_invoice(conn, invoice, reason="twice", actor="test", now=NOW)
    pays(desk, invoice, 100_00)
    one = charged_back(desk, invoice, fee=0)
    assert state(desk) == [("cancelled", "cancelled")], "no dispute leads out of that"
    desk.still_true()
    bank_says(desk, one, "lost")
    desk.still_true()


def test_what_was_paid_back_and_is_then_taken_by_the_bank_the_customer_owes(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    pays(desk, invoice, 130_00)
    repay(desk)
    charged_back(desk, invoice, 130_00, fee=0)
    assert desk.balance("receivable:customer:customer-u-1") == 30_00
    desk.still_true()
