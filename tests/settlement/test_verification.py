"""A payment moves money on only if its own provider's books bear it out: charge, amount, asset, reference, account and status."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.problems import in_minor_units
from counterfoil.operations.providers import ChargeFact, NotThere
from counterfoil.settlement.intents.intents import list_intents, show_intent
from counterfoil.settlement.payments.payments import receive_charges
from counterfoil.settlement.payments.rules import Recorded, doubt
from tests.builders import PROGRAM, Clock, Desk, a_program, issue
from tests.simulators import spawn_simulator

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
OURS = Recorded("simulator", "chg_1", "inv_1", 100_00, "EUR", "acct_main")
THEIRS = ChargeFact("chg_1", "inv_1", 100_00, 30, "EUR", NOW, "succeeded", "acct_main")


def test_a_charge_that_agrees_in_every_point_leaves_no_doubt():
    assert doubt(OURS, THEIRS, in_minor_units) is None
    assert doubt(OURS._replace(account=None), THEIRS, in_minor_units) is None, "recorded before accounts were"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("charge_id", "chg_2"),
        ("amount", 99_99),
        ("asset", "JPY"),
        ("reference", "inv_2"),
        ("status", "refunded"),
        ("account", "acct_other"),
        ("account", None),
    ],
)
def test_a_charge_that_differs_in_one_point_is_doubted_and_the_point_is_named(field: str, value: Any):
    told = doubt(OURS, THEIRS._replace(**{field: value}), in_minor_units)
    assert told is not None
    assert field.removesuffix("_id") in told


def test_a_charge_that_its_provider_does_not_know_is_doubted():
    assert doubt(OURS, NotThere(), in_minor_units) == "simulator does not know charge chg_1"


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=25) as simulator:
        a_program(database)
        yield Desk(database, simulator, Clock(now()))


def record(desk: Desk, charge: ChargeFact, provider: str = "simulator") -> None:
    """As a webhook of this provider would have it."""
    with desk.database.transaction() as conn:
        receive_charges(conn, [charge], provider=provider, program_id=PROGRAM, make_id=make_id, cause="webhook", now=desk.clock.now)


def charged(desk: Desk, **body: str) -> dict[str, Any]:
    """What the provider really took."""
    given = {"amount": "10000", "asset": "EUR", "fee": "0"} | body
    made: dict[str, Any] = desk.http.post("/v1/charges", json=given, headers={"Idempotency-Key": "k"}).json()
    return made


@pytest.mark.parametrize("wrong", [{"asset": "JPY"}, {"reference": "somebody-elses"}, {"amount": "9999"}])
def test_what_a_webhook_said_and_the_providers_books_do_not_say_is_paid_on_to_nobody(desk: Desk, wrong: dict[str, str]):
    (invoice_id,) = issue(desk.database, "100.00")
    made = charged(desk, **({"reference": invoice_id} | wrong))
    record(desk, ChargeFact(made["id"], invoice_id, 100_00, 0, "EUR", desk.clock.now, account=made["account"]))
    desk.work("verify", "settle", "events", "reserve")
    ((state, error),) = desk.rows("select state, last_error from intent")
    assert state == "failed"
    assert next(iter(wrong)) in error
    assert desk.rows("select count(*) from payout") == [(0,)]


def test_a_payment_through_another_provider_is_looked_up_there_and_not_at_the_invoices(desk: Desk):
    (invoice_id,) = issue(desk.database, "100.00")
    made = charged(desk, reference=invoice_id)
    record(desk, ChargeFact(made["id"], invoice_id, 100_00, 0, "EUR", desk.clock.now), provider="elsewhere")
    desk.work("verify", "settle", "events", "reserve")
    ((state, error),) = desk.rows("select state, last_error from intent")
    assert (state, desk.rows("select count(*) from payout")) == ("verifying", [(0,)])
    assert error == "the provider elsewhere is not set up here"


def test_an_invoice_that_is_called_paid_and_has_no_payment_is_not_confirmed(desk: Desk):
    (invoice_id,) = issue(desk.database, "100.00")
    made = charged(desk, reference=invoice_id)
    record(desk, ChargeFact(made["id"], invoice_id, 100_00, 0, "EUR", desk.clock.now))
    with psycopg.connect(desk.database.url) as owner:  # a hand in the table
        owner.execute("update invoice set total = total + 1, paid = paid + 1")
    desk.work("verify", "settle")
    ((state, error),) = desk.rows("select state, last_error from intent")
    assert (state, error) == ("failed", "the payments on record leave 0.01 EUR of it unpaid")


def test_an_intent_whose_provider_does_not_answer_says_when_it_is_tried_again_until_it_is(desk: Desk):
    (invoice_id,) = issue(desk.database, "100.00")
    made = charged(desk, reference=invoice_id)
    record(desk, ChargeFact(made["id"], invoice_id, 100_00, 0, "EUR", desk.clock.now), provider="elsewhere")
    desk.work("verify")
    ((due,),) = desk.rows("select due_at from intent")
    with desk.database.transaction() as conn:
        (listed,) = list_intents(conn, rows_max=5)
        shown = show_intent(conn, listed.id)
    told = (due, "the provider elsewhere is not set up here")
    assert (listed.next_try_at, listed.last_error) == (shown.next_try_at, shown.last_error) == told
    assert listed.state == "verifying"
    desk.clock.advance(hours=3)
    for _ in range(5):
        desk.work("verify")
        desk.clock.advance(hours=3)
    with desk.database.transaction() as conn:
        ended = show_intent(conn, listed.id)
    assert (ended.state, ended.next_try_at) == ("failed", None)
    assert (ended.last_error or "").startswith("no answer from the provider")


def test_a_charge_that_agrees_is_confirmed_and_paid_on(desk: Desk):
    (invoice_id,) = issue(desk.database, "100.00")
    desk.pay(invoice_id, 100_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events")
    assert desk.rows("select account from payment") == [("acct_main",)]
    assert desk.rows("select state from intent") == [("completed",)]
    assert desk.rows("select amount from payout") == [(94_00,)]
