"""The edge: the only place with a clock, randomness and a commit. Everything below takes `now`, ids and an open transaction."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import Connection, Cursor, IsolationLevel, errors
from psycopg_pool import ConnectionPool, PoolTimeout

from counterfoil.base.database import forgets_plans, problem_of
from counterfoil.base.encryption.keys import EncryptionKeys, carry
from counterfoil.base.ids import ENTROPY_BYTES, new_id
from counterfoil.base.postgres import lists as _lists  # noqa: F401 - lists are written quicker on every connection
from counterfoil.base.postgres.ahead import heard_out, speaking_ahead
from counterfoil.base.postgres.liveness import check_alive
from counterfoil.base.postgres.passwords import LOOK_EVERY_S, FileConnection, PasswordWatch
from counterfoil.base.problems import Busy, DatabaseAway

PREPARE_AFTER: Final = 3  # times that a connection has seen a statement
_DRAWN_BYTES: Final = 4_096
LOCK_TIMEOUT_MS: Final = 5_000
STATEMENT_TIMEOUT_MS: Final = 60_000
# Who is frozen between two statements is given up: a writer before those who wait for its rows have waited for a minute.
SILENT_WRITER_MS: Final = 40_000
SILENT_READER_MS: Final = 60_000
# The pool doubles its pauses while nobody answers: after two minutes without a database it would stay away for two more. So it gives up
# soon, and begins anew with whoever asks next.
RECONNECT_S: Final = 3.0
_BOOT_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def entropy(length: int = ENTROPY_BYTES) -> bytes:
    """Random bytes from the operating system."""
    return os.urandom(length)


class _Drawn:
    """Random bytes for ids, drawn some hundred ids at a time: a call of the system each would hand the interpreter to another thread."""

    _lock: threading.Lock
    _bytes: bytes
    _used: int

    def __init__(self) -> None:
        self.forget()

    def take(self, length: int) -> bytes:
        with self._lock:
            if self._used + length > len(self._bytes):
                self._bytes, self._used = os.urandom(_DRAWN_BYTES), 0
            self._used += length
            return self._bytes[self._used - length : self._used]

    def forget(self) -> None:
        """Begin anew: a forked child must not make its parent's ids, nor wait for a lock that its parent's thread held."""
        self._lock, self._bytes, self._used = threading.Lock(), b"", 0


_drawn = _Drawn()
os.register_at_fork(after_in_child=_drawn.forget)


def make_id(prefix: str) -> str:
    """A fresh id; its time and randomness are taken here, at the edge."""
    return new_id(prefix, now=now(), entropy=_drawn.take(ENTROPY_BYTES))


class Database:
    """Where transactions come from. One per process; `open` it, then use `transaction()` everywhere."""

    def __init__(
        self,
        url: str,
        *,
        role: str | None = "counterfoil_app",
        connections_max: int = 10,
        prepares: bool = True,
        keys: EncryptionKeys | None = None,
    ) -> None:
        """Connect to `url` and act as `role`, which cannot change or delete what is append-only; None keeps the login's own.

        `prepares`: statements that come again are planned once per connection, which halves what a small transaction costs the server.
        `keys`: what every connection carries, to encrypt and open what is confidential; without them that is refused.
        """
        self.url = url
        self.keys = keys
        self.role = role
        self.prepares = prepares
        self._password = PasswordWatch(url)
        self._ending = threading.Event()
        self._pool = ConnectionPool(
            url,
            connection_class=FileConnection,
            min_size=1,
            max_size=connections_max,
            open=False,
            timeout=5,
            reconnect_timeout=RECONNECT_S,
            configure=lambda conn: carry(conn, keys),
            kwargs={"autocommit": True, "prepare_threshold": PREPARE_AFTER if prepares else None},
        )

    def open(self) -> Database:
        """Start the pool; returns at once, connections are made as they are needed."""
        self._pool.open(wait=False)
        if self._password.watches:
            threading.Thread(target=self._follow_password, name="password", daemon=True).start()
        return self

    def close(self) -> None:
        """Close every connection; transactions that are open are rolled back by PostgreSQL."""
        self._ending.set()
        self._pool.close()

    def _follow_password(self) -> None:
        """New connections in place of those that were made with another password, also where nothing is asked for hours."""
        while not self._ending.wait(LOOK_EVERY_S):
            if self._password.changed():
                self._pool.drain()  # those in use go on, and are closed when their transaction has ended

    @contextmanager
    def transaction(
        self, *, commit: bool = True, read_only: bool = False, snapshot: bool = False, program_id: str | None = None, ahead: bool = False
    ) -> Iterator[Connection[Any]]:
        """One transaction, committed when the block ends and rolled back when it raises or `commit` is False (a dry run).

        Who reads only (`read_only`) sees one moment from beginning to end, however many queries it takes (repeatable read):
        figures of one page, and the pages of one statement, foot. `snapshot` gives the same to who also writes down what it
        saw; it cannot post to the ledger, which must see what was committed while it waited for its locks.

        With `program_id` the database shows that program alone and takes rows of no other, whatever is asked.

        `ahead`: what is said goes together, and is waited for where the block does so (`hear`, in `base/postgres/ahead.py`).

        Raises Problem for what the database refused and we understand, Busy when it cannot be reached or a lock is not had.
        Nothing relies on a session: PgBouncer in transaction mode works (see the setting `database_prepares`).
        """
        try:
            with ExitStack() as held:
                conn = self._begun(held, IsolationLevel.REPEATABLE_READ if read_only or snapshot else None, commit=commit, ahead=ahead)
                try:
                    settings = say_settings(conn, self.role, read_only=read_only)
                    conn.begun_at = None if ahead else _moment(settings)
                    if program_id is not None:
                        keep_to_program(conn, program_id)
                    yield conn
                except errors.Error as error:
                    if forgets_plans(error):
                        conn.close()  # the pool makes a fresh one; this would fail for everybody who gets it
                    raise
        except PoolTimeout as error:
            raise DatabaseAway(limit="a connection within 5 s") from error
        except errors.Error as error:
            found = problem_of(error)
            if found is None:
                raise
            raise found from error

    def _begun(self, held: ExitStack, isolation: IsolationLevel | None, *, commit: bool, ahead: bool) -> FileConnection:
        """A connection whose transaction has begun; `held` ends both. Where a connection turns out to be gone with the first word that is
        said on it, another one is taken: nothing was done yet."""
        for last in (*([False] * self._pool.max_size), True):
            with ExitStack() as trying:
                conn = trying.enter_context(self._pool.connection())
                try:
                    # Not by the pool, which sleeps one second after the second that is gone, then two: ten of a restart took it ten.
                    check_alive(conn)
                    # Said with BEGIN: after the first query it is too late, and a statement of its own would be a round trip.
                    conn.isolation_level = isolation
                    said = trying.enter_context(speaking_ahead(conn)) if ahead else None
                    trying.enter_context(conn.transaction(force_rollback=not commit))
                    if said is not None:
                        trying.enter_context(heard_out(said))
                except errors.OperationalError:
                    if last or not conn.broken:
                        raise
                    continue
                held.push(trying.pop_all())
                return conn
        raise AssertionError("unreachable: the last try returns or raises")


def set_up(conn: Connection[Any], role: str | None, *, read_only: bool = False) -> datetime:
    """Limits, time zone and role of this transaction; tables are found in `public` before any that the session made.

    Returns the moment by the database's clock, which comes with it without a trip of its own.
    """
    return _moment(say_settings(conn, role, read_only=read_only))


def say_settings(conn: Connection[Any], role: str | None, *, read_only: bool) -> Cursor[Any]:
    """`set_up`, where nothing is waited for."""
    if role is not None and not re.fullmatch(r"[a-z_]{1,63}", role):
        raise ValueError(f"not a role's name: {role}")
    limits = (LOCK_TIMEOUT_MS, STATEMENT_TIMEOUT_MS, SILENT_READER_MS if read_only else SILENT_WRITER_MS)
    return conn.execute(
        """select clock_timestamp(), set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true),
                  set_config('idle_in_transaction_session_timeout', %s, true), set_config('timezone', 'UTC', true),
                  set_config('search_path', 'public, pg_temp', true), set_config('role', %s, true),
                  set_config('transaction_read_only', %s, true)""",
        [*map(str, limits), role or "none", "on" if read_only else "off"],
    )


def _moment(settings: Cursor[Any]) -> datetime:
    row = settings.fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment.astimezone(UTC)  # what is read with it is in the login's zone yet


def keep_to_program(conn: Connection[Any], program_id: str) -> None:
    """From now on this transaction sees one program: its role may what the application may, and its rows are of that program alone."""
    conn.execute(
        "select set_config('role', 'counterfoil_program', true), set_config('counterfoil.program', %s, true)",
        [program_id],
    )


class SharedClock:
    """This moment by the database's clock, without asking it each time: what it said last, and how long ago that was.

    How long is measured by a clock that nobody sets and that goes on while the machine sleeps. So a machine whose clock is wrong, or is
    set while we run, makes nothing due an hour late, and its records stand in their order beside everybody's. While the database does
    not answer, what it said last counts; before it answered at all, our own clock does.
    """

    def __init__(self, database: Database, *, every_s: float = 30.0) -> None:
        """Corrected when it is started, and then each `every_s`."""
        self._database = database
        self._every_s = every_s
        self._known: tuple[datetime, float] | None = None  # a moment of the database, and what the other clock said then
        self._ending = threading.Event()

    def __call__(self) -> datetime:
        """Now."""
        known = self._known
        return now() if known is None else known[0] + timedelta(seconds=_since_boot_s() - known[1])

    def start(self) -> SharedClock:
        """Correct it now, and go on doing so beside everything else."""
        self.correct()
        threading.Thread(target=self._follow, name="shared-clock", daemon=True).start()
        return self

    def close(self) -> None:
        """Correct it no more."""
        self._ending.set()

    def correct(self) -> None:
        """Ask the database. The answer is of a moment between the question and its arrival: the middle is taken."""
        try:
            with self._database.transaction() as conn:
                before = _since_boot_s()
                row = conn.execute("select clock_timestamp()").fetchone()
                after = _since_boot_s()
        except (Busy, errors.Error):
            return
        assert row is not None
        self._known = (row[0], (before + after) / 2)

    def _follow(self) -> None:
        while not self._ending.wait(self._every_s):
            self.correct()


def _since_boot_s() -> float:
    return time.clock_gettime(_BOOT_CLOCK)
