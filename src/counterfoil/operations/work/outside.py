"""Work that calls somebody else: one slow, refused or broken item never touches another.

A tick claims no more than can surely end within a lease, and then each item goes its own way, some side by side:

    connect      the connection is opened before it is decided whether it may be used
    announce     one short transaction, by the database's clock: the fence is ours, the lease has not run out, no pause, no open
                 circuit and no brake; the call is written down; the lease begins anew
                 A question, which changes nothing there, needs none of this within a second of its claim
    call         no transaction is open; the very connection that was opened before
    store        what came back is kept, before anything is made of it

Items that are announced, or come back, at the same moment share a transaction (`together`); when it fails, each has its own. What has come
back is recorded, all that is there in one transaction; an item that cannot be recorded is recorded alone, and put
aside alone. Meanwhile the leases of those that wait are renewed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from typing import Any, Final, Generic, NamedTuple

import psycopg
import structlog
from psycopg import Connection, sql

from counterfoil.base.failpoints import reached
from counterfoil.base.problems import Busy, DatabaseAway
from counterfoil.base.tracing.spans import followed_by, is_traced, span_of, spans_of
from counterfoil.operations.mishaps import note_mishap
from counterfoil.operations.together import Together
from counterfoil.operations.work.circuit_rules import Health
from counterfoil.operations.work.circuits import leave_probe, note_health, pass_gate
from counterfoil.operations.work.pauses import Held, held_among
from counterfoil.operations.work.runner import (
    ERROR_TEXT_MAX,
    LEASE_MARGIN,
    Claim,
    Queue,
    Runner,
    Tally,
    claim,
    renew,
    set_aside,
    still_ours,
)
from counterfoil.operations.work.station import OUTAGE_ATTEMPT_MAX, Item, NotReady, Outcome, Station, Stopped

STORE_TRIES: Final = (0.1, 0.3, 1.0, 3.0, 5.0)
RENEWALS_PER_LEASE: Final = 3
OPEN_S: Final = 1.0
_log = structlog.get_logger("counterfoil.work")


class _Done(NamedTuple):
    """What became of one item: an outcome, a failure of ours, or neither when it was given back or lost."""

    one: Claim
    item: Any
    outcome: Any = None
    error: str | None = None
    called: bool = False
    lost: bool = False
    follows: str | None = None  # what its payment is followed by, where somebody traces


def run_outside(runner: Runner, station: Station[Item, Outcome], *, lane: str | None = None) -> Tally:
    """One tick: claim, then connect, announce, call, store and record, item by item. Raises DatabaseAway; nothing of one item."""
    claimed, let_in, tally = _claim(runner, station, lane)
    if not claimed:
        return tally
    reached(f"{station.queue.name}.after_claim", lane)
    followed = _followed(runner, station.queue, claimed)
    with ThreadPoolExecutor(max_workers=runner.callers_max, thread_name_prefix=station.queue.name) as callers:
        way = _Way(runner, station, let_in)
        running = {callers.submit(way.carry, one, item, followed.get(one.id)): one for one, item in claimed}
        try:
            done = tally.plus(_collect(runner, station, running))
            if done.stale:
                with runner.database.transaction() as conn:
                    note_mishap(conn, "stale_write", station.queue.name, done.stale, worker=runner.owner, now=runner.clock(conn))
            return done
        finally:
            for future in running:
                future.cancel()  # only when we end early: what has not begun shall not begin


def _followed(runner: Runner, queue: Queue, claimed: Sequence[tuple[Claim, Any]]) -> dict[str, str]:
    """What each item's payment is followed by; asks nothing where nobody traces."""
    if not is_traced():
        return {}
    with runner.database.transaction() as conn:
        return followed_by(conn, queue.table, [one.id for one, _ in claimed])


def _claim(
    runner: Runner, station: Station[Item, Outcome], lane: str | None
) -> tuple[list[tuple[Claim, Item]], Mapping[str, float], Tally]:
    """What is claimed; of questions until when each may be asked as it is, by the clock of this process."""
    claims: list[Claim] = []
    try:
        with runner.begin() as (conn, now):
            claims = claim(conn, station.queue, runner, now=now, lane=lane, rows_max=runner.calls_max)
            items = station.prepare(conn, claims, now) if claims else {}
            claimed = [(one, items[one.id]) for one in claims]
            return claimed, _let_in(conn, station, claimed), Tally()
    except DatabaseAway:
        raise
    except Exception as error:
        if not claims:
            raise
        _log.warning("set failed, claiming its items singly", queue=station.queue.name, error=str(error)[:ERROR_TEXT_MAX])
    claimed, tally = _claim_singly(runner, station, claims)
    return claimed, {}, tally


def _let_in(conn: Connection[Any], station: Station[Item, Outcome], claimed: Sequence[tuple[Claim, Item]]) -> Mapping[str, float]:
    if not (station.asks and claimed):
        return {}
    until_s = time.monotonic() + OPEN_S
    held = held_among(conn, station.queue, {one.id: station.provider(item) for one, item in claimed})
    return {one.id: until_s for one, _ in claimed if not (held[one.id].paused or held[one.id].broken)}


def _claim_singly(runner: Runner, station: Station[Item, Outcome], claims: Sequence[Claim]) -> tuple[list[tuple[Claim, Item]], Tally]:
    claimed, failed = [], 0
    for one in claims:
        try:
            with runner.begin() as (conn, now):
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


class _Way(Generic[Item, Outcome]):
    """The way of a tick's items to the other side and back; what several of them write at the same moment is one transaction."""

    def __init__(self, runner: Runner, station: Station[Item, Outcome], let_in: Mapping[str, float]) -> None:
        self._runner, self._station, self._let_in = runner, station, let_in
        self._announced: Together[tuple[Claim, Item], Claim | None] = Together(lambda given: _announce(runner, station, given))
        self._stored: Together[tuple[Claim, Item, Outcome], None] = Together(self._store_set)

    def carry(self, one: Claim, item: Item, follows: str | None) -> _Done:
        """One item's way. Runs in a thread of its own; raises nothing, for that would end the others' way."""
        about: dict[str, str | int] = {"counterfoil.subject": one.id, "counterfoil.attempt": one.attempt}
        with span_of(self._station.queue.name, follows, **about):
            return self._carried(one, item, follows)._replace(follows=follows)

    def _carried(self, one: Claim, item: Item, follows: str | None) -> _Done:
        try:
            return self._call(one, item, follows)
        except Stopped:
            return _Done(one, item)
        except NotReady as error:
            return _give_back(self._runner, self._station, one, item, error)
        except Exception as error:  # noqa: BLE001 - one item must not stop the others
            _log.exception("item failed", queue=self._station.queue.name, subject_id=one.id)
            return _Done(one, item, error=f"{type(error).__name__}: {error}")

    def _call(self, one: Claim, item: Item, follows: str | None) -> _Done:
        station = self._station
        name, line, about = station.queue.name, station.connect(item), station.provider(item)
        try:
            reached(f"{name}.connected", about)
            announced = one if time.monotonic() < self._let_in.get(one.id, 0.0) else self._announced((one, item))
            if announced is None:
                return _Done(one, item, lost=True)
            one = announced
            reached(f"{name}.before_call", about)
            with span_of(f"call {name}", follows, **{"counterfoil.provider": about or ""}):
                outcome = line.call()
            reached(f"{name}.after_call", about)
            self._store(one, item, outcome)
            reached(f"{name}.after_store", about)
            return _Done(one, item, outcome, called=True)
        finally:
            line.close()

    def _store(self, one: Claim, item: Item, outcome: Outcome) -> None:
        """Keep the answer, also through a short absence of the database: it is the only copy. And what it tells of the other side."""
        health = self._station.health(outcome)
        if not self._station.keeps and (health is None or health.works):
            return  # it can be asked again; that the other side works is noted when it is recorded, that it does not, at once
        for rest_s in (*STORE_TRIES, None):
            try:
                self._stored((one, item, outcome))
                return
            except (Busy, psycopg.OperationalError):
                if rest_s is None:
                    raise
                time.sleep(rest_s)

    def _store_set(self, came: Sequence[tuple[Claim, Item, Outcome]]) -> Sequence[None]:
        with self._runner.begin() as (conn, now):
            self._station.store_all(conn, came, now)
            _note_each(conn, self._runner, self._station, [(item, outcome) for _, item, outcome in came], now)
        return [None] * len(came)


def _give_back(runner: Runner, station: Station[Item, Outcome], one: Claim, item: Item, error: NotReady) -> _Done:
    try:
        with runner.begin() as (conn, now):
            if still_ours(conn, station.queue, [one]):
                station.not_ready(conn, one, error, now)
            provider = station.provider(item)
            if error.down and provider is not None:
                note_health(conn, provider, station.queue.name, Health(False, str(error)), now=now, limits=runner.circuits)
    except Exception as problem:  # noqa: BLE001 - its lease runs out, and it is taken up again
        _log.warning("item could not be given back", queue=station.queue.name, error=str(problem)[:ERROR_TEXT_MAX])
    return _Done(one, item)


def _announce(runner: Runner, station: Station[Item, Outcome], given: Sequence[tuple[Claim, Item]]) -> Sequence[Claim | Exception | None]:
    """The last check before calls. None for a claim that is not ours any more; Stopped for what something holds back."""
    said: dict[str, Claim | Exception] = {}
    with runner.begin() as (conn, now):
        # Lease and fence, by the database's clock: who slept too long has lost them, and must not call.
        ours = renew(conn, station.queue, [one for one, _ in given], runner, now=now)
        mine = [(one, item) for one, item in given if one.id in ours]
        held = held_among(conn, station.queue, {one.id: station.provider(item) for one, item in mine})
        free = []
        for one, item in mine:
            try:
                passed = _pass(conn, runner, station, one, item, held[one.id], now)
            except Stopped as error:  # what it wrote stands
                said[one.id] = error
            else:
                said[one.id] = passed
                free.append((passed, item))
        said |= station.announce_all(conn, free, now) if free else {}
        for one, item in mine:
            if isinstance(said[one.id], Stopped) and held[one.id].broken:
                _leave(conn, station, one, item, now)
        reached(f"{station.queue.name}.announcing", *{station.provider(item) for _, item in given})
    return [said.get(one.id) for one, _ in given]


def _pass(
    conn: Connection[Any], runner: Runner, station: Station[Item, Outcome], one: Claim, item: Item, held: Held, now: datetime
) -> Claim:
    """Whatever the call is about: is its queue paused, or its provider not working? Holds the item back then, and raises Stopped."""
    provider = station.provider(item)
    if held.paused:
        station.hold(conn, one, item, now, why="paused", again=timedelta())
        raise Stopped("paused")
    if provider is None or not held.broken:
        return one
    probe_for = max(runner.circuits.rest, 2 * runner.call_limit + LEASE_MARGIN)
    said, again = pass_gate(conn, provider, station.queue.name, one.id, now=now, limits=runner.circuits, probe_for=probe_for)
    if said == "wait":
        why = f"{provider} does not work; it is tried again by itself"
        station.hold(conn, one, item, now, why=why, again=again)
        raise Stopped(why)
    return _uses_no_try(conn, station.queue, one) if said == "probe" else one


def _uses_no_try(conn: Connection[Any], queue: Queue, one: Claim) -> Claim:
    """The item whose call tries whether the other side works again does not pay for it when it does not."""
    conn.execute(
        sql.SQL("update {table} set attempt = least(attempt, %s) where id = %s").format(table=sql.Identifier(queue.table)),
        [OUTAGE_ATTEMPT_MAX - 1, one.id],
    )
    return one._replace(attempt=min(one.attempt, OUTAGE_ATTEMPT_MAX - 1))


def _leave(conn: Connection[Any], station: Station[Item, Outcome], one: Claim, item: Item, now: datetime) -> None:
    provider = station.provider(item)
    if provider is not None:
        leave_probe(conn, provider, station.queue.name, one.id, now=now)


def _collect(runner: Runner, station: Station[Item, Outcome], running: dict[Future[_Done], Claim]) -> Tally:
    tally, waiting = Tally(), set(running)
    every_s = runner.lease.total_seconds() / RENEWALS_PER_LEASE
    renewed_s = time.monotonic()
    while waiting:
        ready, waiting = wait(waiting, timeout=max(0.0, renewed_s + every_s - time.monotonic()), return_when=FIRST_COMPLETED)
        if ready and waiting:  # what comes back with it is recorded with it
            more, waiting = wait(waiting, timeout=station.company_s)
            ready |= more
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
    theirs = sum(not _put_aside(runner, station, one, one.error or "") for one in broken)
    called = [one for one in ready if one.called and one.error is None]
    tally = Tally(failed=len(broken) - theirs, stale=theirs + sum(one.lost for one in ready))
    if not called:
        return tally
    try:
        return tally.plus(_record_set(runner, station, called))
    except DatabaseAway:
        raise
    except Exception as error:  # noqa: BLE001 - one item must not stop the others
        _log.warning("set failed, recording its items singly", queue=station.queue.name, error=str(error)[:ERROR_TEXT_MAX])
    for one in called:
        tally = tally.plus(_record_alone(runner, station, one))
    return tally


def _note_each(
    conn: Connection[Any], runner: Runner, station: Station[Item, Outcome], came: Sequence[tuple[Item, Outcome]], now: datetime
) -> None:
    """What each of these tells of the other side; one question where all of them worked, as they mostly do."""
    told: dict[str, list[Health]] = {}
    for item, outcome in came:
        provider, health = station.provider(item), station.health(outcome)
        if provider is not None and health is not None:
            told.setdefault(provider, []).append(health)
    for provider, each in sorted(told.items()):
        note_health(conn, provider, station.queue.name, *each, now=now, limits=runner.circuits)


def _record_alone(runner: Runner, station: Station[Item, Outcome], one: _Done) -> Tally:
    try:
        return _record_set(runner, station, [one])
    except DatabaseAway:
        raise
    except Exception as error:  # noqa: BLE001 - one item must not stop the others
        _log.exception("item could not be recorded", queue=station.queue.name, subject_id=one.one.id)
        return Tally(failed=1) if _put_aside(runner, station, one, f"{type(error).__name__}: {error}") else Tally(stale=1)


def _record_set(runner: Runner, station: Station[Item, Outcome], called: Sequence[_Done]) -> Tally:
    queue, about = station.queue, {station.provider(one.item) for one in called}
    with runner.begin() as (conn, now):
        ours = still_ours(conn, queue, [one.one for one in called])
        done = [(one.one, one.outcome) for one in called if one.one.id in ours]
        if done:
            with spans_of(f"record {queue.name}", {one.one.id: one.follows for one in called if one.follows and one.one.id in ours}):
                station.record(conn, done, now)
        late = [(one.one, one.item, one.outcome) for one in called if one.one.id not in ours]
        if late:
            station.late_all(conn, late, now)
        if not station.keeps:  # a failure was noted as soon as it was seen, so that fewer run into it
            worked = [(one.item, one.outcome) for one in called if (health := station.health(one.outcome)) is not None and health.works]
            _note_each(conn, runner, station, worked, now)
        reached(f"{queue.name}.before_commit", *about)
    reached(f"{queue.name}.after_commit", *about)
    return Tally(handled=len(done), stale=len(called) - len(done))


def _put_aside(runner: Runner, station: Station[Item, Outcome], one: _Done, said: str) -> bool:
    """False when it is another's by now: say, this worker froze in the middle of a transaction, the database ended that, and the others
    went on."""
    try:
        return station.failed(runner, one.one, said)
    except DatabaseAway:
        raise
    except Exception:  # noqa: BLE001 - its lease runs out, and it is taken up again
        _log.exception("item could not be put aside", queue=station.queue.name, subject_id=one.one.id)
        return True
