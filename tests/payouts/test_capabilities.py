"""What a provider declares is obeyed: for how long it knows a key, when "not there" proves something, and who cannot be asked."""

from __future__ import annotations

import threading
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from counterfoil.base.edge import now
from counterfoil.operations.providers import NotThere, Unclear
from counterfoil.operations.providers.capabilities import Capabilities
from counterfoil.payouts.provider_payouts.outcome_rules import ASKED_IN_VAIN_EVERY, decide_lookup
from tests.builders import Clock, Desk, a_program, issue
from tests.payouts.test_outcome_rules import HOUR, NOW, SILENT, a_called, a_standing
from tests.simulators import spawn_simulator

LAGGING = Capabilities(absent_after=timedelta(minutes=10))
BLIND = Capabilities(looks_up_by=())
KEYLESS = Capabilities(key_memory=timedelta())


def not_there(standing, can, *, at=NOW):
    return decide_lookup(standing, NotThere(), now=at, silent_after=SILENT, asked_at=at, capabilities=can)


def test_not_there_is_not_believed_before_its_delay_whether_to_send_again_or_to_give_back():
    called = a_called(last_call_at=NOW, closed_at=NOW)
    early = not_there(called, LAGGING, at=NOW + timedelta(minutes=9))
    assert (early.state, early.again) == ("unknown", timedelta(minutes=1))
    assert not_there(called, LAGGING, at=NOW + timedelta(minutes=10)).state == "queued"
    last_try = called._replace(attempt=4)
    assert not_there(last_try, LAGGING, at=NOW + timedelta(minutes=9)).state == "unknown"
    assert not_there(last_try, LAGGING, at=NOW + timedelta(minutes=10)).state == "failed"


def test_a_look_up_that_came_too_early_is_made_again_when_it_can_prove_that_the_key_may_go_again():
    """Not only once no call can land any more: with a key that is remembered that is a quarter of an hour too late."""
    called = a_called(open_calls=1, last_call_at=NOW, closed_at=NOW + HOUR)
    assert not_there(called, LAGGING).again == timedelta(minutes=10)
    assert not_there(called, LAGGING._replace(key_memory=timedelta())).again == HOUR + timedelta(minutes=10)


def test_what_a_lagging_look_up_missed_proves_nothing_to_a_person_either():
    early = not_there(a_called(last_call_at=NOW, closed_at=NOW), LAGGING, at=NOW + timedelta(minutes=9))
    assert early.not_there_at == NOW - timedelta(minutes=1)
    assert not a_called(closed_at=NOW, not_there_at=early.not_there_at).proven_not_there


def test_where_keys_mean_nothing_a_look_up_made_before_the_last_call_was_closed_sends_nothing_again():
    """The call landed after the question and before its answer was written down: a second order would be a second payment."""
    one = a_called(open_calls=0, closed_at=NOW + timedelta(seconds=1))
    later = NOW + timedelta(seconds=2)
    found = decide_lookup(one, NotThere(), now=later, silent_after=SILENT, asked_at=NOW, capabilities=KEYLESS)
    assert found.state == "unknown"
    assert not_there(one, KEYLESS, at=later).state == "queued"


def test_who_cannot_be_asked_stays_in_doubt_and_what_it_accepted_falls_into_doubt_when_it_is_silent_for_too_long():
    nobody = Unclear("cannot be asked")
    young = a_standing("sent", sent_at=NOW - 23 * HOUR)
    asked = {"now": NOW, "silent_after": SILENT, "capabilities": BLIND}
    assert decide_lookup(young, nobody, **asked)[1:2] == ((),)
    old = decide_lookup(young._replace(sent_at=NOW - 25 * HOUR), nobody, **asked)
    assert (old.state, old.again) == ("unknown", ASKED_IN_VAIN_EVERY)
    assert "more than 24 hours" in (old.error or "")
    for years in (1, 400):
        assert decide_lookup(a_called(closed_at=NOW - years * HOUR), nobody, **asked).verbs == ()


@pytest.mark.parametrize(("within", "state"), [(timedelta(hours=24), "unknown"), (timedelta(days=5), "sent")])
def test_doubt_begins_when_the_provider_takes_longer_than_it_says(within, state):
    two_days = a_standing("sent", sent_at=NOW - timedelta(days=2))
    can = BLIND._replace(settles_within=within)
    found = decide_lookup(two_days, Unclear("none"), now=NOW, silent_after=SILENT, capabilities=can)
    assert found.state == state


@pytest.fixture
def desk(database, tmp_path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0) as simulator:
        a_program(database)
        yield Desk(database, simulator, Clock(now()))


def declare(desk, **what) -> None:
    desk.provider.capabilities = desk.provider.capabilities._replace(**what)


def sent_against(desk, fault: str) -> None:
    """A payout is sent, and the provider has this fault once."""
    [invoice] = issue(desk.database, "100.00")
    desk.pay(invoice, 100_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events", "reserve")
    desk.fault(fault, on="payout.create", count=1)
    desk.work("outbox", "answers")


def test_an_attempt_older_than_the_providers_memory_of_keys_is_not_sent_again_but_asked_about(desk):
    """The rule stands in the announcement, where a re-send would become a second order, and follows what the provider declares."""
    declare(desk, key_memory=timedelta(minutes=3), horizon=timedelta(minutes=1))
    sent_against(desk, "error_before_accepting")
    desk.work("reconcile-pull")
    assert desk.rows("select state, attempt from provider_payout") == [("queued", 1)]
    desk.clock.advance(minutes=4)
    desk.work("outbox")
    [(state, why)] = desk.rows("select state, last_error from provider_payout")
    assert (state, "may have forgotten its key" in why) == ("unknown", True)
    assert desk.rows("select count(*) from call") == [(1,)]
    assert desk.simulator.oracle().payouts == {}
    desk.work("reconcile-pull")
    assert desk.rows("select state, failed_by from provider_payout") == [("failed", "inference")]


def test_a_provider_that_can_be_asked_by_nothing_is_not_asked_and_its_payout_waits_for_a_person(desk):
    declare(desk, looks_up_by=(), key_memory=timedelta())
    sent_against(desk, "error_after_accepting")
    for _ in range(3):
        desk.clock.advance(days=2)
        desk.work("outbox", "answers", "repair", "reconcile-pull")
    assert desk.rows("select pp.state, p.state from provider_payout pp join payout p on p.id = pp.payout_id") == [
        ("unknown", "reconcile_required")
    ]
    assert desk.rows("select count(*) from call") == [(1,)]
    told = desk.rows("select count(*) from event where name = 'payout_unknown'")
    assert told == [(1,)]


class Counting:
    """The provider of the desk, which counts how many orders it is sent at one time."""

    def __init__(self, right: Any) -> None:
        self._right, self._lock = right, threading.Lock()
        self.under_way = self.most = self.sent = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._right, name)

    def connect(self) -> Any:
        line = self._right.connect()
        return SimpleNamespace(send=lambda order: self._counted(line, order), close=line.close)

    def _counted(self, line: Any, order: Any) -> Any:
        with self._lock:
            self.under_way, self.sent = self.under_way + 1, self.sent + 1
            self.most = max(self.most, self.under_way)
        time.sleep(0.3)  # long enough for every other to come
        try:
            return line.send(order)
        finally:
            with self._lock:
                self.under_way -= 1


@pytest.mark.parametrize("most", [1, 3])
def test_a_worker_sends_no_more_orders_at_once_than_the_provider_takes(desk, most):
    declare(desk, calls_at_once=most)
    desk.wiring.providers["simulator"] = counting = Counting(desk.provider)
    for invoice in issue(desk.database, *["100.00"] * 7):
        desk.pay(invoice, 100_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events", "reserve")
    for _ in range(7):
        desk.work("outbox", "answers")
    assert (counting.most, counting.sent) == (most, 7)
