"""The runner: claims are bounded and exclusive, a lost lease cannot write, one bad item holds nobody up, the database may go away."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.base.problems import Busy
from counterfoil.operations.work.runner import (
    ATTEMPTS_MAX,
    RETRY_MINUTES,
    Claim,
    Queue,
    Runner,
    Tally,
    claim,
    delay_before,
    finish,
    put_back,
    run_here,
    run_outside,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ERRANDS = Queue("errands", "errand", ("due",))
LEASE = timedelta(seconds=60)


@pytest.fixture
def errands(database, database_url):
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            """create table errand (id text primary key, state text not null default 'due', done int not null default 0,
                   due_at timestamptz, attempt int not null default 0, lease_owner text, lease_until timestamptz,
                   fence bigint not null default 0, last_error text)"""
        )
        owner.execute("grant select, insert, update on errand to counterfoil_app")
        owner.execute(
            "insert into errand (id, due_at) select 'e' || i, %s::timestamptz + i * interval '1 s' from generate_series(1, 5) i",
            [NOW - timedelta(minutes=1)],
        )
    return database


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def rows(database, columns: str = "id, done") -> list[tuple[Any, ...]]:
    with database.transaction() as conn:
        return conn.execute(f"select {columns} from errand order by id").fetchall()


def do(conn, claims, now):
    conn.execute("update errand set done = done + 1 where id = any(%s)", [[one.id for one in claims]])


def test_a_tick_takes_the_oldest_first_and_no_more_than_its_bound(errands, clock):
    runner = Runner(errands, clock, "a", rows_max=2)
    assert run_here(runner, ERRANDS, do) == Tally(handled=2)
    assert [row for row in rows(errands) if row[1]] == [("e1", 1), ("e2", 1)]


def test_what_is_done_is_not_done_again(errands, clock):
    runner = Runner(errands, clock, "a")
    assert run_here(runner, ERRANDS, do).handled == 5
    assert run_here(runner, ERRANDS, do).handled == 0
    assert {done for _, done in rows(errands)} == {1}


def test_what_is_not_yet_due_waits(errands, clock):
    with errands.transaction() as conn:
        finish(conn, ERRANDS, ["e3"], due_at=NOW + timedelta(hours=1))
    assert run_here(Runner(errands, clock, "a"), ERRANDS, do).handled == 4
    clock.now += timedelta(hours=1)
    assert run_here(Runner(errands, clock, "a"), ERRANDS, do).handled == 1


def test_two_workers_never_hold_the_same_row(errands, clock):
    with errands.transaction() as first:
        mine = claim(first, ERRANDS, Runner(errands, clock, "a", rows_max=3), now=NOW)
        with errands.transaction() as second:
            theirs = claim(second, ERRANDS, Runner(errands, clock, "b"), now=NOW)
    assert len(mine) == 3
    assert len(theirs) == 2
    assert not {one.id for one in mine} & {one.id for one in theirs}


def test_one_item_that_fails_is_put_back_and_the_others_are_done(errands, clock):
    def work(conn, claims, now):
        do(conn, claims, now)
        if any(one.id == "e3" for one in claims):
            raise ValueError("a bad errand")

    assert run_here(Runner(errands, clock, "a"), ERRANDS, work) == Tally(handled=4, failed=1)
    assert dict(rows(errands)) == {"e1": 1, "e2": 1, "e3": 0, "e4": 1, "e5": 1}
    assert rows(errands, "id, attempt, last_error")[2] == ("e3", 1, "ValueError: a bad errand")
    assert rows(errands, "id, due_at - '2026-11-20T12:00Z'")[2][1] >= timedelta(seconds=48)


def test_after_the_fifth_failure_an_item_is_parked_and_no_longer_due(errands, clock):
    parked = []

    def work(conn, claims, now):
        raise ValueError("always")

    for _ in range(ATTEMPTS_MAX + 2):
        run_here(Runner(errands, clock, "a"), ERRANDS, work, park=lambda conn, one, said, now: parked.append(one.id))
        clock.now += timedelta(hours=2)
    assert sorted(parked) == ["e1", "e2", "e3", "e4", "e5"]
    assert set(rows(errands, "due_at, attempt")) == {(None, ATTEMPTS_MAX)}


def test_a_database_that_is_busy_is_nobodys_failed_attempt(errands, clock):
    def work(conn, claims, now):
        raise Busy(what="database")

    with pytest.raises(Busy):
        run_here(Runner(errands, clock, "a"), ERRANDS, work)
    assert set(rows(errands, "attempt, last_error")) == {(0, None)}


class Station:
    """Calls `outside` for each item, and records under the fence."""

    queue = ERRANDS

    def __init__(self, outside) -> None:
        self.outside, self.announced, self.recorded = outside, [], []

    def prepare(self, conn, claims, now):
        return [one.id for one in claims]

    def announce(self, conn, claims, now):
        self.announced += [one.id for one in claims]

    def act(self, item):
        return self.outside(item)

    def record(self, conn, done, now):
        do(conn, [one for one, _ in done], now)
        finish(conn, ERRANDS, [one.id for one, _ in done])
        self.recorded += done


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

    assert run_outside(Runner(errands, clock, "a"), Station(outside)) == Tally(handled=5)
    assert open_while_calling == [0] * 5


def test_a_worker_that_lost_its_lease_cannot_write(errands, clock):
    slow = Runner(errands, clock, "slow", rows_max=1, lease=LEASE)
    quick = Station(lambda item: "quick")

    def outside(item):
        clock.now += LEASE + timedelta(seconds=1)  # our lease runs out while we call
        run_outside(Runner(errands, clock, "quick", rows_max=1, lease=LEASE), quick)
        return "late"

    late = Station(outside)
    assert run_outside(slow, late) == Tally(handled=0, stale=1)
    assert [(one.id, outcome) for one, outcome in quick.recorded] == [("e1", "quick")]
    assert late.recorded == []
    assert dict(rows(errands))["e1"] == 1


def test_a_worker_that_lost_its_lease_before_the_call_does_not_call(errands, clock, monkeypatch):
    calls = []
    station = Station(calls.append)

    def steal(point):
        if point == "errands.after_claim":
            with errands.transaction() as conn:
                conn.execute("update errand set fence = fence + 1 where id = 'e1'")

    monkeypatch.setattr("counterfoil.operations.work.runner.reached", steal)
    assert run_outside(Runner(errands, clock, "a"), station) == Tally(handled=4, stale=1)
    assert "e1" not in calls
    assert "e1" not in station.announced


def test_a_claim_left_by_a_dead_worker_is_free_again_after_its_lease(errands, clock):
    dead = Runner(errands, clock, "dead", lease=LEASE)
    with errands.transaction() as conn:
        assert len(claim(conn, ERRANDS, dead, now=NOW)) == 5  # committed, and then nothing more comes from it
    alive = Runner(errands, clock, "alive", lease=LEASE)
    assert run_here(alive, ERRANDS, do).handled == 0
    clock.now += LEASE + timedelta(seconds=1)
    assert run_here(alive, ERRANDS, do).handled == 5


@given(attempt=st.integers(1, 9), name=st.text(max_size=20))
def test_retries_wait_one_five_fifteen_sixty_minutes_give_or_take_a_fifth(attempt, name):
    minutes = RETRY_MINUTES[min(attempt, 4) - 1]
    assert timedelta(minutes=minutes * 0.8) <= delay_before(attempt, name) <= timedelta(minutes=minutes * 1.2)


def test_putting_back_says_when_it_gives_up(errands):
    with errands.transaction() as conn:
        assert put_back(conn, ERRANDS, Claim("e1", 1, 3), error="x", now=NOW)
        assert not put_back(conn, ERRANDS, Claim("e1", 1, 4), error="x" * 900, now=NOW)
        assert conn.execute("select due_at, length(last_error) from errand where id = 'e1'").fetchone() == (None, 500)


def test_many_workers_at_once_do_each_item_once(errands, clock):
    def drain():
        while run_here(Runner(errands, clock, threading.current_thread().name, rows_max=1), ERRANDS, do).handled:
            pass

    threads = [threading.Thread(target=drain) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert {done for _, done in rows(errands)} == {1}
