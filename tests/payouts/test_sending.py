"""Sending: a frozen sender pays nobody, one bad payout stops no other, and what a provider answered is never forgotten."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import psycopg
import pytest

from counterfoil.base import failpoints as points
from counterfoil.base.edge import make_id, now
from counterfoil.operations.webhooks.inbound import requeue_webhook
from counterfoil.operations.work.calls import HORIZON, begun, calls_of
from counterfoil.payouts.machines import SENDING
from counterfoil.wiring import ticks
from tests.builders import PROGRAM, Clock, Desk, a_charge, a_destination, a_program, issue
from tests.simulators import spawn_simulator


@pytest.fixture
def desk(database, tmp_path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=25, first_byte_ms=3_000) as simulator:
        a_program(database, payees=("payee-1", "payee-2", "payee-3"))
        yield Desk(database, simulator, Clock(now()))


def reserved(desk, payees=3) -> list[str]:
    """Payouts of 94.00 that are queued; their attempts' ids."""
    for number in range(1, payees + 1):
        invoice = issue(desk.database, "100.00", prefix=f"x{number}", payee=f"payee-{number}")[0]
        desk.pay(invoice, 100_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events", "reserve")
    return [row[0] for row in desk.rows("select id from provider_payout order by id")]


def attempts(desk) -> list[str]:
    return [row[0] for row in desk.rows("select state from provider_payout order by id")]


class Frozen:
    """A worker that stops at a point, as SIGSTOP would have it, until it is let go."""

    def __init__(self, desk, point: str) -> None:
        self.there, self.go_on, self._point = threading.Event(), threading.Event(), point
        self.thread = threading.Thread(target=ticks(desk.wiring, "worker:frozen")["outbox"], name="frozen")

    def _hook(self, point: str) -> None:
        if point == self._point and threading.current_thread().name.startswith("send") and not self.there.is_set():
            self.there.set()
            self.go_on.wait(120)

    def __enter__(self) -> Frozen:
        points.on_point(self._hook)
        self.thread.start()
        assert self.there.wait(20)
        return self

    def thaw(self) -> None:
        self.go_on.set()
        self.thread.join(60)
        assert not self.thread.is_alive()

    def __exit__(self, *_: object) -> None:
        self.thaw()
        points.leave(self._hook)


def test_a_sender_frozen_between_announcement_and_call_sends_nothing_when_it_wakes_up(desk):
    """Its lease runs out, others take over, the horizon passes, an operator tries again under a new key; then it goes on."""
    [attempt] = reserved(desk, payees=1)
    with Frozen(desk, "send.before_call") as frozen:
        assert desk.rows("select state from provider_payout") == [("sending",)]
        with desk.database.transaction() as conn:
            assert begun(conn, [attempt], now=desk.clock.now)[attempt].open == 1
        desk.clock.advance(seconds=61)
        desk.work("repair")
        assert attempts(desk) == ["unknown"]
        time.sleep(1.2)  # longer than its connection may live
        frozen.thaw()
        assert desk.simulator.oracle().payouts == {}
    with desk.database.transaction() as conn:
        [call] = calls_of(conn, [attempt])
    assert (call.kind, call.answer["error"].startswith("not sent")) == (
        "later",
        True,
    )  # told as it came, and closed by it
    assert attempts(desk) == ["unknown"]  # it moved nothing: the row is not the frozen one's any more
    desk.work()
    desk.clock.advance(minutes=20)
    desk.work()
    desk.deliver()
    desk.work()
    assert desk.rows("select state from payout") == [("completed",)]
    assert desk.simulator.oracle().paid_out() == {"EUR": 9400}
    desk.still_true()


def test_a_sender_frozen_before_its_announcement_announces_nothing_when_it_wakes_up(desk):
    [attempt] = reserved(desk, payees=1)
    with Frozen(desk, "send.connected") as frozen:
        desk.clock.advance(seconds=61)
        desk.work("repair")
        assert attempts(desk) == ["queued"]
        frozen.thaw()
    with desk.database.transaction() as conn:
        assert calls_of(conn, [attempt]) == []
    assert desk.simulator.oracle().payouts == {}


def test_what_came_back_is_applied_by_another_when_its_worker_is_lost_after_storing_it(desk):
    reserved(desk, payees=1)
    with Frozen(desk, "send.after_store"):
        desk.clock.advance(seconds=10)
        desk.work("answers")
        assert attempts(desk) == ["sent"]
    desk.deliver()
    desk.work()
    desk.still_true()


def test_an_accepted_answer_that_comes_after_the_lease_is_a_fact_all_the_same(desk):
    reserved(desk, payees=1)
    with Frozen(desk, "send.after_call"):
        desk.clock.advance(seconds=61)
        desk.work("repair")
        assert attempts(desk) == ["unknown"]
    assert attempts(desk) == ["sent"]
    desk.deliver()
    desk.work()
    desk.still_true()


def test_a_call_is_never_cleared_however_often_its_attempt_is_queued_again(desk):
    [attempt] = reserved(desk, payees=1)
    desk.fault("rate_limit", on="payout.create", count=2)
    for _ in range(3):
        desk.work("outbox")
        desk.clock.advance(minutes=8)
    with desk.database.transaction() as conn:
        found = calls_of(conn, [attempt])
    assert [one.kind for one in found] == ["later", "later", "accepted"]
    assert [one.number for one in found] == [1, 2, 3]
    assert all(one.applied_at for one in found)


def test_an_order_that_never_arrives_is_sent_again_by_the_ladder_and_not_at_once_for_ever(desk):
    [attempt] = reserved(desk, payees=1)
    desk.fault("error_before_accepting", on="payout.create", count=50)
    calls = []
    for _ in range(3):
        desk.work()  # for as long as anything is due at this moment
        with desk.database.transaction() as conn:
            calls.append(len(calls_of(conn, [attempt])))
        desk.clock.advance(minutes=8)
    assert calls == [1, 2, 3]


def test_a_key_whose_first_call_is_a_day_old_is_not_sent_again(desk):
    [attempt] = reserved(desk, payees=1)
    desk.fault("rate_limit", on="payout.create")
    desk.work("outbox")
    assert attempts(desk) == ["queued"]
    desk.clock.advance(hours=24)
    desk.ticks["outbox"]()
    assert attempts(desk) == ["unknown"]
    with desk.database.transaction() as conn:
        assert len(calls_of(conn, [attempt])) == 1


def test_a_payout_whose_destination_was_changed_does_not_go_to_the_old_one(desk):
    reserved(desk, payees=1)
    with desk.database.transaction() as conn:
        a_destination(conn, "payee-1", "acct_new")
    desk.ticks["outbox"]()
    assert desk.simulator.oracle().payouts == {}


@pytest.mark.parametrize("when", ["before the claim", "after the claim"])
def test_a_paused_outbox_sends_nothing_also_when_a_person_runs_it_by_name(desk, when, monkeypatch):
    reserved(desk)

    def pause(*_: object) -> None:
        with desk.database.transaction() as conn:
            conn.execute(
                """insert into queue_pause (queue, paused, reason, actor, at)
                   select 'send', true, 'looked at', 'test', clock_timestamp() where not exists (select from queue_pause)"""
            )

    if when == "before the claim":
        pause()
    else:
        monkeypatch.setattr(
            "counterfoil.operations.work.outside.reached",
            lambda point, *about: pause() if "after_claim" in point else None,
        )
    for _ in range(8):  # longer than any ladder: a pause is nobody's failed attempt
        desk.ticks["outbox"]()
        desk.clock.advance(hours=1)
    assert attempts(desk) == ["queued"] * 3
    assert desk.simulator.oracle().payouts == {}
    with desk.database.transaction() as conn:
        conn.execute(
            """insert into queue_pause (queue, paused, reason, actor, at)
               values ('send', false, 'all is well', 'test', clock_timestamp())"""
        )
    desk.work("outbox")
    assert attempts(desk) == ["sent"] * 3


def test_a_row_changed_by_hand_stops_nobody_else(desk):
    reserved(desk)
    with psycopg.connect(desk.database.url) as owner:
        owner.execute("update provider_payout set amount = amount + 1 where id = (select min(id) from provider_payout)")
    desk.work("outbox")
    assert attempts(desk) == ["queued", "sent", "sent"]
    assert "changed by hand" in desk.rows("select last_error from provider_payout order by id")[0][0]
    for _ in range(6):
        desk.clock.advance(hours=2)
        desk.work("outbox")
    assert attempts(desk) == ["queued", "sent", "sent"]
    assert desk.rows("select level, payload ->> 'queue' from event where name = 'work_stuck' limit 1") == [("critical", "send")]


def test_a_provider_that_is_not_set_up_stops_nobody_else(desk):
    reserved(desk)
    with psycopg.connect(desk.database.url) as owner:
        owner.execute("update provider_payout set provider = 'elsewhere' where id = (select min(id) from provider_payout)")
    desk.work("outbox")
    assert attempts(desk) == ["queued", "sent", "sent"]


def test_an_answer_that_the_ledger_refuses_stops_nobody_else_and_is_applied_when_it_can_be(desk):
    """While one payout's answer cannot be applied, it alone waits, visibly: nobody knows what became of it, and why."""
    first, *_ = reserved(desk)
    with desk.database.transaction() as conn:
        conn.execute("insert into queue_pause (queue, paused, reason, actor, at) values ('pull', true, 'x', 't', clock_timestamp())")
    real = __import__("counterfoil.payouts.provider_payouts.sending", fromlist=["carry_out"]).carry_out
    broken = [True]

    def carry_out(conn, decisions, *, cause, now):
        if broken[0] and any(one.standing.id == first and "accept" in one.verbs for one in decisions):
            raise RuntimeError("the ledger refuses")
        real(conn, decisions, cause=cause, now=now)

    patch = pytest.MonkeyPatch()
    patch.setattr("counterfoil.payouts.provider_payouts.sending.carry_out", carry_out)
    try:
        desk.work("outbox")
        assert attempts(desk) == ["unknown", "sent", "sent"]
        assert desk.rows("select last_error from provider_payout order by id")[0] == ("RuntimeError: the ledger refuses",)
        broken[0] = False
        desk.clock.advance(minutes=2)
        desk.work("answers")
    finally:
        patch.undo()
    assert attempts(desk) == ["sent"] * 3


def test_a_provider_that_is_down_for_hours_makes_no_payout_fail(desk):
    reserved(desk)
    desk.simulator.kill()
    for _ in range(12):
        desk.ticks["outbox"]()
        desk.clock.advance(hours=1)
    assert attempts(desk) == ["queued"] * 3
    desk.simulator.start()
    desk.provider._url = desk.simulator.url
    desk.fault("rate_limit", on="payout.create", count=3)  # it is back, and busy: that is no last straw
    desk.clock.advance(hours=2)
    desk.work("outbox")
    assert attempts(desk) == ["queued"] * 3
    desk.clock.advance(hours=2)
    desk.work("outbox")
    assert attempts(desk) == ["sent"] * 3


def test_a_webhook_parked_twice_holds_no_other_up(desk):
    body = (
        b'{"id":"evt_x","type":"payout.paid","data":{"id":"po_x","idempotency_key":"not-ours","amount":"1","amount_paid":null,'
        b'"fee":"0","asset":"EUR","status":"paid","failure_code":null,"updated_at":"2026-11-19T10:00:00+00:00"}}'
    )
    desk.webhook("evt_x", "payout.paid", body)
    for _ in range(3):
        for _ in range(7):
            desk.ticks["webhooks"]()
            desk.clock.advance(hours=2)
        assert desk.rows("select state from webhook_in") == [("parked",)]
        with desk.database.transaction() as conn:
            [(webhook,)] = conn.execute("select id from webhook_in").fetchall()
            requeue_webhook(conn, webhook, reason="once more", actor="ada", now=desk.clock.now)
    assert desk.rows("select count(*) from event where name = 'webhook_parked'") == [(3,)]
    invoice = issue(desk.database, "100.00")[0]
    desk.pay(invoice, 100_00)
    desk.deliver()
    desk.work("webhooks")
    assert desk.rows("select state from invoice") == [("paid",)]


def test_two_providers_that_give_a_charge_the_same_id_are_told_apart(desk):
    from counterfoil.settlement.payments.payments import receive_charges

    for provider in ("simulator", "elsewhere"):
        with desk.database.transaction() as conn:
            charge = a_charge("chg_1", "inv_unknown", 1000)
            assert receive_charges(conn, [charge], provider=provider, program_id=PROGRAM, make_id=make_id, cause="t", now=desk.clock.now)
    assert desk.rows("select count(*) from event where name = 'payment_unidentified'") == [(2,)]


def test_a_slow_provider_and_two_workers_send_each_payout_once(desk):
    count = 12
    with desk.database.transaction() as conn:
        for number in range(4, count + 1):
            a_destination(conn, f"payee-{number}")
    reserved(desk, payees=count)
    desk.fault("timeout_after_accepting", on="payout.create", count=3, params={"hold_ms": 1500})
    workers = [threading.Thread(target=ticks(desk.wiring, f"worker:{name}")["outbox"]) for name in "ab"]
    for one in workers:
        one.start()
    for one in workers:
        one.join(60)
    assert sorted(attempts(desk)) == ["sent"] * (count - 3) + ["unknown"] * 3
    with desk.database.transaction() as conn:
        ids = [row[0] for row in conn.execute("select id from provider_payout").fetchall()]
        assert len(calls_of(conn, ids)) == count
    desk.deliver()
    desk.work()
    assert attempts(desk) == ["succeeded"] * count
    assert desk.simulator.oracle().moved_twice() == []


def test_a_queue_tells_what_it_is_parted_by():
    assert (SENDING.lane, SENDING.money) == ("provider", True)
    assert timedelta(minutes=15) <= HORIZON
