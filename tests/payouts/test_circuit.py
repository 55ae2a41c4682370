"""A provider that is away: its circuit opens, no payout is sent, looked up or failed meanwhile, and each has all its tries afterwards."""

from __future__ import annotations

import pytest

from counterfoil.base.edge import now
from tests.builders import Clock, Desk, a_program, issue
from tests.simulators import spawn_simulator

PAYEES = tuple(f"payee-{number}" for number in range(1, 9))


@pytest.fixture
def desk(database, tmp_path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=25) as simulator:
        a_program(database, payees=PAYEES)
        desk = Desk(database, simulator, Clock(now()))
        for payee in PAYEES:
            desk.pay(issue(database, "100.00", prefix=payee, payee=payee)[0], 100_00)
        desk.deliver()
        desk.work("webhooks", "verify", "settle", "events", "reserve")
        yield desk


def circuits(desk) -> dict[str, str]:
    return dict(desk.rows("select queue, state from circuit order by queue"))


def attempts(desk) -> list[tuple[str, int]]:
    return desk.rows("select state, count(*) from provider_payout group by 1 order by 1")


def calls(desk) -> int:
    return desk.rows("select count(*) from call")[0][0]


def ends_well(desk) -> None:
    """With the provider back, every payout is paid, each by its first attempt."""
    for _ in range(12):
        desk.clock.advance(minutes=40)
        desk.work()
        desk.deliver()
        desk.work()
    assert desk.rows("select distinct state from payout") == [("completed",)]
    assert desk.rows("select max(number), count(*) from provider_payout") == [(1, len(PAYEES))]
    assert desk.rows("select queue from circuit where state <> 'closed' and probe_at > %s", desk.clock.now) == []
    desk.still_true()


def test_a_provider_that_answers_no_order_is_left_alone_and_no_payout_uses_up_a_try(desk):
    """Orders end in 500 for fourteen hours; look-ups work, so nothing stays in doubt."""
    desk.fault("error_before_accepting", on="payout.create", count=1_000)
    desk.ticks["outbox"]()
    assert circuits(desk) == {"send": "open"}
    begun = calls(desk)
    assert begun >= 5
    for _ in range(5):
        desk.work("outbox", "reconcile-pull")
    assert calls(desk) == begun  # nobody is called while it is open
    for _ in range(30):
        desk.clock.advance(minutes=28)
        desk.work()
    assert calls(desk) < begun + 40, "one call tries, not all of them"
    assert attempts(desk) == [("queued", len(PAYEES))]
    assert {state for (state,) in desk.rows("select state from payout")} <= {"processing", "reconcile_required"}
    assert desk.rows("select name, count(*) from event where name like 'provider_circuit%%' group by 1") == [("provider_circuit_opened", 1)]
    assert desk.simulator.oracle().payouts == {}
    desk.http.delete("/v1/faults").raise_for_status()
    ends_well(desk)
    assert circuits(desk) == {"send": "closed"}
    assert desk.rows("select name from event where name like 'provider_circuit%%' order by at")[-1] == ("provider_circuit_closed",)


def test_look_ups_have_a_circuit_of_their_own_and_what_is_in_doubt_stays_so(desk):
    desk.fault("error_after_accepting", on="payout.create", count=len(PAYEES))
    desk.fault("error_before_accepting", on="payout.find", count=1_000)
    desk.clock.advance(seconds=1)
    desk.work("outbox")
    desk.ticks["reconcile-pull"]()
    for _ in range(20):
        desk.clock.advance(minutes=2)
        desk.work("outbox", "reconcile-pull")
    assert circuits(desk)["pull"] == "open"
    assert ("unknown" in dict(attempts(desk))) is True
    assert desk.rows("select distinct state from payout where state = 'failed'") == []
    desk.http.delete("/v1/faults").raise_for_status()
    ends_well(desk)


def test_our_own_key_refused_is_an_outage_and_to_be_asked_to_come_later_is_none(desk):
    desk.fault("rate_limit", on="payout.create", count=len(PAYEES))
    desk.work("outbox")
    assert circuits(desk) == {}
    assert attempts(desk) == [("queued", len(PAYEES))]
    right, desk.provider._api_key = desk.provider._api_key, "sk_" + "0" * 40
    desk.clock.advance(minutes=2)
    desk.work("outbox")
    assert circuits(desk) == {"send": "open"}
    told = desk.rows("select distinct last_error from circuit")[0][0]
    assert told.startswith("401")
    desk.provider._api_key = right
    ends_well(desk)
