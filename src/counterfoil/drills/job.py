"""The job that runs the drills that people have asked for, one after the other, and says which did not end."""

from __future__ import annotations

from typing import Final

from counterfoil.drills.running import DrillMeans, run_waiting
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally

REST_S: Final = 5.0


def _tick(context: JobContext, _: str | None) -> Tally:
    means: DrillMeans | None = context.drills
    return Tally() if means is None or run_waiting(means) is None else Tally(handled=1)


JOBS: Final = (
    Job(
        "drills",
        None,
        _tick,
        "Runs the drills that were asked for, and says of those whose process was killed that they did not end.",
        every=REST_S,
    ),
)
