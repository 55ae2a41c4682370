"""The server looks after the workers. Nobody else could tell that all of them are gone: what asks and what tells is work of theirs.

It asks the monitors when nobody did for their interval. Only while no worker is heard of, it also does what tells people: the limits of
alerts and incidents, events, and notices, by lease and fence as a worker would, so that one that comes back takes nothing twice.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import structlog

from counterfoil.base.problems import DatabaseAway
from counterfoil.operations.work.queries import is_nobody_at_work
from counterfoil.operations.work.worker import Loop
from counterfoil.wiring import Wiring, loops

EVERY_S: Final = 10.0
WAIT_S: Final = 5.0
LOOKING: Final = ("monitors",)
TELLING: Final = ("alerts", "incidents", "untold", "events", "notices")  # jobs, in the order in which one follows from the other
_log = structlog.get_logger("counterfoil.lookout")


@contextmanager
def looking_out(wiring: Wiring, owner: str, *, every_s: float = EVERY_S) -> Iterator[None]:
    """A thread that looks out as long as the server runs."""
    stopping = threading.Event()
    known = loops(wiring, f"{owner}:lookout", poll_s=every_s)

    def look() -> None:
        while not stopping.wait(every_s):
            look_out(wiring, known)

    thread = threading.Thread(target=look, name="lookout", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(WAIT_S)  # one that hangs in a call is given up: its lease runs out


def look_out(wiring: Wiring, known: Sequence[Loop]) -> None:
    """One look. What fails is logged and tried again at the next."""
    try:
        with wiring.database.transaction() as conn:
            alone = is_nobody_at_work(conn, now=wiring.clock())
    except DatabaseAway:
        return  # as everybody notices
    for job in (*LOOKING, *TELLING) if alone else LOOKING:
        for one in known:
            if one.name.split(":")[0] != job:
                continue
            try:
                one.tick()
            except Exception:  # noqa: BLE001 - the server lives on, and one that fails must not keep the others from being tried
                _log.exception("the lookout could not", job=one.name)
