"""Forgetting idempotency keys: so that what is remembered of requests does not grow for ever."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from counterfoil.base.idempotency import KEPT_DAYS, forget
from counterfoil.operations.work.jobs import Job, of_runner
from counterfoil.operations.work.runner import Runner, Tally

ROWS_MAX: Final = 10_000
REST_S: Final = 3_600.0


def forget_keys(runner: Runner) -> Tally:
    """One tick: forget keys that are older than 30 days, at most 10,000; the next tick goes on."""
    with runner.database.transaction() as conn:
        before = runner.clock(conn) - timedelta(days=KEPT_DAYS)
        return Tally(handled=forget(conn, before=before, rows_max=ROWS_MAX))


JOBS: Final = (
    Job(
        "forget-keys",
        None,
        of_runner(forget_keys),
        "Forgets idempotency keys older than 30 days.",
        every=REST_S,
    ),
)
