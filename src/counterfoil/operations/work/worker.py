"""The worker: runs ticks until it is told to stop. Every job has a thread of its own, so a slow provider holds nobody else up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import psycopg
import structlog
from psycopg import Connection, sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from counterfoil.base.postgres.passwords import FileConnection, PasswordWatch
from counterfoil.base.problems import Busy
from counterfoil.operations.work.clocks import Clock, database_now
from counterfoil.operations.work.runner import ERROR_TEXT_MAX, Tally, Transactions, channel_of

BEAT_EVERY_S: Final = 5.0
DOWN_AFTER: Final = timedelta(seconds=60)
DRAIN_S: Final = 50.0  # less than a lease
RETURN_AFTER_S: Final = (0.2, 0.5, 1.0, 2.0)  # when the database is gone
WORKERS_MAX: Final = 1_000
GATHER_S: Final = 0.2  # a job that gathers waits so long for more, where it had few
_log = structlog.get_logger("counterfoil.worker")


class Loop(NamedTuple):
    """Something the worker does again and again: `tick` handles what is due and says how much that was."""

    name: str
    tick: Callable[[], Tally]
    every_s: float = 1.0  # the longest rest between two ticks
    queue: str | None = None  # a notification for this queue ends the rest early
    gathers: int = 0  # nobody waits for it by the moment: after fewer than so many it lets more come together, and does them at once


class JobNote(NamedTuple):
    """How a job last went: its start, how long it took, and the error if there was one."""

    last_at: str
    last_ms: int
    handled: int
    failed: int
    last_error: str | None


class WorkerStatus(NamedTuple):
    """A worker as the database knows it; `health` is healthy, failing, down or stopped."""

    id: str
    host: str
    pid: int
    version: str
    started_at: datetime
    beat_at: datetime
    stopped_at: datetime | None
    jobs: dict[str, dict[str, Any]]

    def health(self, now: datetime) -> str:
        """Down when it has not been heard of for 60 s; failing when a job's last tick ended in an error."""
        if self.stopped_at is not None:
            return "stopped"
        if now - self.beat_at > DOWN_AFTER:
            return "down"
        return "failing" if any(note["last_error"] for note in self.jobs.values()) else "healthy"


class Worker:
    """Runs jobs in threads, beats every five seconds, stops cleanly, and comes back by itself after the database does."""

    def __init__(
        self,
        worker_id: str,
        loops: Sequence[Loop],
        database: Transactions,
        clock: Clock,
        *,
        host: str,
        pid: int,
        version: str,
    ) -> None:
        """`worker_id` also names its leases. Nothing starts before `start`."""
        self.id = worker_id
        self._loops = loops
        self._database = database
        self._clock = clock
        self._about = (host, pid, version)
        self._notes: dict[str, JobNote] = {}
        self._totals: dict[str, int] = {}
        self._stopping = threading.Event()
        self._wakes = {loop.name: threading.Event() for loop in loops}
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin: one thread a job and one that beats."""
        loops: list[tuple[str, Callable[[], None]]] = [("beat", self._beat_loop)]
        loops += [(one.name, lambda one=one: self._run(one)) for one in self._loops]  # type: ignore[misc]
        self._threads = [threading.Thread(target=loop, name=name, daemon=True) for name, loop in loops]
        for thread in self._threads:
            thread.start()

    @property
    def queues(self) -> list[str]:
        """The queues that it works on."""
        return sorted({loop.queue for loop in self._loops if loop.queue is not None})

    def wake(self, queue: str | None = None) -> None:
        """Something is due in `queue` (None: somewhere): end the rest of those that work on it, and of nobody else."""
        for loop in self._loops:
            if loop.queue is not None and queue in (None, loop.queue):
                self._wakes[loop.name].set()

    def stop(self) -> bool:
        """Let running ticks end, start no new ones, say goodbye. False when one did not end within its lease."""
        self._stopping.set()
        for wake in self._wakes.values():
            wake.set()
        for thread in self._threads:
            thread.join(DRAIN_S)
        try:
            self._beat(stopped=True)
        except (Busy, psycopg.Error):
            _log.warning("could not say goodbye; the heartbeat will run out")
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, job: Loop) -> None:
        failures = 0
        while not self._stopping.is_set():
            wake = self._wakes[job.name]
            wake.clear()  # before the tick: what becomes due while it runs must not be slept over
            tally, error = self._tick(job)
            failures = failures + 1 if error else 0
            if failures:
                self._stopping.wait(RETURN_AFTER_S[min(failures, len(RETURN_AFTER_S)) - 1])
            elif tally.handled == 0:
                wake.wait(job.every_s)
            elif tally.handled < job.gathers:
                self._stopping.wait(GATHER_S)

    def _tick(self, job: Loop) -> tuple[Tally, str | None]:
        began = self._clock()
        tally, error = Tally(), None
        try:
            tally = job.tick()
        except Exception as problem:  # noqa: BLE001 - the loop outlives everything
            # The loop outlives everything: a database that is gone comes back, a bug is shown and does not stop the others.
            error = f"{type(problem).__name__}: {problem}"[:ERROR_TEXT_MAX]
            _log.exception("tick failed", job=job.name)
        took_ms = int((self._clock() - began).total_seconds() * 1000)
        self._totals[job.name] = self._totals.get(job.name, 0) + tally.handled
        self._notes[job.name] = JobNote(began.isoformat(), took_ms, self._totals[job.name], tally.failed, error)
        return tally, error

    def _beat_loop(self) -> None:
        while not self._stopping.is_set():
            try:
                self._beat()
            except (Busy, psycopg.Error):
                _log.warning("no heartbeat: the database does not answer")
            self._stopping.wait(BEAT_EVERY_S)

    def _beat(self, *, stopped: bool = False) -> None:
        notes = {name: note._asdict() for name, note in self._notes.copy().items()}
        with self._database.transaction() as conn:
            now = database_now(conn)  # whoever reads it compares it with other workers' beats
            conn.execute(
                """insert into worker (id, host, pid, version, started_at, beat_at, jobs)
                   values (%(id)s, %(host)s, %(pid)s, %(version)s, %(now)s, %(now)s, %(jobs)s)
                   on conflict (id) do update set beat_at = %(now)s, jobs = %(jobs)s,
                       stopped_at = case when %(stopped)s then %(now)s end""",
                dict(zip(("host", "pid", "version"), self._about, strict=True))
                | {"id": self.id, "now": now, "jobs": Jsonb(notes), "stopped": stopped},
            )


def listen(url: str, wake: Callable[[str | None], None], stopping: threading.Event, *, queues: Sequence[str] = ()) -> None:
    """Call `wake` with the queue of each notification until `stopping`, a channel each; None means any of them.

    Without it (PgBouncer) the poll of one second still finds all.
    """
    channels = {channel_of(queue): queue for queue in queues}
    while not stopping.is_set():
        try:
            watch = PasswordWatch(url)
            with FileConnection.connect(url, autocommit=True) as conn:
                for channel in [channel_of("work"), *channels]:
                    conn.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
                wake(None)  # what came while nobody listened
                while not stopping.is_set() and not watch.changed():
                    for told in conn.notifies(timeout=1.0, stop_after=1):
                        wake(channels.get(told.channel))
        except psycopg.Error:
            stopping.wait(1.0)


def list_workers(conn: Connection[Any], *, since: datetime) -> list[WorkerStatus]:
    """Workers that were heard of after `since`, the latest first; of more than a thousand those that did not say goodbye, the silent before
    the others."""
    with conn.cursor(row_factory=class_row(WorkerStatus)) as cur:
        return cur.execute(
            """select id, host, pid, version, started_at, beat_at, stopped_at, jobs
               from (select * from worker where beat_at > %s order by stopped_at is not null, beat_at limit %s) w
               order by beat_at desc, id""",
            [since, WORKERS_MAX],
        ).fetchall()


def no_worker_since(conn: Connection[Any], now: datetime) -> str:
    """When a worker was last heard of, where none works: that one is down, or said goodbye. Empty where one works, or none ever did."""
    row = conn.execute(
        """select to_char(max(beat_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')
           from worker having bool_and(stopped_at is not null or beat_at < %s)""",
        [now - DOWN_AFTER],
    ).fetchone()
    return str(row[0]) if row and row[0] else ""
