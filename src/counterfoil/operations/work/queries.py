"""What a person asks of the workers and queues: how much work waits, since when, what was given up, who works. Select only, bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection, sql
from psycopg.rows import class_row

from counterfoil.operations.work.circuits import open_circuits
from counterfoil.operations.work.runner import Queue
from counterfoil.operations.work.worker import DOWN_AFTER, list_workers

COUNTED_MAX: Final = 10_000  # a queue that is longer is told as longer: counting all of it would not help it
SLOW_FROM: Final = 100  # rows due ("Queue depth")
BACKLOG_ABOVE: Final = 500
LATE_AFTER: Final = timedelta(seconds=60)  # a worker looks every second: what is due for longer waits for something
HEARD_WITHIN: Final = timedelta(hours=1)  # one that crashed and was started anew is not mourned for ever

Depth = Literal["fine", "slow", "backlog"]


class SilentPeer(NamedTuple):
    """Another server that was last asked in vain: how many rows wait for its answer, how often the worst of them was asked, and what came
    of it."""

    peer: str
    waiting: int  # at most COUNTED_MAX + 1
    attempts: int
    last_error: str | None


class QueueDepth(NamedTuple):
    """One queue: rows that are due now, those of them in somebody's hands, those that come later; the oldest due row."""

    name: str
    due: int  # at most COUNTED_MAX + 1
    in_hand: int
    later: int
    oldest_due_at: datetime | None
    measured_at: datetime
    paused: bool = False  # wholly or in part
    circuits_open: tuple[str, ...] = ()  # providers that do not work, and are not called from this queue meanwhile
    peers_silent: tuple[SilentPeer, ...] = ()  # other servers that do not answer what they are asked for rows of this queue

    @property
    def depth(self) -> Depth:
        """Fine below 100 due rows, slow up to 500, then a backlog; never fine while a row is late, a provider is not called, or a peer does
        not answer."""
        if self.due > BACKLOG_ABOVE:
            return "backlog"
        return "slow" if self.due >= SLOW_FROM or self.late or self.circuits_open or self.peers_silent else "fine"

    @property
    def late(self) -> bool:
        """Is the oldest row due for more than a minute?"""
        return self.oldest_due_at is not None and self.measured_at - self.oldest_due_at > LATE_AFTER

    @property
    def more(self) -> bool:
        """Is there more than was counted?"""
        return self.due > COUNTED_MAX


class WorkerSeen(NamedTuple):
    """A worker, its health at the moment of asking, and the jobs of it whose last tick failed."""

    id: str
    version: str
    health: str
    started_at: datetime
    beat_at: datetime
    failing: tuple[str, ...]
    last_error: str | None


class Parked(NamedTuple):
    """A received webhook or an event that failed five times and is not tried again; `total` counts all there are."""

    id: str
    what: str
    error: str | None
    since: datetime
    total: int


class EventCount(NamedTuple):
    """How often something out of the ordinary was told in a span."""

    name: str
    level: str
    number: int
    last_at: datetime


def queue_depths(conn: Connection[Any], queues: Sequence[Queue], *, now: datetime) -> list[QueueDepth]:
    """Each of `queues` as it stands, in the order given; counts end at 10,001. One question for all of them: twenty, one after the other,
    wait twenty times for a processor where others work."""
    if not queues:
        return []
    broken: dict[str, list[str]] = {}
    for one in open_circuits(conn):
        broken.setdefault(one.queue, []).append(one.provider)
    paused = {row[0] for row in conn.execute("select distinct queue from queue_paused")}
    with _planned_once(conn):
        rows = {row[0]: row[1:] for row in conn.execute(_depths(tuple(queues)), {"now": now}, prepare=True)}
    found = []
    for place, queue in enumerate(queues):
        due, in_hand, later, oldest = rows[place]
        depth = QueueDepth(queue.name, due, in_hand, later, oldest, now, queue.name in paused)
        circuits = tuple(sorted(broken.get(queue.name, ())))
        found.append(depth._replace(circuits_open=circuits, peers_silent=peers_silent(conn, queue)))
    return found


@contextmanager
def _planned_once(conn: Connection[Any]) -> Iterator[None]:
    """A question over so many tables takes five times as long to plan as to answer, and its plan is the same each time."""
    conn.execute("select set_config('plan_cache_mode', 'force_generic_plan', true)")
    yield
    conn.execute("select set_config('plan_cache_mode', 'auto', true)")


@cache
def _depths(queues: tuple[Queue, ...]) -> bytes:
    return sql.SQL(" union all ").join(_depth(place, queue) for place, queue in enumerate(queues)).as_bytes(None)


def _depth(place: int, queue: Queue) -> sql.Composed:
    return sql.SQL("""
        select {place}, past.number, past.in_hand + coming.in_hand, coming.number, past.oldest
        from (select count(*) as number, count(*) filter (where lease_until >= %(now)s) as in_hand,
                     min(due_at) filter (where lease_until is null or lease_until < %(now)s) as oldest
              from (select due_at, lease_until from {table} where due_at <= %(now)s and state = any({states})
                    order by due_at limit {most}) counted) past,
             (select count(*) as number, count(*) filter (where lease_until >= %(now)s) as in_hand
              from (select lease_until from {table} where due_at > %(now)s and state = any({states})
                    order by due_at limit {most}) counted) coming""").format(
        place=sql.Literal(place),
        table=sql.Identifier(queue.table),
        states=sql.Literal(list(queue.states)),
        most=sql.Literal(COUNTED_MAX + 1),
    )


def peers_silent(conn: Connection[Any], queue: Queue) -> tuple[SilentPeer, ...]:
    """Peers that were last asked in vain for rows of this queue."""
    if queue.calls is None:
        return ()
    with conn.cursor(row_factory=class_row(SilentPeer)) as cur:
        return tuple(
            cur.execute(
                sql.SQL("""
                select peer, count(*) as waiting, max(attempt) as attempts, (array_agg(last_error order by attempt desc))[1] as last_error
                from (select peer, attempt, last_error from {calls} where due_at is not null and attempt > 0 limit %s) as counted
                group by peer order by peer""").format(calls=sql.Identifier(queue.calls)),
                [COUNTED_MAX + 1],
            ).fetchall()
        )


def workers_seen(conn: Connection[Any], *, now: datetime) -> list[WorkerSeen]:
    """Workers that were heard of in the last hour, the latest first; those that said goodbye are `stopped`."""
    seen = []
    for one in list_workers(conn, since=now - HEARD_WITHIN):
        errors = {name: note["last_error"] for name, note in sorted(one.jobs.items()) if note["last_error"]}
        last = next(iter(errors.values()), None)
        seen.append(WorkerSeen(one.id, one.version, one.health(now), one.started_at, one.beat_at, tuple(errors), last))
    return seen


def is_nobody_at_work(conn: Connection[Any], *, now: datetime) -> bool:
    """Were there workers once, and is none of them heard of within the last minute?"""
    row = conn.execute(
        """select count(*) > 0 and coalesce(max(beat_at) filter (where stopped_at is null), '-infinity') < %s from worker""",
        [now - DOWN_AFTER],
    ).fetchone()
    return bool(row and row[0])


def parked_webhooks(conn: Connection[Any], *, rows_max: int) -> list[Parked]:
    """Received webhooks that need a person, the oldest first."""
    with conn.cursor(row_factory=class_row(Parked)) as cur:
        return cur.execute(
            """select id, provider || ' ' || event_type as what, last_error as error, state_at as since,
                      count(*) over () as total
               from webhook_in where state = 'parked' order by state_at, id limit %s""",
            [rows_max],
        ).fetchall()


def parked_events(conn: Connection[Any], *, rows_max: int) -> list[Parked]:
    """Events whose followers failed five times, the oldest first."""
    with conn.cursor(row_factory=class_row(Parked)) as cur:
        return cur.execute(
            """select id, name as what, last_error as error, state_at as since, count(*) over () as total
               from event where state = 'parked' order by state_at, id limit %s""",
            [rows_max],
        ).fetchall()


def unusual_events(conn: Connection[Any], *, start: datetime, end: datetime, program_id: str | None = None) -> list[EventCount]:
    """Warnings and critical events from `start` until before `end`, by name, the critical ones first."""
    with conn.cursor(row_factory=class_row(EventCount)) as cur:
        return cur.execute(
            """select name, level, count(*) as number, max(at) as last_at from event
               where at >= %(start)s and at < %(end)s and level in ('warning', 'critical')
                 and (%(program)s::text is null or program_id in (%(program)s, ''))
               group by name, level order by level, count(*) desc, name""",
            {"start": start, "end": end, "program": program_id},
        ).fetchall()
