"""The worker: beats, survives its jobs' mistakes, stops cleanly, is woken, and is called down when it is silent."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from counterfoil.base.edge import now
from counterfoil.operations.events.events import wake
from counterfoil.operations.work.runner import Tally
from counterfoil.operations.work.worker import DOWN_AFTER, Job, Worker, list_workers, listen


@pytest.fixture
def start(database):
    started = []

    def make(*jobs: Job) -> Worker:
        worker = Worker(f"worker:{len(started)}", jobs, database, now, host="here", pid=1, version="0")
        worker.start()
        started.append(worker)
        return worker

    yield make
    for worker in started:
        worker.stop()


def until(holds, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


def status(database):
    with database.transaction() as conn:
        return {one.id: one for one in list_workers(conn, since=datetime(2000, 1, 1, tzinfo=UTC))}


def test_a_worker_is_healthy_while_it_beats_and_down_when_it_has_been_silent_for_a_minute(database, start):
    start(Job("a", Tally))
    assert until(lambda: status(database))
    found = status(database)["worker:0"]
    assert found.health(found.beat_at + timedelta(seconds=59)) == "healthy"
    assert found.health(found.beat_at + DOWN_AFTER + timedelta(seconds=1)) == "down"


def test_a_job_that_fails_is_shown_and_does_not_stop_the_others(database, start):
    ticks = []

    def broken() -> Tally:
        raise ValueError("a bug")

    def fine() -> Tally:
        ticks.append(1)
        return Tally()

    worker = start(Job("broken", broken), Job("fine", fine, 0.01))
    assert until(lambda: len(ticks) > 3)
    worker.stop()
    found = status(database)["worker:0"]
    assert found.jobs["broken"]["last_error"] == "ValueError: a bug"
    assert found.jobs["fine"]["last_error"] is None
    assert found.health(found.beat_at) == "stopped"


def test_a_clean_stop_lets_the_running_tick_end(start):
    began, ended = threading.Event(), threading.Event()

    def slow() -> Tally:
        began.set()
        time.sleep(0.3)
        ended.set()
        return Tally(handled=1)

    worker = start(Job("slow", slow))
    assert began.wait(5)
    assert worker.stop()
    assert ended.is_set()


def test_a_job_runs_again_at_once_while_there_is_more_to_do_and_rests_when_there_is_not(start):
    left = [5]
    ticks = []

    def tick() -> Tally:
        ticks.append(time.monotonic())
        left[0] -= 1
        return Tally(handled=1 if left[0] >= 0 else 0)

    start(Job("many", tick, every_s=30))
    assert until(lambda: len(ticks) == 6, 3)
    time.sleep(0.2)
    assert len(ticks) == 6


def test_a_commit_elsewhere_wakes_a_resting_worker(database, database_url, start):
    ticks = []

    def tick() -> Tally:
        ticks.append(1)
        return Tally()

    worker = start(Job("resting", tick, every_s=60))
    stopping = threading.Event()
    listener = threading.Thread(target=listen, args=(database_url, worker.wake, stopping), daemon=True)
    listener.start()
    assert until(lambda: len(ticks) >= 2)  # the wake at the beginning of listening
    before = len(ticks)
    with database.transaction() as conn:
        wake(conn)
    assert until(lambda: len(ticks) > before, 5)
    stopping.set()
    listener.join(5)
