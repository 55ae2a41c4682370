"""Counting once what only grows, so that a scrape never looks at all of history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.metric import Metric
from counterfoil.integrity.metrics.reading import count_between
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally

REST_S: Final = 60.0
SETTLED: Final = timedelta(minutes=15)  # longer than any transaction: what is older than this commits no more
EVERY: Final = timedelta(minutes=15)


def fold(conn: Connection[Any], one: Metric, *, now: datetime) -> bool:
    """Count up to 15 minutes ago, unless that was done just now or somebody does it; says whether it was done."""
    taken = conn.execute("select pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"metric:{one.name}"]).fetchone()
    if taken != (True,):
        return False
    row = conn.execute("select reached from metric_reach where name = %s", [one.name]).fetchone()
    until = now - SETTLED
    if row is not None and until - row[0] < EVERY:
        return False
    found = count_between(conn, one, row[0].isoformat() if row else "-infinity", until.isoformat())
    conn.execute(
        "insert into metric_reach (name, reached) values (%s, %s) on conflict (name) do update set reached = excluded.reached",
        [one.name, until],
    )
    with conn.cursor() as cur:
        cur.executemany(
            """insert into metric_sum (name, labels, number, total) values (%s, %s, %s, %s) on conflict (name, labels) do update
               set number = metric_sum.number + excluded.number, total = metric_sum.total + excluded.total""",
            [(one.name, list(each.labels), each.number, each.total) for each in found],
        )
    return True


def folding(metrics: Sequence[Metric]) -> Job:
    """The job that does it, for those of `metrics` that only grow."""
    growing = [one for one in metrics if one.kind != "gauge"]

    def tick(context: JobContext, _: str | None) -> Tally:
        """Each in a transaction of its own."""
        done, now = 0, context.clock()
        for one in growing:
            with context.database.transaction() as conn:
                done += fold(conn, one, now=now)
        return Tally(handled=done)

    says = "Counts once what metrics only add to, so that a scrape looks at the last half hour alone."
    return Job("fold-metrics", None, tick, says, every=REST_S)
