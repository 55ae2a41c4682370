"""Lanes of a queue that are not known when the worker starts, such as endpoints: each in a thread of its own while something of it is due,
so that one that hangs for its whole time holds up nobody.

A tick starts the lanes in which something is due and that do not run yet, and waits a moment for what they did; one that takes longer
goes on, and is told with a later tick.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Final

import structlog
from psycopg import sql

from counterfoil.operations.work.due import asked_of, due_rows
from counterfoil.operations.work.runner import Queue, Runner, Tally

LANES_MAX: Final = 64  # at a time; the next one begins when one of them ends
WAIT_S: Final = 0.5
_log = structlog.get_logger("counterfoil.work")


class Lanes:
    """The lanes of a queue that run in this process."""

    def __init__(self, queue: Queue) -> None:
        """Nothing runs yet."""
        self._queue = queue
        self._lock = threading.Lock()
        self._running: dict[str, Future[Tally]] = {}
        self._threads = ThreadPoolExecutor(max_workers=LANES_MAX, thread_name_prefix=queue.name)

    def run(self, runner: Runner, tick: Callable[[str], Tally], *, to_the_end: bool = False) -> Tally:
        """Start what is due, each lane with `tick`, and tell what came of those that ended; of all of them `to_the_end`."""
        due = _lanes_due(runner, self._queue)
        with self._lock:
            for lane in due:
                if lane not in self._running:
                    self._running[lane] = self._threads.submit(tick, lane)
            running = dict(self._running)
        done, _ = wait(running.values(), timeout=None if to_the_end else WAIT_S)
        with self._lock:
            ended = [lane for lane, future in running.items() if future in done and self._running.pop(lane, None) is not None]
        return sum_of([self._told(lane, running[lane]) for lane in ended])

    def _told(self, lane: str, future: Future[Tally]) -> Tally:
        try:
            return future.result()
        except Exception:  # noqa: BLE001 - one lane must not stop the others
            _log.exception("lane failed", queue=self._queue.name, lane=lane)
            return Tally(failed=1)


def sum_of(tallies: Sequence[Tally]) -> Tally:
    """All of them together."""
    total = Tally()
    for one in tallies:
        total = total.plus(one)
    return total


def _lanes_due(runner: Runner, queue: Queue) -> list[str]:
    """The lanes in which something is due now that nobody holds and no pause stops. Each is found by one look at the index, however much
    is due in it."""
    if queue.lane is None:
        raise ValueError(f"the queue {queue.name} has no lanes")
    query = sql.SQL("""
        with recursive known (lane) as (
            (select {lane} from {table} where due_at is not null order by {lane} limit 1)
            union all
            select (select n.{lane} from {table} n where n.due_at is not null and n.{lane} > known.lane order by n.{lane} limit 1)
            from known where known.lane is not null)
        select lane from known where lane is not null and exists ({due})""")
    with runner.begin() as (conn, now):
        rows = conn.execute(
            query.format(
                lane=sql.Identifier(queue.lane),
                table=sql.Identifier(queue.table),
                due=due_rows(queue, lane=sql.Identifier("known", "lane")),
            ),
            asked_of(queue, now=now, rows_max=1),
        ).fetchall()
    return [row[0] for row in rows]
