"""A tick in parts, each in a transaction of its own.

Whoever locks rows and then posts to accounts ends with that: what the next part locks comes before accounts, and two workers who did
several parts in one transaction would wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from psycopg import Connection

from counterfoil.operations.work.due import asked_of, due_rows
from counterfoil.operations.work.runner import Park, Queue, Runner, StepOf, Tally, Work, run_here

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


def run_in_parts(runner: Runner, queue: Queue, parts: Parts, work: Work, *, park: Park | None = None, step: StepOf | None = None) -> Tally:
    """One tick of up to `rows_max` items: `parts` says which of the due ones go together, and each part is a transaction; the first one's
    begins with the look at what is due. `step`: see `run_here`.

    What another worker took meanwhile is not in it.
    """
    rest: list[Sequence[str]] = []

    def first(conn: Connection[Any], now: datetime) -> Sequence[str]:
        asked = asked_of(queue, now=now, rows_max=runner.rows_max)
        ids = [row[0] for row in conn.execute(due_rows(queue), asked).fetchall()]
        found = parts(conn, ids) if ids else []
        rest.extend(found[1:])
        return found[0] if found else ()

    done = run_here(runner, queue, work, park=park, choose=first, step=step)
    for part in rest:
        done = done.plus(run_here(runner, queue, work, park=park, only=part, step=step))
    return done
