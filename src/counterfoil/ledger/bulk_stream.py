"""Bulks that are sent ahead: while one is being written the next ones wait, and what waits is written together, in one commit.

Each keeps its own header, its own key and its own answer, which comes after the commit. Written together, the totals of an account
are moved and checked once for all of them, and one flush to disk does for all: that is quicker than one after the other, and nothing
is given up for it. What a bulk asks of Python is done by whoever sends it, while the server writes those before.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.edge import Database
from counterfoil.base.failpoints import reached
from counterfoil.base.problems import Busy, Problem
from counterfoil.ledger.frozen_writers import end_if_frozen
from counterfoil.ledger.group_commit import OutcomeUnknown
from counterfoil.ledger.journals.batch_types import Movement
from counterfoil.ledger.journals.bulk import Bulk, BulkPosted, PreparedBulk, post_bulks, prepare
from counterfoil.ledger.journals.memory import ACCOUNTS_MAX, Memory

TOGETHER_MAX: Final = 32_768  # movements in one commit, of several bulks
WAITING_MAX: Final = 131_072  # movements that wait; who sends more waits too
STREAMS_MAX: Final = 16  # programs whose bulks one process keeps a writer and totals for


class StreamClosed(Busy):
    """This stream writes no more."""


Record = Callable[[Connection[Any], BulkPosted], None]


class _WaitingBulk(NamedTuple):
    prepared: PreparedBulk
    answer: Future[BulkPosted]
    record: Record | None
    kept: bool  # to its program, by the database

    def written(self, conn: Connection[Any], result: BulkPosted | Problem) -> BulkPosted | Problem:
        """Its answer, after what its sender writes with it."""
        if self.record is not None and isinstance(result, BulkPosted):
            self.record(conn, result)
        return result


class BulkStream:
    """One program's bulks, written by a thread in the order in which they were sent. `start` it, `close` it: what waits is written first.

    When a commit fails, each of its bulks is tried by itself, so that one that is wrong fails alone; when the answer to a commit is
    lost, each of its bulks gets OutcomeUnknown. A bulk that failed stops none that was sent after it.
    """

    def __init__(
        self,
        database: Database,
        program_id: str,
        *,
        clock: Callable[[], datetime],
        together_max: int = TOGETHER_MAX,
        waiting_max: int = WAITING_MAX,
        accounts_max: int = ACCOUNTS_MAX,
    ) -> None:
        """`clock` says now. `together_max` and `waiting_max` count movements; one bulk may have more. Totals of `accounts_max` accounts are
        remembered for each asset."""
        self._database = database
        self._program_id = program_id
        self._clock = clock
        self._together_max = together_max
        self._waiting_max = waiting_max
        self._accounts_max = accounts_max
        self._waiting: deque[_WaitingBulk] = deque()
        self._count = 0  # movements that wait
        self._changed = threading.Condition()
        self._closing = False
        self._memories: dict[str, Memory] = {}  # by asset
        self._thread = threading.Thread(target=self._run, name=f"ledger-bulks-{program_id}", daemon=True)
        self.commits = 0  # for measurements

    def start(self) -> BulkStream:
        """Begin to write."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Write what waits, then end. Bulks that come later get Busy."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()

    def send(
        self,
        bulk: Bulk,
        movements: Sequence[Movement],
        *,
        record: Record | None = None,
        kept: bool = False,
        timeout_s: float | None = None,
    ) -> Future[BulkPosted]:
        """Put a bulk in line, and wait only while too much waits; its answer comes after its commit.

        `record` is called with its answer in the transaction that writes it, by the stream's thread: what it writes stands exactly when the
        bulk does, and when it fails the bulk fails. `kept`: the database shows that transaction the stream's program alone.

        The answer raises what `post_many` raises, Busy, OutcomeUnknown. Raises InvalidInput; Busy when it is closing, or when there
        is no room within `timeout_s` seconds.
        """
        one = _WaitingBulk(prepare(bulk, movements), Future(), record, kept)
        with self._changed:
            if not self._changed.wait_for(self._has_room, timeout_s):
                raise Busy(what="the ledger's writer", limit=f"{self._waiting_max} movements waiting")
            if self._closing:
                raise StreamClosed(what="the ledger's writer", detail="it is closing")
            self._waiting.append(one)
            self._count += len(movements)
            self._changed.notify_all()
        return one.answer

    def _has_room(self) -> bool:
        return self._closing or self._count < self._waiting_max

    # The thread.

    def _run(self) -> None:
        while group := self._take():
            for one, result in zip(group, self._write(group), strict=True):
                if isinstance(result, BaseException):
                    one.answer.set_exception(result)
                else:
                    one.answer.set_result(result)

    def _take(self) -> list[_WaitingBulk]:
        """The next bulks that go together; none when it is time to end. Who went away while it waited is left out."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                group: list[_WaitingBulk] = []
                count = 0
                while self._waiting and _goes_with(group, self._waiting[0], count, self._together_max):
                    one = self._waiting.popleft()
                    self._count -= len(one.prepared.movements)
                    if one.answer.set_running_or_notify_cancel():
                        group.append(one)
                        count += len(one.prepared.movements)
                self._changed.notify_all()
                if group or (not self._waiting and self._closing):
                    return group

    def _write(self, group: Sequence[_WaitingBulk]) -> list[BulkPosted | Exception]:
        """An answer each: a result, or an exception to raise."""
        written = False
        try:
            with self._database.transaction(program_id=self._program_id if group[0].kept else None) as conn:
                bulks = [one.prepared for one in group]
                memory = self._memories.setdefault(bulks[0].shared.asset, Memory(self._accounts_max))
                results = post_bulks(conn, self._program_id, bulks, now=self._clock(), memory=memory)
                results = [one.written(conn, result) for one, result in zip(group, results, strict=True)]
                written = True
            reached("ledger.after_commit")
            self.commits += 1
        except Exception as error:  # noqa: BLE001  # whatever it is, every sender must hear of it, and the thread must live
            if written:
                return [OutcomeUnknown(detail=str(error)[:200]) for _ in group]
            end_if_frozen(self._database, error, clock=self._clock)
            if len(group) == 1 or not isinstance(error, Problem) or isinstance(error, Busy):
                return [error for _ in group]
            return [answer for one in group for answer in self._write([one])]
        return list(results)


class BulkStreams:
    """The streams of one process, one for each program that bulks are sent to. `close` it: what waits is written first.

    It keeps those of `streams_max` programs; the one that was used longest ago is closed for another.
    """

    def __init__(
        self, database: Database, *, clock: Callable[[], datetime], streams_max: int = STREAMS_MAX, accounts_max: int = ACCOUNTS_MAX
    ) -> None:
        """`clock` says now. `accounts_max`: see `BulkStream`."""
        self._database = database
        self._clock = clock
        self._streams_max = streams_max
        self._accounts_max = accounts_max
        self._streams: OrderedDict[str, BulkStream] = OrderedDict()
        self._lock = threading.Lock()
        self._closing = False

    def send(
        self,
        program_id: str,
        bulk: Bulk,
        movements: Sequence[Movement],
        *,
        record: Record | None = None,
        kept: bool = False,
        timeout_s: float | None = None,
    ) -> Future[BulkPosted]:
        """`BulkStream.send`, on the program's own stream."""
        while True:
            stream = self._stream_of(program_id)
            try:
                return stream.send(bulk, movements, record=record, kept=kept, timeout_s=timeout_s)
            except StreamClosed:
                if self._closing:
                    raise

    def close(self) -> None:
        """Write what waits, then end. Bulks that come later get Busy."""
        with self._lock:
            self._closing = True
            streams = list(self._streams.values())
        for stream in streams:
            stream.close()

    def _stream_of(self, program_id: str) -> BulkStream:
        with self._lock:
            stream, oldest = self._streams.pop(program_id, None), None
            if stream is None:
                if self._closing:
                    raise StreamClosed(what="the ledger's writer", detail="it is closing")
                stream = BulkStream(self._database, program_id, clock=self._clock, accounts_max=self._accounts_max).start()
            self._streams[program_id] = stream
            if len(self._streams) > self._streams_max:
                _, oldest = self._streams.popitem(last=False)
        if oldest is not None:
            oldest.close()
        return stream


def _goes_with(group: Sequence[_WaitingBulk], one: _WaitingBulk, count: int, together_max: int) -> bool:
    if not group:
        return True
    new, size = one.prepared, count + len(one.prepared.movements)
    keys = {each.prepared.shared.key for each in group}
    return size <= together_max and new.shared.key not in keys and group[0].kept == one.kept and group[0].prepared.joins(new)
