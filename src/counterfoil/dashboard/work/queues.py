"""The page of queues: who works, what is due and since when, what is paused, what each job did last, and of each schedule
how its last moment ended and which nobody took."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from counterfoil.dashboard.web.sections import Grade, Section, SectionAnswer, SectionContext, SectionReading, measure
from counterfoil.integrity.standing import WorkersStanding, workers_standing
from counterfoil.ledger.reads.books import known_programs
from counterfoil.operations.work.circuits import open_circuits
from counterfoil.operations.work.jobs import Job
from counterfoil.operations.work.pauses import Pause, paused_now
from counterfoil.operations.work.queries import QueueDepth, SilentPeer, queue_depths
from counterfoil.operations.work.worker import WorkerStatus, list_workers
from counterfoil.reconciliation.runs.schedule import ScheduleGap, gaps, set_schedules
from counterfoil.reconciliation.runs.slot_ends import ScheduleState, schedules
from counterfoil.wiring import JOBS, QUEUE_BY_NAME

SEEN_WITHIN: Final = timedelta(days=1)
RECENT: Final = timedelta(days=1)  # a missed moment that was noticed within it needs a look
GRADE_OF_HEALTH: Final[Mapping[str, Grade]] = {"healthy": "right", "failing": "attention", "down": "wrong", "stopped": "plain"}
GRADE_OF_STANDING: Final[Mapping[str, Grade]] = {"healthy": "right", "degraded": "attention", "down": "wrong"}
GRADE_OF_DEPTH: Final[Mapping[str, Grade]] = {"fine": "right", "slow": "attention", "backlog": "wrong"}


PART_OF_QUEUE: Final = {job.queue.name: job.part for job in JOBS if job.queue is not None}


class WorkerRow(NamedTuple):
    """A worker, and the jobs of it whose last run failed, each with its error."""

    id: str
    version: str
    health: str
    grade: Grade
    beat_at: datetime
    started_at: datetime
    failing: tuple[tuple[str, str], ...]


class WorkersTold(NamedTuple):
    """The workers, and how they stand together against what is usual here."""

    standing: WorkersStanding
    rows: tuple[WorkerRow, ...]


class BrokenProvider(NamedTuple):
    """A provider that is not called from a queue; when it is tried next, and why."""

    id: str
    provider: str
    state: str
    opened_at: datetime | None
    probe_at: datetime | None
    last_error: str | None


class PauseRow(NamedTuple):
    """A pause that holds. `two`: resuming it takes two people."""

    queue: str
    provider: str
    program_id: str
    reason: str
    actor: str
    at: datetime
    two: bool
    draining: bool


class QueueRow(NamedTuple):
    """A queue as it stands. `part`: of which part of the product it is, under which it stands; `whole`: is all of it paused?"""

    name: str
    part: str
    grade: Grade
    word: str
    money: bool
    due: int
    more: bool
    in_hand: int
    later: int
    oldest_due_at: datetime | None
    whole: bool
    pauses: tuple[PauseRow, ...]
    circuits: tuple[BrokenProvider, ...]
    peers_silent: tuple[SilentPeer, ...]


class JobRow(NamedTuple):
    """A job, and how it last went on any worker; of one with several lanes the newest run, and the error of any lane whose last failed.
    `part`: of which part of the product it is, under which it stands."""

    name: str
    part: str
    says: str
    money: bool
    last_at: datetime | None
    last_ms: int | None
    handled: int
    error: str | None
    grade: Grade


class ScheduleRow(NamedTuple):
    """A schedule, and how it stands in a word."""

    state: ScheduleState
    grade: Grade
    word: str


class SchedulesTold(NamedTuple):
    """Schedules as they stand, and the newest gaps in them."""

    rows: tuple[ScheduleRow, ...]
    missed: tuple[ScheduleGap, ...]


class QueuesAnswer(NamedTuple):
    """What the page shows."""

    readings: dict[str, SectionReading]
    queues: tuple[str, ...]
    providers: tuple[str, ...]
    programs: tuple[str, ...]
    measured_at: datetime


def queues_answer(ask: SectionContext) -> QueuesAnswer:
    """Each section is measured by itself."""
    programs = tuple(known_programs(ask.conn))
    return QueuesAnswer(measure(ask, SECTIONS), tuple(QUEUE_BY_NAME), tuple(sorted(ask.extra.wiring.providers)), programs, ask.clock())


def _workers(ask: SectionContext) -> SectionAnswer:
    now = ask.clock()
    standing = workers_standing(ask.conn, now=now)
    rows = tuple(_worker(one, now) for one in list_workers(ask.conn, since=now - SEEN_WITHIN))
    running = sum(one.health in ("healthy", "failing") for one in rows)
    told = WorkersTold(standing, rows)
    if not rows:
        return SectionAnswer("None was heard of for a day", "wrong", told, "empty")
    said = f"{running} running, {standing.status}" + (f": {standing.why}" if standing.why else "")
    grade = GRADE_OF_STANDING[standing.status]
    silent = sum(one.health == "down" for one in rows)
    if silent and grade == "right":
        return SectionAnswer(f"{said}; {silent} silent", "attention", told)
    return SectionAnswer(said, grade, told)


def _worker(one: WorkerStatus, now: datetime) -> WorkerRow:
    health = one.health(now)
    failing = tuple((name, str(note["last_error"])) for name, note in sorted(one.jobs.items()) if note["last_error"])
    return WorkerRow(one.id, one.version, health, GRADE_OF_HEALTH[health], one.beat_at, one.started_at, failing)


def _queues(ask: SectionContext) -> SectionAnswer:
    pauses, circuits = paused_now(ask.conn), open_circuits(ask.conn)
    rows = []
    for one in queue_depths(ask.conn, ask.extra.queues, now=ask.clock()):
        held = tuple(_pause(each) for each in pauses if each.queue == one.name)
        broken = tuple(
            BrokenProvider(each.id, each.provider, each.state, each.opened_at, each.probe_at, each.last_error)
            for each in circuits
            if each.queue == one.name
        )
        rows.append(_queue(one, held, broken))
    troubled = [one for one in rows if one.grade in ("attention", "wrong")]
    if not troubled:
        return SectionAnswer(f"All {len(rows)} go on", "right", tuple(rows))
    grade: Grade = "wrong" if any(one.grade == "wrong" for one in troubled) else "attention"
    return SectionAnswer(f"{len(troubled)} of {len(rows)} need a look", grade, tuple(rows))


def _queue(one: QueueDepth, pauses: tuple[PauseRow, ...], circuits: tuple[BrokenProvider, ...]) -> QueueRow:
    whole = any(not each.provider and not each.program_id for each in pauses)
    grade, word = GRADE_OF_DEPTH[one.depth], {"fine": "goes on", "slow": "slow", "backlog": "backlog"}[one.depth]
    if pauses:
        word = "paused" if whole else f"{word}, paused in part"
        grade = "wrong" if grade == "wrong" else "attention"
    return QueueRow(
        one.name,
        PART_OF_QUEUE.get(one.name, "other"),
        grade,
        word,
        QUEUE_BY_NAME[one.name].money if one.name in QUEUE_BY_NAME else False,
        one.due,
        one.more,
        one.in_hand,
        one.later,
        one.oldest_due_at,
        whole,
        pauses,
        circuits,
        one.peers_silent,
    )


def _pause(one: Pause) -> PauseRow:
    queue = QUEUE_BY_NAME.get(one.queue)
    two = one.by_machine or bool(queue and queue.money)
    return PauseRow(one.queue, one.provider, one.program_id, one.reason, one.actor, one.at, two, one.draining)


def _jobs(ask: SectionContext) -> SectionAnswer:
    notes: dict[str, list[dict[str, Any]]] = {}
    workers = list_workers(ask.conn, since=ask.clock() - SEEN_WITHIN)
    for worker in workers:
        for loop, note in worker.jobs.items():
            notes.setdefault(loop.partition(":")[0], []).append(note | {"stopped": worker.stopped_at is not None})
    rows = tuple(_job(one, notes.get(one.name, [])) for one in JOBS)
    rows = tuple(sorted(rows, key=lambda one: one.error is None))  # what fails is read first
    failing = [one.name for one in rows if one.grade == "attention"]
    if rows and not any(one.health(ask.clock()) in ("healthy", "failing") for one in workers):
        return SectionAnswer("No worker is running: nobody does them now", "unknown", rows)
    never = [one.name for one in rows if one.last_at is None]
    if failing:
        return SectionAnswer(f"{len(failing)} of {len(rows)} failed last: {', '.join(failing[:3])}", "attention", rows)
    if never:
        return SectionAnswer(f"{len(never)} of {len(rows)} were not run by any worker for a day", "unknown", rows)
    return SectionAnswer(f"All {len(rows)} went well last", "right", rows)


def _job(one: Job, notes: list[dict[str, Any]]) -> JobRow:
    told = (one.name, one.part, one.says, bool(one.queue and one.queue.money))
    if not notes:
        return JobRow(*told, None, None, 0, None, "unknown")
    newest = max(notes, key=lambda note: str(note["last_at"]))
    error = next((str(note["last_error"]) for note in notes if note["last_error"] and not note["stopped"]), None)
    at, handled = datetime.fromisoformat(newest["last_at"]), sum(int(note["handled"]) for note in notes)
    return JobRow(*told, at, int(newest["last_ms"]), handled, error, "attention" if error else "right")


def _schedules(ask: SectionContext) -> SectionAnswer:
    now = ask.clock()
    rows = tuple(_schedule(one) for one in schedules(ask.conn, set_schedules(ask.conn), now=now))
    missed = tuple(gaps(ask.conn))
    told = SchedulesTold(rows, missed)
    if not rows:
        return SectionAnswer("No worker wants any", "unknown", told, "empty")
    overdue = [one.state.name for one in rows if one.grade == "wrong"]
    if overdue:
        return SectionAnswer(f"Overdue, nobody took it: {', '.join(overdue)}", "wrong", told)
    undone = [one.state.name for one in rows if one.state.outcome in ("failed", "never_ended")]
    if undone:
        return SectionAnswer(f"Taken and not done: {', '.join(undone)}", "attention", told)
    recent = sum(one.missed for one in missed if now - one.noticed_at < RECENT)
    if recent:
        return SectionAnswer(f"{recent:,} moments were missed, noticed within a day", "attention", told)
    return SectionAnswer(f"{len(rows)} on time", "right", told)


def _schedule(one: ScheduleState) -> ScheduleRow:
    if one.overdue_s is not None:
        return ScheduleRow(one, "wrong", "overdue")
    if one.slot_at is None:
        return ScheduleRow(one, "unknown", "not due yet")
    if one.outcome in ("failed", "never_ended"):
        return ScheduleRow(one, "attention", "failed" if one.outcome == "failed" else "never ended")
    if one.late_s is not None:
        return ScheduleRow(one, "attention", "taken late")
    if one.outcome == "running":
        return ScheduleRow(one, "plain", "at work")
    return ScheduleRow(one, "right", "on time")


SECTIONS: Final = (
    Section("workers", "Workers", "work", "heartbeats of a day, and the last 100 intents against what is usual", _workers, whole=True),
    Section("queues", "Queues", "work", "rows that are due now, pauses and circuits", _queues, whole=True),
    Section("schedules", "Schedules", "work", "moments that were taken, their ends, and those that nobody took", _schedules, whole=True),
    Section("jobs", "Jobs", "work", "what workers noted of each job, within a day", _jobs, whole=True),
)
