"""What a writer of many batches remembers: the totals that its last batch left. Read again only when somebody else has written."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Final
from uuid import UUID

from psycopg import Connection

from counterfoil.base.problems import Busy
from counterfoil.ledger.journals.batch_types import AccountTotals
from counterfoil.ledger.write_context import Ground, accounts_of, refresh

ACCOUNTS_MAX: Final = 200_000  # beyond, what is remembered is forgotten and begun anew, so that a writer's memory stays flat

TURN_SECONDS_MAX: Final = 5.0  # the other has ended in the database by then: what is waited for is that its thread goes on


class Memory:
    """Totals of one book, as one writer left them. Give the same one to every `post_many` of that writer.

    They stand as long as the program's version is where our last write left it and that write was committed; the version moves
    on with every write to the program, inside the program's lock. A wrong memory could not get past the database, which holds
    the balances of every batch against its own totals; it would only refuse.
    """

    def __init__(self, accounts_max: int = ACCOUNTS_MAX) -> None:
        """Of so many accounts at most, about half a kilobyte each."""
        self._turn = Lock()
        self._accounts_max = accounts_max
        self._accounts: dict[str, AccountTotals] = {}
        self._book = 0
        self._incarnation = ""  # numbers of accounts may mean others in another database
        self._version = 0
        self._newest = 0
        self.journal: UUID | None = None
        self.readings = 0  # how often totals had to be read again; for tests and measurements

    @contextmanager
    def turn(self) -> Iterator[None]:
        """For writers that begin a batch while another is under way: entered when the program is theirs, left when their transaction ended.

        So `journal` stands whenever somebody has the turn: a batch that failed, or whose answer was lost, leaves nothing to remember.
        Raises Busy.
        """
        if not self._turn.acquire(timeout=TURN_SECONDS_MAX):
            raise Busy(what="the ledger's writer", limit=f"its turn within {TURN_SECONDS_MAX:.0f} s")
        try:
            yield
        except BaseException:
            self.forget()
            raise
        finally:
            self._turn.release()

    def recall(
        self, conn: Connection[Any], ground: Ground, asset: str, names: Collection[str], *, stands: bool
    ) -> tuple[dict[str, AccountTotals], int]:
        """Accounts by name, these among them if there are such, and the newest seq on any of them. Uncertain until `keep`.

        `stands`: whether `journal`, the last that this writer wrote, was committed.
        """
        book = ground.book(asset)
        if (self._book, self._incarnation) != (book, ground.incarnation) or len(self._accounts) > self._accounts_max:
            self.forget()
        if self.journal is None or not stands or self._version != ground.version:
            self.readings += 1
            self._accounts = {name: account for name in names if (account := self._accounts.get(name)) is not None}
            self._newest = refresh(conn, ground, self._accounts.values()) if self._accounts else 0
        missing = [name for name in names if name not in self._accounts]
        if missing:
            fresh = accounts_of(conn, ground, asset, missing)
            self._newest = max(self._newest, max((account.last_seq for account in fresh.values()), default=0))
            self._accounts |= fresh
        self._book, self._incarnation, self.journal = book, ground.incarnation, None
        return self._accounts, self._newest

    def keep(self, *, version: int, newest: int, journal: UUID) -> None:
        """The batch is written: its accounts stand as they are now, if this journal comes to stand."""
        self._version, self._newest, self.journal = version, newest, journal

    def forget(self) -> None:
        """Begin anew."""
        self._accounts, self.journal = {}, None
