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
from counterfoil.payouts.batches.gathering import BUSY, Skipped, Wanted, gather_batch
from counterfoil.payouts.batches.invariants import INVARIANTS
from counterfoil.payouts.batches.policies import set_policy
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


def test_a_payout_that_another_hand_has_at_this_moment_is_named_and_not_left_out_in_silence(database):
    with database.transaction() as conn:
        till = Till(conn)
        till.paid_before("acme")
        till.policy(0)
        first, *_ = [till.owed("acme", 100) for _ in range(3)]
    with database.transaction() as worker:
        worker.execute("select from payout where id = %s for update", [first])
        with database.transaction() as conn:
            made = gather_batch(conn, Wanted("main", "EUR"), by=till.mira, make_id=make_id, now=NOW)
    assert (made.lines, made.skipped_total, made.skipped) == (2, 1, (Skipped(first, BUSY),))


def test_two_policies_that_are_set_at_once_are_two_versions(database):
    with database.transaction() as conn:
        Till(conn)
    given: dict[str, Any] = {"tiers": [], "cooling_hours": 72, "reason": "t", "actor": "t", "now": NOW}

    def other() -> None:
        with database.transaction() as conn:
            set_policy(conn, "main", "EUR", by_rule_max=2, **given)

    second = threading.Thread(target=other)
    with database.transaction() as conn:
        set_policy(conn, "main", "EUR", by_rule_max=1, **given)
        second.start()
        until = time.monotonic() + 10
        while not conn.execute("select 1 from pg_locks where not granted").fetchone():
            assert time.monotonic() < until, "the second one never waited"
    second.join(10)
    with database.transaction() as conn:
        assert conn.execute("select version, by_rule_max from payout_policy order by version").fetchall() == [(1, 1), (2, 2)]
