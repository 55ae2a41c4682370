"""A run that lives says so: what it does, every two seconds, so that one whose process was killed is told from one that works."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
import structlog

from counterfoil.base.failpoints import reached
from counterfoil.base.problems import Problem
from counterfoil.matching.passes.pipeline import Progress
from counterfoil.operations.work.clocks import Clock
from counterfoil.operations.work.runner import Transactions
from counterfoil.reconciliation.runs.rows import beat

BEAT_EVERY_S: Final = 2.0
_log = structlog.get_logger("counterfoil.reconciliation")


@contextmanager
def living(database: Transactions, clock: Clock, run_id: str) -> Iterator[Progress]:
    """Gives a function that takes what is being done; a thread writes the latest of it down until the block ends."""
    doing = ["It begins"]
    ending = threading.Event()

    def tell() -> None:
        while not ending.wait(BEAT_EVERY_S):
            try:
                with database.transaction() as conn:
                    beat(conn, run_id, doing[0], clock())
            except (Problem, psycopg.Error):
                _log.warning("no sign of life: the database does not answer", run=run_id)

    def progress(what: str) -> None:
        doing[0] = what
        reached("reconciliation.progress")

    thread = threading.Thread(target=tell, name=f"alive {run_id}", daemon=True)
    thread.start()
    try:
        yield progress
    finally:
        ending.set()
        thread.join()
