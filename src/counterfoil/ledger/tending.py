"""What the worker does for the ledger's writers: one that is frozen in the middle of a COPY is disconnected."""

from __future__ import annotations

from typing import Final

from counterfoil.ledger.frozen_writers import JOB, end_frozen_writers
from counterfoil.operations.work.jobs import Job, of_runner
from counterfoil.operations.work.runner import Runner, Tally

REST_S: Final = 10.0


def end_frozen(runner: Runner) -> Tally:
    """One tick: end whoever keeps a program's lock and sends nothing."""
    with runner.database.transaction() as conn:
        return Tally(handled=end_frozen_writers(conn, by=runner.owner, now=runner.clock(conn)))


JOBS: Final = (
    Job(
        JOB,
        None,
        of_runner(end_frozen),
        "Disconnects writers that are frozen in the middle of their postings, so that their program's others go on.",
        every=REST_S,
    ),
)
