"""Escrows at work: payments fund them, releases are paid out, the job expires them; two workers, and a release at the last instant."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.base.problems import Problem
from counterfoil.payouts.refunds.refunds import execute_refund
from counterfoil.settlement.escrow.escrows import NewEscrow, fund_escrow, open_escrow
from counterfoil.settlement.escrow.freezing import freeze_escrow, unfreeze_escrow
from counterfoil.settlement.escrow.moving import refund_escrow, release_escrow, repay_escrow
from counterfoil.wiring import ticks
from tests.builders import NOW, PROGRAM, Desk, a_program
from tests.payouts.refunding import paid, refund
from tests.settlement.escrow.vault import EXPIRES, a_funded_escrow, hand
from tests.simulators import spawn_simulator
from tests.waiting import second_waits


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=0) as simulator:
        a_program(database)
        yield Desk(database, simulator)


def opened(desk: Desk, amount: int = 100_00) -> str:
    with desk.database.transaction() as conn:
        new = NewEscrow(PROGRAM, "ann", "payee-1", "EUR", amount, "order 7", EXPIRES)
        return open_escrow(conn, make_id("esc"), new, actor="test", now=NOW).id


def row(desk: Desk, escrow_id: str) -> tuple[Any, ...]:
    return desk.rows("select state, funded, released, refunded from escrow where id = %s", escrow_id)[0]


def test_payments_that_name_it_fund_it_and_its_release_is_paid_out(desk: Desk):
    one = opened(desk)
    desk.pay(one, 60_00, fee=0)
    desk.pay(one, 50_00, fee=0)
    desk.deliver()
    desk.work()
    assert row(desk, one) == ("active", 100_00, 0, 0)
    assert desk.balance("suspense") == 10_00, "what is more than it lacks stays where it was told of"
    with desk.database.transaction() as conn:
        release_escrow(conn, one, hand(), amount=40_00)
        release_escrow(conn, one, hand())
    desk.work()
    desk.settle_time()
    desk.deliver()
    desk.work()
    paid = desk.rows("select key like 'payout-' || %s || '-esm_%%', amount, state from payout order by amount", one)
    assert paid == [(True, 37_60, "completed"), (True, 56_40, "completed")]
    assert desk.balance("payable:payee:payee-1") == 0
    desk.still_true()


def test_an_escrow_of_another_program_is_funded_in_its_own_books(desk: Desk):
    one = opened(desk)
    desk.wiring = desk.wiring.__class__(**{**vars(desk.wiring), "program_id": "elsewhere"})
    desk.ticks = ticks(desk.wiring, "worker:test")
    desk.pay(one, 100_00, fee=0)
    desk.deliver()
    desk.work()
    assert row(desk, one)[0] == "active"


def test_one_payment_never_funds_two_escrows(desk: Desk):
    first, second = opened(desk, 70_00), opened(desk, 70_00)
    desk.pay(first, 100_00, fee=0)
    desk.deliver()
    desk.work()
    ((charge,),) = desk.rows("select charge_id from payment")
    both = threading.Barrier(2)
    refused: list[str] = []

    def fund() -> None:
        both.wait(10)
        try:
            with desk.database.transaction() as conn:
                fund_escrow(conn, second, hand(), provider="simulator", reference=charge, amount=30_00)
        except Problem as problem:
            refused.append(str(problem))

    threads = [threading.Thread(target=fund) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert (row(desk, first)[1], row(desk, second)[1], len(refused)) == (70_00, 30_00, 1)
    desk.still_true()


def test_two_workers_and_a_release_at_the_last_instant_move_the_money_once(desk: Desk):
    with desk.database.transaction() as conn:
        ids = [a_funded_escrow(conn) for _ in range(12)]
    desk.clock.now = EXPIRES
    start = threading.Barrier(3)

    def expire(name: str) -> None:
        tick = ticks(desk.wiring, f"worker:{name}")["expire-escrows"]
        start.wait(10)
        while tick().handled:
            pass

    def release() -> None:
        start.wait(10)
        for one in reversed(ids):
            try:
                with desk.database.transaction() as conn:
                    release_escrow(conn, one, hand(EXPIRES - timedelta(microseconds=1)))
            except Problem:
                pass  # the expiry was first

    threads = [threading.Thread(target=expire, args=(name,)) for name in "ab"] + [threading.Thread(target=release)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    desk.work("expire-escrows")
    found = [row(desk, one) for one in ids]
    assert set(found) <= {("expired", 100_00, 0, 100_00), ("released", 100_00, 100_00, 0)}
    assert (
        desk.balance("refund_payable:customer:ann")
        + desk.balance("payable:payee:payee-1")
        + desk.balance("fee:platform")
        + desk.balance("payable:validator")
        == 12 * 100_00
    )
    desk.work("events")
    with desk.database.transaction() as conn:
        assert conn.execute("select count(*) from payout").fetchone() == (sum(one[0] == "released" for one in found),)
    desk.still_true()


def test_it_is_warned_of_a_day_before_once_and_expires_by_itself(desk: Desk):
    with desk.database.transaction() as conn:
        one = a_funded_escrow(conn)
    desk.clock.now = EXPIRES - timedelta(hours=24)
    desk.work("expire-escrows")
    desk.work("expire-escrows")
    assert desk.rows("select level from event where name = 'escrow_expires_soon' and subject_id = %s", one) == [("warning",)]
    assert row(desk, one)[0] == "active"
    desk.clock.now = EXPIRES
    desk.work("expire-escrows")
    assert row(desk, one) == ("expired", 100_00, 0, 100_00)
    desk.still_true()


def test_a_freeze_does_not_swallow_the_warning(desk: Desk):
    with desk.database.transaction() as conn:
        one = a_funded_escrow(conn)
        freeze_escrow(conn, one, reason="r", actor="t", now=NOW)
    desk.clock.now = EXPIRES - timedelta(hours=12)
    desk.work("expire-escrows")
    with desk.database.transaction() as conn:
        unfreeze_escrow(conn, one, reason="r", actor="t", now=desk.clock.now)
    desk.work("expire-escrows")
    assert desk.rows("select count(*) from event where name = 'escrow_expires_soon' and subject_id = %s", one) == [(1,)]
    desk.clock.now = EXPIRES
    desk.work("expire-escrows")
    assert row(desk, one)[0] == "expired"


def test_many_payments_that_name_escrows_fund_them_all_in_a_fixed_number_of_queries(desk: Desk):
    ids = [opened(desk, 100_00) for _ in range(2)]
    for number in range(120):
        desk.pay(ids[number % 2], 1_00 + number, fee=0)
    desk.deliver()
    desk.work()
    expected = [sum(1_00 + number for number in range(120) if number % 2 == place) for place in range(2)]
    assert [row(desk, one)[1] for one in ids] == [min(100_00, each) for each in expected]
    assert desk.balance("suspense") == sum(expected) - sum(min(100_00, each) for each in expected)
    desk.still_true()


@pytest.mark.parametrize("first", ["repay", "execute"])
def test_of_two_who_record_the_same_transfer_for_two_things_at_once_the_second_is_refused(desk: Desk, first: str):
    invoice = paid(desk)
    owed = refund(desk, invoice, 40_00).id
    with desk.database.transaction() as conn:
        one = a_funded_escrow(conn)
        refund_escrow(conn, one, hand(reason="late"))
    transfer: dict[str, Any] = {"provider": "bank", "reference": "T-1", "known": set()}
    acts = {
        "repay": lambda conn: repay_escrow(conn, one, hand(), amount=None, **transfer),
        "execute": lambda conn: execute_refund(conn, owed, actor="test", now=NOW, **transfer),
    }
    refused = second_waits(desk.database, acts.pop(first), *acts.values())
    assert ["reference" in why for why in refused] == [True], "the true reason"
    desk.still_true()
