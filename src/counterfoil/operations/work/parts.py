"""A tick in parts, each in a transaction of its own.

Whoever locks rows and then posts to accounts ends with that: what the next part locks comes before accounts, and two workers who did
several parts in one transaction would wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from psycopg import Connection

from counterfoil.operations.work.runner import Park, Queue, Runner, Tally, Work, due_rows, run_here

Parts = Callable[[Connection[Any], Sequence[str]], Sequence[Sequence[str]]]


def run_one_by_one(runner: Runner, queue: Queue, work: Work, *, park: Park | None = None) -> Tally:
    """One tick of up to `rows_max` items, the oldest first, each in a transaction of its own."""
    done, single = Tally(), replace(runner, rows_max=1)
    for _ in range(runner.rows_max):
        one = run_here(single, queue, work, park=park)
        done = done.plus(one)
        if one == Tally():
            break
    return done


def run_in_parts(runner: Runner, queue: Queue, parts: Parts, work: Work, *, park: Park | None = None) -> Tally:
    """One tick of up to `rows_max` items: `parts` says which of the due ones go together, and each part is a transaction.

    What another worker took meanwhile is not in it.
    """
    with runner.begin() as (conn, now):
        rows = conn.execute(
            due_rows(queue),
            {
                "now": now,
                "states": list(queue.states),
                "queue": queue.name,
                "lane": None,
                "rows_max": runner.rows_max,
            },
        ).fetchall()
        found = parts(conn, [row[0] for row in rows]) if rows else []
    done = Tally()
    for part in found:
        done = done.plus(run_here(runner, queue, work, park=park, only=part))
    return done
