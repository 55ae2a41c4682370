"""The runner: claims are bounded and exclusive, a lost lease cannot write, one bad item holds nobody up, the database may go away."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from counterfoil.base.problems import Busy
from counterfoil.operations.work.clocks import database_now
from counterfoil.operations.work.due import due_rows
from counterfoil.operations.work.runner import (
    ATTEMPTS_MAX,
    RETRY_MINUTES,
    Claim,
    LeaseTooShort,
    Runner,
    Tally,
    claim,
    delay_before,
    finish,
    put_back,
    run_here,
)
from tests.operations.conftest import ERRANDS, NOW, do, rows
from tests.waiting import at_once

LEASE = timedelta(seconds=60)


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

    at_once(drain, 6)
    assert {done for _, done in rows(errands)} == {1}


def test_a_worker_whose_own_clock_is_wrong_takes_nobodys_lease(errands):
    """Leases are the database's: sixty-one seconds ahead, a worker used to take what another was still working on."""
    with errands.transaction() as conn:
        conn.execute("update errand set due_at = clock_timestamp() - interval '1 s'")
    here = Runner(errands, database_now, "here", lease=LEASE)
    with errands.transaction() as conn:
        assert len(claim(conn, ERRANDS, here, now=database_now(conn))) == 5
    with errands.transaction() as conn:
        left = conn.execute("select min(lease_until) - clock_timestamp() from errand").fetchone()
    assert timedelta(seconds=50) < left[0] <= LEASE
    assert run_here(Runner(errands, database_now, "ahead", lease=LEASE), ERRANDS, do).handled == 0


@pytest.mark.parametrize("seconds", [1, 10, 11.9, 12])
def test_a_lease_that_a_call_could_outlast_is_refused(errands, seconds):
    with pytest.raises(LeaseTooShort, match="more than 12 s"):
        Runner(errands, database_now, "a", lease=timedelta(seconds=seconds), call_limit=timedelta(seconds=10))


@given(lease=st.integers(3, 3600), call=st.integers(1, 60), callers=st.integers(1, 16))
def test_no_more_is_claimed_than_surely_ends_within_the_lease(lease, call, callers):
    if lease <= call + 2:
        return
    runner = Runner(None, database_now, "a", lease=timedelta(seconds=lease), call_limit=timedelta(seconds=call), callers_max=callers)  # type: ignore[arg-type]
    turns = -(-runner.calls_max // callers)
    assert turns == 1 or turns * 2 * call + 2 <= lease


def test_a_park_that_fails_stays_with_its_item(errands, clock):
    def work(conn, claims, now):
        do(conn, claims, now)
        if any(one.id == "e1" for one in claims):
            raise ValueError("a bad errand")

    def park(conn, one, said, now):
        raise RuntimeError("it cannot be parked either")

    for _ in range(ATTEMPTS_MAX + 3):
        run_here(Runner(errands, clock, "a"), ERRANDS, work, park=park)
        clock.now += timedelta(hours=2)
    assert [done for _, done in rows(errands)] == [0, 1, 1, 1, 1]
    [(due, said)] = rows(errands, "due_at, last_error")[:1]
    assert due is not None
    assert said.startswith("could not be parked (RuntimeError")


def test_what_nobody_gives_up_is_tried_each_hour_and_told_once_for_each_end_of_its_ladder(errands, clock):
    told = []

    def work(conn, claims, now):
        raise ValueError("always")

    runner = Runner(errands, clock, "a", rows_max=1, stuck=lambda conn, queue, one, said, now: told.append(one.fence))
    with errands.transaction() as conn:
        conn.execute("update errand set due_at = null where id <> 'e1'")
    for _ in range(ATTEMPTS_MAX + 2):
        run_here(runner, ERRANDS, work)
        clock.now += timedelta(hours=2)
    assert rows(errands, "due_at is not null")[0] == (True,)
    assert len(told) == len(set(told)) == 3  # at the fifth failure, and at each one after it, never under the same fence


def test_an_item_that_waits_for_a_lock_holds_nobody_up(errands, clock):
    def work(conn, claims, now):
        do(conn, claims, now)
        if any(one.id == "e2" for one in claims):
            raise Busy(what="an account")

    assert run_here(Runner(errands, clock, "a"), ERRANDS, work) == Tally(handled=4)
    assert [done for _, done in rows(errands)] == [1, 0, 1, 1, 1]
    assert rows(errands, "attempt, due_at")[1] == (0, clock.now + timedelta(seconds=5))


def pause(database, *, paused: bool = True, provider: str = "") -> None:
    with database.transaction() as conn:
        conn.execute(
            """insert into queue_pause (queue, provider, paused, reason, actor, at)
               values ('errands', %s, %s, 'a reason', 'test', clock_timestamp())""",
            [provider, paused],
        )


def test_a_paused_queue_is_not_claimed_from_and_goes_on_when_it_is_resumed(errands, clock):
    pause(errands)
    assert run_here(Runner(errands, clock, "a"), ERRANDS, do).handled == 0
    pause(errands, paused=False)
    assert run_here(Runner(errands, clock, "a"), ERRANDS, do).handled == 5


def test_a_pause_of_one_lane_leaves_the_others(errands, clock):
    with errands.transaction() as conn:
        conn.execute("update errand set provider = 'slow' where id in ('e1', 'e2')")
    pause(errands, provider="slow")
    assert run_here(Runner(errands, clock, "a"), ERRANDS, do).handled == 3
    assert run_here(Runner(errands, clock, "a"), ERRANDS, do, lane="slow").handled == 0
    pause(errands, provider="slow", paused=False)
    assert run_here(Runner(errands, clock, "a"), ERRANDS, do, lane="fast").handled == 0
    assert run_here(Runner(errands, clock, "a"), ERRANDS, do, lane="slow").handled == 2


def test_a_tick_asks_for_the_time_once_and_by_the_clock_that_it_was_given(database):
    with Runner(database, database_now, "real").begin() as (conn, began):
        assert began == conn.begun_at, "it comes with the limits of the transaction, and is not asked for again"
    with Runner(database, lambda _: NOW, "test").begin() as (_, began):
        assert began == NOW


def test_rows_that_are_named_are_found_by_their_ids_and_not_each_compared_with_each_name(errands):
    named = {"now": NOW, "states": ["due"], "queue": "errands", "lane": None, "rows_max": 5, "only": ["e2", "e4"]}
    with errands.transaction() as conn:
        conn.execute("set local enable_seqscan = off")
        plan = [row[0] for row in conn.execute(sql.SQL("explain ") + due_rows(ERRANDS, only=True), named).fetchall()]
        assert [row[0] for row in conn.execute(due_rows(ERRANDS, only=True), named).fetchall()] == ["e2", "e4"]
    assert any("Index Cond: (id = ANY" in line for line in plan), plan
