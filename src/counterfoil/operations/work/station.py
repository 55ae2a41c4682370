"""What work that calls somebody else declares: a station's steps, each for its own items, which `outside` takes one after another."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

from psycopg import Connection

from counterfoil.operations.work.circuit_rules import Health
from counterfoil.operations.work.runner import ATTEMPTS_MAX, Claim, Park, Queue, Runner, give_back, set_aside, still_ours

OUTAGE_ATTEMPT_MAX: Final = ATTEMPTS_MAX - 2  # the ladder's longest wait, with a try left for when the other side is back

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

    def __init__(self, why: str, *, again: timedelta = timedelta(), down: bool = False) -> None:
        """`why` is shown with the item. `down`: the other side is at fault."""
        super().__init__(why)
        self.again = again
        self.down = down


class Stopped(Exception):
    """The announcement is refused: `announce` has written what becomes of the item, and nothing is called."""


class OutsideQuestion(Generic[Outcome]):
    """A line for a question that changes nothing on the other side: nothing need be opened before."""

    def __init__(self, ask: Callable[[], Outcome]) -> None:
        """`ask` does it."""
        self._ask = ask

    def call(self) -> Outcome:
        """The question to ask."""
        return self._ask()

    def close(self) -> None:
        """Nothing is open."""


class Station(ABC, Generic[Item, Outcome]):
    """Work that calls somebody else, step by step. Every step is guarded: what it raises concerns its items alone."""

    queue: Queue
    asks: bool = False  # it asks what changes nothing on the other side: the gate that was open at its claim is so for a second
    company_s: float = 0.005  # what comes back within this is recorded together, in one transaction
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

    def announce_all(self, conn: Connection[Any], items: Sequence[tuple[Claim, Item]], now: datetime) -> dict[str, Stopped]:
        """`announce`, of those that come at the same moment; by id why those stopped that did. What it raises is asked for one by one."""
        stopped: dict[str, Stopped] = {}
        for one, item in items:
            try:
                self.announce(conn, one, item, now)
            except Stopped as error:  # what it wrote stands
                stopped[one.id] = error
        return stopped

    def provider(self, item: Item) -> str | None:  # noqa: ARG002
        """Whom its call goes to, by whose circuit it is held back; None: by none."""
        return None

    def health(self, outcome: Outcome) -> Health | None:  # noqa: ARG002
        """What the outcome tells of the other side: does it work? None: it tells nothing."""
        return None

    def hold(self, conn: Connection[Any], one: Claim, item: Item, now: datetime, *, why: str, again: timedelta) -> None:  # noqa: ARG002
        """Give back an item that may not be called now; it did not fail. It is due again after `again`."""
        give_back(conn, self.queue, one, due_at=now + again, why=why)

    def not_ready(self, conn: Connection[Any], one: Claim, error: NotReady, now: datetime) -> None:
        """Give back an item that nothing could be called for."""
        give_back(conn, self.queue, one, due_at=now + max(error.again, timedelta(minutes=1)), why=str(error))

    def store(self, conn: Connection[Any], one: Claim, item: Item, outcome: Outcome, now: datetime) -> None:
        """Keep what came back; also of a claim that is not ours any more."""

    def store_all(self, conn: Connection[Any], came: Sequence[tuple[Claim, Item, Outcome]], now: datetime) -> None:
        """`store`, of those that come back at the same moment. What it raises is asked for one by one."""
        for one, item, outcome in came:
            self.store(conn, one, item, outcome, now)

    @property
    def keeps(self) -> bool:
        """Does it keep what comes back, before anything is made of it?"""
        return type(self).store is not Station.store or type(self).store_all is not Station.store_all

    @abstractmethod
    def record(self, conn: Connection[Any], done: Sequence[tuple[Claim, Outcome]], now: datetime) -> None:
        """Write what came of it, for rows that are still ours, locked; by set."""

    def late_all(self, conn: Connection[Any], came: Sequence[tuple[Claim, Item, Outcome]], now: datetime) -> None:
        """What came back for claims that are not ours any more, by set; unless a station makes something of it, nothing."""

    def failed(self, runner: Runner, one: Claim, said: str) -> bool:
        """An item failed: put it aside if it is still ours. False when it is not: whoever has it now must not be told of our failure, nor
        wait for the ladder because of it."""
        if not release(runner, self.queue, one):
            return False
        set_aside(runner, self.queue, one.id, said, self.park)
        return True


def release(runner: Runner, queue: Queue, one: Claim) -> bool:
    """End our lease on a row that is still ours, so that it can be taken again, by us or another; was it?"""
    with runner.database.transaction() as conn:
        ours = bool(still_ours(conn, queue, [one]))
        if ours:
            give_back(conn, queue, one, due_at=runner.clock(conn), why=None)
    return ours
