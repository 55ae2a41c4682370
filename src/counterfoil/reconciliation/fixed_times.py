"""Jobs of a fixed schedule: due at the moments of a cron expression, once for all workers, and by hand at any time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.reconciliation.runs.schedule import take_slot

REST_S: Final = 20.0


def fixed_job(name: str, cron: str, says: str, work: Callable[..., Tally], *, rest_s: float = REST_S) -> Job:
    """`work(context)` does it at once. `work(context, scheduled=True)` takes the moment that waits (`take_moment`) in the transaction in
    which it writes what it did, so that a worker that ends in the middle leaves it to the next, and does nothing where somebody was faster.
    """

    def tick(context: JobContext, _: str | None) -> Tally:
        return work(context, scheduled=True) if _waits(context, name, cron) else Tally()

    return Job(name, None, tick, says, every=rest_s, on_demand=lambda context, _: work(context))


def _waits(context: JobContext, name: str, cron: str) -> bool:
    """Is there a moment that nobody has taken? It is not taken yet. A schedule that is new is noted, and begins from here."""
    by, now = context.runner.owner, context.clock()
    with context.database.transaction(commit=False) as conn:
        if take_slot(conn, name, cron, by=by, now=now) is not None:
            return True
    with context.database.transaction() as conn:
        take_slot(conn, name, cron, by=by, now=now)
    return False
