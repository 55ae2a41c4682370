"""The worker: beats, survives its jobs' mistakes, stops cleanly, is woken, and is called down when it is silent."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from counterfoil.base.edge import now
from counterfoil.operations.events.events import EVENTS
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.runner import Tally, wake
from counterfoil.operations.work.worker import DOWN_AFTER, GATHER_S, Loop, Worker, list_workers, listen
from tests.waiting import until


@pytest.fixture
def start(database):
    started = []

    def make(*loops: Loop) -> Worker:
        worker = Worker(f"worker:{len(started)}", loops, database, now, host="here", pid=1, version="0")
        worker.start()
        started.append(worker)
        return worker

    yield make
    for worker in started:
        worker.stop()


def status(database):
    with database.transaction() as conn:
        return {one.id: one for one in list_workers(conn, since=datetime(2000, 1, 1, tzinfo=UTC))}


def test_a_worker_is_healthy_while_it_beats_and_down_when_it_has_been_silent_for_a_minute(database, start):
    start(Loop("a", Tally))
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

    worker = start(Loop("broken", broken), Loop("fine", fine, 0.01))
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

    worker = start(Loop("slow", slow))
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

    start(Loop("many", tick, every_s=30))
    assert until(lambda: len(ticks) == 6, 3)
    time.sleep(0.2)
    assert len(ticks) == 6


def test_a_job_that_gathers_begins_at_once_and_after_a_few_lets_more_come_together(start, monkeypatch):
    came, ticks = [1], []

    def tick() -> Tally:
        handled, came[0] = came[0], 0
        ticks.append((time.monotonic(), handled))
        return Tally(handled=handled)

    worker = start(Loop("events", tick, every_s=60, queue="events", gathers=8))
    assert until(lambda: len(ticks) == 1)
    for _ in range(6):
        came[0] += 1
        worker.wake("events")
        time.sleep(GATHER_S / 20)
    assert until(lambda: len(ticks) == 3), "one for all that came meanwhile, and one that finds nothing"
    assert [handled for _, handled in ticks] == [1, 6, 0]
    assert ticks[1][0] - ticks[0][0] >= GATHER_S
    monkeypatch.setattr("counterfoil.operations.work.worker.GATHER_S", 60)
    came[0] = 8  # a full one waits for nothing
    worker.wake("events")
    assert until(lambda: len(ticks) == 5)
    assert [handled for _, handled in ticks[3:]] == [8, 0]


@pytest.mark.parametrize(("rows", "calls", "few"), [(500, 64, (100, 64)), (50, 16, (50, 16)), (1, 1, (1, 1))])
def test_a_job_never_waits_after_as_many_as_one_tick_takes(rows: int, calls: int, few: tuple[int, int]):
    context = SimpleNamespace(runner_of=lambda _: SimpleNamespace(rows_max=rows, calls_max=calls))
    job = Job("send", None, lambda *_: Tally(), "Sends.", gathers=True)
    assert (job.few(context, None), job._replace(per_provider=True).few(context, "sim")) == few
    assert job._replace(gathers=False).few(context, None) == 0


def test_a_commit_elsewhere_wakes_who_works_on_that_queue_and_nobody_else(database, database_url, start):
    ticks = {"events": 0, "send": 0}

    def ticking(name: str) -> Loop:
        def tick() -> Tally:
            ticks[name] += 1
            return Tally()

        return Loop(name, tick, every_s=60, queue=name)

    worker = start(ticking("events"), ticking("send"))
    stopping = threading.Event()
    listener = threading.Thread(target=listen, args=(database_url, worker.wake, stopping), kwargs={"queues": worker.queues}, daemon=True)
    listener.start()
    assert until(lambda: min(ticks.values()) >= 2)  # the wake at the beginning of listening
    before = dict(ticks)
    with database.transaction() as conn:
        wake(conn, EVENTS)
    assert until(lambda: ticks["events"] > before["events"], 5)
    time.sleep(0.2)
    assert ticks["send"] == before["send"]
    with database.transaction() as conn:
        wake(conn)  # somewhere
    assert until(lambda: ticks["send"] > before["send"], 5)
    stopping.set()
    listener.join(5)


def test_a_heartbeat_is_the_databases_time_whatever_the_workers_clock_says(database):
    worker = Worker("worker:ahead", [], database, lambda: now() + timedelta(hours=1), host="here", pid=1, version="0")
    worker.start()
    assert until(lambda: status(database))
    worker.stop()
    with database.transaction() as conn:
        assert conn.execute("select beat_at <= clock_timestamp() from worker").fetchone() == (True,)


def test_of_very_many_workers_those_that_are_down_are_never_left_out(database, monkeypatch):
    monkeypatch.setattr("counterfoil.operations.work.worker.WORKERS_MAX", 3)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    with database.transaction() as conn:
        for number, (beat, stopped) in enumerate([(0, None), (9, 9), (8, None), (7, 7), (5, None)]):
            conn.execute(
                """insert into worker (id, host, pid, version, started_at, beat_at, stopped_at, jobs)
                   values (%s, 'h', 1, '0', %s, %s, %s, '{}')""",
                [f"w{number}", at, at + timedelta(hours=beat), stopped and at + timedelta(hours=stopped)],
            )
    assert list(status(database)) == ["w2", "w4", "w0"]
