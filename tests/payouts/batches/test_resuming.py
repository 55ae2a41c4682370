"""A batch is paid line by line: a worker that is killed in the middle loses nothing, and two workers pay nothing twice."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from counterfoil.base.edge import Database, make_id
from counterfoil.base.failpoints import on_point
from counterfoil.base.invariant import run_invariants
from counterfoil.operations.work.runner import Runner
from counterfoil.payouts.batches.invariants import INVARIANTS
from counterfoil.payouts.payouts.reserving import reserve_due
from tests.conftest import KEYS
from tests.payouts.batches.till import NOW, Till

LINES = 6


def _executing(database: Database) -> str:
    with database.transaction() as conn:
        till = Till(conn)
        till.paid_before("acme")
        till.policy(0)
        for _ in range(LINES):
            till.owed("acme", 100)
        batch = till.approved_batch()
        till.execute(batch)
    return batch


def _runner(database: Database, name: str, rows_max: int = 1) -> Runner:
    return Runner(database, lambda *_: NOW + timedelta(minutes=1), name, rows_max=rows_max)


def _worker_that_stops_at_the_third(url: str, reached: str) -> None:
    seen = []

    def hook(point: str) -> None:
        if point == "reserve.before_work":
            seen.append(point)
        if len(seen) == 3:
            Path(reached).write_text(point)
            time.sleep(600)

    on_point(hook)
    database = Database(url, keys=KEYS).open()
    while True:
        reserve_due(_runner(database, "worker:killed"), make_id, cooling=timedelta())


def _attempts(database: Database) -> list[tuple[Any, ...]]:
    with database.transaction() as conn:
        return conn.execute(
            """select l.number, count(r.provider_payout_id) from payout_batch_line l left join payout_approval r
               on r.payout_id = l.payout_id and r.batch_id = l.batch_id group by l.number order by l.number"""
        ).fetchall()


def test_what_a_killed_worker_left_another_one_goes_on_with_and_pays_nothing_twice(database, database_url, tmp_path):
    _executing(database)
    reached = tmp_path / "reached"
    killed = multiprocessing.get_context("spawn").Process(
        target=_worker_that_stops_at_the_third, args=(database_url, str(reached)), daemon=True
    )
    killed.start()
    until = time.monotonic() + 60
    while not reached.exists():
        assert time.monotonic() < until, "the worker never came to its third line"
        time.sleep(0.02)
    os.kill(killed.pid, signal.SIGKILL)
    killed.join(10)
    assert killed.exitcode == -signal.SIGKILL
    assert [number for _, number in _attempts(database)] == [1, 1, 0, 0, 0, 0], "it was in the middle"
    until = time.monotonic() + 30
    while sum(number for _, number in _attempts(database)) < LINES and time.monotonic() < until:
        reserve_due(_runner(database, "worker:other", rows_max=10), make_id, cooling=timedelta())
    assert [number for _, number in _attempts(database)] == [1] * LINES


def test_two_workers_at_once_pay_each_line_once(database):
    _executing(database)

    def work(name: str) -> None:
        for _ in range(2 * LINES):
            reserve_due(_runner(database, name), make_id, cooling=timedelta())

    both = [threading.Thread(target=work, args=(f"worker:{name}",)) for name in "ab"]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert [number for _, number in _attempts(database)] == [1] * LINES
    with database.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []
