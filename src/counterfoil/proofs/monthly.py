"""The audit export: on the first of each month the proof of the month before is made, and its signatures are asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from counterfoil.base.failpoints import reached
from counterfoil.operations.events.events import EventKind, NewEvent, declare, emit
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.proofs.packages.exporting import Exporter, export_proof
from counterfoil.proofs.packages.store import ProofStoreUnset
from counterfoil.reconciliation.runs.schedule import take_slot

NAME: Final = "audit-export"
CRON: Final = "0 0 1 * *"
ACTOR: Final = "system:audit-export"
REST_S: Final = 60.0  # also between two tries of one that fails: it reads the whole month
EVENT_KINDS: Final = declare(EventKind("audit_exported", "info", "The proof of the month before was made; those who sign are asked to."))


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
    if scheduled and not _waits(context, now):
        return Tally()
    if context.exporter is None:
        raise ProofStoreUnset(setting="proof_folder")
    exporter: Exporter = context.exporter
    start, end = month_before(now)
    proof, new = export_proof(exporter, start, end, by=ACTOR)
    reached("audit_export.before_record")
    with context.database.transaction() as conn:
        taken = not scheduled or take_slot(conn, NAME, CRON, by=context.runner.owner, now=now) is not None
        if taken and new:
            told = {"from": start.isoformat(), "to": end.isoformat(), "title": f"Proof of {start:%B %Y}"}
            emit(conn, [NewEvent("audit_exported", "", proof.id, told)], at=now)
    return Tally(handled=1)


def _waits(context: JobContext, now: datetime) -> bool:
    """Is there a moment that nobody has taken? It is not taken yet. A schedule that is new is noted, and begins from here."""
    with context.database.transaction(commit=False) as conn:
        if take_slot(conn, NAME, CRON, by=context.runner.owner, now=now) is not None:
            return True
    with context.database.transaction() as conn:
        take_slot(conn, NAME, CRON, by=context.runner.owner, now=now)
    return False


def _tick(context: JobContext, _: str | None) -> Tally:
    return export_month(context, scheduled=True) if context.exporter is not None else Tally()


JOBS: Final = (
    Job(
        NAME,
        None,
        _tick,
        "Makes the proof of the month before on the 1st at 00:00 UTC, and asks for its signatures; by hand at once.",
        every=lambda _: REST_S,
        on_demand=lambda context, _: export_month(context),
    ),
)
