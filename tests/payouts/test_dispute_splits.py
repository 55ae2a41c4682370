"""What a ruling is said to leave of a settlement that something has changed before is booked then, against the simulator."""

from __future__ import annotations

from pathlib import Path

import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.base.problems import InvalidInput
from counterfoil.ledger.accounts.accounts import freeze_account
from counterfoil.operations.verbs import VerbCall, say
from counterfoil.payouts.disputes import disputes
from counterfoil.payouts.disputes.noun import DISPUTE_NOUN, split_told
from tests.builders import PROGRAM, Desk, a_program
from tests.payouts.invoices.test_unpaid_invoices import approve, overdue, pays, propose
from tests.payouts.refunding import SETTLED, go, paid, refund
from tests.payouts.test_chargebacks import bank_says, charged_back
from tests.payouts.test_disputes import BEN, decided, effect, opened
from tests.simulators import spawn_simulator

PARTS = ("refund_payable:customer:customer-u-1", "fee:platform", "payable:validator", "holdback:payee:payee-1")
# Of each settlement here 5 % are the platform's, 1 % the validators', 10 % are held back.


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=0) as simulator:
        a_program(database, holdback_bps=1000)
        yield Desk(database, simulator)


def settled(desk: Desk) -> str:
    """An invoice of 100.00 that is settled, of which nothing is set aside yet to be paid out."""
    invoice = paid(desk)
    desk.work(*SETTLED)
    return invoice


def leaves(desk: Desk, invoice: str, amount: int, *left: int, policy: str = "retain_fees") -> None:
    """A dispute is decided; who gets what is said at once, and is booked when the ruling has effect.

    `left`: what is back, the fees, what is held back, and what is the payee's: paid, under way and unpaid, less what they owe.
    """
    dispute = opened(desk, invoice)
    decided(desk, dispute, "partial", amount=amount, policy=policy)
    with desk.database.transaction() as conn:
        told = disputes.split_of(conn, disputes.show_dispute(conn, dispute))
    assert told == left
    effect(desk)
    ((out,),) = desk.rows("select coalesce(sum(amount), 0)::bigint from provider_payout where state = 'succeeded'")
    theirs = out + sum(map(desk.balance, ("in_transit:simulator", "payable:payee:payee-1"))) - desk.balance("receivable:payee:payee-1")
    assert (*map(desk.balance, PARTS), theirs) == left
    desk.still_true()


def test_fees_are_retained_as_an_earlier_refund_has_left_them(desk: Desk):
    """Those of all were more than what is kept: the ruling was refused."""
    invoice = settled(desk)
    refund(desk, invoice, 90_00)
    leaves(desk, invoice, 9_00, 99_00, 50, 10, 10, 30)


def test_fees_that_an_earlier_refund_has_left_are_still_no_more_than_what_is_kept(desk: Desk):
    invoice = settled(desk)
    refund(desk, invoice, 90_00)
    with pytest.raises(InvalidInput, match=r"0\.00 EUR is kept, less than fees and holdback of 0\.60 EUR"):
        decided(desk, opened(desk, invoice), "partial", amount=10_00, policy="retain_fees")


@pytest.mark.parametrize(
    ("policy", "amount", "left"),
    [("proportional", 40_00, (40_00, 3_00, 60, 0, 56_40)), ("retain_fees", 93_90, (93_90, 5_00, 1_00, 0, 10))],
)
def test_of_a_holdback_that_was_released_nothing_is_held_back_any_more(desk: Desk, policy: str, amount: int, left: tuple[int, ...]):
    """The tenth of what is kept was said to be held back, and the ruling was refused for it."""
    invoice = paid(desk)
    go(desk)
    desk.clock.advance(days=31)
    desk.work("release-holdback")
    leaves(desk, invoice, amount, *left, policy=policy)


@pytest.mark.parametrize(
    ("is_paid", "said", "left"),
    [
        (
            True,
            "of 6.00 EUR that would be held back 6.00 EUR pay for it, and 0.00 EUR stay; the payee then owes 27.60 EUR. Nothing moves",
            (0, 27_60),
        ),
        (False, ", 6.00 EUR are held back. Nothing moves before", (6_00, 0)),
    ],
)
def test_what_is_said_to_be_held_back_is_what_then_is(desk: Desk, is_paid: bool, said: str, left: tuple[int, int]):
    """To a payee who was paid it was said that a tenth of the rest is held back; it went to the customer, and the payee owed the rest."""
    invoice = settled(desk)
    if is_paid:
        go(desk)
    dispute = opened(desk, invoice)
    decided(desk, dispute, "partial", amount=40_00, policy="proportional")
    with desk.database.transaction() as conn:
        told = split_told(VerbCall(conn, dispute, BEN, desk.clock.now, make_id), dispute)
        assert told.startswith(
            "The customer gets back 40.00 EUR of 100.00 EUR. Of the rest 50.40 EUR are the payee's, 3.00 EUR platform fee, "
        )
        assert said in told
        assert conn.execute("select count(*) from refund").fetchone() == (0,), "it was tried, and taken back"
    effect(desk)
    assert (desk.balance("holdback:payee:payee-1"), desk.balance("receivable:payee:payee-1")) == left
    desk.still_true()


def test_a_ruling_whose_refund_could_not_be_booked_now_is_a_ruling_all_the_same(desk: Desk):
    """What it would leave is tried; where the books refuse that today, it is said, and whoever decides is not refused for it."""
    invoice = settled(desk)
    dispute = opened(desk, invoice)
    with desk.database.transaction() as conn:
        freeze_account(conn, PROGRAM, "fee:platform", asset="EUR", reason="an audit", actor="t", now=desk.clock.now)
        disputes.step(conn, dispute, "review", reason="", by=BEN, now=desk.clock.now)
    taken = {"outcome": "partial", "refund": 40_00, "policy": "proportional"}
    with desk.database.transaction() as conn:
        done = say(
            DISPUTE_NOUN,
            DISPUTE_NOUN.verb("resolve"),
            VerbCall(conn, dispute, BEN, desk.clock.now, make_id, reason="as agreed", taken=taken),
        )
    assert "What is held back then is not known: its refund could not be booked now: " in done.told
    assert "frozen" in done.told
    assert desk.rows("select state from dispute where ended_at is null") == [("resolved_pending_appeal",)]


def test_what_the_house_gave_up_was_settled_and_is_kept(desk: Desk):
    """40.00 of 100.00 were written off: of the gross 41.00 are kept, and not 1.00."""
    invoice = overdue(desk)
    pays(desk, invoice, 60_00)
    desk.clock.advance(days=2)
    desk.work("overdue")
    approve(desk, propose(desk, invoice))
    desk.work(*SETTLED)
    leaves(desk, invoice, 59_00, 59_00, 5_00, 1_00, 4_10, 30_90)


def test_a_second_ruling_counts_the_fees_that_the_first_one_had_them_keep(desk: Desk):
    """Nothing is paid out before the second one has effect."""
    invoice = settled(desk)
    dispute = opened(desk, invoice)
    decided(desk, dispute, "partial", amount=50_00, policy="retain_fees")
    desk.clock.advance(days=7)
    desk.work("disputes")
    leaves(desk, invoice, 10_00, 60_00, 4_50, 90, 4_00, 30_60, policy="proportional")


def test_fees_that_a_won_chargeback_brought_back_are_counted(desk: Desk):
    invoice = settled(desk)
    bank_says(desk, charged_back(desk, invoice), "won")
    leaves(desk, invoice, 50_00, 50_00, 5_00, 1_00, 0, 44_00)
