"""Refunds and holdbacks in the real tables, against the simulator: before the settlement, after it, while money is under way, and after."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.base.problems import InvalidInput
from counterfoil.payouts.destinations.by_hand import quarantine_destination
from counterfoil.payouts.destinations.destinations import set_destination
from counterfoil.payouts.refunds.refunds import execute_refund, lock_invoice, refundable
from counterfoil.settlement.treasury.treasury import TreasuryHoldsLess, TreasuryMovement, move_fees, summarize
from tests.builders import PROGRAM, Desk, a_program
from tests.payouts.refunding import SETTLED, go, paid, refund, states
from tests.simulators import spawn_simulator


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=0) as simulator:
        a_program(database, holdback_bps=1000)
        yield Desk(database, simulator)


def test_before_the_settlement_it_comes_from_escrow_and_the_rest_is_settled(desk: Desk):
    invoice = paid(desk)
    assert refund(desk, invoice, 40_00).escrow == 40_00
    desk.work(*SETTLED)
    assert desk.rows("select gross, platform_fee, validator_fee, holdback, net from settlement") == [(60_00, 3_00, 60, 6_00, 50_40)]
    assert desk.balance("refund_payable:customer:customer-u-1") == 40_00
    desk.still_true()


def test_what_is_refunded_wholly_before_its_settlement_is_never_settled(desk: Desk):
    invoice = paid(desk)
    refund(desk, invoice, 100_00)
    desk.work(*SETTLED)
    assert desk.rows("select state from intent") == [("cancelled",)]
    assert desk.rows("select count(*) from settlement") == [(0,)]
    desk.still_true()


def test_after_the_settlement_each_gives_its_part_and_the_waiting_payout_is_cut(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED, "reserve")
    assert states(desk) == [("processing", 84_00)]
    made = refund(desk, invoice, 50_00)
    assert (made.platform_fee, made.validator_fee, made.own_holdback, made.payable) == (2_50, 50, 5_00, 42_00)
    assert states(desk) == [("pending", 84_00)], "an attempt that never called was taken back"
    go(desk)
    assert desk.rows("select amount, state from provider_payout order by number") == [
        (84_00, "cancelled"),
        (42_00, "succeeded"),
    ]
    desk.still_true()


def test_a_refund_of_everything_ends_the_waiting_payout_even_before_its_event_came(desk: Desk):
    invoice = paid(desk)
    desk.work("settle")
    refund(desk, invoice, 100_00)
    go(desk)
    assert states(desk) == [("refunded", 84_00)]
    assert desk.rows("select state from holdback_tranche") == [("used_up",)]
    assert {desk.balance(name) for name in ("payable:payee:payee-1", "holdback:payee:payee-1", "fee:platform")} == {0}
    desk.still_true()


def test_after_the_payout_holdback_pays_then_the_payee_owes_and_the_next_payout_pays_it(desk: Desk):
    invoice = paid(desk)
    go(desk)
    assert states(desk) == [("completed", 84_00)]
    made = refund(desk, invoice, 100_00)
    assert (made.own_holdback, made.holdback, made.receivable) == (10_00, 0, 84_00)
    desk.still_true()
    paid(desk, "200.00", prefix="v")
    go(desk)
    assert desk.balance("receivable:payee:payee-1") == 0
    assert desk.rows("select amount from provider_payout order by id") == [(84_00,), (168_00 - 84_00,)]
    desk.still_true()


def test_what_validators_were_paid_already_they_owe_and_their_next_distribution_is_less_by_it(desk: Desk):
    def distribute(amount: int) -> None:
        given = (PROGRAM, "EUR", "distribution", amount, make_id("ref"), "monthly", "test", desk.clock.now)
        with desk.database.transaction() as conn:
            move_fees(conn, TreasuryMovement(make_id("trm"), *given))

    invoice = paid(desk)
    go(desk)
    distribute(1_00)
    refund(desk, invoice, 25_00)
    refund(desk, invoice, 75_00)
    assert (desk.balance("payable:validator"), desk.balance("receivable:validator")) == (0, 1_00)
    desk.still_true()
    paid(desk, "150.00", prefix="v")
    go(desk)
    with pytest.raises(TreasuryHoldsLess, match="held 50"):
        distribute(51)
    distribute(50)
    assert (desk.balance("payable:validator"), desk.balance("receivable:validator")) == (0, 0)
    with desk.database.transaction() as conn:
        (one,) = summarize(conn, PROGRAM, start=desk.clock.now - timedelta(days=90), end=desk.clock.now + timedelta(days=90))
    assert (one.validator_in, one.validator_given_back, one.distributed, one.validator_held) == (2_50, 1_00, 1_50, 0)
    assert one.adds_up
    desk.still_true()


def test_money_that_a_call_took_along_is_left_alone(desk: Desk):
    desk.fault("error_after_accepting")
    invoice = paid(desk)
    desk.work(*SETTLED, "reserve")
    desk.ticks["outbox"]()
    assert states(desk) == [("reconcile_required", 84_00)]
    made = refund(desk, invoice, 10_00)
    assert (made.payable, made.own_holdback + made.holdback + made.receivable) == (0, 10_00 - 50 - 10)
    assert states(desk) == [("reconcile_required", 84_00)]
    go(desk)
    assert states(desk) == [("completed", 84_00)]
    desk.still_true()


def test_many_small_refunds_never_drift(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED)
    for amount in [3_33] * 30 + [10]:
        refund(desk, invoice, amount)
    assert desk.balance("fee:platform") == desk.balance("payable:validator") == 0
    desk.still_true()


def test_no_more_goes_back_than_was_paid_and_a_refusal_books_nothing(desk: Desk):
    invoice = paid(desk)
    refund(desk, invoice, 60_00)
    with pytest.raises(InvalidInput, match="amount"):
        refund(desk, invoice, 40_01)
    assert desk.rows("select count(*) from refund") == [(1,)]
    with desk.database.transaction() as conn:
        assert refundable(conn, lock_invoice(conn, invoice)) == 40_00


def test_a_refund_is_paid_once_and_a_reference_pays_one_refund(desk: Desk):
    invoice = paid(desk)
    one, other = refund(desk, invoice, 10_00), refund(desk, invoice, 5_00)

    def execute(refund_id: str, provider: str = "bank", reference: str = "re_1") -> str:
        with desk.database.transaction() as conn:
            return execute_refund(
                conn,
                refund_id,
                provider=provider,
                reference=reference,
                known={"simulator"},
                actor="test",
                now=desk.clock.now,
            )

    with pytest.raises(InvalidInput, match="provider"):
        execute(one.id, "elsewhere")
    assert execute(one.id) == "executed"
    with pytest.raises(InvalidInput, match=f"one that nothing else was paid by; refund {one.id} was"):
        execute(other.id)
    with pytest.raises(Exception, match="execute"):
        execute(one.id, reference="re_2")
    assert (desk.balance("cash:bank:client"), desk.balance("refund_payable:customer:customer-u-1")) == (-10_00, 5_00)
    desk.still_true()


def test_a_holdback_is_released_on_its_date_and_paid_out_as_a_payout_of_its_own(desk: Desk):
    paid(desk)
    go(desk)
    desk.clock.advance(days=29)
    desk.work("release-holdback")
    assert desk.rows("select state from holdback_tranche") == [("held",)]
    desk.clock.advance(days=2)
    desk.work("release-holdback")
    go(desk)
    assert states(desk) == [("completed", 84_00), ("completed", 10_00)]
    assert desk.rows("select right(key, 3) from payout order by reissue desc limit 1") == [("-r1",)]
    assert desk.rows("select state from holdback_tranche") == [("released",)]
    assert desk.rows("select count(*) from journal where key like 'HOLDBACK_RELEASE:set_%:1'") == [(1,)]
    desk.still_true()


def test_a_holdback_waits_for_the_payout_of_its_settlement_and_says_so_once(desk: Desk):
    paid(desk)
    desk.work(*SETTLED)
    desk.clock.advance(days=31)
    for _ in range(3):
        desk.work("release-holdback")
        desk.clock.advance(hours=2)
    ((state, why),) = desk.rows("select state, last_error from holdback_tranche")
    assert state == "held"
    assert why.endswith("is pending")
    assert desk.rows("select count(*) from event where name = 'holdback_waits'") == [(1,)]
    go(desk)
    desk.clock.advance(hours=2)
    desk.work("release-holdback")
    go(desk)
    assert states(desk) == [("completed", 84_00), ("completed", 10_00)]
    desk.still_true()


def test_the_holdback_of_a_payee_whose_destination_is_quarantined_stays_and_pays_its_refunds(desk: Desk):
    invoice = paid(desk)
    go(desk)
    ((place,),) = desk.rows("select id from destination")
    with desk.database.transaction() as conn:
        quarantine_destination(conn, str(place), reason="a letter of its holder", actor="anna", now=desk.clock.now)
    desk.clock.advance(days=31)
    desk.work("release-holdback")
    assert desk.rows("select state, last_error from holdback_tranche") == [("held", f"destination {place} of its payee is quarantined")]
    assert refund(desk, invoice, 5_00).own_holdback == 50
    with desk.database.transaction() as conn:
        token = {"program_id": PROGRAM, "payee_id": "payee-1", "provider": "simulator", "token": "another account"}
        set_destination(conn, make_id("dst"), **token, actor="anna", now=desk.clock.now)
    desk.clock.advance(hours=1)
    desk.work("release-holdback")
    assert desk.rows("select state from holdback_tranche") == [("released",)], "it is paid elsewhere now"
    desk.still_true()


def test_a_refund_after_the_release_takes_from_the_payee_what_was_released(desk: Desk):
    invoice = paid(desk)
    go(desk)
    desk.clock.advance(days=31)
    desk.work("release-holdback")
    made = refund(desk, invoice, 100_00)
    assert (made.own_holdback, made.payable, made.receivable) == (0, 10_00, 84_00)
    assert states(desk) == [("completed", 84_00), ("refunded", 10_00)]
    desk.still_true()


def test_a_loss_takes_the_oldest_holdback_of_the_payee_first(desk: Desk):
    first = paid(desk)
    go(desk)
    desk.clock.advance(days=1)
    paid(desk, "50.00", prefix="v")
    go(desk)
    third = paid(desk, "10.00", prefix="w")
    go(desk)
    refund(desk, third, 10_00)
    assert desk.rows("select amount, state from holdback_tranche order by created_at, amount desc")[0] == (
        10_00,
        "held",
    )
    assert desk.rows("select t.amount, u.amount from holdback_use u join holdback_tranche t on t.id = u.tranche_id order by 1") == [
        (1_00, 1_00),
        (10_00, 8_40),
    ]
    refund(desk, first, 1_00)
    desk.still_true()
