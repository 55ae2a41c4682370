"""Stripe by its unchanged SDK: what its objects and errors mean, and a payment from the customer to the payee, reconciled."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from counterfoil.base.edge import make_id, now
from counterfoil.base.problems import InvalidInput
from counterfoil.base.secret import Secret
from counterfoil.operations.providers import Accepted, NotThere, PayoutOrder, Refused, Sought
from counterfoil.operations.providers.conformance.proxy import FaultProxy
from counterfoil.payouts.destinations.destinations import set_destination
from counterfoil.reconciliation.runs.statements import StatementUnavailable, _ask
from counterfoil.statements import read
from counterfoil.wiring import ticks
from tests.builders import NOW, PROGRAM, Clock, Desk, a_program, issue
from tests.operations.providers.how import NEEDS_STRIPE
from tests.simulators import spawn_simulator

pytest.importorskip("stripe", reason=NEEDS_STRIPE)

from counterfoil.operations.providers.stripe.amounts import from_stripe, to_stripe
from counterfoil.operations.providers.stripe.facts import charge_fact, transfer_fact
from counterfoil.operations.providers.stripe.provider import StripeProvider
from counterfoil.operations.providers.stripe.statement import statement_of

WEBHOOK = "whsec_kx7WqPz2Lr9vTn4Yb8McHs3JdFu6GeAa"
TRANSFER = {
    "id": "tr_1",
    "amount": 9400,
    "amount_reversed": 0,
    "currency": "eur",
    "reversed": False,
    "created": 1_795_132_800,
    "metadata": {"counterfoil_key": "key-1"},
    "balance_transaction": {"fee": 25, "currency": "eur"},
    "reversals": {"data": []},
}


@pytest.mark.parametrize(
    ("ours", "asset", "theirs"),
    [(1250, "EUR", 1250), (1250, "JPY", 1250), (7, "ISK", 700), (7, "UGX", 700), (500, "MGA", 5), (1234, "BHD", 1234)],
)
def test_amounts_are_counted_in_stripes_units_and_back_without_a_rest(ours, asset, theirs):
    assert to_stripe(ours, asset) == theirs
    assert from_stripe(theirs, asset.lower()) == (ours, asset)


def test_an_amount_that_stripe_cannot_pay_exactly_is_refused_and_never_rounded():
    with pytest.raises(ValueError, match="units of 100"):
        to_stripe(501, "MGA")
    with pytest.raises(ValueError, match="no currency"):
        to_stripe(1, "CO2E")
    with pytest.raises(ValueError, match="smallest unit"):
        from_stripe(701, "isk")


@pytest.mark.parametrize("wrong", [9400.0, "9400", True, None])
def test_money_that_is_no_whole_number_is_no_fact(wrong):
    with pytest.raises((ValueError, TypeError)):
        transfer_fact({**TRANSFER, "amount": wrong})


def test_a_transfer_is_paid_when_it_exists_returned_when_it_is_reversed_and_ties_to_nothing_when_that_is_in_part():
    paid = transfer_fact(TRANSFER)
    assert (paid.status, paid.amount, paid.fee, paid.key) == ("paid", 9400, 25, "key-1")
    back = {"reversed": True, "amount_reversed": 9400, "reversals": {"data": [{"created": 1_795_132_900}]}}
    returned = transfer_fact({**TRANSFER, **back})
    assert (returned.status, returned.amount) == ("returned", 9400)
    assert returned.occurred_at == datetime.fromtimestamp(1_795_132_900, UTC)
    assert transfer_fact({**TRANSFER, "amount_reversed": 100}).amount == 9300


def test_a_charge_without_its_fee_or_with_one_in_another_currency_is_not_booked():
    charge = {
        "id": "ch_1",
        "amount": 10_000,
        "amount_captured": 10_000,
        "currency": "eur",
        "created": 1_795_132_800,
        "status": "succeeded",
        "metadata": {},
    }
    with pytest.raises(ValueError, match="not told"):
        charge_fact({**charge, "balance_transaction": "txn_1"})
    with pytest.raises(ValueError, match="conversions"):
        charge_fact({**charge, "balance_transaction": {"fee": 1, "currency": "usd"}})
    in_part = charge_fact({**charge, "amount_captured": 4_000, "balance_transaction": {"fee": 1, "currency": "eur"}})
    assert in_part.amount == 4_000  # what was taken of what was reserved


@pytest.mark.parametrize(("key", "url", "sandbox"), [("sk_live_x", "http://localhost:9", False), ("rk_test_x", None, True)])
def test_only_a_test_key_is_a_sandbox_whatever_the_address(key, url, sandbox):
    found = StripeProvider(key, Secret(WEBHOOK, "w"), **({"url": url} if url else {}))
    assert found.is_sandbox is sandbox
    found.close()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    with spawn_simulator(tmp_path_factory.mktemp("simulator"), settle_ms=0) as process:
        yield process


@pytest.fixture(scope="module")
def provider(simulator):
    found = StripeProvider(simulator.api_key, Secret(WEBHOOK, "w"), url=f"{simulator.url}/stripe", timeout_s=2)
    yield found
    found.close()


def fund(simulator, amount=10_000_000):
    import httpx2

    body = {"reference": "funds", "amount": str(amount), "asset": "EUR"}
    headers = {**simulator.headers, "Idempotency-Key": make_id("fund")}
    httpx2.post(f"{simulator.url}/v1/charges", json=body, headers=headers).raise_for_status()


def send(provider, key, destination, amount=9400, asset="EUR"):
    connection = provider.connect()
    try:
        return connection.send(PayoutOrder(key, amount, asset, destination, f"ref-{key}"))
    finally:
        connection.close()


def test_with_a_bank_account_behind_the_account_both_steps_are_taken_once(simulator, provider):
    fund(simulator)
    first, again = (send(provider, "both", "acct_both/ba_1") for _ in range(2))
    assert isinstance(first, Accepted)
    assert (first.fact.status, first.fact.failure) == ("paid", None)
    assert again == first
    paid = provider._client.v1.payouts.list({}, {"stripe_account": "acct_both"})
    assert [(one.amount, one.destination, one.metadata["counterfoil_key"]) for one in paid.data] == [(9400, "ba_1", "both")]


def test_a_second_step_that_stripe_refuses_takes_nothing_from_the_first_and_is_told(simulator, provider):
    fund(simulator)
    with FaultProxy(f"{simulator.url}/stripe") as proxy, proxy.fault("error_before", skip=1):
        behind = StripeProvider(simulator.api_key, Secret(WEBHOOK, "w"), url=proxy.url, timeout_s=2)
        answer = send(behind, "second", "acct_two/ba_2")
    assert proxy.fired == ["error_before"]
    assert isinstance(answer, Accepted)
    assert answer.fact.status == "paid"
    assert "did not pay out to ba_2" in (answer.fact.failure or "")


@pytest.mark.parametrize("destination", ["", "payee", "acct_", "acct_1/xx_1", "acct_1 ", "acct_1/ba_1/ba_2"])
def test_what_is_no_destination_at_stripe_is_refused_before_anything_is_sent(simulator, provider, destination):
    before = len(simulator.oracle().payouts)
    assert isinstance(send(provider, f"none-{destination}", destination), Refused)
    assert len(simulator.oracle().payouts) == before


def test_what_another_made_at_stripe_is_none_of_ours(provider):
    body = json.dumps({"data": {"object": {**TRANSFER, "metadata": {}}}}).encode()
    assert provider.payout_of(body) is None
    told = provider.payout_of(json.dumps({"data": {"object": TRANSFER}}).encode())
    assert (told.key, told.status) == ("key-1", "pending")  # its fee is not told: it is asked for


def test_a_webhook_of_a_charge_is_only_heard_for_its_fee_is_pulled(provider):
    import stripe

    body = json.dumps({"id": "evt_1", "object": "event", "type": "charge.succeeded", "data": {"object": {}}})
    header = stripe.WebhookSignature.generate_signature_header(body, WEBHOOK)
    assert provider.verify(body.encode(), {"stripe-signature": header}, now=now()) == ("evt_1.heard", "charge.heard")
    assert provider.tells["charge.heard"] == "pull"
    with pytest.raises(InvalidInput):
        provider.charge_of(b'{"data": {"object": {"id": "ch_1", "balance_transaction": "txn_1"}}}')


def test_the_statement_carries_and_names_each_transfer_and_what_came_back(simulator, provider, tmp_path):
    fund(simulator)
    send(provider, "kept", "acct_kept")
    send(provider, "back", "acct_returning")
    provider_http(simulator).post("/v1/clock/advance", json={"ms": 5_000}).raise_for_status()
    path = tmp_path / "statement.csv"
    today = datetime.now(UTC).date()
    path.write_bytes(provider.statement((today - timedelta(days=2)).isoformat(), (today + timedelta(days=1)).isoformat()))
    found = read(path, format="simulator")  # strict: it carries from balance to balance
    lines = {(one["reference"], one["memo"]): one for one in found.lines.to_pylist() if one["status"] != "fee"}
    assert lines["ref-kept", "payout"]["amount"] == -9400
    back = provider.find_payout(Sought("back")).fact
    assert back.status == "returned"
    assert [one["batch"] for one in lines.values() if one["memo"] == "payout_return"] == [back.provider_ref]


def test_a_statement_that_stripe_does_not_give_is_told_as_such_and_not_as_a_mistake_of_ours(simulator, tmp_path):
    today = datetime.now(UTC).date()
    for url, key in ((f"{simulator.url}/stripe", "sk_test_wrong"), ("http://127.0.0.1:9", simulator.api_key)):
        wrong = StripeProvider(key, Secret(WEBHOOK, "w"), url=url, timeout_s=1)
        with pytest.raises(StatementUnavailable, match="NoStatement"):
            _ask(wrong, today, today, tmp_path / "statement.csv")
        wrong.close()


def test_events_that_are_too_old_to_be_looked_through_are_told(simulator, monkeypatch):
    from counterfoil.operations.providers.stripe import provider as adapter

    monkeypatch.setattr(adapter, "PAGE", 1)
    monkeypatch.setattr(adapter, "FIRST_PAGES_MAX", 2)
    for _ in range(3):
        fund(simulator, 1)
    found = StripeProvider(simulator.api_key, Secret(WEBHOOK, "w"), url=f"{simulator.url}/stripe", timeout_s=2)
    with capture_logs() as logs:
        assert len(found.events(None)) == 2
    assert [one["limit"] for one in logs if "older events" in one["event"]] == ["2"]
    found.close()


def provider_http(simulator):
    import httpx2

    return httpx2.Client(base_url=simulator.url, headers=simulator.headers)


@pytest.fixture
def desk(database, tmp_path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=25) as process:
        a_program(database, payees=())
        with database.transaction() as conn:
            set_destination(
                conn,
                make_id("dst"),
                program_id=PROGRAM,
                payee_id="payee-1",
                provider="stripe",
                token="acct_payee1",
                actor="test",
                now=NOW,
            )
        desk = Desk(database, process, Clock(now()))
        stripe = StripeProvider(process.api_key, Secret(WEBHOOK, "w"), url=f"{process.url}/stripe", timeout_s=2)
        desk.wiring = replace(desk.wiring, providers={"stripe": stripe})
        desk.ticks = ticks(desk.wiring, "worker:test")
        yield desk
        stripe.close()


def paid_out(desk) -> None:
    [invoice] = issue(desk.database, "100.00", provider="stripe")
    desk.pay(invoice, 100_00)
    desk.work("pull-events", "webhooks", "verify", "settle", "events", "reserve")


def test_a_customers_charge_becomes_a_transfer_and_books_and_stripe_agree(desk):
    paid_out(desk)
    desk.work("outbox", "answers")
    assert desk.rows("select state from payout") == [("completed",)]
    oracle = desk.simulator.oracle()
    assert oracle.paid_out() == {"EUR": 9400}
    assert desk.balance("clearing:stripe") == oracle.balances["EUR"]


@pytest.mark.parametrize("captured", ["before its events are read", "after its first event was read"])
def test_a_charge_that_is_only_reserved_stops_no_other_and_is_booked_once_when_it_is_captured(desk, captured):
    [first, second] = issue(desk.database, "100.00", "50.00", provider="stripe")
    body = {"reference": first, "amount": "10000", "asset": "EUR", "fee": "0", "capture": False}
    reserved = desk.http.post("/v1/charges", json=body, headers={"Idempotency-Key": "reserved"}).raise_for_status().json()
    assert desk.simulator.oracle().balances["EUR"] == 0
    desk.pay(second, 50_00, fee=0)
    jobs = ("pull-events", "webhooks", "verify", "settle", "events")
    if captured.startswith("after"):
        desk.work(*jobs)
        assert desk.rows("select amount from payment") == [(50_00,)]
        assert desk.rows("select event_type from webhook_in order by event_id limit 1") == [("charge.not_captured",)]
    for _ in range(2):  # a second time nothing is taken
        desk.http.post(f"/v1/charges/{reserved['id']}/capture").raise_for_status()
    desk.work(*jobs, *jobs)
    assert sorted(amount for (amount,) in desk.rows("select amount from payment")) == [50_00, 100_00]
    assert desk.balance("clearing:stripe") == desk.simulator.oracle().balances["EUR"] == 150_00


def test_a_transfer_whose_answer_was_lost_is_found_by_its_key_once_the_list_can_be_believed(desk):
    paid_out(desk)
    desk.fault("timeout_after_accepting", on="payout.create", count=1)
    desk.work("outbox", "answers")
    assert desk.rows("select state from provider_payout") == [("unknown",)]
    desk.clock.advance(minutes=2)
    desk.work("reconcile-pull")
    assert desk.rows("select state from payout") == [("completed",)]
    assert desk.simulator.oracle().moved_twice() == []


def test_a_transfer_that_never_arrived_is_not_believed_absent_before_the_lists_delay_and_then_sent_once(desk):
    paid_out(desk)
    desk.fault("error_before_accepting", on="payout.create", count=1)
    desk.work("outbox", "answers")
    desk.work("reconcile-pull")
    assert desk.rows("select state from provider_payout") == [("unknown",)]  # asked at once: proves nothing yet
    desk.clock.advance(seconds=90)
    desk.work("reconcile-pull")
    assert desk.rows("select state from provider_payout") == [("queued",)]
    desk.clock.advance(minutes=3)
    desk.work("outbox", "answers")
    assert desk.rows("select state from payout") == [("completed",)]
    assert desk.simulator.oracle().paid_out() == {"EUR": 9400}


def test_a_reversal_is_told_by_its_event_and_booked_once_stripe_itself_says_so(desk):
    desk.fault("returned_later", on="payout.create", count=1, params={"after_ms": 1_000})
    paid_out(desk)
    desk.work("outbox", "answers")
    desk.http.post("/v1/clock/advance", json={"ms": 5_000}).raise_for_status()
    desk.clock.advance(minutes=1)
    desk.work("pull-events", "webhooks")
    assert desk.rows("select state, unconfirmed from provider_payout") == [("succeeded", "returned")]
    desk.work("reconcile-pull")
    assert desk.rows("select state from payout") == [("returned",)]
    assert desk.balance("clearing:stripe") == desk.simulator.oracle().balances["EUR"]


def test_nothing_there_is_told_as_such(provider):
    assert provider.find_charge("ch_none") == NotThere()
    assert provider.find_payout(Sought("none")) == NotThere()


def test_a_dispute_at_stripe_is_booked_with_its_fee_and_what_is_won_comes_back(desk, tmp_path):
    paid_out(desk)
    desk.work("outbox", "answers")
    ((charge,),) = desk.rows("select charge_id from payment")
    charged = charge.replace("ch_", "chg_")
    taken = desk.http.post(f"/v1/charges/{charged}/chargebacks", json={"amount": "2000", "fee": "1500"}).raise_for_status().json()
    desk.work("pull-events", "webhooks")
    assert desk.rows("select state, amount, fee, provider_ref like 'du_%%' from chargeback") == [("open", 20_00, 15_00, True)]
    assert desk.balance("clearing:stripe") == desk.simulator.oracle().balances["EUR"]
    desk.http.post(f"/v1/chargebacks/{taken['id']}/close", json={"outcome": "won", "fee_back": True}).raise_for_status()
    desk.work("pull-events", "webhooks", "events")
    assert desk.rows("select state, fee_back from chargeback") == [("won", 15_00)]
    assert desk.balance("clearing:stripe") == desk.simulator.oracle().balances["EUR"]
    path, today = tmp_path / "statement.csv", datetime.now(UTC).date()
    stripe = desk.wiring.providers["stripe"]
    path.write_bytes(stripe.statement((today - timedelta(days=2)).isoformat(), (today + timedelta(days=1)).isoformat()))
    told = [
        (one["memo"], one["amount"]) for one in read(path, format="simulator").lines.to_pylist() if one["memo"].startswith("chargeback")
    ]
    assert ("chargeback", -20_00) in told or ("chargeback", -35_00) in told, told


def test_an_inquiry_that_took_nothing_is_no_chargeback(provider):
    one = {"id": "du_1", "charge": "ch_1", "amount": 100, "currency": "eur", "status": "warning_needs_response", "reason": "general"}
    assert provider.chargeback_of(json.dumps({"data": {"object": {**one, "balance_transactions": []}}}).encode()) is None
    moved = [{"fee": 1500, "currency": "usd", "created": 1_795_132_800}]
    with pytest.raises(InvalidInput):
        provider.chargeback_of(json.dumps({"data": {"object": {**one, "balance_transactions": moved}}}).encode())


@pytest.mark.parametrize("kind", ["refund", "payment_refund"])
def test_a_refund_in_the_statement_is_told_as_one_by_its_own_id(kind):
    row = {"id": "txn_1", "type": kind, "net": -3_000, "amount": -3_000, "fee": 0, "currency": "eur", "created": 1_790_000_000}
    row |= {"available_on": 1_790_000_000, "source": {"object": "refund", "id": "re_1042"}}
    held = {"available": [{"amount": 0, "currency": "eur"}], "pending": []}
    day = datetime.fromtimestamp(1_790_000_000, UTC).date()
    lines = csv.DictReader(io.StringIO(statement_of(day, day, lambda: held, lambda _: [row]).decode()))
    [line] = [one for one in lines if one["id"] == "txn_1"]
    assert (line["type"], line["source"], line["gross"]) == ("refund", "re_1042", "-3000")
