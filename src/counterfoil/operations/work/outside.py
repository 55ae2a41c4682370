"""Work that calls somebody else: one slow, refused or broken item never touches another.

A tick claims no more than can surely end within a lease, and then each item goes its own way, some side by side:

    connect      the connection is opened before it is decided whether it may be used
    announce     one short transaction, by the database's clock: the fence is ours, the lease has not run out, no pause and no brake;
                 the call is written down; the lease begins anew
    call         no transaction is open; the very connection that was opened before
    store        what came back is kept, before anything is made of it

What has come back is recorded, all that is there in one transaction; an item that cannot be recorded is recorded alone, and put
aside alone. Meanwhile the leases of those that wait are renewed.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import psycopg
import structlog
from psycopg import Connection

from counterfoil.base.failpoints import reached
from counterfoil.base.problems import Busy, DatabaseAway
from counterfoil.operations.work.runner import (
    ERROR_TEXT_MAX,
    Claim,
    Park,
    Queue,
    Runner,
    Tally,
    claim,
    give_back,
    is_paused,
    renew,
    set_aside,
    still_ours,
)

STORE_TRIES: Final = (0.1, 0.3, 1.0, 3.0, 5.0)
RENEWALS_PER_LEASE: Final = 3
_log = structlog.get_logger("counterfoil.work")

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")
Got = TypeVar("Got", covariant=True)


class Channel(Protocol[Got]):
    """A way to the other side, open and unused."""

    def call(self) -> Got:
        """Call, and turn every failure of the other side into an outcome."""

    def close(self) -> None:
        """Give it up."""


class NotReady(Exception):
    """Nothing can be called now, and nothing was: the item is given back, to be tried again after `again` at the least."""

    def __init__(self, why: str, *, again: timedelta = timedelta()) -> None:
        """`why` is shown with the item."""
        super().__init__(why)
        self.again = again


class Stopped(Exception):
    """The announcement is refused: `announce` has written what becomes of the item, and nothing is called."""


class OutsideQuestion(Generic[Outcome]):
    """A line for a question that changes nothing on the other side: nothing need be opened before."""

    def __init__(self, ask: Callable[[], Outcome]) -> None:
        """`ask` does it."""
        self._ask = ask

    def call(self) -> Outcome:
        """Ask."""
        return self._ask()

    def close(self) -> None:
        """Nothing is open."""


class Station(ABC, Generic[Item, Outcome]):
    """Work that calls somebody else, step by step. Every step is guarded: what it raises concerns its items alone."""

    queue: Queue
    park: Park | None = None  # for an item that failed as often as the ladder is long; None tries it each hour for ever

    @abstractmethod
    def prepare(self, conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> Mapping[str, Item]:
        """Read what is needed and mark the rows, in the transaction of the claim, by set; by id."""

    @abstractmethod
    def connect(self, item: Item) -> Channel[Outcome]:
        """Open the way; no transaction is open. Raises NotReady."""

    def announce(self, conn: Connection[Any], one: Claim, item: Item, now: datetime) -> None:
        """Ask the brakes and write down that the call begins; the row is locked and ours. Raises Stopped.

        From its commit on, a crash means that we do not know. For a question nothing is to be announced.
        """

    def paused(self, conn: Connection[Any], one: Claim, item: Item, now: datetime) -> None:  # noqa: ARG002
        """Give back an item whose queue was paused after its claim; it is due when the queue goes on."""
        give_back(conn, self.queue, one, due_at=now, why=None)

    def not_ready(self, conn: Connection[Any], one: Claim, error: NotReady, now: datetime) -> None:
        """Give back an item that nothing could be called for."""
        give_back(conn, self.queue, one, due_at=now + max(error.again, timedelta(minutes=1)), why=str(error))

    def store(self, conn: Connection[Any], one: Claim, item: Item, outcome: Outcome, now: datetime) -> None:
        """Keep what came back; also of a claim that is not ours any more."""

    @abstractmethod
    def record(self, conn: Connection[Any], done: Sequence[tuple[Claim, Outcome]], now: datetime) -> None:
        """Write what came of it, for rows that are still ours, locked; by set."""

    def late(self, conn: Connection[Any], one: Claim, item: Item, outcome: Outcome, now: datetime) -> None:
        """What came back for a claim that is not ours any more; unless a station makes something of it, nothing."""

    def failed(self, runner: Runner, one: Claim, said: str) -> None:
        """An item of ours failed: put it aside."""
        release(runner, self.queue, one)
        set_aside(runner, self.queue, one.id, said, self.park)


class _Done(NamedTuple):
    """What became of one item: an outcome, a failure of ours, or neither when it was given back or lost."""

    one: Claim
    item: Any
    outcome: Any = None
    error: str | None = None
    called: bool = False
    lost: bool = False


def release(runner: Runner, queue: Queue, one: Claim) -> None:
    """End our lease on a row that is still ours, so that it can be taken again, by us or another."""
    with runner.database.transaction() as conn:
        if still_ours(conn, queue, [one]):
            give_back(conn, queue, one, due_at=runner.clock(conn), why=None)


def run_outside(runner: Runner, station: Station[Item, Outcome], *, lane: str | None = None) -> Tally:
    """One tick: claim, then connect, announce, call, store and record, item by item. Raises DatabaseAway; nothing of one item."""
    claimed, tally = _claim(runner, station, lane)
    if not claimed:
        return tally
    reached(f"{station.queue.name}.after_claim")
    with ThreadPoolExecutor(max_workers=runner.callers_max, thread_name_prefix=station.queue.name) as callers:
        running = {callers.submit(_carry, runner, station, one, item): one for one, item in claimed}
        try:
            return tally.plus(_collect(runner, station, running))
        finally:
            for future in running:
                future.cancel()  # only when we end early: what has not begun shall not begin


def _claim(runner: Runner, station: Station[Item, Outcome], lane: str | None) -> tuple[list[tuple[Claim, Item]], Tally]:
    claims: list[Claim] = []
    try:
        with runner.database.transaction() as conn:
            now = runner.clock(conn)
            claims = claim(conn, station.queue, runner, now=now, lane=lane, rows_max=runner.calls_max)
            items = station.prepare(conn, claims, now) if claims else {}
            return [(one, items[one.id]) for one in claims], Tally()
    except DatabaseAway:
        raise
    except Exception as error:
        if not claims:
            raise
        _log.warning(
            "set failed, claiming its items singly", queue=station.queue.name, error=str(error)[:ERROR_TEXT_MAX]
        )
    return _claim_singly(runner, station, claims)


def _claim_singly(
    runner: Runner, station: Station[Item, Outcome], claims: Sequence[Claim]
) -> tuple[list[tuple[Claim, Item]], Tally]:
    claimed, failed = [], 0
    for one in claims:
        try:
            with runner.database.transaction() as conn:
                now = runner.clock(conn)
                mine = claim(conn, station.queue, runner, now=now, only=[one.id])
                items = station.prepare(conn, mine, now) if mine else {}
            claimed += [(each, items[each.id]) for each in mine]
        except DatabaseAway:
            raise
        except Exception as error:  # noqa: BLE001 - one item must not stop the others
            failed += 1
            _log.exception("item failed", queue=station.queue.name, subject_id=one.id)
            set_aside(runner, station.queue, one.id, f"{type(error).__name__}: {error}", station.park)
    return claimed, Tally(failed=failed)


def _carry(runner: Runner, station: Station[Item, Outcome], one: Claim, item: Item) -> _Done:
    """One item's way to the other side and back. Runs in a thread of its own; raises nothing, for that would end the others' way."""
    try:
        return _call(runner, station, one, item)
    except Stopped:
        return _Done(one, item)
    except NotReady as error:
        return _give_back(runner, station, one, item, error)
    except Exception as error:  # noqa: BLE001 - one item must not stop the others
        _log.exception("item failed", queue=station.queue.name, subject_id=one.id)
        return _Done(one, item, error=f"{type(error).__name__}: {error}")


def _call(runner: Runner, station: Station[Item, Outcome], one: Claim, item: Item) -> _Done:
    name, line = station.queue.name, station.connect(item)
    try:
        reached(f"{name}.connected")
        if not _announce(runner, station, one, item):
            return _Done(one, item, lost=True)
        reached(f"{name}.before_call")
        outcome = line.call()
        reached(f"{name}.after_call")
        _store(runner, station, one, item, outcome)
        reached(f"{name}.after_store")
        return _Done(one, item, outcome, called=True)
    finally:
        line.close()


def _give_back(runner: Runner, station: Station[Item, Outcome], one: Claim, item: Item, error: NotReady) -> _Done:
    try:
        with runner.database.transaction() as conn:
            if still_ours(conn, station.queue, [one]):
                station.not_ready(conn, one, error, runner.clock(conn))
    except Exception as problem:  # noqa: BLE001 - its lease runs out, and it is taken up again
        _log.warning("item could not be given back", queue=station.queue.name, error=str(problem)[:ERROR_TEXT_MAX])
    return _Done(one, item)


def _announce(runner: Runner, station: Station[Item, Outcome], one: Claim, item: Item) -> bool:
    """The last check before the call. False when the claim is not ours any more; raises Stopped when something holds it back."""
    stopped: Stopped | None = None
    with runner.database.transaction() as conn:
        now = runner.clock(conn)
        # Lease and fence, by the database's clock: who slept too long has lost them, and must not call.
        if not renew(conn, station.queue, [one], runner, now=now):
            return False
        if is_paused(conn, station.queue, one.id):
            station.paused(conn, one, item, now)
            stopped = Stopped("paused")
        else:
            try:
                station.announce(conn, one, item, now)
            except Stopped as error:  # what it wrote stands
                stopped = error
        reached(f"{station.queue.name}.announcing")
    if stopped is not None:
        raise stopped
    return True


def _store(runner: Runner, station: Station[Item, Outcome], one: Claim, item: Item, outcome: Outcome) -> None:
    """Keep the answer, also through a short absence of the database: it is the only copy."""
    if type(station).store is Station.store:
        return  # it keeps nothing: what it asked can be asked again
    for rest_s in (*STORE_TRIES, None):
        try:
            with runner.database.transaction() as conn:
                station.store(conn, one, item, outcome, runner.clock(conn))
            return
        except (Busy, psycopg.OperationalError):
            if rest_s is None:
                raise
            time.sleep(rest_s)


def _collect(runner: Runner, station: Station[Item, Outcome], running: dict[Future[_Done], Claim]) -> Tally:
    tally, waiting = Tally(), set(running)
    every_s = runner.lease.total_seconds() / RENEWALS_PER_LEASE
    renewed_s = time.monotonic()
    while waiting:
        ready, waiting = wait(
            waiting, timeout=max(0.0, renewed_s + every_s - time.monotonic()), return_when=FIRST_COMPLETED
        )
        tally = tally.plus(_record(runner, station, [future.result() for future in ready]))
        if waiting and time.monotonic() >= renewed_s + every_s:
            _renew(runner, station.queue, [running[one] for one in waiting])
            renewed_s = time.monotonic()
    return tally


def _renew(runner: Runner, queue: Queue, claims: Sequence[Claim]) -> None:
    try:
        with runner.database.transaction() as conn:
            renew(conn, queue, claims, runner, now=runner.clock(conn))
    except (Busy, psycopg.Error) as error:  # each call renews its own lease, or is not made
        _log.warning("leases were not renewed", queue=queue.name, error=str(error)[:ERROR_TEXT_MAX])


def _record(runner: Runner, station: Station[Item, Outcome], ready: Sequence[_Done]) -> Tally:
    broken = [one for one in ready if one.error is not None]
    for one in broken:
        _put_aside(runner, station, one, one.error or "")
    called = [one for one in ready if one.called and one.error is None]
    tally = Tally(failed=len(broken), stale=sum(one.lost for one in ready))
    if not called:
        return tally
    try:
        return tally.plus(_record_set(runner, station, called))
    except DatabaseAway:
        raise
    except Exception as error:  # noqa: BLE001 - one item must not stop the others
        _log.warning(
            "set failed, recording its items singly", queue=station.queue.name, error=str(error)[:ERROR_TEXT_MAX]
        )
    for one in called:
        tally = tally.plus(_record_alone(runner, station, one))
    return tally


def _record_alone(runner: Runner, station: Station[Item, Outcome], one: _Done) -> Tally:
    try:
        return _record_set(runner, station, [one])
    except DatabaseAway:
        raise
    except Exception as error:  # noqa: BLE001 - one item must not stop the others
        _log.exception("item could not be recorded", queue=station.queue.name, subject_id=one.one.id)
        _put_aside(runner, station, one, f"{type(error).__name__}: {error}")
        return Tally(failed=1)


def _record_set(runner: Runner, station: Station[Item, Outcome], called: Sequence[_Done]) -> Tally:
    queue = station.queue
    with runner.database.transaction() as conn:
        now = runner.clock(conn)
        ours = still_ours(conn, queue, [one.one for one in called])
        done = [(one.one, one.outcome) for one in called if one.one.id in ours]
        if done:
            station.record(conn, done, now)
        for one in called:
            if one.one.id not in ours:
                station.late(conn, one.one, one.item, one.outcome, now)
        reached(f"{queue.name}.before_commit")
    reached(f"{queue.name}.after_commit")
    return Tally(handled=len(done), stale=len(called) - len(done))


def _put_aside(runner: Runner, station: Station[Item, Outcome], one: _Done, said: str) -> None:
    try:
        station.failed(runner, one.one, said)
    except DatabaseAway:
        raise
    except Exception:  # noqa: BLE001 - its lease runs out, and it is taken up again
        _log.exception("item could not be put aside", queue=station.queue.name, subject_id=one.one.id)
