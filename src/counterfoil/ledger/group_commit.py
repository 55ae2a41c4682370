"""Group commit: requests of concurrent callers are gathered into one batch and one commit, and each gets its own answer.

While one batch of a program is being committed, its next ones wait in line and go together: nobody waits longer than a commit for
company, and 256 callers cost one flush to disk instead of 256. A program that waits for a lock keeps one writer busy, and the other
programs go on with the others. Callers are threads (`post`, `move`) or coroutines (`post_soon`, `move_soon`).
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.edge import Database
from counterfoil.base.problems import Busy, Problem
from counterfoil.ledger.journals.batch_types import Movement, MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk, post_many
from counterfoil.ledger.journals.journal import JOURNALS_MAX, LINES_MAX, NewJournal, Posted, post_journals
from counterfoil.ledger.journals.memory import Memory

WAITING_MAX: Final = 16_384
BATCH_MAX: Final = JOURNALS_MAX
BOOKS_REMEMBERED_MAX: Final = 64
WRITERS: Final = 4  # connections that it uses at most


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
        self._waiting: dict[str, deque[_WaitingMovement]] = {}  # by program, the one that has waited longest first
        self._count = 0
        self._writing: set[str] = set()
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
            program = request.lane.program_id
            if program not in self._waiting and program not in self._writing:
                self._wake.notify()
            self._waiting.setdefault(program, deque()).append(request)
            self._count += 1
            self.asked += 1

    # The threads.

    def _run(self) -> None:
        while (batch := self._take()) is not None:
            lanes: dict[Lane, list[_WaitingMovement]] = {}
            for request in batch:
                lanes.setdefault(request.lane, []).append(request)
            for lane, requests in lanes.items():
                _answer(requests, self._write(lane, requests))
            self._leave(batch[0].lane.program_id)

    def _leave(self, program: str) -> None:
        """Let the next batch of this program be written, by whichever thread is free."""
        with self._lock:
            self._writing.discard(program)
            if program in self._waiting:
                self._waiting[program] = self._waiting.pop(program)  # behind the others
                self._wake.notify()
            elif self._closing:
                self._wake.notify_all()

    def _take(self) -> list[_WaitingMovement] | None:
        """The next batch of a program that nobody is writing; None when it is time to end."""
        with self._lock:
            while (program := next((name for name in self._waiting if name not in self._writing), None)) is None:
                if self._closing and not self._waiting:
                    return None
                self._wake.wait()
            line = self._waiting[program]
            lines = 0
            batch: list[_WaitingMovement] = []
            while line and len(batch) < BATCH_MAX:
                item = line[0].item
                lines += len(item.lines) if isinstance(item, NewJournal) else 1
                if batch and lines > LINES_MAX:
                    break
                batch.append(line.popleft())
            if not line:
                del self._waiting[program]
            self._count -= len(batch)
            self._writing.add(program)
            return batch

    def _write(self, lane: Lane, requests: Sequence[_WaitingMovement]) -> list[Any]:
        """An answer each: a result, or an exception to raise."""
        written = False
        try:
            with self._database.transaction() as conn:
                results = self._write_in(conn, lane, requests)
                written = True
            with self._lock:
                self.commits += 1
        except Exception as error:  # noqa: BLE001  # whatever it is, every member must hear of it, and the thread must live
            if written:
                return [OutcomeUnknown(detail=str(error)[:200])] * len(requests)
            if len(requests) == 1 or not isinstance(error, Problem) or isinstance(error, Busy):
                return [error] * len(requests)
            return [answer for request in requests for answer in self._write(lane, [request])]
        return results

    def _write_in(self, conn: Connection[Any], lane: Lane, requests: Sequence[_WaitingMovement]) -> list[Any]:
        now, items = self._clock(), [request.item for request in requests]
        if not lane.asset:
            results = post_journals(conn, lane.program_id, items, now=now)
            if self._record is not None:
                answered = zip(items, results, [request.note for request in requests], strict=True)
                self._record(conn, [Answered(*one) for one in answered])
            return list(results)
        if len(self._memories) > BOOKS_REMEMBERED_MAX:
            self._memories.clear()
        memory = self._memories.setdefault((lane.program_id, lane.asset), Memory())
        bulk = Bulk(self._make_key(), lane.kind, lane.asset, lane.actor)
        return list(post_many(conn, lane.program_id, bulk, items, now=now, memory=memory).outcomes)


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
