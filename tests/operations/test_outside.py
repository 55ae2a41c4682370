"""Work that calls somebody else: checked before each call, stored as it returns, recorded by itself, and never at another's cost."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import psycopg
import pytest

from counterfoil.operations.work.clocks import database_now
from counterfoil.operations.work.outside import run_outside
from counterfoil.operations.work.pauses import Held, QueuePart, drain, pause
from counterfoil.operations.work.runner import Runner, Tally, claim, finish, run_here
from counterfoil.operations.work.station import NotReady, OutsideQuestion, Station, Stopped
from tests.operations.conftest import ERRANDS, do, rows

LEASE = timedelta(seconds=60)


class Calls(Station[str, str]):
    """Calls `outside` for each item, and records under the fence."""

    queue = ERRANDS

    def __init__(self, outside=lambda item: "done") -> None:
        self.outside, self.announced, self.stored, self.recorded, self.came_late = outside, [], [], [], []

    def prepare(self, conn, claims, now):
        return {one.id: one.id for one in claims}

    def connect(self, item):
        return OutsideQuestion(lambda: self.outside(item))

    def announce(self, conn, one, item, now):
        self.announced.append(one.id)

    def store(self, conn, one, item, outcome, now):
        self.stored.append(one.id)

    def record(self, conn, done, now):
        do(conn, [one for one, _ in done], now)
        finish(conn, ERRANDS, [one.id for one, _ in done])
        self.recorded += done

    def late_all(self, conn, came, now):
        self.came_late.append([one.id for one, _, _ in came])


def test_no_transaction_is_open_while_somebody_else_is_called(errands, clock, database_url):
    open_while_calling = []

    def outside(item):
        with psycopg.connect(database_url, autocommit=True) as other:
            open_while_calling.append(
                other.execute(
                    "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in%'"
                ).fetchone()[0]
            )
        return "done"

    for _ in range(5):
        assert run_outside(Runner(errands, clock, "a", rows_max=1), Calls(outside)) == Tally(handled=1)
    assert open_while_calling == [0] * 5


def test_a_worker_that_lost_its_lease_cannot_write_and_what_came_back_is_kept(errands, clock):
    slow = Runner(errands, clock, "slow", rows_max=1, lease=LEASE)
    quick = Calls(lambda item: "quick")

    def outside(item):
        clock.now += LEASE + timedelta(seconds=1)  # our lease runs out while we call
        run_outside(Runner(errands, clock, "quick", rows_max=1, lease=LEASE), quick)
        return "late"

    late = Calls(outside)
    assert run_outside(slow, late) == Tally(handled=0, stale=1)
    assert [(one.id, outcome) for one, outcome in quick.recorded] == [("e1", "quick")]
    assert (late.recorded, late.stored, late.came_late) == ([], ["e1"], [["e1"]])
    assert dict(rows(errands))["e1"] == 1


def test_a_worker_that_lost_its_claim_before_the_call_does_not_call(errands, clock, monkeypatch):
    calls = []
    station = Calls(calls.append)

    def steal(point, *about):
        if point == "errands.after_claim":
            with errands.transaction() as conn:
                conn.execute("update errand set fence = fence + 1 where id = 'e1'")

    monkeypatch.setattr("counterfoil.operations.work.outside.reached", steal)
    assert run_outside(Runner(errands, clock, "a"), station) == Tally(handled=4, stale=1)
    assert "e1" not in calls
    assert "e1" not in station.announced


@pytest.mark.parametrize(("open_s", "asked"), [(60.0, 5), (0.0, 0)])
def test_a_question_is_asked_by_what_held_at_its_claim_and_once_that_is_old_by_what_holds_then(errands, clock, monkeypatch, open_s, asked):
    calls = []

    class Asks(Calls):
        asks = True

    def paused(point, *about):
        if point == "errands.after_claim":
            with errands.transaction() as conn:
                pause(conn, QueuePart(ERRANDS.name), reason="looked at", actor="test", now=clock.now)

    monkeypatch.setattr("counterfoil.operations.work.outside.OPEN_S", open_s)
    monkeypatch.setattr("counterfoil.operations.work.outside.reached", paused)
    assert run_outside(Runner(errands, clock, "a"), Asks(calls.append)) == Tally(handled=asked)
    assert len(calls) == asked
    assert run_outside(Runner(errands, clock, "a"), Asks(calls.append)) == Tally(), "no more is claimed"


def test_a_question_that_is_paused_at_its_claim_is_not_let_in(errands, clock, monkeypatch):
    """Its claim found no pause, and the gate that is asked behind it does."""
    monkeypatch.setattr("counterfoil.operations.work.outside.held_among", lambda _, __, rows: dict.fromkeys(rows, Held(True, False)))
    station = Calls()
    station.asks = True
    assert run_outside(Runner(errands, clock, "a"), station) == Tally()
    assert (station.recorded, station.announced) == ([], [])


def test_a_worker_whose_lease_has_run_out_does_not_call_though_nobody_took_its_rows(errands, clock, monkeypatch):
    calls = []

    def sleep(point, *about):
        if point == "errands.after_claim":
            clock.now += LEASE

    monkeypatch.setattr("counterfoil.operations.work.outside.reached", sleep)
    assert run_outside(Runner(errands, clock, "a", lease=LEASE), Calls(calls.append)) == Tally(stale=5)
    assert calls == []


def test_an_item_whose_lease_ran_out_is_checked_just_before_its_own_call(errands, clock):
    """One caller, one item after the other: while the first is called, somebody takes the second."""
    calls = []

    def outside(item):
        calls.append(item)
        with errands.transaction() as conn:
            conn.execute("update errand set fence = fence + 1 where id > %s", [item])
        return "done"

    runner = Runner(errands, clock, "a", callers_max=1, call_limit=timedelta(seconds=1))
    assert run_outside(runner, Calls(outside)) == Tally(handled=1, stale=4)
    assert calls == ["e1"]


def test_an_item_that_is_slow_holds_up_nobodys_record(errands, clock):
    first = threading.Event()
    seen = []

    def outside(item):
        if item == "e1":
            for _ in range(200):
                seen[:] = [one for one, done in rows(errands) if done]
                if len(seen) == 4:
                    first.set()
                    break
                time.sleep(0.02)
        return "done"

    assert run_outside(Runner(errands, clock, "a"), Calls(outside)) == Tally(handled=5)
    assert first.is_set(), seen  # the other four were recorded while e1 was still being called


@pytest.mark.parametrize("step", ["prepare", "connect", "announce", "store", "record"])
def test_an_item_at_which_a_step_fails_is_put_back_alone(errands, clock, step):
    station = Calls()
    real = getattr(station, step)

    def failing(*given):
        about = given[0] if step == "connect" else given[1]
        ids = (
            [about]
            if isinstance(about, str)
            else [getattr(one, "id", None) or one[0].id for one in (about if isinstance(about, list) else [about])]
        )
        if "e3" in ids:
            raise ValueError("a bad errand")
        return real(*given)

    setattr(station, step, failing)
    assert run_outside(Runner(errands, clock, "a"), station) == Tally(handled=4, failed=1)
    assert [done for _, done in rows(errands)] == [1, 1, 0, 1, 1]
    assert rows(errands, "attempt, last_error, lease_owner")[2] == (1, "ValueError: a bad errand", None)


def test_an_item_at_which_a_step_fails_when_it_is_anothers_by_now_is_left_to_that_one(errands, clock):
    """Such as one whose transaction the database ended while its worker was frozen."""

    def outside(item):
        if item == "e3":
            with errands.transaction() as conn:
                conn.execute("update errand set fence = fence + 1, lease_owner = 'b' where id = 'e3'")
        return "done"

    station = Calls(outside)
    plain = station.store

    def store(conn, one, item, outcome, now):
        if one.id == "e3":
            raise ValueError("the connection is gone")
        plain(conn, one, item, outcome, now)

    station.store = store
    assert run_outside(Runner(errands, clock, "a"), station) == Tally(handled=4, stale=1)
    assert rows(errands, "attempt, last_error, lease_owner")[2] == (0, None, "b")


def test_what_is_announced_and_comes_back_at_the_same_moment_shares_a_transaction(errands, clock, monkeypatch):
    all_there = threading.Barrier(5)
    together, points, sets = threading.Barrier(5), [], []

    class Sets(Calls):
        def announce_all(self, conn, items, now):
            sets.append(len(items))
            return super().announce_all(conn, items, now)

        def store_all(self, conn, came, now):
            sets.append(-len(came))
            super().store_all(conn, came, now)

    def reached(point, *about):
        if point == "errands.connected":
            all_there.wait(10)
        elif point == "errands.announcing":
            points.append(point)
            time.sleep(0.2)

    monkeypatch.setattr("counterfoil.operations.work.outside.reached", reached)
    station = Sets(lambda item: str(together.wait(10)))
    assert run_outside(Runner(errands, clock, "a"), station) == Tally(handled=5)
    announced, stored = [one for one in sets if one > 0], [-one for one in sets if one < 0]
    assert (sum(announced), sum(stored), len(points)) == (5, 5, len(announced))
    assert len(announced) <= 3  # one alone, and those that came meanwhile
    assert sorted(station.stored) == ["e1", "e2", "e3", "e4", "e5"]


def test_an_item_that_fails_for_good_is_parked_alone_and_the_others_never_wait_for_it(errands, clock):
    parked = []

    class Parks(Calls):
        def __init__(self) -> None:
            super().__init__(self.outside_)
            self.park = lambda conn, one, said, now: parked.append((one.id, said))

        def outside_(self, item):
            if item == "e3":
                raise ValueError("never")
            return "done"

    for _ in range(6):
        run_outside(Runner(errands, clock, "a"), Parks())
        clock.now += timedelta(hours=2)
    assert [done for _, done in rows(errands)] == [1, 1, 0, 1, 1]
    assert parked == [("e3", "ValueError: never")]
    assert rows(errands, "due_at")[2] == (None,)


def test_what_nothing_can_be_called_for_is_given_back_without_a_failed_attempt(errands, clock):
    class Away(Calls):
        def connect(self, item):
            raise NotReady("not connected", again=timedelta(minutes=7))

    assert run_outside(Runner(errands, clock, "a"), Away()) == Tally()
    assert set(rows(errands, "attempt, due_at, last_error, lease_owner")) == {(0, clock.now + timedelta(minutes=7), "not connected", None)}


def test_an_announcement_that_is_refused_keeps_what_it_wrote_and_calls_nobody(errands, clock):
    class Refuses(Calls):
        def announce(self, conn, one, item, now):
            conn.execute("update errand set last_error = 'a brake' where id = %s", [one.id])
            raise Stopped("a brake")

    station = Refuses()
    assert run_outside(Runner(errands, clock, "a"), station) == Tally()
    assert set(rows(errands, "last_error")) == {("a brake",)}
    assert station.stored == []


def test_a_pause_between_the_claim_and_the_call_stops_the_call(errands, clock, monkeypatch):
    calls = []

    def pause(point, *about):
        if point == "errands.after_claim":
            with errands.transaction() as conn:
                conn.execute(
                    """insert into queue_pause (queue, paused, reason, actor, at)
                       values ('errands', true, 'stop', 'test', clock_timestamp())"""
                )

    monkeypatch.setattr("counterfoil.operations.work.outside.reached", pause)
    assert run_outside(Runner(errands, clock, "a"), Calls(calls.append)) == Tally()
    assert calls == []
    assert set(rows(errands, "lease_owner, attempt")) == {(None, 0)}


def test_what_was_taken_up_is_called_for_while_its_queue_drains_and_nothing_new_is_taken(errands, clock, monkeypatch):
    calls = []

    def drains(point, *about):
        if point == "errands.after_claim":
            with errands.transaction() as conn:
                drain(conn, QueuePart("errands"), reason="a new version", actor="test", now=clock.now)

    monkeypatch.setattr("counterfoil.operations.work.outside.reached", drains)
    done = run_outside(Runner(errands, clock, "a", rows_max=2), Calls(calls.append))
    assert (done.handled, len(calls)) == (2, 2), "what was in hand ended"
    assert run_outside(Runner(errands, clock, "a", rows_max=2), Calls(calls.append)) == Tally()
    assert len(calls) == 2


def test_two_workers_at_a_slow_provider_call_for_each_item_once(errands, database_url):
    """Sixty-four items, calls of a quarter of a second, a lease of three: nothing is called twice, nothing thrown away."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("update errand set due_at = clock_timestamp()")
        owner.execute("insert into errand (id, due_at) select 'f' || i, clock_timestamp() from generate_series(1, 59) i")
    calls, tallies = [], []

    def outside(item):
        calls.append(item)
        time.sleep(0.25)
        return "done"

    def work(name):
        runner = Runner(errands, database_now, name, lease=timedelta(seconds=3), call_limit=timedelta(seconds=0.9))
        while (tally := run_outside(runner, Calls(outside))).handled:
            tallies.append(tally)

    workers = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for one in workers:
        one.start()
    for one in workers:
        one.join(30)
    assert len(calls) == len(set(calls)) == 64
    assert (sum(one.handled for one in tallies), sum(one.stale for one in tallies)) == (64, 0)
    assert {done for _, done in rows(errands)} == {1}


def test_leases_of_those_that_wait_are_renewed_while_the_others_are_called(errands, database_url):
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute("update errand set due_at = clock_timestamp()")
    runner = Runner(errands, database_now, "a", lease=timedelta(seconds=3), call_limit=timedelta(seconds=0.1), callers_max=1)
    stolen = []

    def outside(item):
        time.sleep(0.9)  # five of them take longer than the lease: the estimate was wrong, as estimates are
        with errands.transaction() as conn:
            stolen.extend(claim(conn, ERRANDS, Runner(errands, database_now, "thief"), now=database_now(conn)))
        return "done"

    assert run_outside(runner, Calls(outside)) == Tally(handled=5)
    assert stolen == []


def test_a_database_that_goes_away_for_a_moment_does_not_lose_an_answer(errands, clock, monkeypatch):
    station = Calls()
    real, failures = station.store, [psycopg.OperationalError("gone"), psycopg.OperationalError("gone")]

    def store(*given):
        if failures:
            raise failures.pop()
        real(*given)

    monkeypatch.setattr(station, "store", store)
    assert run_outside(Runner(errands, clock, "a", rows_max=1), station) == Tally(handled=1)
    assert station.stored == ["e1"]


def test_a_claim_of_one_lane_takes_no_other(errands, clock):
    with errands.transaction() as conn:
        conn.execute("update errand set provider = 'slow' where id in ('e1', 'e2')")
    station = Calls()
    assert run_outside(Runner(errands, clock, "a"), station, lane="slow") == Tally(handled=2)
    assert sorted(station.announced) == ["e1", "e2"]
    assert run_here(Runner(errands, clock, "a"), ERRANDS, do, lane="fast").handled == 3
