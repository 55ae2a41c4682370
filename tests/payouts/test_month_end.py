"""A month-end between the fact and its news: what the provider did before the books were closed is booked when we hear of it after."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from counterfoil.base.edge import Database, now
from counterfoil.base.machine import take_step
from counterfoil.base.problems import Problem
from counterfoil.ledger.accounts.accounts import close_account, freeze_account, open_accounts
from counterfoil.ledger.holds import take_hold
from counterfoil.ledger.journals.journal import NewJournal, post, post_journals, reverse
from counterfoil.ledger.journals.key_spaces import PAYOUT_RESERVE
from counterfoil.ledger.journals.post_all import ProgramJournal, post_all
from counterfoil.ledger.periods import close_period
from counterfoil.ledger.problems import AccountFrozen, AccountNeeded, MoneyInTransit
from counterfoil.ledger.reads.balances import balance
from counterfoil.payouts.machines import PAYOUT
from tests.builders import PROGRAM, Clock, Desk, a_destination, a_program, issue
from tests.simulators import spawn_simulator


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=25) as simulator:
        a_program(database, payees=("payee-1", "payee-2"))
        yield Desk(database, simulator, Clock(now()))


def close_the_books(desk: Desk) -> datetime:
    """Up to this moment: everything before it is of the closed month."""
    time.sleep(0.05)  # what the provider just did has happened before
    desk.clock.now = now()
    with desk.database.transaction() as conn:
        close_period(conn, PROGRAM, until=desk.clock.now, reason="month end", actor="ann", now=desk.clock.now)
    time.sleep(0.05)
    until, desk.clock.now = desk.clock.now, now()
    return until


def finish(desk: Desk) -> None:
    """Let the provider end what it has accepted, and hear of it."""
    desk.settle_time()
    desk.deliver()
    for _ in range(6):
        desk.work()
        desk.clock.advance(minutes=30)


def late_journals(desk: Desk) -> list[tuple[str, bool]]:
    """The kinds of what was booked late, and whether each is effective from the first open day on."""
    return desk.rows(
        """select distinct j.kind, p.effective_at = (select closed_until from period_close order by step desc limit 1)
           from late_posting l join journal j on j.id = l.journal_id
           join posting p on p.journal_id = l.journal_id and p.line = l.line order by j.kind"""
    )


def test_a_customers_payment_of_before_the_close_is_booked_after_it_and_paid_on(desk: Desk):
    (invoice_id,) = issue(desk.database, "100.00")
    desk.pay(invoice_id, 100_00)
    until = close_the_books(desk)
    desk.deliver()
    desk.work()
    assert desk.rows("select state from webhook_in where event_type = 'charge.succeeded'") == [("processed",)]
    assert desk.rows("select state, paid from invoice") == [("paid", 100_00)]
    assert late_journals(desk)[0] == ("payment", True)
    ((occurred,),) = desk.rows("select occurred_at from payment")
    assert occurred < until
    assert desk.rows("select min(occurred_at) from late_posting") == [(occurred,)]
    finish(desk)
    desk.still_true()


def test_a_payout_of_before_the_close_whose_answer_was_lost_ends_after_it_and_holds_up_nobody(desk: Desk):
    for payee, prefix in (("payee-1", "a"), ("payee-2", "b")):
        (invoice_id,) = issue(desk.database, "100.00", prefix=prefix, payee=payee)
        desk.pay(invoice_id, 100_00)
        desk.deliver()
        desk.work("webhooks", "verify", "settle", "events", "reserve")
        desk.fault("error_after_accepting", count=1)
        desk.work("outbox")
        if payee == "payee-1":
            close_the_books(desk)
    finish(desk)
    assert desk.rows("select payee_id, state from payout order by payee_id") == [
        ("payee-1", "completed"),
        ("payee-2", "completed"),
    ]
    assert ("payout_finalize", True) in late_journals(desk)
    desk.still_true()


def reserved(desk: Desk) -> None:
    (invoice_id,) = issue(desk.database, "100.00")
    desk.pay(invoice_id, 100_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events", "reserve")


def set_flag(desk: Desk, act: Any, name: str) -> None:
    with desk.database.transaction() as conn:
        act(conn, PROGRAM, name, asset="EUR", reason="asked", actor="ann", now=desk.clock.now)


def test_the_account_of_a_payee_with_money_on_its_way_stays_open(desk: Desk):
    reserved(desk)
    assert desk.balance("payable:payee:payee-1") == 0
    with pytest.raises(AccountNeeded):
        set_flag(desk, close_account, "payable:payee:payee-1")
    desk.work()
    finish(desk)
    assert desk.rows("select state from payout") == [("completed",)]
    set_flag(desk, close_account, "payable:payee:payee-1")


@pytest.mark.parametrize("account", ["in_transit:simulator", "clearing:simulator", "payable:payee:payee-1"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_freeze_in_the_middle_wedges_no_journal_that_ends_a_payout(desk: Desk, account: str, fails: bool):
    reserved(desk)
    set_flag(desk, freeze_account, account)
    if fails:
        desk.fault("payout_failed", count=1)
    desk.work()
    finish(desk)
    ((state,),) = desk.rows("select state from payout")
    assert state == ("failed" if fails else "completed")
    desk.still_true()


@pytest.mark.parametrize("when", ["on its way", "paid"])
def test_nobody_takes_back_by_hand_what_was_set_aside_for_a_payout(desk: Desk, when: str):
    """It would be the money of this one, or of another beside it: what the provider did could never be booked."""
    reserved(desk)
    desk.ticks["outbox"]()
    if when == "paid":
        finish(desk)
    for journal_id, kind in desk.rows("select id, kind from journal where source_type = 'provider_payout'"):
        assert kind in ("payout_reserve", "payout_finalize")
        with pytest.raises(MoneyInTransit), desk.database.transaction() as conn:
            reverse(conn, PROGRAM, journal_id, key="reversal:x", reason="a mistake", actor="system:test", now=desk.clock.now)
    if when == "on its way":  # the database says it again, to whoever does not ask `reverse`
        mirrored = [("in_transit:simulator", "payable:payee:payee-1", 94_00)]
        past = NewJournal("x", "reversal", mirrored, "EUR", "system:test", narrative="a mistake", reverses=journal_id)
        with pytest.raises(MoneyInTransit), desk.database.transaction() as conn:
            post_journals(conn, PROGRAM, [past], now=desk.clock.now)
    finish(desk)
    assert desk.rows("select state from payout") == [("completed",)]
    desk.still_true()


def test_a_payout_that_comes_back_after_its_payee_left_opens_the_account_again(desk: Desk):
    with desk.database.transaction() as conn:
        a_destination(conn, "payee-1", token="returning_1")
    reserved(desk)
    desk.work()
    desk.deliver()
    desk.work()
    if desk.rows("select state from payout") == [("completed",)]:
        set_flag(desk, close_account, "payable:payee:payee-1")
    close_the_books(desk)
    desk.http.post("/v1/clock/advance", json={"ms": 86_400_000 * 10}).raise_for_status()
    finish(desk)
    assert desk.rows("select state from payout") == [("returned",)]
    assert desk.balance("payable:payee:payee-1") == 94_00
    assert desk.rows("select frozen, closed from account where name = 'payable:payee:payee-1'") == [(False, False)]
    desk.still_true()


def test_every_job_together_gives_back_a_hold_whose_time_is_over_and_warned_before(desk: Desk):
    with desk.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["suspense", "payable:payee:x", "cash:bank:own"], asset="EUR", actor="t", now=now())
        lines = [("cash:bank:own", "payable:payee:x", 1000)]
        post(conn, PROGRAM, key="k", kind="t", lines=lines, asset="EUR", actor="t", now=now())
        take_hold(
            conn,
            PROGRAM,
            key="h",
            debit="payable:payee:x",
            credit="suspense",
            minor=900,
            asset="EUR",
            actor="t",
            now=now(),
            expires_at=now() + timedelta(minutes=5),
        )
    names = "select name from event where name like 'hold_%' order by at, name"
    desk.work(*(name for name in desk.ticks if name not in ("backup", "base-backup", "fetch-wal", "audit-export")))
    assert desk.rows(names) == [("hold_expiring",)]
    desk.clock.advance(minutes=6)
    desk.work("expire-holds")
    with desk.database.transaction() as conn:
        assert balance(conn, PROGRAM, "payable:payee:x", asset="EUR").held == 900, "clocks may differ by a minute or two"
    desk.clock.advance(minutes=2)
    desk.work("expire-holds")
    assert desk.rows(names) == [("hold_expiring",), ("hold_expired",)]
    with desk.database.transaction() as conn:
        assert balance(conn, PROGRAM, "payable:payee:x", asset="EUR").held == 0


def test_idempotency_keys_are_forgotten_after_thirty_days_and_not_before(desk: Desk):
    add = "insert into idempotency (scope, key, sha256, at) values ('s', %s, sha256('x'), %s) returning key"
    desk.rows(add, "old", desk.clock.now - timedelta(days=31))
    desk.rows(add, "young", desk.clock.now - timedelta(days=29))
    desk.work("forget-keys")
    assert desk.rows("select key from idempotency") == [("young",)]


def test_a_freeze_is_still_a_freeze_for_what_is_to_be_decided(desk: Desk):
    (invoice_id,) = issue(desk.database, "100.00")
    desk.pay(invoice_id, 100_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events")
    set_flag(desk, freeze_account, "payable:payee:payee-1")
    desk.work("reserve")
    assert desk.rows("select count(*) from provider_payout") == [(0,)]
    lines = [("payable:payee:payee-1", "fee:platform", 1)]
    with pytest.raises(AccountFrozen), desk.database.transaction() as conn:
        post(conn, PROGRAM, key="k", kind="t", lines=lines, asset="EUR", actor="t", now=now())


def test_who_closes_an_account_waits_for_who_is_reserving_its_money_and_then_hears_of_it(desk: Desk):
    (invoice_id,) = issue(desk.database, "100.00")
    desk.pay(invoice_id, 100_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events")
    said: list[BaseException | None] = []

    def close() -> None:
        try:
            set_flag(desk, close_account, "payable:payee:payee-1")
            said.append(None)
        except Problem as problem:
            said.append(problem)

    with desk.database.transaction() as conn:
        ((payout_id,),) = conn.execute("select id from payout").fetchall()
        line = ("payable:payee:payee-1", "in_transit:simulator", 94_00)
        journal = NewJournal(
            PAYOUT_RESERVE.key("pp_1"),
            "payout_reserve",
            [line],
            "EUR",
            "system:worker",
            source=("provider_payout", "pp_1"),
            space=PAYOUT_RESERVE,
        )
        post_all(conn, [ProgramJournal(PROGRAM, journal)], now=desk.clock.now)
        take_step(conn, PAYOUT, payout_id, "pending", "reserve", actor="test", at=desk.clock.now)
        closing = Thread(target=close)
        closing.start()
        closing.join(0.5)
        assert closing.is_alive(), "it waits for this transaction"
    closing.join(10)
    assert [type(one) for one in said] == [AccountNeeded]
