"""The dead-man's switch: an address outside that is called every minute, so that somebody else notices when we are gone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

import httpx2
from psycopg import Connection

from counterfoil.base.problems import Busy
from counterfoil.operations.authorities import authorities_of_questions
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally

EVERY_S: Final = 60.0
TIMEOUT_S: Final = 5.0
MONITORS_SILENT: Final = timedelta(minutes=5)
ROUNDS_MAX: Final = 3  # where they are asked less often


class NobodyHears(Busy):
    """The address of the dead-man's switch did not answer."""


class NobodyAsks(Busy):
    """The monitors were not asked to their end for too long: the dead-man's switch is not called, so that somebody outside notices."""


def monitors_silent(conn: Connection[Any], *, now: datetime) -> str | None:
    """Were the monitors not asked to their end for too long? Then since when, in words."""
    row = conn.execute("select done_at, make_interval(secs => every_s) from monitor_round").fetchone()
    done_at, every = row or (None, MONITORS_SILENT)
    if done_at is None:
        return "ever"
    return f"{done_at:%Y-%m-%d %H:%M} UTC" if now - done_at > max(ROUNDS_MAX * every, MONITORS_SILENT) else None


def call_out(context: JobContext, _: str | None) -> Tally:
    """One tick: the monitors answered lately, so call. Whoever keeps the address raises the alarm when the calls stop.

    Raises NobodyAsks, and NobodyHears, which show with the job: the worker is then `failing`.
    """
    if not context.heartbeat_url:
        return Tally()
    with context.database.transaction(read_only=True) as conn:
        since = monitors_silent(conn, now=context.clock())
    if since is not None:
        raise NobodyAsks(since=since)
    try:
        authorities = authorities_of_questions()
        answer = httpx2.get(context.heartbeat_url, timeout=TIMEOUT_S, trust_env=False, follow_redirects=False, verify=authorities)
    except httpx2.HTTPError as error:
        raise NobodyHears(error=type(error).__name__) from None  # the address itself may be a secret
    if not answer.is_success:
        raise NobodyHears(answered=answer.status_code)
    return Tally(handled=1)


JOBS: Final = (Job("dead-man", None, call_out, "Calls the address outside that raises the alarm when it is not called.", every=EVERY_S),)
