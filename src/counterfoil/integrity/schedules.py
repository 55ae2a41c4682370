"""When the sentinel runs: of what is new each hour, of everything at night, and the monitors each minute, in a thread of their own, so that
a run of everything does not keep them waiting."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from counterfoil.integrity.runs import SentinelRun
from counterfoil.integrity.sentinel import Kind, Sentinel
from counterfoil.operations.work.jobs import Job, JobContext
from counterfoil.operations.work.runner import Tally
from counterfoil.reconciliation.runs.schedule import take_slot, withdraw
from counterfoil.reconciliation.runs.slot_ends import at_work

REST_S: Final = 20.0
MONITORS_REST_S: Final = 5.0
SCHEDULES: Final[Mapping[str, Kind]] = {"sentinel-full": "full", "sentinel-recent": "recent"}


def sentinel_of(context: JobContext) -> Sentinel:
    """The sentinel of a process that runs jobs."""
    return Sentinel(context.database, context.checks, context.clock, context.make_id, context.tables)


def _scheduled(context: JobContext, _: str | None) -> Tally:
    """One tick: the run that a schedule wants and that nobody has taken."""
    total = Tally()
    with context.database.transaction() as conn:
        withdraw(conn, SCHEDULES.keys() - context.crons.keys(), by=context.runner.owner, now=context.clock())
    for name, kind in SCHEDULES.items():
        if not (cron := context.crons.get(name)):
            continue
        with context.database.transaction() as conn:
            slot = take_slot(conn, name, cron, by=context.runner.owner, now=context.clock())
        if slot is not None:
            with at_work(context.database, slot, context.clock):
                total = total.plus(_tally(sentinel_of(context).run(kind, slot_at=slot.slot_at)))
    return total


def _on_demand(context: JobContext, _: str | None) -> Tally:
    """For an outside cron: everything when that was not asked for a day, else what is new."""
    sentinel = sentinel_of(context)
    with context.database.transaction(read_only=True) as conn:
        row = conn.execute("select max(started_at) from sentinel_run where kind = 'full' and state = 'finished'").fetchone()
    last = row[0] if row else None
    is_due = last is None or context.clock() - last >= timedelta(hours=23, minutes=30)
    return _tally(sentinel.run("full" if is_due else "recent", actor=f"system:{context.runner.owner}"))


def _tally(run: SentinelRun) -> Tally:
    return Tally(handled=run.checks, failed=run.failed)


def _each_minute(context: JobContext, _: str | None) -> Tally:
    """One tick: the monitors, unless somebody asked them within the interval; whoever takes it writes so first."""
    every, by = context.monitors_every_s, context.runner.owner
    with context.database.transaction() as conn:
        taken = conn.execute(
            """insert into monitor_round as r (asked_at, every_s, asked_by) values (%(now)s, %(every)s, %(by)s)
               on conflict (only_row) do update set asked_at = excluded.asked_at, every_s = excluded.every_s, asked_by = excluded.asked_by
               where r.asked_at <= excluded.asked_at - make_interval(secs => excluded.every_s) or r.every_s <> excluded.every_s""",
            {"now": context.clock(), "every": every, "by": by},
        ).rowcount
    return _round(context) if taken else Tally()


def _round(context: JobContext, _: str | None = None) -> Tally:
    """The monitors, now."""
    done = sentinel_of(context).round(actor=f"system:{context.runner.owner}")
    with context.database.transaction() as conn:
        # Where not one of them could be asked, nobody asked.
        conn.execute(
            """update monitor_round set asked = %(asked)s, failed = %(failed)s,
                      done_at = case when %(asked)s > %(failed)s then %(now)s else done_at end""",
            {"asked": done.asked, "failed": done.failed, "now": context.clock()},
        )
    return Tally(handled=done.asked, failed=done.failed)


JOBS: Final = (
    Job(
        "sentinel",
        None,
        _scheduled,
        "Asks every check: of what is new each hour, of everything at night. On demand, whichever is due.",
        every=REST_S,
        on_demand=_on_demand,
    ),
    Job(
        "monitors",
        None,
        _each_minute,
        "Asks each minute what must hold in time: workers, queues, schedules, and what waits for an answer.",
        every=lambda context: min(MONITORS_REST_S, context.monitors_every_s),
        on_demand=_round,
    ),
)
