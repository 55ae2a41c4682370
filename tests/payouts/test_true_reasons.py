"""What waits says what it waits for, by its id, and until when: a dispute is not called a chargeback, nor a lack of money a dispute."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.payouts.disputes.standing import Contest, contests_of
from counterfoil.payouts.next_action import next_action
from counterfoil.payouts.payouts.missing import NothingToPayOut, execute_payout
from counterfoil.payouts.provider_payouts.standings import lock_settlements
from counterfoil.payouts.refunds.refunds import UnderDispute
from counterfoil.settlement.invoices.invoices import cancel_invoice
from tests.builders import NOW, Desk, a_destination, a_program, issue
from tests.integrity.test_monitor_rounds import BEAT
from tests.payouts.refunding import SETTLED, go, paid, refund
from tests.payouts.test_disputes import decided, effect, opened
from tests.payouts.test_escrow_chargebacks import pays, says
from tests.payouts.world import brake_on


@pytest.fixture
def desk(database: Database, simulator: Any):
    a_program(database, holdback_bps=1000)
    found = Desk(database, simulator)
    events = found.http.get("/v1/events", params={"limit": 1000}).json()["data"]
    found._seen = events[-1]["id"] if events else None
    return found


def charged_back(desk: Desk, invoice: str, amount: int = 10_00) -> str:
    ((charge,),) = desk.rows("select charge_id from payment where invoice_id = %s", invoice)
    says(desk, charge, "open", amount=amount)
    ((found,),) = desk.rows("select id from chargeback")
    return str(found)


def why(desk: Desk, table: str = "payout") -> str:
    ((found,),) = desk.rows(f"select last_error from {table}")
    return str(found)


def not_executed(desk: Desk, invoice: str) -> tuple[str, str]:
    with pytest.raises(NothingToPayOut) as refused, desk.database.transaction() as conn:
        execute_payout(conn, invoice, make_id=make_id, actor="t", now=desk.clock.now)
    return str(refused.value.facts["why"]), str(refused.value.facts["instead"])


def test_a_payout_that_waits_for_a_bank_says_so_and_not_that_a_dispute_is_open(desk: Desk):
    invoice = paid(desk)
    desk.work(*SETTLED)
    one = charged_back(desk, invoice)
    desk.work("reserve")
    assert why(desk) == f"chargeback {one} is open, until the customer's bank has decided"
    ((told,),) = desk.rows("select payload ->> 'why' from event where name = 'payout_waiting'")
    assert told == why(desk)
    desk.clock.advance(days=31)
    desk.ticks["release-holdback"]()
    assert why(desk, "holdback_tranche") == f"chargeback {one} is open, until the customer's bank has decided"


def test_a_payout_that_waits_for_a_dispute_about_money_that_went_out_names_that_dispute_and_its_invoice(desk: Desk):
    first = paid(desk)
    go(desk)
    dispute = opened(desk, first)
    paid(desk, prefix="v")
    desk.work(*SETTLED, "reserve")
    ((found,),) = desk.rows("select last_error from payout where state = 'pending'")
    assert found == f"dispute {dispute} about money of invoice {first} that went out to the same payee is open, until it is decided"


def test_a_settlement_that_waits_names_what_it_waits_for(desk: Desk):
    invoice = paid(desk)
    one = charged_back(desk, invoice)
    desk.work(*SETTLED)
    assert why(desk, "intent") == f"chargeback {one} on its invoice is open, until the bank has decided"
    assert not_executed(desk, invoice)[0] == f"chargeback {one} is open, until the customer's bank has decided"


def test_a_refusal_names_a_chargeback_as_one_and_a_dispute_as_one(desk: Desk):
    invoice = paid(desk)
    one = charged_back(desk, invoice)
    with pytest.raises(UnderDispute) as refused:
        refund(desk, invoice, 1_00)
    assert (refused.value.facts.get("chargeback"), refused.value.facts.get("dispute")) == (one, None)
    with desk.database.transaction() as conn:
        assert contests_of(conn, invoice) == [Contest("chargeback", one, desk.clock.now)]


def test_no_money_for_a_payee_has_the_reason_that_is_so(desk: Desk):
    unpaid, part, cancelled = issue(desk.database, "100.00", "100.00", "100.00")
    pays(desk, part, 30_00)
    with desk.database.transaction() as conn:
        cancel_invoice(conn, cancelled, reason="r", actor="t", now=NOW)
    assert not_executed(desk, unpaid)[0].startswith("0.00 EUR of 100.00 EUR are paid")
    assert not_executed(desk, part)[0].startswith("30.00 EUR of 100.00 EUR are paid")
    assert not_executed(desk, cancelled) == ("it is cancelled, and nobody pays anything of it", "nothing")
    gone = paid(desk, prefix="w")
    refund(desk, gone, 100_00)
    assert not_executed(desk, gone) == ("all that was paid on it went back to its customer", "nothing")
    disputed = paid(desk, prefix="z")
    dispute = opened(desk, disputed)
    assert not_executed(desk, disputed) == (f"dispute {dispute} is open, until it is decided", f"counterfoil disputes show {dispute}")
    decided(desk, dispute, "provider_win")
    effect(desk)


def test_an_order_for_where_nobody_is_paid_any_more_says_where_the_payee_is_paid(desk: Desk):
    paid(desk)
    desk.work(*SETTLED, "reserve")
    with desk.database.transaction() as conn:
        (settlement,) = [row[0] for row in conn.execute("select id from settlement").fetchall()]
        conn.execute("update provider_payout set state = state")
        (attempt,) = lock_settlements(conn, [settlement], now=desk.clock.now)
        assert brake_on(conn, attempt) is None
    with desk.database.transaction() as conn:
        conn.execute("update destination set ended_at = %s", [NOW])
        brake = brake_on(conn, attempt)
        assert brake is not None
        assert brake.why == "its payee has no active destination any more"
    with desk.database.transaction() as conn:
        a_destination(conn, "payee-1", "acct_other")
        brake = brake_on(conn, attempt)
        ((active,),) = conn.execute("select id from destination where ended_at is null").fetchall()
        assert brake is not None
        assert brake.why.startswith(f"its payee is paid to destination {active} now")


def test_a_payout_that_moves_by_itself_says_so_only_while_a_worker_works(desk: Desk):
    paid(desk)
    desk.work(*SETTLED)
    ((payout,),) = desk.rows("select id from payout")

    def told() -> tuple[str, str]:
        with desk.database.transaction(read_only=True) as conn:
            action = next_action(conn, payout, desk.clock.now)
        return action.need, action.command

    with desk.database.transaction() as conn:
        conn.execute(BEAT, [desk.clock.now] * 2)
    assert told() == ("none", "")
    desk.clock.advance(minutes=2)
    assert told() == ("worker", "counterfoil worker")
    with desk.database.transaction() as conn:
        conn.execute(BEAT.replace("'w'", "'other'"), [desk.clock.now] * 2)
    assert told() == ("none", ""), "another one works"
