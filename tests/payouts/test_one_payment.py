"""A payment travels from usage to a payout that arrived, against the real simulator; and everything that can go wrong on the way."""

from __future__ import annotations

import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.payouts.payouts.by_hand import retry_payout
from counterfoil.payouts.payouts.matter import NotNow
from counterfoil.payouts.payouts.verbs import Owed, create_payouts, payout_key
from tests.builders import PROGRAM, Clock, Desk, a_destination, a_program, issue
from tests.simulators import spawn_simulator


@pytest.fixture
def desk(database, tmp_path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=25) as simulator:
        a_program(database)
        yield Desk(database, simulator, Clock(now()))


def payouts(desk):
    return desk.rows("select state from payout order by id")


def attempts(desk):
    return [row[0] for row in desk.rows("select state from provider_payout order by id")]


def a_paid_invoice(desk, price: str = "100.00", amount: int = 100_00, prefix: str = "u") -> str:
    invoice_id = issue(desk.database, price, prefix=prefix)[0]
    desk.pay(invoice_id, amount)
    desk.deliver()
    return invoice_id


def test_one_payment_end_to_end(desk):
    invoice_id = a_paid_invoice(desk)
    desk.work()
    desk.deliver()
    desk.work()
    assert desk.rows("select state from invoice where id = %s", invoice_id) == [("paid",)]
    assert desk.rows("select state from intent") == [("completed",)]
    assert desk.rows("select gross, platform_fee, validator_fee, holdback, net from settlement") == [(10000, 500, 100, 0, 9400)]
    assert payouts(desk) == [("completed",)]
    assert attempts(desk) == ["succeeded"]
    assert desk.balance("fee:platform") == 500
    assert desk.balance("payable:validator") == 100
    assert desk.balance("provider_fee") == 30 + 25
    assert desk.balance("payable:payee:payee-1") == 0
    assert desk.balance("in_transit:simulator") == 0
    assert desk.balance(f"escrow:{invoice_id}") == 0
    assert desk.balance("clearing:simulator") == 10000 - 30 - 9400 - 25
    key = desk.rows("select key from payout")[0][0]
    invoice, settlement = desk.rows("select invoice_id, settlement_id from payout")[0]
    assert key == f"payout-{invoice}-{settlement}" == payout_key(invoice_id=invoice, settlement_id=settlement)
    desk.still_true()


def test_the_same_settlement_asked_for_again_returns_the_first_payout_and_tells_so(desk):
    a_paid_invoice(desk)
    desk.work("webhooks", "verify", "settle", "events")
    owed = [Owed(*row) for row in desk.rows("select program_id, invoice_id, settlement_id, payee_id, asset, amount from payout")]
    with desk.database.transaction() as conn:
        again = create_payouts(conn, owed, make_id=make_id, actor="test", cause="test", now=desk.clock.now)
    assert [one.id for one in again] == [row[0] for row in desk.rows("select id from payout")]
    assert desk.rows("select count(*) from event where name = 'payout_idempotent_skip'") == [(1,)]


def test_a_duplicate_webhook_books_the_payment_once(desk):
    invoice_id = issue(desk.database, "100.00")[0]
    desk.pay(invoice_id, 100_00)
    desk.deliver()
    desk._seen = None
    desk.deliver()
    desk.work("webhooks")
    assert desk.rows("select count(*), sum(amount) from payment") == [(1, 10000)]
    desk.still_true()


def test_two_webhooks_of_one_charge_under_different_ids_book_it_once(desk):
    from counterfoil.settlement.payments.payments import receive_charges
    from tests.builders import a_charge

    invoice_id = issue(desk.database, "100.00")[0]
    charge = a_charge("chg_1", invoice_id, 10000)
    with desk.database.transaction() as conn:
        args = {"provider": "simulator", "program_id": PROGRAM, "make_id": make_id, "cause": "t", "now": desk.clock.now}
        assert receive_charges(conn, [charge, charge], **args) == 1
        assert receive_charges(conn, [charge], **args) == 0
    assert desk.rows("select count(*) from payment") == [(1,)]


def test_part_payments_settle_when_the_last_one_comes_and_what_is_too_much_is_owed_back(desk):
    invoice_id = issue(desk.database, "100.00")[0]
    for amount in (3000, 7000, 500):
        desk.pay(invoice_id, amount)
        desk.deliver()
        desk.work("webhooks")
    assert desk.rows("select state, paid from invoice") == [("paid", 10000)]
    assert desk.balance("refund_payable:customer:customer-u-1") == 500
    desk.work()
    desk.deliver()
    desk.work()
    assert payouts(desk) == [("completed",)]
    desk.still_true()


def test_money_that_names_no_invoice_lies_in_suspense_and_is_told(desk):
    desk.pay("inv_unknown", 777)
    desk.deliver()
    desk.work()
    assert desk.balance("suspense") == 777
    assert desk.rows("select count(*) from event where name = 'payment_unidentified'") == [(1,)]
    desk.still_true()


def test_a_webhook_alone_moves_nothing_on_when_the_provider_does_not_know_the_charge(desk):
    from counterfoil.settlement.payments.payments import receive_charges
    from tests.builders import a_charge

    invoice_id = issue(desk.database, "100.00")[0]
    with desk.database.transaction() as conn:
        receive_charges(
            conn,
            [a_charge("chg_forged", invoice_id, 10000)],
            provider="simulator",
            program_id=PROGRAM,
            make_id=make_id,
            cause="t",
            now=desk.clock.now,
        )
    desk.work()
    assert desk.rows("select state, last_error from intent") == [("failed", "simulator does not know charge chg_forged")]
    assert payouts(desk) == []


def test_a_payee_without_a_destination_waits_and_is_paid_when_there_is_one(desk):
    invoice_id = issue(desk.database, "50.00", payee="payee-new")[0]
    desk.pay(invoice_id, 5000)
    desk.deliver()
    desk.work()
    assert payouts(desk) == [("pending",)]
    assert desk.rows("select count(*) from event where name = 'payout_waiting'") == [(1,)]
    assert desk.balance("payable:payee:payee-new") == 4700
    with desk.database.transaction() as conn:
        a_destination(conn, "payee-new")
    desk.clock.advance(seconds=1)
    desk.work()
    desk.deliver()
    desk.work()
    assert payouts(desk) == [("completed",)]
    desk.still_true()


@pytest.mark.parametrize("kind", ["timeout_after_accepting", "error_after_accepting"])
def test_an_answer_that_is_lost_leaves_a_doubt_which_the_look_up_ends(desk, kind):
    desk.fault(kind, **({"params": {"hold_ms": 1500}} if kind.startswith("timeout") else {}))
    a_paid_invoice(desk)
    desk.work("webhooks", "verify", "settle", "events", "reserve", "outbox")
    assert (payouts(desk), attempts(desk)) == ([("reconcile_required",)], ["unknown"])
    assert desk.balance("in_transit:simulator") == 9400  # nothing is given back while the money may be out
    assert desk.simulator.oracle().fired  # the fault did happen
    desk.work()
    assert (payouts(desk), attempts(desk)) == ([("completed",)], ["succeeded"])
    desk.still_true()


def test_an_outage_before_the_provider_heard_of_it_is_looked_up_and_sent_again_under_the_same_key(desk):
    desk.fault("timeout_before_accepting", params={"hold_ms": 1500})
    a_paid_invoice(desk)
    desk.work("webhooks", "verify", "settle", "events", "reserve", "outbox")
    assert attempts(desk) == ["unknown"]
    desk.work()
    assert attempts(desk) == ["queued"]
    desk.clock.advance(minutes=2)  # the first rung of the ladder, also after a look-up
    desk.work()
    desk.deliver()
    desk.work()
    assert (payouts(desk), attempts(desk)) == ([("completed",)], ["succeeded"])
    assert desk.rows("select count(*) from step where verb = 'requeue' and machine = 'provider_payout'") == [(1,)]
    desk.still_true()


def test_a_rate_limit_keeps_it_queued_for_later(desk):
    desk.fault("rate_limit", params={"retry_after_s": 600})
    a_paid_invoice(desk)
    desk.work()
    assert attempts(desk) == ["queued"]
    (due,) = desk.rows("select due_at from provider_payout")[0]
    assert (due - desk.clock.now).total_seconds() >= 599
    desk.clock.advance(seconds=700)
    desk.work()
    desk.deliver()
    desk.work()
    assert payouts(desk) == [("completed",)]
    desk.still_true()


def test_a_definite_failure_gives_the_money_back_and_can_be_retried_three_times(desk):
    invoice_id = issue(desk.database, "100.00", payee="payee-bad")[0]
    with desk.database.transaction() as conn:
        a_destination(conn, "payee-bad", "unknown_account")
    desk.pay(invoice_id, 10000)
    desk.deliver()
    for tries in (1, 2, 3):
        desk.work()
        desk.deliver()
        desk.work()
        assert payouts(desk) == [("failed",)]
        assert attempts(desk) == ["failed"] * tries
        assert desk.balance("payable:payee:payee-bad") == 9400
        payout_id = desk.rows("select id from payout")[0][0]
        if tries < 3:
            with desk.database.transaction() as conn:
                retry_payout(conn, payout_id, reason="the bank says it is open now", actor="test", now=desk.clock.now)
    with pytest.raises(NotNow, match="3 times"), desk.database.transaction() as conn:
        retry_payout(conn, payout_id, reason="once more", actor="test", now=desk.clock.now)
    assert payouts(desk) == [("failed",)]
    desk.still_true()


def test_a_lost_webhook_is_pulled_after_the_silence(desk):
    a_paid_invoice(desk)
    desk.work()
    assert attempts(desk) == ["sent"]  # no webhook was delivered for it
    desk.clock.advance(minutes=9)
    desk.work()
    assert attempts(desk) == ["sent"]
    desk.clock.advance(minutes=2)
    desk.work()
    assert (payouts(desk), attempts(desk)) == ([("completed",)], ["succeeded"])
    desk.still_true()


def test_a_payout_that_the_bank_returns_is_owed_again_and_not_sent_again(desk):
    desk.fault("returned_later", params={"after_ms": 1})
    a_paid_invoice(desk)
    desk.work()
    desk.settle_time()
    desk.deliver()
    desk.work()
    assert (payouts(desk), attempts(desk)) == ([("returned",)], ["returned"])
    assert desk.balance("payable:payee:payee-1") == 9400
    desk.still_true()


def test_failed_after_paid_changes_nothing_and_is_shown_as_a_conflict(desk):
    desk.fault("paid_then_failed", params={"after_ms": 1})
    a_paid_invoice(desk)
    desk.work()
    desk.settle_time()
    assert "payout.failed" in desk.deliver()
    desk.work()
    assert (payouts(desk), attempts(desk)) == ([("completed",)], ["succeeded"])
    assert desk.rows("select said, expected from provider_conflict") == [("failed", "succeeded")]
    assert desk.rows("select level from event where name = 'provider_status_conflict'") == [("critical",)]


def test_another_amount_than_asked_is_never_booked_as_paid(desk):
    desk.fault("wrong_amount", params={"delta": "1"})
    a_paid_invoice(desk)
    desk.work()
    desk.deliver()
    desk.work()
    assert (payouts(desk), attempts(desk)) == ([("reconcile_required",)], ["unknown"])
    assert desk.rows("select said, expected from provider_conflict") == [("paid 94.01 EUR", "94.00 EUR")]
    assert desk.balance("in_transit:simulator") == 9400


def test_webhooks_in_any_order_and_number_end_in_the_same_books(desk):
    desk.fault("returned_later", params={"after_ms": 1})
    a_paid_invoice(desk)
    desk.work("webhooks", "verify", "settle", "events", "reserve", "outbox")
    desk.settle_time()
    events = desk.http.get("/v1/events", params={"limit": 100}).json()["data"]
    from counterfoil.payouts.provider_payouts.outcomes import apply_facts

    facts = [
        desk.provider.payout_of(desk.http.build_request("POST", "/", json=event).content)
        for event in events
        if event["type"].startswith("payout.")
    ]
    assert {fact.status for fact in facts} == {"paid", "returned"}
    for fact in [*reversed(facts), *facts]:
        with desk.database.transaction() as conn:
            apply_facts(conn, "simulator", [fact], silent_after=desk.wiring.silent_after, cause="webhook", now=desk.clock.now)
    assert (payouts(desk), attempts(desk)) == (
        [("completed",)],
        ["succeeded"],
    )  # a return by webhook alone is not believed
    desk.work("reconcile-pull")
    assert (payouts(desk), attempts(desk)) == ([("returned",)], ["returned"])
    desk.still_true()


def test_a_worker_lost_before_its_call_costs_nothing_and_one_lost_during_it_leaves_a_doubt(desk, monkeypatch):
    a_paid_invoice(desk)
    desk.work("webhooks", "verify", "settle", "events", "reserve")

    class Lost(BaseException):
        """The process is gone: nothing after this line runs."""

    def die_at(point):
        def reached(here, *about):
            if here == point:
                raise Lost

        monkeypatch.setattr("counterfoil.operations.work.outside.reached", reached)

    die_at("send.after_claim")
    with pytest.raises(Lost):
        desk.ticks["outbox"]()
    assert attempts(desk) == ["sending"]
    desk.clock.advance(seconds=61)
    die_at("nowhere")
    desk.work("repair")
    assert attempts(desk) == ["queued"]
    die_at("send.after_call")
    with pytest.raises(Lost):
        desk.ticks["outbox"]()
    assert len(desk.simulator.oracle().payouts) == 1  # it landed
    desk.clock.advance(seconds=61)
    die_at("nowhere")
    desk.work("repair")
    assert (payouts(desk), attempts(desk)) == ([("reconcile_required",)], ["unknown"])
    desk.work()
    assert (payouts(desk), attempts(desk)) == ([("completed",)], ["succeeded"])
    desk.still_true()


def test_three_hundred_payments_go_through_by_set(desk):
    ids = issue(desk.database, *[f"{10 + number}.37" for number in range(300)])
    for number, invoice_id in enumerate(ids):
        desk.pay(invoice_id, 1037 + number * 100, fee=0)
    for _ in range(3):
        desk.deliver()
        desk.work()
    assert set(payouts(desk)) == {("completed",)}
    assert len(payouts(desk)) == 300
    desk.still_true()


def test_a_charge_whose_webhook_never_comes_is_found_by_pulling_the_events(desk):
    invoice_id = issue(desk.database, "100.00")[0]
    desk.pay(invoice_id, 100_00)
    desk.work("pull-events", "webhooks")
    assert desk.rows("select state from invoice") == [("paid",)]
    desk.deliver()  # the webhook does come, late: the same event, written otherwise
    desk.work()
    desk.work("pull-events")
    desk.work()
    assert desk.rows("select count(*), max(conflicts) from webhook_in where event_type = 'charge.succeeded'") == [(1, 0)]
    assert payouts(desk) == [("completed",)]
    desk.still_true()
