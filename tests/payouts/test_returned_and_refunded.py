"""Refunds and chargebacks of payouts that came back, were issued anew, failed or are held: none is paid twice, and nothing stays behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post
from counterfoil.payouts.next_action import next_action
from counterfoil.payouts.payouts.by_hand import cancel_payout, reissue_payout, retry_payout
from counterfoil.payouts.payouts.missing import NothingToPayOut, execute_payout
from counterfoil.payouts.payouts.payable import payable_of
from counterfoil.payouts.queries import payouts_in_need
from counterfoil.settlement.fees.fees import set_rates
from tests.builders import NOW, PROGRAM, Desk, a_program, issue
from tests.payouts.refunding import SETTLED, go, paid, refund, states
from tests.payouts.test_chargebacks import bank_says, charged_back
from tests.payouts.test_disputes import decided, effect, opened
from tests.simulators import spawn_simulator

OWED = "receivable:payee:payee-1"
PAYABLE = "payable:payee:payee-1"
DAY_MS = 86_400_000


def desk_of(database: Database, folder: Path, holdback_bps: int) -> Any:
    a_program(database, holdback_bps=holdback_bps)
    return spawn_simulator(folder / "simulator", settle_ms=0, payout_fee=0)


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with desk_of(database, tmp_path, 1000) as simulator:
        yield returning(Desk(database, simulator, timeout_s=30))


@pytest.fixture
def bare(database: Database, tmp_path: Path):
    """Nothing is held back."""
    with desk_of(database, tmp_path, 0) as simulator:
        yield returning(Desk(database, simulator, timeout_s=30))


def returning(desk: Desk) -> Desk:
    """What arrives is sent back within ten days."""
    desk.fault("returned_later", count=1_000, params={"after_ms": 9 * DAY_MS})
    return desk


def fails(desk: Desk) -> None:
    """The next one fails."""
    desk.http.delete("/v1/faults").raise_for_status()
    desk.fault("payout_failed", count=1)
    returning(desk)


def comes_back(desk: Desk) -> None:
    """The bank sends back what has arrived."""
    arrived = [row[0] for row in desk.rows("select id from provider_payout where state = 'succeeded'")]
    desk.http.post("/v1/clock/advance", json={"ms": 10 * DAY_MS}).raise_for_status()
    desk.deliver()
    for _ in range(3):  # the provider is asked before a return is believed
        desk.work()
        desk.clock.advance(minutes=30)
    assert not desk.rows("select from provider_payout where state = 'succeeded' and id = any(%s)", arrived)


def all_goes(desk: Desk) -> None:
    """Until also what is paid behind something else has arrived."""
    go(desk)
    go(desk)


def by_hand(desk: Desk, verb: str) -> None:
    """A person says it of the newest payout."""
    payout = desk.rows("select id from payout order by reissue, id")[-1][0]
    given: dict[str, Any] = {"reason": "asked", "actor": "test", "now": desk.clock.now}
    with desk.database.transaction() as conn:
        if verb == "reissue":
            reissue_payout(conn, payout, make_id("po"), **given)
        else:
            {"retry": retry_payout, "cancel": cancel_payout}[verb](conn, payout, **given)
    go(desk)


def nothing_stays_behind(desk: Desk) -> None:
    """What is payable is what payouts will pay, each settlement its own; what one that is over leaves, somebody is told of."""
    with desk.database.transaction() as conn:
        rows = conn.execute(
            """select distinct on (settlement_id) settlement_id, id, state from payout order by settlement_id, reissue desc"""
        ).fetchall()
        owed = payable_of(conn, [row[0] for row in rows])
        for settlement, payout, state in rows:
            told = next_action(conn, payout, desk.clock.now)
            assert owed[settlement] <= 0 or state in ("pending", "held", "processing") or told.command, (payout, state, owed[settlement])
        over = {row[1]: owed[row[0]] for row in rows if row[2] in ("completed", "cancelled") and owed[row[0]] > 0}
        assert {one.id: one.amount.minor for one in payouts_in_need(conn, "owed", rows_max=100)} == over
    assert sum(owed.values()) == desk.balance(PAYABLE)


def out(desk: Desk) -> int:
    """What the payee has."""
    return int(desk.rows("select coalesce(sum(amount), 0) from provider_payout where state = 'succeeded'")[0][0])


def test_what_came_back_pays_its_refund_and_only_the_rest_is_issued_anew(desk: Desk):
    invoice = paid(desk)
    go(desk)
    comes_back(desk)
    assert states(desk) == [("returned", 84_00)]
    refund(desk, invoice, 50_00)
    assert (desk.balance(PAYABLE), desk.balance(OWED)) == (42_00, 0)
    nothing_stays_behind(desk)
    by_hand(desk, "reissue")
    assert states(desk) == [("returned", 84_00), ("completed", 42_00)]
    refund(desk, invoice, 50_00)
    assert (desk.balance(OWED), desk.balance("holdback:payee:payee-1"), desk.balance(PAYABLE)) == (42_00, 0, 0)
    comes_back(desk)
    assert (states(desk)[-1], desk.balance(OWED), desk.balance(PAYABLE)) == (("refunded", 42_00), 0, 0), "it paid what its payee owed"
    nothing_stays_behind(desk)
    desk.still_true()


def test_a_refund_then_the_return_then_a_refund_take_each_unit_once(desk: Desk):
    invoice = paid(desk)
    go(desk)
    refund(desk, invoice, 60_00)
    comes_back(desk)
    refund(desk, invoice, 40_00)
    go(desk)
    assert desk.balance("refund_payable:customer:customer-u-1") == 100_00
    names = ("fee:platform", "payable:validator", "holdback:payee:payee-1", PAYABLE, OWED)
    assert [desk.balance(name) for name in names] == [0] * 5
    assert (out(desk), states(desk)) == (0, [("refunded", 84_00)])
    desk.still_true()


@pytest.mark.parametrize("won", [True, False])
def test_a_chargeback_of_a_payout_that_came_back_takes_what_came_back(desk: Desk, won: bool):
    invoice = paid(desk)
    go(desk)
    comes_back(desk)
    one = charged_back(desk, invoice, fee=0)
    assert (desk.balance(OWED), desk.balance(PAYABLE), states(desk)) == (0, 0, [("refunded", 84_00)])
    bank_says(desk, one, "won" if won else "lost")
    go(desk)
    assert out(desk) == (94_00 if won else 0)
    nothing_stays_behind(desk)
    desk.still_true()


def test_what_is_won_while_the_payout_waits_is_all_paid_out_also_beyond_what_it_was_made_for(desk: Desk):
    """Of a part that was charged back the payee gets the holdback's part at once: more than the payout that waits was made for."""
    invoice = paid(desk)
    desk.work(*SETTLED)
    bank_says(desk, charged_back(desk, invoice, 50_00, fee=0), "won")
    all_goes(desk)
    assert states(desk) == [("completed", 84_00), ("completed", 5_00)]
    assert (desk.balance(PAYABLE), out(desk)) == (0, 89_00)
    desk.still_true()


def test_what_is_won_comes_after_a_dispute_too(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED)
    one = charged_back(desk, invoice, 50_00, fee=0)
    bank_says(desk, one, "won")
    dispute = opened(desk, invoice)
    go(desk)
    assert states(desk) == [("held", 84_00)]
    decided(desk, dispute, "provider_win")
    effect(desk)
    go(desk)
    assert (desk.balance(PAYABLE), out(desk)) == (0, 89_00)
    desk.still_true()


@pytest.mark.parametrize("before", ["paid", "waits", "returned", "cancelled"])
def test_a_unit_that_a_tiny_refund_leaves_the_payee_is_paid_and_stays_nowhere(bare: Desk, before: str):
    """Both fees give a unit back of a refund of one: one is the customer's, the other the payee's."""
    invoice = paid(bare)
    bare.work(*SETTLED)
    if before in ("paid", "returned"):
        go(bare)
    if before == "returned":
        comes_back(bare)
    if before == "cancelled":
        by_hand(bare, "cancel")
    made = refund(bare, invoice, 1)
    assert (made.platform_fee, made.validator_fee, made.credited) == (1, 1, 1)
    all_goes(bare)
    nothing_stays_behind(bare)
    bare.still_true()
    if before in ("returned", "cancelled"):  # a person decides whether these are paid
        by_hand(bare, "reissue")
    assert (out(bare), bare.balance(PAYABLE)) == (94_01, 0)
    bare.still_true()


def test_a_unit_of_a_settlement_that_left_nothing_to_pay_gets_a_payout_of_its_own(database: Database, tmp_path: Path):
    with desk_of(database, tmp_path, 0) as simulator:
        desk = returning(Desk(database, simulator, timeout_s=30))
        with database.transaction() as conn:
            set_rates(conn, PROGRAM, platform_bps=5000, validator_bps=5000, holdback_bps=0, actor="test", now=NOW)
        invoice = paid(desk)
        go(desk)
        assert (desk.rows("select net from settlement"), states(desk)) == ([(0,)], [])
        made = refund(desk, invoice, 1)
        assert made.credited == 1
        go(desk)
        assert (states(desk), desk.balance(PAYABLE)) == ([("completed", 1)], 0)
        desk.still_true()


def test_a_failed_payout_pays_its_refund_and_a_retry_pays_the_rest(desk: Desk):
    invoice = paid(desk)
    fails(desk)
    go(desk)
    assert states(desk) == [("failed", 84_00)]
    refund(desk, invoice, 25_00)
    by_hand(desk, "retry")
    assert (states(desk), out(desk)) == ([("completed", 84_00)], 63_00)
    refund(desk, invoice, 75_00)
    assert desk.balance(OWED) == 63_00
    nothing_stays_behind(desk)
    desk.still_true()


def test_while_a_new_one_is_on_its_way_a_refund_leaves_it_alone_and_its_failure_pays_the_debt(desk: Desk):
    invoice = paid(desk)
    go(desk)
    comes_back(desk)
    fails(desk)
    payout = desk.rows("select id from payout")[0][0]
    with desk.database.transaction() as conn:
        reissue_payout(conn, payout, make_id("po"), reason="asked", actor="test", now=desk.clock.now)
    desk.work("reserve", "outbox")
    assert desk.rows("select state from provider_payout order by id") == [("returned",), ("sent",)]
    refund(desk, invoice, 100_00)
    assert desk.balance(OWED) == 84_00
    go(desk)
    assert (states(desk), desk.balance(OWED), desk.balance(PAYABLE)) == ([("returned", 84_00), ("refunded", 84_00)], 0, 0)
    nothing_stays_behind(desk)
    desk.still_true()


def test_a_refund_beside_a_held_payout_waits_for_the_dispute_and_the_held_payout_pays_it(desk: Desk):
    invoice = paid(desk)
    go(desk)
    comes_back(desk)
    by_hand(desk, "reissue")
    comes_back(desk)
    payout = desk.rows("select id from payout order by reissue desc")[0][0]
    with desk.database.transaction() as conn:
        reissue_payout(conn, payout, make_id("po"), reason="asked", actor="test", now=desk.clock.now)
    dispute = opened(desk, invoice)
    assert states(desk)[-1] == ("held", 84_00)
    decided(desk, dispute, "partial", amount=50_00)
    effect(desk)
    assert (states(desk)[-1], out(desk)) == (("completed", 84_00), 42_00)
    nothing_stays_behind(desk)
    desk.still_true()


def test_money_that_came_to_a_payee_by_hand_is_no_settlements_and_no_payout_can_be_made_of_it(desk: Desk):
    """Whatever a payout pays is of a settlement, a release of an escrow or a commission: nothing else makes one, whoever asks."""
    (waiting,) = issue(desk.database, "100.00", prefix="v")
    with desk.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["cash:bank:own", PAYABLE], asset="EUR", actor="test", now=NOW)
        lines = [("cash:bank:own", PAYABLE, 5_00)]
        post(conn, PROGRAM, key="by hand", kind="adjustment", lines=lines, asset="EUR", actor="ann", now=NOW)
    with pytest.raises(NothingToPayOut), desk.database.transaction() as conn:
        execute_payout(conn, waiting, make_id=make_id, actor="test", now=NOW)
    desk.still_true()
    invoice = paid(desk)
    go(desk)
    assert (states(desk), desk.balance(PAYABLE)) == ([("completed", 84_00)], 5_00)
    refund(desk, invoice, 100_00)
    assert (desk.balance(PAYABLE), desk.balance(OWED)) == (5_00, 84_00), "it pays no refund of a settlement either"
    desk.still_true()
