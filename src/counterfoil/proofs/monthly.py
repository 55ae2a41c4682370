"""The audit export: on the first of each month the proof of the month before is made, and its signatures are asked for.

Not at midnight: the run of that night reads the last day to its end first, or the proof would say that nobody did.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from counterfoil.base.failpoints import reached
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.work.jobs import JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.proofs.packages.exporting import Exporter, export_proof
from counterfoil.proofs.packages.store import ProofStoreUnset
from counterfoil.reconciliation.fixed_times import fixed_job
from counterfoil.reconciliation.runs.slot_ends import do_slot

NAME: Final = "audit-export"
CRON: Final = "0 6 1 * *"
ACTOR: Final = "system:audit-export"
REST_S: Final = 60.0  # also between two tries of one that fails: it reads the whole month
EVENT_KINDS: Final = declare(info={"audit_exported": "The proof of the month before was made; those who sign are asked to."})


def month_before(at: datetime) -> tuple[datetime, datetime]:
    """From the first of the month before the one of `at` to the first of that one, not included; by UTC."""
    end = at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (end - timedelta(days=1)).replace(day=1), end


def export_month(context: JobContext, *, scheduled: bool = False) -> Tally:
    """The proof of the month before this one. The same facts are the same proof, so to make it again changes nothing.

    The moment of the schedule is taken once the proof is there: a worker that ends in the middle leaves it to the next.
    Raises ProofStoreUnset, LogBehind, LogForked, Busy.
    """
    now = context.clock()
    if context.exporter is None:
        raise ProofStoreUnset(setting="proof_folder")
    exporter: Exporter = context.exporter
    start, end = month_before(now)
    proof, new = export_proof(exporter, start, end, by=ACTOR)
    reached("audit_export.before_record")
    with context.database.transaction() as conn:
        taken = not scheduled or do_slot(conn, NAME, CRON, by=context.runner.owner, now=now) is not None
        if taken and new:
            told = {"from": start.isoformat(), "to": end.isoformat(), "title": f"Proof of {start:%B %Y}"}
            emit(conn, [NewEvent("audit_exported", "", proof.id, told)], at=now)
    return Tally(handled=1)


JOBS: Final = (
    fixed_job(
        NAME,
        CRON,
        "Makes the proof of the month before on the 1st at 06:00 UTC, and asks for its signatures; by hand at once.",
        export_month,
        rest_s=REST_S,
    ),
)
