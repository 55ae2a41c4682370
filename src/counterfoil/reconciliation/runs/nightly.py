"""What the schedule does when its moment has come: every source of every program, and with everything the client money of the day
before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import structlog
from psycopg import Connection

from counterfoil.base.problems import Problem
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.providers import keeping_balances
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.reconciliation.breaks.breaks import mature_due
from counterfoil.reconciliation.client_money import make_client_money
from counterfoil.reconciliation.runs.continuous import RunPlan, Scope, Tried, reconcile_all, sources_in_use
from counterfoil.reconciliation.runs.pairings import Pairing, pairings
from counterfoil.reconciliation.runs.run import RunContext, bury
from counterfoil.reconciliation.runs.schedule import Slot, take_slot, withdraw
from counterfoil.reconciliation.runs.slot_ends import at_work

ACTOR: Final = "system:schedule"
REST_S: Final = 20.0
SCOPES: Final[Mapping[str, Scope]] = {"full": "full", "recent": "recent"}
_log = structlog.get_logger("counterfoil.reconciliation")

EVENT_KINDS: Final = declare(
    warning={
        "reconciliation_missed": (
            "A schedule was due and no worker was there: what it should have looked at was looked at later, or not at all."
        ),
        "client_money_not_made": "The statement of client money of a day could not be drawn up.",
    },
)


def reconcile_due(
    means: RunContext, known: Sequence[Pairing], crons: Mapping[str, str], *, by: str, make_id: Callable[[str], str]
) -> Tally:
    """One tick: give up runs whose process is gone, open what has waited too long, and do what a schedule wants that nobody has taken."""
    with means.database.transaction() as conn:
        bury(conn, now=means.clock())
    with means.database.transaction() as conn:
        handled = mature_due(conn, now=means.clock())
        withdraw(conn, SCOPES.keys() - crons.keys(), by=by, now=means.clock())
    failed = 0
    for name, cron in sorted((name, cron) for name, cron in crons.items() if name in SCOPES):
        with means.database.transaction() as conn:
            slot = take_slot(conn, name, cron, by=by, now=means.clock())
        if slot is None:
            continue
        with at_work(means.database, slot, means.clock):
            tried = _do(means, known, slot, make_id)
        handled += len(tried)
        failed += sum(one.problem is not None for one in tried)
    return Tally(handled=handled, failed=failed)


def _do(means: RunContext, known: Sequence[Pairing], slot: Slot, make_id: Callable[[str], str]) -> list[Tried]:
    with means.database.transaction() as conn:
        rows = conn.execute("select id from program order by id").fetchall()
        _tell_gap(conn, [row[0] for row in rows], slot, means.clock())
    found: list[Tried] = []
    for (program_id,) in rows:
        with means.database.transaction() as conn:
            sources = sources_in_use(conn, known, program_id)
        days = _days_before(slot) if slot.name == "full" else []
        for day in days:
            found += _day_alone(means, program_id, sources, day, slot, make_id)
        wanted = RunPlan(program_id, sources, SCOPES[slot.name], None, ACTOR, slot.slot_at)
        found += reconcile_all(means, wanted, make_id)
        for day in days:
            _client_money(means, program_id, day, make_id)
    return found


def _day_alone(
    means: RunContext, program_id: str, sources: Sequence[Pairing], day: date, slot: Slot, make_id: Callable[[str], str]
) -> list[Tried]:
    """A day on its own, where a balance is stated for its end: client money stands on it."""
    stated = [one for one in sources if one.account is not None and one.provider is not None]
    return reconcile_all(means, RunPlan(program_id, stated, "range", (day, day), ACTOR, slot.slot_at), make_id)


def _client_money(means: RunContext, program_id: str, on: date, make_id: Callable[[str], str]) -> None:
    try:
        with means.database.transaction(snapshot=True) as conn:
            make_client_money(conn, program_id, on=on, make_id=make_id, actor=ACTOR, now=means.clock())
    except Problem as problem:
        _log.warning("no statement of client money", program=program_id, on=str(on), problem=problem.sentence())
        with means.database.transaction() as conn:
            told = {"on": on.isoformat(), "why": problem.sentence()[:500]}
            subject = f"{program_id}:{on}:{means.clock().isoformat()}"
            emit(conn, [NewEvent("client_money_not_made", program_id, subject, told)], at=means.clock())


def _tell_gap(conn: Connection[Any], program_ids: Sequence[str], slot: Slot, now: datetime) -> None:
    """Nobody was there when a schedule was due: what should have been looked at then was looked at later, or not at all."""
    if slot.skipped:
        told = {"schedule": slot.name, "missed": slot.skipped, "before": slot.slot_at.isoformat()}
        at = slot.slot_at.isoformat()
        emit(
            conn,
            [NewEvent("reconciliation_missed", one, f"{one}:{slot.name}:{at}", told) for one in program_ids],
            at=now,
        )


def _days_before(slot: Slot) -> list[date]:
    """The day before the moment, and before each that was missed: every day gets its statement of client money, if late."""
    return sorted({at.astimezone(UTC).date() - timedelta(days=1) for at in (*slot.missed, slot.slot_at)})


def _tick(context: JobContext, _: str | None) -> Tally:
    means = RunContext(context.database, context.clock, context.providers, context.run_folder)
    known = list(pairings(keeping_balances(context.providers)).values())
    return reconcile_due(means, known, context.crons, by=context.runner.owner, make_id=context.make_id)


JOBS: Final = (Job("reconcile", None, _tick, "Reconciles what the schedule wants and nobody has done.", every=REST_S),)
