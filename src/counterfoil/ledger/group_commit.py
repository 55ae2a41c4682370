"""Group commit: requests of concurrent callers are gathered into one batch and one commit, and each gets its own answer.

While one batch of a program is being committed, its next ones wait in line and go together: nobody waits longer than a commit for
company, and 256 callers cost one flush to disk instead of 256. When half of all callers wait, they are the next batch: it queues at the
program's lock in the database, and is let in at the moment in which the one before has ended there, so the server never waits for what
Python does between two batches. A program that waits for a lock keeps one writer busy, and the other programs go on with the others.
Callers are threads (`post`, `move`) or coroutines (`post_soon`, `move_soon`).
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.edge import Database
from counterfoil.base.failpoints import reached
from counterfoil.base.problems import Busy, Problem
from counterfoil.ledger.frozen_writers import end_if_frozen
from counterfoil.ledger.journals.batch_types import Movement, MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk, post_many
from counterfoil.ledger.journals.journal import JOURNALS_MAX, LINES_MAX, NewJournal, Posted, post_journals
from counterfoil.ledger.journals.memory import Memory

WAITING_MAX: Final = 16_384
BATCH_MAX: Final = JOURNALS_MAX
BOOKS_REMEMBERED_MAX: Final = 64
WRITERS: Final = 4  # connections that it uses at most
AHEAD_MAX: Final = 512  # movements that are written ahead: beyond, a COPY saves more than its trips cost


class OutcomeUnknown(Problem, kind="busy"):
    """The connection broke at the commit: it may or may not stand. Ask again with the same key and you will know."""

    todo = "Send the same request with the same idempotency key: if it stands, its answer comes again; if not, it is done now."


class Lane(NamedTuple):
    """What requests must share to be one batch: a program's journals, or movements that may share a header."""

    program_id: str
    asset: str = ""  # of movements; journals name their own
    kind: str = ""
    actor: str = ""


class Answered(NamedTuple):
    """A journal that was asked for, its answer, and the note that came with it."""

    journal: NewJournal
    result: Posted | Problem
    note: Any


Record = Callable[[Connection[Any], Sequence[Answered]], None]


class _WaitingMovement(NamedTuple):
    lane: Lane
    item: Any  # a NewJournal or a Movement
    note: Any
    future: Any  # of concurrent.futures or asyncio
    loop: asyncio.AbstractEventLoop | None


class _Begun:
    """A batch that a thread has taken. `inside`: it has the program's lock, and nothing more to ask for it."""

    def __init__(self, requests: list[_WaitingMovement]) -> None:
        self.requests = requests
        self.inside = False


class _Line:
    """A program's requests that wait, and its batches under way: one that is inside, and one that queues behind it, at most."""

    def __init__(self) -> None:
        self.waiting: deque[_WaitingMovement] = deque()
        self.begun: list[_Begun] = []
        self.under_way = 0  # requests of those
        self.callers = 0  # about how many there are: so many waited or were being written at once of late
        self.called = False  # a thread was woken for what waits

    def is_ready(self) -> bool:
        """Whether what waits becomes a batch now: at once if none is under way; to queue at the lock, when half of all callers wait."""
        if not self.begun:
            return bool(self.waiting)
        return len(self.begun) == 1 and self.begun[0].inside and 2 * len(self.waiting) >= self.callers > 0

    def count(self) -> None:
        """See how many callers there are."""
        there = self.under_way + len(self.waiting)
        if there > self.callers:
            self.callers = there

    def begin(self, batch: _Begun) -> None:
        """It was taken out of those that wait."""
        self.begun.append(batch)
        self.under_way += len(batch.requests)
        self.called = False

    def end(self, batch: _Begun) -> None:
        """It has been answered. Callers that went away are forgotten little by little."""
        self.callers -= self.callers // 8
        self.begun.remove(batch)
        self.under_way -= len(batch.requests)
        self.count()


class Gatherer:
    """Threads that write for many callers, one program each at a time. `start` it, `close` it: what waits is written first.

    At most `waiting_max` requests wait; the next gets Busy at once. When a batch fails, each of its members is tried by itself,
    so that one bad request fails alone; when a commit's answer is lost, each member gets OutcomeUnknown.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Callable[[], datetime],
        make_key: Callable[[], str],
        record: Record | None = None,
        waiting_max: int = WAITING_MAX,
        writers: int = WRITERS,
    ) -> None:
        """`clock` says now; `make_key` makes a fresh key for the header of a batch of movements.

        `record` is called in the transaction of each batch of journals, with their answers and notes: who writes an action log
        writes it there, for all of them at once.
        """
        self._database = database
        self._clock = clock
        self._make_key = make_key
        self._record = record
        self._waiting_max = waiting_max
        self._lines: dict[str, _Line] = {}  # by program, the one that was written longest ago first
        self._count = 0  # requests that wait
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._closing = False
        self._memories: dict[tuple[str, str], Memory] = {}
        self._threads = [threading.Thread(target=self._run, name=f"ledger-gather-{number}", daemon=True) for number in range(writers)]
        self.asked = 0  # for measurements: requests divided by commits is the size of a batch
        self.commits = 0

    def start(self) -> Gatherer:
        """Begin to write."""
        for thread in self._threads:
            thread.start()
        return self

    def close(self) -> None:
        """Write what waits, then end. Requests that come later get Busy."""
        with self._lock:
            self._closing = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()

    # Callers.

    def post(self, program_id: str, journal: NewJournal, *, note: Any = None, timeout_s: float | None = None) -> Posted:
        """Post one journal, durably, from a thread. Raises what `journal.post` raises, Busy, OutcomeUnknown, TimeoutError."""
        posted: Posted = self._submit(Lane(program_id), journal, note).result(timeout_s)
        return posted

    def move(self, lane: Lane, movement: Movement, *, timeout_s: float | None = None) -> MovementOutcome:
        """Post one movement, durably, from a thread. Raises Busy, OutcomeUnknown, UnknownProgram, TimeoutError."""
        outcome: MovementOutcome = self._submit(lane, movement, None).result(timeout_s)
        return outcome

    async def post_soon(self, program_id: str, journal: NewJournal, *, note: Any = None) -> Posted:
        """`post`, from a coroutine."""
        posted: Posted = await self._submit_soon(Lane(program_id), journal, note)
        return posted

    async def move_soon(self, lane: Lane, movement: Movement) -> MovementOutcome:
        """`move`, from a coroutine."""
        outcome: MovementOutcome = await self._submit_soon(lane, movement, None)
        return outcome

    def _submit(self, lane: Lane, item: Any, note: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._put(_WaitingMovement(lane, item, note, future, None))
        return future

    def _submit_soon(self, lane: Lane, item: Any, note: Any) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._put(_WaitingMovement(lane, item, note, future, loop))
        return future

    def _put(self, request: _WaitingMovement) -> None:
        with self._lock:
            if self._closing:
                raise Busy(what="the ledger's writer", detail="it is closing")
            if self._count >= self._waiting_max:
                raise Busy(what="the ledger's writer", limit=f"{self._waiting_max} requests waiting")
            line = self._lines.get(request.lane.program_id)
            if line is None:
                line = self._lines[request.lane.program_id] = _Line()
            line.waiting.append(request)
            line.count()
            self._count += 1
            self.asked += 1
            self._call_for(line)

    def _call_for(self, line: _Line) -> None:
        """Wake a thread for what waits, if it is to be written now."""
        if not line.called and line.is_ready():
            line.called = True
            self._wake.notify()

    # The threads.

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            lanes: dict[Lane, list[_WaitingMovement]] = {}
            for request in batch.requests:
                lanes.setdefault(request.lane, []).append(request)
            *_, last = lanes
            for lane, requests in lanes.items():
                # The next batch may queue at the lock as soon as the last of these has it: so batches come in their order.
                inside = partial(self._is_inside, batch) if lane == last else _nobody_waits
                _answer(requests, self._write(lane, requests, inside))
            self._leave(batch)

    def _is_inside(self, batch: _Begun) -> None:
        """This batch has the program's lock."""
        with self._lock:
            batch.inside = True
            self._call_for(self._lines[batch.requests[0].lane.program_id])

    def _leave(self, batch: _Begun) -> None:
        """Let the next batch of this program be written, by whichever thread is free."""
        program = batch.requests[0].lane.program_id
        with self._lock:
            line = self._lines.pop(program)
            line.end(batch)
            if line.waiting or line.begun:
                self._lines[program] = line  # behind the others
                self._call_for(line)
            if self._closing and not self._count:
                self._wake.notify_all()

    def _take(self) -> _Begun | None:
        """The next batch of a program whose turn it is; None when it is time to end."""
        with self._lock:
            while (line := next((one for one in self._lines.values() if one.is_ready()), None)) is None:
                if self._closing and not self._count:
                    return None
                self._wake.wait()
            lines = 0
            requests: list[_WaitingMovement] = []
            while line.waiting and len(requests) < BATCH_MAX:
                item = line.waiting[0].item
                lines += len(item.lines) if isinstance(item, NewJournal) else 1
                if requests and lines > LINES_MAX:
                    break
                requests.append(line.waiting.popleft())
            self._count -= len(requests)
            line.begin(batch := _Begun(requests))
            return batch

    def _write(self, lane: Lane, requests: Sequence[_WaitingMovement], inside: Callable[[], None]) -> list[Any]:
        """An answer each: a result, or an exception to raise. `inside` is called when the program's lock is had."""
        written = False
        try:
            ahead = bool(lane.asset) and len(requests) <= AHEAD_MAX
            with ExitStack() as until_ended, self._database.transaction(ahead=ahead) as conn:
                results = self._write_in(conn, lane, requests, inside, until_ended)
                written = True
            reached("ledger.after_commit")
            with self._lock:
                self.commits += 1
        except Exception as error:  # noqa: BLE001  # whatever it is, every member must hear of it, and the thread must live
            if written:
                return [OutcomeUnknown(detail=str(error)[:200])] * len(requests)
            end_if_frozen(self._database, error, clock=self._clock)
            if len(requests) == 1 or not isinstance(error, Problem) or isinstance(error, Busy):
                return [error] * len(requests)
            return [answer for request in requests for answer in self._write(lane, [request], _nobody_waits)]
        return results

    def _write_in(
        self, conn: Connection[Any], lane: Lane, requests: Sequence[_WaitingMovement], inside: Callable[[], None], until_ended: ExitStack
    ) -> list[Any]:
        """In this transaction. What is entered into `until_ended` is left when it has ended, and hears how."""
        now, items = self._clock(), [request.item for request in requests]
        if not lane.asset:
            results = post_journals(conn, lane.program_id, items, now=now)
            if self._record is not None:
                answered = zip(items, results, [request.note for request in requests], strict=True)
                self._record(conn, [Answered(*one) for one in answered])
            return list(results)
        with self._lock:
            if len(self._memories) > BOOKS_REMEMBERED_MAX:
                self._memories.clear()
            memory = self._memories.setdefault((lane.program_id, lane.asset), Memory())

        def entered() -> None:
            # The batch before this one has ended in the database, since its lock is ours now; its thread says in a moment how.
            until_ended.enter_context(memory.turn())
            inside()

        bulk = Bulk(self._make_key(), lane.kind, lane.asset, lane.actor)
        return list(post_many(conn, lane.program_id, bulk, items, now=now, memory=memory, entered=entered).outcomes)


def _nobody_waits() -> None:
    """For a batch behind which none may queue."""


def _answer(requests: Sequence[_WaitingMovement], answers: Sequence[Any]) -> None:
    """Hand every caller its answer; coroutines of one loop are woken together."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for request, answer in zip(requests, answers, strict=True):
        if request.loop is not None:
            by_loop.setdefault(request.loop, []).append((request.future, answer))
        elif not request.future.set_running_or_notify_cancel():
            continue  # it went away while it waited
        else:
            _settle(request.future, answer)
    for loop, answered in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, answered)
        except RuntimeError:  # the loop was closed, and its callers with it: what was written stands under its key
            continue


def _settle_all(answered: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, answer in answered:
        if not future.done():
            _settle(future, answer)


def _settle(future: Any, answer: Any) -> None:
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
