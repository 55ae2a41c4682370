"""The runner: claim, lease, fence, decide, record. There is no job table: the row of the thing to be done is the job.

Two shapes of a tick, both bounded and repeatable, so that the worker, the API, the command line and a test call the same:
`run_here` for what only the database is needed for (the row lock is the lease, one transaction), and `run_outside` for what
calls somebody else (claim and commit; act with no transaction open; record under the fence).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, LiteralString, NamedTuple, Protocol, TypeVar

import structlog
from psycopg import Connection, sql
from psycopg.rows import class_row

from counterfoil.base.failpoints import reached
from counterfoil.base.problems import Busy

RETRY_MINUTES: Final = (1, 5, 15, 60)
ATTEMPTS_MAX: Final = len(RETRY_MINUTES) + 1
JITTER_PERCENT: Final = 20
ERROR_TEXT_MAX: Final = 500
_log = structlog.get_logger("counterfoil.work")

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Clock = Callable[[], datetime]


class Transactions(Protocol):
    """Where a tick gets its transactions from: `base.edge.Database`, or a test's."""

    def transaction(self, *, snapshot: bool = False) -> AbstractContextManager[Connection[Any]]:
        """One transaction; with `snapshot`, all of it sees one moment."""


class Queue(NamedTuple):
    """Rows of `table` in one of `states` whose `due_at` has come."""

    name: str
    table: LiteralString
    states: tuple[str, ...]


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


@dataclass(frozen=True)
class Runner:
    """How a process runs ticks: where transactions come from, its clock, its name, and its bounds."""

    database: Transactions
    clock: Clock
    owner: str
    lease: timedelta = timedelta(seconds=60)
    rows_max: int = 200
    callers_max: int = 8


def claim(conn: Connection[Any], queue: Queue, runner: Runner, *, now: datetime) -> list[Claim]:
    """Take up to `rows_max` due rows that nobody holds, oldest first, and raise their fence."""
    found = sql.SQL("""
        update {table} t set lease_owner = %(owner)s, lease_until = %(until)s, fence = t.fence + 1
        from (select id from {table} where due_at <= %(now)s and state = any(%(states)s)
                 and (lease_until is null or lease_until < %(now)s)
              order by due_at, id limit %(rows_max)s for update skip locked) due
        where t.id = due.id returning t.id, t.fence, t.attempt""").format(table=sql.Identifier(queue.table))
    with conn.cursor(row_factory=class_row(Claim)) as cur:
        cur.execute(
            found,
            {
                "owner": runner.owner,
                "until": now + runner.lease,
                "now": now,
                "states": list(queue.states),
                "rows_max": runner.rows_max,
            },
        )
        return sorted(cur.fetchall())


def still_ours(conn: Connection[Any], queue: Queue, claims: Sequence[Claim]) -> set[str]:
    """Which of `claims` still carry our fence, their rows now locked: only these may be written (a lost lease cannot write)."""
    rows = conn.execute(
        sql.SQL("""select t.id from {table} t join unnest(%s::text[], %s::bigint[]) as c (id, fence)
                   on t.id = c.id and t.fence = c.fence order by t.id for update of t""").format(
            table=sql.Identifier(queue.table)
        ),
        [[one.id for one in claims], [one.fence for one in claims]],
    ).fetchall()
    return {row[0] for row in rows}


def finish(conn: Connection[Any], queue: Queue, ids: Sequence[str], *, due_at: datetime | None = None) -> None:
    """Give rows back: done for good, or due again at `due_at` with their count of attempts begun anew."""
    conn.execute(
        sql.SQL("""update {table} set lease_owner = null, lease_until = null, due_at = %s, attempt = 0, last_error = null
                   where id = any(%s)""").format(table=sql.Identifier(queue.table)),
        [due_at, list(ids)],
    )


def put_back(
    conn: Connection[Any], queue: Queue, one: Claim, *, error: str, now: datetime, at_least: timedelta = timedelta()
) -> bool:
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


def delay_before(attempt: int, subject_id: str) -> timedelta:
    """How long to wait before try `attempt` + 1, spread by the subject's id so that a thousand do not return at one moment."""
    minutes = RETRY_MINUTES[min(attempt, len(RETRY_MINUTES)) - 1]
    spread = int.from_bytes(hashlib.sha256(f"{subject_id}:{attempt}".encode()).digest()[:4]) % (2 * JITTER_PERCENT + 1)
    return timedelta(seconds=minutes * 60 * (100 - JITTER_PERCENT + spread) / 100)


def run_here(
    runner: Runner,
    queue: Queue,
    work: Callable[[Connection[Any], Sequence[Claim], datetime], None],
    *,
    park: Callable[[Connection[Any], Claim, str, datetime], None] | None = None,
) -> Tally:
    """One tick of work that needs nothing but the database: claim, do and finish all in one transaction.

    When the set fails, its items are done one at a time: the one that is at fault is put back or parked, and holds nobody up.
    """
    now = runner.clock()
    claims: list[Claim] = []
    try:
        with runner.database.transaction() as conn:
            claims = claim(conn, queue, runner, now=now)
            if claims:
                _work_and_finish(conn, queue, work, claims, now)
        return Tally(handled=len(claims))
    except Busy:
        raise
    except Exception as error:
        if not claims:
            raise
        # Whatever it is, one item must not stop the others.
        _log.warning("set failed, doing its items singly", queue=queue.name, error=str(error)[:ERROR_TEXT_MAX])
    return _run_singly(runner, queue, work, claims, park)


def _work_and_finish(
    conn: Connection[Any],
    queue: Queue,
    work: Callable[[Connection[Any], Sequence[Claim], datetime], None],
    claims: Sequence[Claim],
    now: datetime,
) -> None:
    finish(conn, queue, [one.id for one in claims])  # first: the work may set a new due_at of its own
    reached(f"{queue.name}.before_work")
    work(conn, claims, now)
    reached(f"{queue.name}.before_commit")


def _run_singly(
    runner: Runner,
    queue: Queue,
    work: Callable[[Connection[Any], Sequence[Claim], datetime], None],
    claims: Sequence[Claim],
    park: Callable[[Connection[Any], Claim, str, datetime], None] | None,
) -> Tally:
    handled = failed = 0
    for one in claims:
        now = runner.clock()
        try:
            with runner.database.transaction() as conn:
                # The claim was rolled back with the set: take the row again, unless another worker was faster.
                if _lock_due(conn, queue, one, now):
                    _work_and_finish(conn, queue, work, [one], now)
                    handled += 1
        except Busy:
            raise
        except Exception as error:  # noqa: BLE001 - one item must not stop the others
            failed += 1
            _log.exception("item failed", queue=queue.name, subject_id=one.id)
            said = f"{type(error).__name__}: {error}"
            with runner.database.transaction() as conn:
                if _lock_due(conn, queue, one, now) and not put_back(conn, queue, one, error=said, now=now) and park:
                    park(conn, one, said, now)
    return Tally(handled=handled, failed=failed)


def _lock_due(conn: Connection[Any], queue: Queue, one: Claim, now: datetime) -> bool:
    row = conn.execute(
        sql.SQL("""select 1 from {table} where id = %s and due_at <= %s and state = any(%s) and fence = %s
                   for update skip locked""").format(table=sql.Identifier(queue.table)),
        [one.id, now, list(queue.states), one.fence - 1],
    ).fetchone()
    return row is not None


class Outside(Protocol, Generic[Item, Outcome]):
    """Work that calls somebody else. Each method is one station; no transaction is open while `act` runs."""

    queue: Queue

    def prepare(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> list[Item]:
        """Read what is needed and mark the rows, in the transaction of the claim."""

    def announce(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        """Write down that the calls begin: from here on, a crash means that we do not know."""

    def act(self, item: Item) -> Outcome:
        """Call; turn every failure into an outcome, never raise what the provider did."""

    def record(self, conn: Connection[Any], done: Sequence[tuple[Claim, Outcome]], now: datetime) -> None:
        """Write what came of it, for rows that are still ours."""


def run_outside(runner: Runner, station: Outside[Item, Outcome]) -> Tally:
    """One tick of work that calls somebody else: short transaction, calls side by side, short transaction."""
    queue, now = station.queue, runner.clock()
    with runner.database.transaction() as conn:
        claims = claim(conn, queue, runner, now=now)
        items = station.prepare(conn, claims, now) if claims else []
    if not claims:
        return Tally()
    reached(f"{queue.name}.after_claim")
    with runner.database.transaction() as conn:
        # A slow start may have cost us the lease already: then nothing is announced and nothing is sent.
        kept = still_ours(conn, queue, claims)
        chosen = [(one, item) for one, item in zip(claims, items, strict=True) if one.id in kept]
        station.announce(conn, [one for one, _ in chosen], runner.clock())
    reached(f"{queue.name}.before_call")
    with ThreadPoolExecutor(max_workers=runner.callers_max) as callers:
        outcomes = list(callers.map(station.act, [item for _, item in chosen]))
    reached(f"{queue.name}.after_call")
    with runner.database.transaction() as conn:
        ours = still_ours(conn, queue, [one for one, _ in chosen])
        done = [(one, outcome) for (one, _), outcome in zip(chosen, outcomes, strict=True) if one.id in ours]
        station.record(conn, done, runner.clock())
        reached(f"{queue.name}.before_commit")
    reached(f"{queue.name}.after_commit")
    return Tally(handled=len(done), stale=len(claims) - len(done))
