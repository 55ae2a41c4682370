"""What is measured each minute: does the system answer, and how deep is each queue. One worker measures, whichever comes first."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final

import httpx2
from psycopg import Connection

from counterfoil.operations.authorities import authorities_of_questions
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.queries import queue_depths
from counterfoil.operations.work.runner import Queue, Tally

REST_S: Final = 15.0
TIMEOUT_S: Final = 5.0
SLOW_AFTER_MS: Final = 5_000
Probe = Callable[[], str | None]


def take_sample(context: JobContext, ask: Probe | None) -> Tally:
    """Measure this minute, unless somebody has. `ask` says why the server does not answer, None when it does; without it no server is
    asked, and whether it was there is not known."""
    now = context.clock()
    minute = now.replace(second=0, microsecond=0)
    with context.database.transaction(read_only=True) as conn:
        if conn.execute("select from minute_sample where minute = %s", [minute]).fetchone() is not None:
            return Tally()
    began = time.perf_counter()
    why_not = ask() if ask else None  # no transaction is open while somebody else is called
    with context.database.transaction() as conn:
        took = int((time.perf_counter() - began) * 1000)
        if why_not is None and took > SLOW_AFTER_MS:
            why_not = f"it took {took} ms"
        new = conn.execute(
            """insert into minute_sample (minute, available, answered_ms, why_not, measured_by, at)
               values (%s, %s, %s, %s, %s, %s) on conflict do nothing""",
            [minute, why_not is None if ask else None, took, why_not, context.runner.owner, now],
        ).rowcount
        if new:
            _measure_queues(conn, context.queues, minute, now)
    return Tally(handled=new)


def _measure_queues(conn: Connection[Any], queues: Sequence[Queue], minute: datetime, now: datetime) -> None:
    rows = [
        (minute.replace(minute=0), one.name, one.due, one.due, _age_s(one.oldest_due_at, now))
        for one in queue_depths(conn, queues, now=now)
    ]
    with conn.cursor() as cur:
        cur.executemany(
            """insert into queue_hour (hour, queue, samples, depth_sum, depth_max, oldest_max_s) values (%s, %s, 1, %s, %s, %s)
               on conflict (hour, queue) do update set samples = queue_hour.samples + 1,
                   depth_sum = queue_hour.depth_sum + excluded.depth_sum, depth_max = greatest(queue_hour.depth_max, excluded.depth_max),
                   oldest_max_s = greatest(queue_hour.oldest_max_s, excluded.oldest_max_s)""",
            rows,
        )


def _age_s(oldest: datetime | None, now: datetime) -> int:
    return 0 if oldest is None else max(0, int((now - oldest).total_seconds()))


def probe(url: str) -> str | None:
    """Why the server's health address does not answer; None when it does."""
    try:
        answer = httpx2.get(url, timeout=TIMEOUT_S, trust_env=False, follow_redirects=False, verify=authorities_of_questions())
    except httpx2.HTTPError as error:
        return type(error).__name__
    return None if answer.is_success else f"status {answer.status_code}"


def _sample(context: JobContext, _: str | None) -> Tally:
    url = context.health_url
    return take_sample(context, (lambda: probe(url)) if url else None)


JOBS: Final = (
    Job(
        "samples",
        None,
        _sample,
        "Measures each minute whether the server answers and how deep its queues are, for service levels and trends.",
        every=REST_S,
    ),
)
