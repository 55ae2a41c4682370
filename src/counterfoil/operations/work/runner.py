"""The runner: claim, lease, fence, decide, record. There is no job table: the row of the thing to be done is the job.

Two shapes of a tick, both bounded and repeatable, so that the worker, the API, the command line and a test call the same:
`run_here` for what only the database is needed for (the row lock is the lease, one transaction), and `outside.run_outside` for what
calls somebody else. Leases and due times are the database's: a worker whose clock is wrong takes nobody's lease.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, LiteralString, NamedTuple, Protocol

import structlog
from psycopg import Connection, sql

from counterfoil.base.failpoints import reached
from counterfoil.base.problems import Busy, DatabaseAway, Problem
from counterfoil.base.tracing.spans import spans_over
from counterfoil.operations.mishaps import note_mishap
from counterfoil.operations.work.circuit_rules import DEFAULT, CircuitLimits
from counterfoil.operations.work.clocks import DatabaseClock, beginning
from counterfoil.operations.work.due import ClaimStep, asked_of, given_to, taking

RETRY_MINUTES: Final = (1, 5, 15, 60)
ATTEMPTS_MAX: Final = len(RETRY_MINUTES) + 1
JITTER_PERCENT: Final = 20
ERROR_TEXT_MAX: Final = 500
LADDER_END: Final = timedelta(minutes=RETRY_MINUTES[-1])  # what nobody gives up is tried each hour
BUSY_WAIT: Final = timedelta(seconds=5)
LEASE_MARGIN: Final = timedelta(seconds=2)  # to write down what came of a call
_log = structlog.get_logger("counterfoil.work")


class Transactions(Protocol):
    """Where a tick gets its transactions from: `base.edge.Database`, or a test's."""

    def transaction(self, *, snapshot: bool = False) -> AbstractContextManager[Connection[Any]]:
        """One transaction; with `snapshot`, all of it sees one moment."""


class Queue(NamedTuple):
    """Rows of `table` in one of `states` whose `due_at` has come.

    `lane` is the column that parts the queue: rows of one lane never wait for those of another (a slow provider). `program` is the
    column of the program, if there is one. A `money` queue sends money out. `calls`: the table of what peers are asked for its rows
    (columns `peer`, `due_at`, `attempt`, `last_error`), where other servers take part in its work.
    """

    name: str
    table: LiteralString
    states: tuple[str, ...]
    lane: LiteralString | None = None
    program: LiteralString | None = None
    money: bool = False
    calls: LiteralString | None = None


class Claim(NamedTuple):
    """A row that is ours while its fence has not moved on."""

    id: str
    fence: int
    attempt: int


class Tally(NamedTuple):
    """What a tick did: items handled, items that failed and will be tried again or parked, late writes refused by the fence."""

    handled: int = 0
    failed: int = 0
    stale: int = 0

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(self.handled + other.handled, self.failed + other.failed, self.stale + other.stale)


class LeaseTooShort(Problem, kind="invalid"):
    """A worker's lease must be longer than its longest call and the time to write down what came of it."""


Stuck = Callable[[Connection[Any], "Queue", Claim, str, datetime], None]


@dataclass(frozen=True)
class Runner:
    """How a process runs ticks: where transactions come from, the database's clock, its name, and its bounds.

    `call_limit` is the longest that one call outside may last. Raises LeaseTooShort when a lease could run out during a call.
    `stuck` is told, in its transaction, of an item that failed as often as the ladder is long and that nobody parks.
    """

    database: Transactions
    clock: DatabaseClock
    owner: str
    lease: timedelta = timedelta(seconds=60)
    rows_max: int = 200
    callers_max: int = 16
    call_limit: timedelta = timedelta(seconds=10)
    stuck: Stuck | None = None
    circuits: CircuitLimits = DEFAULT

    def __post_init__(self) -> None:
        """Refuse a lease that a call may outlast."""
        refuse_short_lease(self.lease, self.call_limit)

    @contextmanager
    def begin(self) -> Iterator[tuple[Connection[Any], datetime]]:
        """A transaction, and the moment at which it begins."""
        with self.database.transaction() as conn:
            yield conn, beginning(conn, self.clock)

    @property
    def calls_max(self) -> int:
        """How many calls, connecting and asking, end within a lease, side by side: no more are claimed for them."""
        return min(self.rows_max, self.callers_max * max(1, (self.lease - LEASE_MARGIN) // (2 * self.call_limit)))


def refuse_short_lease(lease: timedelta, call_limit: timedelta) -> None:
    """Raises LeaseTooShort unless a call of `call_limit` ends within `lease`, with time left to write down what came of it."""
    if lease <= call_limit + LEASE_MARGIN:
        least = call_limit + LEASE_MARGIN
        raise LeaseTooShort(lease_s=str(lease.total_seconds()), limit=f"more than {least.total_seconds():g} s")


def claim(
    conn: Connection[Any],
    queue: Queue,
    runner: Runner,
    *,
    now: datetime,
    lane: str | None = None,
    only: Sequence[str] | None = None,
    rows_max: int | None = None,
    done: bool = False,
    step: ClaimStep | None = None,
) -> list[Claim]:
    """Take up to `rows_max` due rows that nobody holds and no pause or open circuit stops, oldest first, and raise their fence.

    `now` is the database's; `lane` takes the rows of one lane, `only` these rows. `done`: they are given back at once, as by `finish`,
    for work that ends in this transaction; with `step` they take it, too.
    """
    given = {"owner": runner.owner, "until": now + runner.lease, "only": list(only or ())} | given_to(queue, step, now)
    given |= asked_of(queue, now=now, lane=lane, rows_max=runner.rows_max if rows_max is None else rows_max)
    rows = conn.execute(taking(queue, only=only is not None, done=done, steps=step is not None), given).fetchall()
    note_mishap(conn, "lease_rescued", queue.name, sum(bool(rescued) for *_, rescued in rows), worker=runner.owner, now=now)
    return sorted(Claim(*row[:3]) for row in rows)


def still_ours(conn: Connection[Any], queue: Queue, claims: Sequence[Claim]) -> set[str]:
    """Which of `claims` still carry our fence, their rows now locked: only these may be written (a lost lease cannot write)."""
    rows = conn.execute(
        sql.SQL("""select t.id from {table} t join unnest(%s::text[], %s::bigint[]) as c (id, fence)
                   on t.id = c.id and t.fence = c.fence order by t.id for update of t""").format(table=sql.Identifier(queue.table)),
        [[one.id for one in claims], [one.fence for one in claims]],
    ).fetchall()
    return {row[0] for row in rows}


def renew(conn: Connection[Any], queue: Queue, claims: Sequence[Claim], runner: Runner, *, now: datetime) -> set[str]:
    """Lengthen the leases that are still ours and have not run out, and say which these are; their rows are locked now."""
    rows = conn.execute(
        sql.SQL("""update {table} t set lease_until = %(until)s
                   from (select w.id from {table} w join unnest(%(ids)s::text[], %(fences)s::bigint[]) as c (id, fence)
                         on w.id = c.id and w.fence = c.fence where w.lease_until > %(now)s order by w.id for update of w) ours
                   where t.id = ours.id returning t.id""").format(table=sql.Identifier(queue.table)),
        {
            "until": now + runner.lease,
            "ids": [one.id for one in claims],
            "fences": [one.fence for one in claims],
            "now": now,
        },
    ).fetchall()
    return {row[0] for row in rows}


def wake(conn: Connection[Any], *queues: Queue) -> None:
    """Tell the workers, when this transaction commits, that something is due in these queues; a poll finds it anyway."""
    for queue in queues:
        conn.execute("select pg_notify(%s, '')", [channel_of(queue.name)])
    if not queues:
        conn.execute("select pg_notify(%s, '')", [channel_of("work")])


def channel_of(name: str) -> str:
    """The channel on which a queue's workers are woken; `work` wakes them all."""
    return f"counterfoil_{name}"


def finish(conn: Connection[Any], queue: Queue, ids: Sequence[str], *, due_at: datetime | None = None) -> None:
    """Give rows back: done for good, or due again at `due_at` with their count of attempts begun anew."""
    if not ids:
        return
    conn.execute(
        sql.SQL("""update {table} set lease_owner = null, lease_until = null, due_at = %s, attempt = 0, last_error = null
                   where id = any(%s)""").format(table=sql.Identifier(queue.table)),
        [due_at, list(ids)],
    )


def put_back(conn: Connection[Any], queue: Queue, one: Claim, *, error: str, now: datetime, at_least: timedelta = timedelta()) -> bool:
    """Give a row back to be tried again after 1, 5, 15, 60 minutes (± 20 %). False, and no longer due, after the fifth time."""
    attempt = one.attempt + 1
    again = attempt < ATTEMPTS_MAX
    due_at = now + max(at_least, delay_before(attempt, one.id)) if again else None
    conn.execute(
        sql.SQL("""update {table} set lease_owner = null, lease_until = null, due_at = %s, attempt = %s, last_error = %s
                   where id = %s""").format(table=sql.Identifier(queue.table)),
        [due_at, attempt, error[:ERROR_TEXT_MAX], one.id],
    )
    return again


def put_back_or_tell(conn: Connection[Any], runner: Runner, queue: Queue, one: Claim, *, error: str, now: datetime) -> None:
    """As `put_back`, of what nobody gives up: when the ladder is over it is tried each hour, and a person is told."""
    if put_back(conn, queue, one, error=error, now=now):
        return
    give_back(conn, queue, one, due_at=now + LADDER_END, why=error)
    if runner.stuck is not None:
        runner.stuck(conn, queue, one, error, now)


def delay_before(attempt: int, subject_id: str) -> timedelta:
    """How long to wait before try `attempt` + 1, spread by the subject's id so that a thousand do not return at one moment."""
    minutes = RETRY_MINUTES[min(attempt, len(RETRY_MINUTES)) - 1]
    spread = int.from_bytes(hashlib.sha256(f"{subject_id}:{attempt}".encode()).digest()[:4]) % (2 * JITTER_PERCENT + 1)
    return timedelta(seconds=minutes * 60 * (100 - JITTER_PERCENT + spread) / 100)


def give_back(conn: Connection[Any], queue: Queue, one: Claim, *, due_at: datetime, why: str | None) -> None:
    """Give a row back that could not be worked on through no fault of its own: its count of attempts stays."""
    conn.execute(
        sql.SQL("""update {table} set lease_owner = null, lease_until = null, due_at = %s, last_error = %s
                   where id = %s""").format(table=sql.Identifier(queue.table)),
        [due_at, why[:ERROR_TEXT_MAX] if why else None, one.id],
    )


Work = Callable[[Connection[Any], Sequence[Claim], datetime], None]
Park = Callable[[Connection[Any], Claim, str, datetime], None]
Choose = Callable[[Connection[Any], datetime], Sequence[str]]
StepOf = Callable[[Sequence[str]], ClaimStep]


def run_here(
    runner: Runner,
    queue: Queue,
    work: Work,
    *,
    park: Park | None = None,
    lane: str | None = None,
    only: Sequence[str] | None = None,
    choose: Choose | None = None,
    step: StepOf | None = None,
) -> Tally:
    """One tick of work that needs nothing but the database: claim, do and finish all in one transaction; `choose` says `only` in it.
    `step`: which step the claim takes with these ids; the work then takes none of theirs.

    When the set fails, its items are done one at a time: the one that is at fault is put back or parked, and holds nobody up.
    """
    claims: list[Claim] = []
    try:
        with runner.begin() as (conn, now):
            only = only if choose is None else choose(conn, now)
            claims = _take(conn, queue, runner, step, now, lane, only) if only is None or only else []
            if claims:
                _work(conn, queue, work, claims, now, lane)
        return Tally(handled=len(claims))
    except DatabaseAway:
        raise
    except Exception as error:  # whatever it is, one item must not stop the others
        if not claims:
            raise
        _log.warning("set failed, doing its items singly", queue=queue.name, error=str(error)[:ERROR_TEXT_MAX])
    return _run_singly(runner, queue, work, claims, park, step)


def _take(
    conn: Connection[Any],
    queue: Queue,
    runner: Runner,
    step: StepOf | None,
    now: datetime,
    lane: str | None,
    only: Sequence[str] | None,
) -> list[Claim]:
    """Claimed and given back in one: the work may set a new due_at of its own."""
    return claim(conn, queue, runner, now=now, lane=lane, only=only, done=True, step=step(only or ()) if step is not None else None)


def _work(conn: Connection[Any], queue: Queue, work: Work, claims: Sequence[Claim], now: datetime, lane: str | None = None) -> None:
    with spans_over(conn, queue.name, queue.table, [one.id for one in claims]):
        reached(f"{queue.name}.before_work", lane)
        work(conn, claims, now)
        reached(f"{queue.name}.before_commit", lane)


def _run_singly(runner: Runner, queue: Queue, work: Work, claims: Sequence[Claim], park: Park | None, step: StepOf | None) -> Tally:
    handled = failed = waited = 0
    busy: Busy | None = None
    for one in claims:
        try:
            with runner.begin() as (conn, now):
                # The claim was rolled back with the set: take the row again, unless another worker was faster.
                mine = _take(conn, queue, runner, step, now, None, [one.id])
                if mine:
                    _work(conn, queue, work, mine, now)
                handled += len(mine)
        except DatabaseAway:
            raise
        except Busy as error:  # nobody's fault: it waits a little, and the others go on
            busy, waited = error, waited + 1
            _postpone(runner, queue, one)
        except Exception as error:  # noqa: BLE001 - one item must not stop the others
            failed += 1
            _log.exception("item failed", queue=queue.name, subject_id=one.id)
            set_aside(runner, queue, one.id, f"{type(error).__name__}: {error}", park)
    if busy is not None and waited == len(claims):
        raise busy
    return Tally(handled=handled, failed=failed)


def _postpone(runner: Runner, queue: Queue, one: Claim) -> None:
    """What waited for a lock in vain is not the first in line again: each look at it costs the others a time-out."""
    with runner.begin() as (conn, now):
        mine = claim(conn, queue, runner, now=now, only=[one.id])
        for each in mine:
            give_back(conn, queue, each, due_at=now + BUSY_WAIT, why=None)


def set_aside(runner: Runner, queue: Queue, subject_id: str, said: str, park: Park | None) -> None:
    """Put an item that failed back by the ladder; when that is over, park it. Whatever fails here stays with this item.

    The fence that is taken for it is committed with it: what is derived from a fence never comes twice.
    """
    try:
        with runner.begin() as (conn, now):
            for mine in claim(conn, queue, runner, now=now, only=[subject_id]):
                if park is None:
                    put_back_or_tell(conn, runner, queue, mine, error=said, now=now)
                elif not put_back(conn, queue, mine, error=said, now=now):
                    park(conn, mine, said, now)
    except DatabaseAway:
        raise
    except Exception as error:  # noqa: BLE001 - a failing park must not stop the others, nor come first again at once
        _log.exception("item could not be put aside", queue=queue.name, subject_id=subject_id)
        _try_in_an_hour(runner, queue, subject_id, f"could not be parked ({type(error).__name__}: {error}): {said}")


def _try_in_an_hour(runner: Runner, queue: Queue, subject_id: str, said: str) -> None:
    with runner.begin() as (conn, now):
        for mine in claim(conn, queue, runner, now=now, only=[subject_id]):
            give_back(conn, queue, mine, due_at=now + LADDER_END, why=said)
