"""A key that is kept while its work lasts, however long: nobody takes the work for dead who could still see it done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import structlog
from psycopg import Connection

from counterfoil.base.edge import Database
from counterfoil.base.idempotency import BEGUN_FOR, Answer, BegunWork, begin, finish, give_up, renew
from counterfoil.base.problems import Problem

RENEWED_EVERY_S: Final = BEGUN_FOR.total_seconds() / 3
_log = structlog.get_logger("counterfoil.api")


class KeptKey:
    """Renews what was begun, in a thread of its own, until it is stopped."""

    def __init__(self, database: Database, begun: BegunWork, clock: Callable[[], datetime], *, every_s: float = RENEWED_EVERY_S) -> None:
        """`every_s`: how often, in seconds."""
        self._database, self._begun, self._clock, self._every_s = database, begun, clock, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="kept-key", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Renew it no more: it is finished or given up now."""
        self._over.set()
        self._thread.join()

    def finish(self, conn: Connection[Any], answer: Answer) -> bool:
        """The work led to `answer`. False, and the log tells it, when another has begun it anew: it is done a second time."""
        return self._told(finish(conn, self._begun, answer), "key not ours when its work was done")

    def give_up(self, conn: Connection[Any]) -> bool:
        """The work led to nothing and may be asked for again. False, and the log tells it, when another has begun it anew."""
        return self._told(give_up(conn, self._begun), "key not ours when its work was given up")

    def _told(self, ours: bool, what: str) -> bool:
        if not ours:
            _log.warning(what, scope=self._begun.scope, key=self._begun.key)
        return ours

    def _renew(self) -> None:
        while not self._over.wait(self._every_s):
            try:
                with self._database.transaction() as conn:
                    kept = renew(conn, self._begun, now=self._clock())
            except Exception as error:  # noqa: BLE001 - the next time may do; at the worst another begins it anew
                _log.warning("key not renewed", key=self._begun.key, error=str(error)[:200])
                continue
            if not kept:
                _log.warning("key taken over by another", key=self._begun.key)
                return


class WantedOnce(NamedTuple):
    """A key and the request that it stands for; `holder`: a fresh id of this attempt."""

    scope: str
    key: str
    request: Mapping[str, Any]
    holder: str


def once_outside(
    database: Database,
    clock: Callable[[], datetime],
    wanted: WantedOnce,
    act: Callable[[], Any],
    record: Callable[[Connection[Any]], None],
) -> Answer:
    """Do once what has transactions of its own and cannot be rolled back: a tick, a reconciliation.

    The key is taken before anything is done: the same request again is told what came of the first, or that it is under way. `record`
    writes into the action log, in the transaction in which the answer is remembered. Raises what `begin` and `act` raise.
    """
    with database.transaction() as conn:
        begun = begin(conn, wanted.scope, wanted.key, wanted.request, holder=wanted.holder, now=clock())
    if isinstance(begun, Answer):
        return begun
    kept = KeptKey(database, begun, clock)
    try:
        answer = Answer(act(), None, replayed=False)
    except BaseException as error:
        kept.stop()
        with database.transaction() as conn:
            # A refusal is remembered as an answer is; whatever else went wrong may be tried again.
            if isinstance(error, Problem) and error.kind != "busy":
                kept.finish(conn, Answer(None, error, replayed=False))
            else:
                kept.give_up(conn)
        raise
    kept.stop()
    with database.transaction() as conn:
        record(conn)
        kept.finish(conn, answer)
    return answer
