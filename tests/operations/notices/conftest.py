"""Real peers of notices on this machine: an HTTP receiver and a mail server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from counterfoil.base.edge import Database, make_id, now
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.notices.channels import Channels, parse_channels
from counterfoil.operations.notices.notices import Notice, Telling, list_notices, tell
from counterfoil.wiring import Wiring, ticks
from tests.api.office import wiring_for
from tests.builders import Clock
from tests.mail_server import Mailbox, mail_server
from tests.receiver import Receiver, received


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An HTTP server that keeps what it is told."""
    with received() as made:
        yield made


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    """A mail server of our own, and its port."""
    with mail_server() as made:
        yield made


@dataclass
class Teller:
    """Books, channels, and a worker whose clock the test moves."""

    database: Database
    channels: Channels
    clock: Clock

    def work(self, *jobs: str) -> None:
        known = ticks(self.wiring(), "test")
        for job in jobs or ("events", "notices"):
            known[job]()

    def happened(self, name: str, subject_id: str, *, program: str = "", **told: Any) -> None:
        with self.database.transaction() as conn:
            emit(conn, [NewEvent(name, program, subject_id, told)], at=self.clock.now)

    def told(self, channel: str, *, times: int = 1) -> list[str]:
        """Notices on a channel, each of a group of its own."""
        with self.database.transaction() as conn:
            tellings = [Telling(f"g{number}", "critical", f"t{number}", "line") for number in range(times)]
            return [one for each in tellings for one in tell(conn, each, [channel], make_id=make_id, now=self.clock.now)]

    def wiring(self, **more: Any) -> Wiring:
        return replace(wiring_for(self.database), channels=self.channels, clock=self.clock, database_clock=self.clock, **more)

    def notices(self) -> list[Notice]:
        with self.database.transaction() as conn:
            return list(list_notices(conn, rows_max=50, after=None, state=None))


@pytest.fixture
def clock() -> Clock:
    return Clock(now())


def teller(database: Database, clock: Clock, text: str) -> Teller:
    return Teller(database, parse_channels(text), clock)
