"""A provider that does not work is not called: the circuit opens, one call tries, it closes; what waits behind it uses up no try."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.operations.events.events import EVENT_LIST
from counterfoil.operations.work.circuit_rules import Circuit, CircuitLimits, Health, failed, gate, rest_of, worked
from counterfoil.operations.work.circuits import list_circuits, note_health, open_circuits, pass_gate, show_circuit
from counterfoil.operations.work.outside import run_outside
from counterfoil.operations.work.runner import Runner, Tally, finish, put_back
from counterfoil.operations.work.station import NotReady, OutsideQuestion, Station, Stopped
from tests.listed import newest
from tests.operations.conftest import ERRANDS, NOW, do, rows
from tests.waiting import at_once

LIMITS = CircuitLimits(failures=3, rest=timedelta(seconds=30))
CLOSED = Circuit("cir_1", "fast", "errands", "closed", NOW, 0, NOW, 0, 0, 0, None, None, None, None)


def after(*words, start=CLOSED, every=timedelta(seconds=1), limits=LIMITS):
    """The circuit after calls that worked (w) or failed (f), one `every` so often."""
    circuit, at = start, NOW
    for word in words:
        at += every
        works = word == "w"
        circuit = worked(circuit, now=at) if works else failed(circuit, error="no answer", now=at, limits=limits)
    return circuit, at


class TestRules:
    def test_so_many_failures_in_a_row_open_it_and_not_one_fewer(self):
        assert after("f", "f")[0].state == "closed"
        opened, at = after("f", "f", "f")
        assert (opened.state, opened.opened_at, opened.probe_at) == ("open", at, at + LIMITS.rest)

    def test_a_call_that_works_in_between_begins_the_row_anew(self):
        assert after("f", "f", "w", "f", "f")[0].state == "closed"

    def test_half_of_a_minutes_calls_open_it_though_never_so_many_fail_in_a_row(self):
        every = timedelta(seconds=2)
        assert after(*"fw" * 9, "f", every=every)[0].state == "closed"  # 19 calls say nothing yet
        assert after(*"fw" * 10, "f", every=every)[0].state == "open"
        assert after(*"fww" * 9, every=every)[0].state == "closed"  # a third is not half

    def test_what_failed_more_than_a_minute_ago_does_not_count(self):
        assert after(*"fw" * 20, every=timedelta(seconds=31))[0].state == "closed"

    def test_nobody_goes_while_it_is_open_and_one_tries_when_it_has_rested(self):
        opened, at = after("f", "f", "f")
        assert gate(opened, "e1", now=at + LIMITS.rest - timedelta(seconds=1), limits=LIMITS) == "wait"
        assert gate(opened, "e1", now=at + LIMITS.rest, limits=LIMITS) == "probe"

    def test_the_item_whose_try_failed_lets_others_go_first(self):
        opened, at = after("f", "f", "f")
        half = opened._replace(state="half_open", probed_by="e1", probe_at=at + LIMITS.rest)
        again = failed(half, error="no answer", now=at, limits=LIMITS)
        assert (again.state, again.tries) == ("open", 1)
        assert gate(again, "e1", now=again.probe_at, limits=LIMITS) == "wait"
        assert gate(again, "e2", now=again.probe_at, limits=LIMITS) == "probe"
        assert gate(again, "e1", now=again.probe_at + rest_of(again, LIMITS), limits=LIMITS) == "probe"  # when it is alone

    def test_each_try_that_fails_doubles_the_rest_up_to_five_minutes(self):
        rests = [rest_of(CLOSED._replace(tries=tries), LIMITS) for tries in (0, 1, 2, 3, 4, 50)]
        assert rests == [timedelta(seconds=one) for one in (30, 60, 120, 240, 300, 300)]
        long = CircuitLimits(rest=timedelta(minutes=20))
        assert rest_of(CLOSED._replace(tries=9), long) == timedelta(minutes=20)

    @given(st.lists(st.sampled_from("wf"), max_size=60))
    def test_it_is_closed_after_a_call_that_worked_and_dated_while_it_is_not(self, words):
        circuit, _ = after(*words)
        assert (circuit.state == "closed") == (circuit.opened_at is None) == (circuit.probe_at is None)
        assert 0 <= circuit.window_failures <= circuit.window_calls
        if words and words[-1] == "w":
            assert (circuit.state, circuit.failures) == ("closed", 0)


class Errands(Station):
    """Calls that work or not, as the test says."""

    queue = ERRANDS

    def __init__(self, works, name="fast") -> None:
        self.works, self.name, self.called = works, name, []

    def prepare(self, conn, claims, now):
        return {one.id: one.id for one in claims}

    def provider(self, item):
        return self.name

    def health(self, outcome):
        return Health(outcome, None if outcome else "no answer")

    def connect(self, item):
        return OutsideQuestion(lambda: self.call(item))

    def call(self, item):
        self.called.append(item)
        return self.works(item) if callable(self.works) else self.works

    def record(self, conn, done, now):
        good = [one for one, outcome in done if outcome]
        do(conn, good, now)
        finish(conn, ERRANDS, [one.id for one in good])
        for one, outcome in done:
            if not outcome:
                put_back(conn, ERRANDS, one, error="no answer", now=now)


@pytest.fixture
def runner(errands, clock):
    return Runner(errands, clock, "a", callers_max=1, call_limit=timedelta(seconds=1), circuits=LIMITS)


def state(database):
    with database.transaction() as conn:
        return [(one.queue, one.state) for one in list_circuits(conn, rows_max=10, after=None, state=None)]


def told(database):
    with database.transaction() as conn:
        found = newest(conn, EVENT_LIST, 10)
    return [one.name for one in reversed(found) if "circuit" in one.name]


def fail(database, clock, times):
    for number in range(times):
        with database.transaction() as conn:
            note_health(conn, "fast", "errands", Health(False, f"no answer {number}"), now=clock.now, limits=LIMITS)


def test_a_provider_that_works_costs_no_row(errands, clock, runner):
    assert run_outside(runner, Errands(True), lane="fast") == Tally(handled=5)
    assert state(errands) == []


def test_what_was_claimed_before_it_opened_is_held_back_without_a_step_on_the_ladder(errands, clock, runner):
    station = Errands(False)
    run_outside(runner, station, lane="fast")
    assert station.called == ["e1", "e2", "e3"]  # the third failure opens it; the other two are not called
    assert state(errands) == [("errands", "open")]
    held = rows(errands, "id, attempt, lease_until is null, last_error")[3:]
    assert held == [(one, 0, True, "fast does not work; it is tried again by itself") for one in ("e4", "e5")]


def test_nothing_of_it_is_claimed_by_any_worker_while_it_is_open_and_other_providers_go_on(errands, clock, runner):
    fail(errands, clock, 3)
    with errands.transaction() as conn:
        conn.execute("update errand set provider = 'other' where id in ('e4', 'e5')")
    before = rows(errands, "id, attempt, fence, due_at")[:3]
    station = Errands(True)
    for _ in range(3):
        assert run_outside(Runner(errands, clock, "b", circuits=LIMITS), station, lane="fast") == Tally()
    assert station.called == []
    assert rows(errands, "id, attempt, fence, due_at")[:3] == before
    assert run_outside(runner, Errands(True, "other"), lane="other") == Tally(handled=2)


def test_one_call_tries_when_it_has_rested_and_all_goes_on_when_it_is_answered(errands, clock, runner):
    fail(errands, clock, 3)
    clock.now += LIMITS.rest
    station = Errands(True)
    assert run_outside(runner, station, lane="fast") == Tally(handled=1)
    assert (station.called, state(errands)) == (["e1"], [("errands", "closed")])
    assert run_outside(runner, station, lane="fast") == Tally(handled=4)
    assert told(errands) == ["provider_circuit_opened", "provider_circuit_closed"]


def test_of_two_workers_that_want_to_try_one_does(errands, clock):
    fail(errands, clock, 3)
    clock.now += LIMITS.rest
    calling, seen = threading.Event(), []

    def slow(item):
        seen.append(item)
        calling.wait(10)
        return True

    first = threading.Thread(
        target=run_outside, args=(Runner(errands, clock, "a", circuits=LIMITS), Errands(slow)), kwargs={"lane": "fast"}
    )
    first.start()
    try:
        while not seen:
            first.join(0.01)
        other = Errands(True)
        assert run_outside(Runner(errands, clock, "b", circuits=LIMITS), other, lane="fast") == Tally()
        assert (other.called, state(errands)) == ([], [("errands", "half_open")])
    finally:
        calling.set()
        first.join(10)
    assert state(errands) == [("errands", "closed")]


def test_an_outage_of_any_length_uses_up_no_try(errands, clock, runner):
    """Ten hours of tries that fail, an item at a time; each is due still, none has used up its ladder, and none was parked."""
    fail(errands, clock, 3)
    station = Errands(False)
    for _ in range(120):
        clock.now += timedelta(minutes=5)
        run_outside(runner, station, lane="fast")
    assert len(station.called) > 50
    assert {one for one, _ in rows(errands)} == set(station.called)  # they take turns: none tries all the time
    assert all(due and attempt <= 3 for due, attempt in rows(errands, "due_at is not null, attempt"))
    assert told(errands) == ["provider_circuit_opened"]  # told once
    clock.now += timedelta(hours=2)
    for _ in range(2):
        run_outside(runner, Errands(True), lane="fast")
    assert [done for _, done in rows(errands)] == [1] * 5


def test_a_try_whose_worker_is_lost_is_made_by_another(errands, clock):
    fail(errands, clock, 3)
    clock.now += LIMITS.rest
    ask = {"now": clock.now, "limits": LIMITS, "probe_for": timedelta(seconds=20)}
    with errands.transaction() as conn:
        assert pass_gate(conn, "fast", "errands", "e1", **ask)[0] == "probe"
    with errands.transaction() as conn:
        assert pass_gate(conn, "fast", "errands", "e2", **ask) == ("wait", timedelta(seconds=20))
        ask["now"] += timedelta(seconds=20)
        assert pass_gate(conn, "fast", "errands", "e2", **ask)[0] == "probe"


def test_no_connection_opens_it_too(errands, clock, runner):
    class NoWay(Errands):
        def connect(self, item):
            raise NotReady("not connected", down=True)

    run_outside(runner, NoWay(True), lane="fast")
    assert state(errands) == [("errands", "open")]


def test_a_try_that_finds_no_connection_rests_again_and_takes_no_other_item_up(errands, clock, runner):
    class NoWay(Errands):
        def connect(self, item):
            self.called.append(item)
            raise NotReady("not connected", down=True)

    fail(errands, clock, 3)
    clock.now += LIMITS.rest
    station = NoWay(True)
    for _ in range(3):  # ticks of the same second
        run_outside(runner, station, lane="fast")
    assert len(station.called) == 1
    with errands.transaction() as conn:
        [circuit] = list_circuits(conn, rows_max=10, after=None, state=None)
    assert (circuit.state, circuit.tries, circuit.probe_at) == ("open", 1, clock.now + 2 * LIMITS.rest)


def test_a_brake_on_the_item_that_was_to_try_leaves_the_try_to_another(errands, clock, runner):
    class Braked(Errands):
        def announce(self, conn, one, item, now):
            if item == "e1":
                finish(conn, ERRANDS, [one.id])
                raise Stopped("a brake")

    fail(errands, clock, 3)
    clock.now += LIMITS.rest
    station = Braked(True)
    run_outside(runner, station, lane="fast")
    assert (station.called, state(errands)) == ([], [("errands", "half_open")])
    run_outside(runner, station, lane="fast")
    assert (station.called, state(errands)) == (["e2"], [("errands", "closed")])


def test_two_failures_at_once_make_one_circuit_and_both_count(errands, clock):
    ready = threading.Barrier(2)

    def one():
        with errands.transaction() as conn:
            conn.execute("select 1")
            ready.wait(10)
            note_health(conn, "fast", "errands", Health(False, "no answer"), now=clock.now, limits=LIMITS)

    at_once(one, 2)
    with errands.transaction() as conn:
        [circuit] = list_circuits(conn, rows_max=10, after=None, state=None)
        assert circuit.failures == 2
        assert open_circuits(conn) == []
        assert show_circuit(conn, circuit.id) == circuit
