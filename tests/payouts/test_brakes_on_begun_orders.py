"""An order that was called before and that something holds back now is not sent again: it is looked up, and never waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.payouts.destinations.by_hand import quarantine_destination
from counterfoil.payouts.disputes import disputes
from counterfoil.payouts.payouts.by_hand import ask_provider
from counterfoil.payouts.payouts.matter import NotNow
from counterfoil.payouts.provider_payouts.attempts_by_hand import cancel_attempt
from tests.builders import Desk, a_destination, a_program
from tests.payouts.refunding import SETTLED, go, paid, refund
from tests.payouts.test_chargebacks import charged_back
from tests.payouts.test_disputes import ANNA
from tests.simulators import spawn_simulator


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=0) as simulator:
        a_program(database)
        yield Desk(database, simulator)


def begun(desk: Desk) -> str:
    """A paid invoice whose payout was called once and is queued again: the provider had nothing of it. Returns the invoice."""
    invoice = paid(desk)
    desk.fault("error_before_accepting", on="payout.create")
    desk.work(*SETTLED, "reserve")
    desk.ticks["outbox"]()
    desk.ticks["reconcile-pull"]()
    assert stands(desk) == ("processing_or_doubt", ["queued"])
    desk.clock.advance(minutes=2)
    return invoice


def stands(desk: Desk) -> tuple[str, list[str]]:
    ((state,),) = desk.rows("select state from payout")
    state = "processing_or_doubt" if state in ("processing", "reconcile_required") else state
    return str(state), [row[0] for row in desk.rows("select state from provider_payout order by number")]


def owes(desk: Desk, invoice: str) -> None:
    refund(desk, invoice, 100_00)
    assert desk.balance("receivable:payee:payee-1") == 94_00


def owes_a_part(desk: Desk, invoice: str) -> None:
    refund(desk, invoice, 50_00)


def disputed(desk: Desk, invoice: str) -> None:
    with desk.database.transaction() as conn:
        disputes.open_dispute(conn, make_id("dsp"), invoice, cause="empty box", make_id=make_id, by=ANNA, now=desk.clock.now)


def redirected(desk: Desk, invoice: str) -> None:
    with desk.database.transaction() as conn:
        a_destination(conn, "payee-1", "acct_new", at=desk.clock.now)


def stopped(desk: Desk, invoice: str) -> None:
    with desk.database.transaction() as conn:
        ((where,),) = conn.execute("select id from destination where ended_at is null").fetchall()
        quarantine_destination(conn, where, reason="fraud?", actor="test", now=desk.clock.now)


def taken_back(desk: Desk, invoice: str) -> None:
    charged_back(desk, invoice)


Brake = Callable[[Desk, str], None]


@pytest.mark.parametrize(
    ("brake", "why", "becomes", "arrives"),
    [
        (owes, "its payee owes us 94.00 EUR", "refunded", 0),
        (owes_a_part, "its payee owes us 47.00 EUR", "completed", 47_00),
        (disputed, "dispute", "held", 0),
        (taken_back, "until the customer's bank has decided", "refunded", 0),
        (redirected, "its payee is paid to destination", "completed", 94_00),
        (stopped, "is quarantined", "pending", 0),
    ],
)
def test_a_begun_order_under_a_brake_is_looked_up_and_comes_back_once_it_is_proven_not_to_be_there(
    desk: Desk, brake: Brake, why: str, becomes: str, arrives: int
):
    brake(desk, begun(desk))
    desk.ticks["outbox"]()
    assert stands(desk) == ("processing_or_doubt", ["unknown"])
    ((told,),) = desk.rows("select last_error from provider_payout")
    assert why in told
    for _ in range(3):  # its call may still land: neither sent again nor given up
        desk.work("outbox", "reconcile-pull")
        assert stands(desk) == ("processing_or_doubt", ["unknown"])
        desk.clock.advance(minutes=4)
    assert desk.simulator.oracle().paid_out().get("EUR", 0) == 0
    desk.clock.advance(minutes=10)
    go(desk)
    assert (stands(desk)[0], stands(desk)[1][0]) == (becomes, "cancelled")
    assert desk.simulator.oracle().paid_out().get("EUR", 0) == arrives
    desk.still_true()


def test_a_person_has_a_begun_order_that_waits_in_the_queue_looked_up_and_is_told_what_else_helps(desk: Desk):
    begun(desk)
    ((payout,),) = desk.rows("select id from payout")
    with desk.database.transaction() as conn, pytest.raises(NotNow, match="force-reconcile"):
        cancel_attempt(conn, payout, reason="not now", actor="ops", now=desk.clock.now)
    desk.clock.advance(minutes=20)
    with desk.database.transaction() as conn:
        assert ask_provider(conn, payout, actor="ops", now=desk.clock.now) == "unknown"
    desk.ticks["reconcile-pull"]()
    assert stands(desk) == ("processing_or_doubt", ["queued"])
    with desk.database.transaction() as conn:
        assert cancel_attempt(conn, payout, reason="not now", actor="ops", now=desk.clock.now) == "cancelled"
    assert desk.simulator.oracle().payouts == {}
    desk.still_true()
