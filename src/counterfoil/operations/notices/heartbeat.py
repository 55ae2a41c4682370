"""The dead-man's switch: an address outside that is called every minute, so that somebody else notices when we are gone."""

from __future__ import annotations

from typing import Final

import httpx2

from counterfoil.base.problems import Busy
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally

EVERY_S: Final = 60.0
TIMEOUT_S: Final = 5.0


class NobodyHears(Busy):
    """The address of the dead-man's switch did not answer."""


def call_out(context: JobContext, _: str | None) -> Tally:
    """One tick: the database answers, so call. Whoever keeps the address raises the alarm when the calls stop.

    Raises NobodyHears, which shows with the job: the worker is then `failing`.
    """
    if not context.heartbeat_url:
        return Tally()
    with context.database.transaction(read_only=True) as conn:
        conn.execute("select 1")
    try:
        answer = httpx2.get(context.heartbeat_url, timeout=TIMEOUT_S, trust_env=False, follow_redirects=False)
    except httpx2.HTTPError as error:
        raise NobodyHears(error=type(error).__name__) from None  # the address itself may be a secret
    if not answer.is_success:
        raise NobodyHears(status=answer.status_code)
    return Tally(handled=1)


JOBS: Final = (Job("dead-man", None, call_out, "Calls the address outside that raises the alarm when it is not called.", every=EVERY_S),)
