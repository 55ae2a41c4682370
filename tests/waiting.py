"""Things at once: threads that race, one that waits for another, and how long a test waits for either."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from psycopg import Connection

from counterfoil.base.edge import Database
from counterfoil.base.problems import Problem

WAITS = "select from pg_locks where not granted and pid in (select pid from pg_stat_activity where datname = current_database())"
Act = Callable[[Connection[Any]], Any]


def until(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Does it hold before so many seconds are over?"""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def at_once(act: Callable[[], None], times: int, *, within_s: float = 20.0) -> None:
    """So many threads do it together, and all of them end in time."""
    threads = [threading.Thread(target=act) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(within_s)
    assert not any(thread.is_alive() for thread in threads)


def second_waits(database: Database, first: Act, second: Act) -> list[str]:
    """Both in transactions of their own, the second begun before the first has ended: it waits. What it was refused with, if it was."""
    refused: list[str] = []

    def late() -> None:
        try:
            with database.transaction() as conn:
                second(conn)
        except Problem as problem:
            refused.append(problem.sentence())

    with database.transaction() as conn:
        first(conn)
        thread = threading.Thread(target=late)
        thread.start()
        while thread.is_alive() and not _somebody_waits(database):
            thread.join(0.02)
        assert thread.is_alive(), "it waits for whoever was first"
    thread.join()
    return refused


def _somebody_waits(database: Database) -> bool:
    with database.transaction() as conn:
        return conn.execute(WAITS).fetchone() is not None
