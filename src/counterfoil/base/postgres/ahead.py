"""Transactions that speak ahead: what is said to the server goes together, and its answers are waited for together.

Each trip to the server costs two waits, for it and for us, and on a busy machine these are most of what a small batch takes. What was
said is waited for in `hear`. After it, and only then, the server counts how long we are silent, and ends the transaction of who is frozen
with a lock; so whatever is asked is heard before anything is done that takes time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from psycopg import Connection, Cursor, Pipeline, errors


class _Trip(Pipeline):
    """A pipeline whose last word is a Sync.

    psycopg sends a Flush behind it. PostgreSQL takes that for a command that has begun: it stops to count how long we are silent, and who
    is frozen then keeps its locks for ever.
    """

    def _exit_gen(self) -> Any:
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        finally:
            yield from self._fetch_gen(flush=False)


class SpeakingConnection(Connection[Any]):
    """`said`: of a transaction that speaks ahead, what was said and is not answered yet."""

    said: Pipeline | None = None

    @contextmanager
    def pipeline(self) -> Iterator[Pipeline]:
        """What is asked in it goes together; all of it is answered when it ends."""
        with self.lock:
            if self._pipeline is None:
                self._pipeline = _Trip(self)
        with super().pipeline() as trip:
            yield trip


@contextmanager
def speaking_ahead(conn: SpeakingConnection) -> Iterator[Pipeline]:
    """From here on answers are not waited for until somebody hears them. At the end they are."""
    with conn.pipeline() as said:
        conn.said = said
        try:
            yield said
        finally:
            conn.said = None


@contextmanager
def heard_out(said: Pipeline) -> Iterator[None]:
    """After a refusal the server listens to nothing until it hears that a new beginning comes: then it can be told to roll back."""
    try:
        yield
    except BaseException:
        with suppress(errors.Error):
            said.sync()
        raise


def speaks_ahead(conn: Connection[Any]) -> bool:
    """Whether answers are not waited for in this transaction. There is no COPY then."""
    return getattr(conn, "said", None) is not None


def hear(conn: Connection[Any]) -> None:
    """Wait for the answers to all that was said, and raise what was refused. Where nothing is said ahead there is nothing to hear."""
    said: Pipeline | None = getattr(conn, "said", None)
    if said is not None:
        said.sync()


def heard(cursor: Cursor[Any]) -> Cursor[Any]:
    """This cursor, when what was asked by it is answered."""
    hear(cursor.connection)
    return cursor
