"""Operations: events, workers, queues, jobs, health, invariants. Every figure is measured when it is asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import Path
from fastapi.responses import Response
from psycopg import Connection
from pydantic import Field

from counterfoil.api.http.calls import ApiCall, Done, may
from counterfoil.api.http.lists import PageWanted, answer_listed, list_query
from counterfoil.api.http.routing import routes
from counterfoil.api.http.schemas import Paged, ViewModel, WriteResult, answer, shows
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import NotFound
from counterfoil.integrity.alerts.queries import count_live
from counterfoil.integrity.standing import workers_standing
from counterfoil.operations.access.access import OPERATE, READ
from counterfoil.operations.events.events import EVENT_LIST, Event
from counterfoil.operations.listing import ListAsked
from counterfoil.operations.webhooks.counts import webhook_counts
from counterfoil.operations.webhooks_out.owners import OWNERS_CHANNEL, owners_named
from counterfoil.operations.work.circuits import open_circuits
from counterfoil.operations.work.health import Judged, judge_counters, verdict_of
from counterfoil.operations.work.queries import QueueDepth, SilentPeer, peers_silent, queue_depths
from counterfoil.operations.work.worker import JobNote, WorkerStatus, list_workers
from counterfoil.payouts.details import payout_health
from counterfoil.payouts.providers_in_use import providers_not_set
from counterfoil.reconciliation.reach import never_concluded
from counterfoil.settlement.details import count_intents
from counterfoil.wiring import INVARIANTS, JOBS, QUEUES, ticks

router = routes("Operations")
JOB_OF: Final = {job.queue.name: job.name for job in JOBS if job.queue is not None}
SENT_STUCK_AFTER: Final = timedelta(minutes=10)
SEEN_WITHIN: Final = timedelta(days=1)


@shows(Event)
class EventView(ViewModel):
    """Something that happened, with its level."""

    level: str = Field(description="debug, info, warning or critical.")
    state: str = Field(description="due, handled, or parked when its followers failed five times.")


@shows(JobNote)
class JobView(ViewModel):
    """How a worker's job last went."""

    last_at: datetime
    handled: int = Field(description="Items, since the worker started.")


@shows(WorkerStatus, hidden=("stopped_at",))
class WorkerView(ViewModel):
    """A worker as the database knows it."""

    health: str = Field(description="healthy, failing (a job's last run ended in an error), down (silent for 60 s) or stopped.")
    jobs: dict[str, JobView]


class WorkersView(ViewModel):
    """Workers that were heard of within a day, and how they stand together."""

    status: str = Field(description="healthy; degraded (a job fails, or intents take twice as long as usual); down (none for 60 s).")
    why: str = Field(description="Why they are not healthy; empty where they are.")
    latest_ms: int | None = Field(description="Median of this hour's last 100 intents, from the payment to their completion.")
    usual_ms: int | None = Field(description="The same of up to 1,000 before this hour; null where fewer than 100 are known.")
    data: list[WorkerView]
    measured_at: datetime


@shows(SilentPeer)
class SilentPeerView(ViewModel):
    """Another server that was last asked in vain."""

    waiting: int = Field(description="Rows that wait for its answer, counted up to 10,001.")
    attempts: int = Field(description="How often it was asked in vain for the one that waits longest.")


class QueueView(ViewModel):
    """A queue: the rows that are due."""

    name: str
    job: str = Field(description="What to pass to `POST /api/admin/ops/run/{job}`.")
    due: int = Field(description="Rows due now, counted up to 10,001.")
    in_hand: int = Field(description="Of those, in a worker's hands.")
    later: int = Field(description="Rows that are due at a later time.")
    oldest_due_at: datetime | None
    oldest_age_s: int | None
    depth: str = Field(
        description="fine, slow (100 to 500, the oldest is late, a provider does not work or a peer does not answer) or backlog."
    )
    paused: bool = Field(description="Wholly or for a provider or program; see the pauses.")
    circuits_open: list[str] = Field(
        description="Providers that do not work and are not called from this queue meanwhile; see the circuits."
    )
    peers_silent: list[SilentPeerView] = Field(description="Other servers that do not answer what they are asked for rows of this queue.")


class QueuesView(ViewModel):
    """Every queue."""

    data: list[QueueView]
    measured_at: datetime


class JobRan(WriteResult):
    """What one run of a job did."""

    job: str
    handled: int
    failed: int
    stale: int = Field(description="Late writes refused, because another worker had taken over.")


@shows(Judged)
class CounterView(ViewModel):
    """A counter against its limits: from which figure on it is a warning, and from which it is critical."""

    value: int | None = Field(description="null: there is nothing to count.")
    status: str = Field(description="ok, warning or critical.")


class JobListed(ViewModel):
    """A job: what the worker does again and again, and anybody who may operate can run once."""

    name: str
    says: str = Field(description="What it does.")
    queue: str | None = Field(description="Whose rows it works on.")
    money: bool = Field(description="Does it send money?")
    per_provider: bool = Field(description="Does it run for each provider by itself?")
    per_peer: bool = Field(description="Does it run for each peer by itself?")
    peers_silent: list[SilentPeerView] = Field(description="Of a job that asks peers: those that do not answer.")


class JobsListed(ViewModel):
    """Every job, in the order in which a payment passes them."""

    data: list[JobListed]


class Lacking(ViewModel):
    """A provider that is not set, or a source that was never reconciled, and what to do."""

    what: str
    do: str


class HealthView(ViewModel):
    """Counters of work and money, each counted when it is asked for, and the verdict that they add up to."""

    verdict: str = Field(description="ok, warning or critical: the worst of the counters.")
    counters: list[CounterView]

    payout_outbox_pending: int
    payout_outbox_sending_stuck: int = Field(description="In sending for longer than a lease.")
    provider_payout_sent_stuck10m: int = Field(description="Accepted by the provider and silent for ten minutes.")
    provider_payout_unknown: int = Field(description="Nobody knows yet whether they went out.")
    payouts_failed: int
    payouts_waiting: int = Field(description="For a destination, or for the ledger.")
    max_outbox_age_minutes: int | None = Field(description="Of the oldest payout that waits to be sent; null when none does.")
    provider_circuits_open: int = Field(description="Providers that do not work, by queue: their calls wait.")
    integrity_alerts_critical_open: int = Field(description="Critical alerts of the sentinel that are not resolved or accepted.")
    integrity_alerts_warning_open: int = Field(description="Its other alerts.")
    webhooks_received: int = Field(description="Stored and not applied yet.")
    webhooks_parked: int
    webhooks_rejected_today: int = Field(description="Refused for their signature or form, since midnight UTC.")
    intents_stuck: int
    intents_failed: int
    workers_healthy: int
    providers_not_set: int = Field(description="Providers that rows speak of and nobody here can ask.")
    sources_never_reconciled: int = Field(description="Providers and bank accounts that money went through.")
    lacking: list[Lacking] = Field(
        description="What is not set up, each by its name: of the last two, and owners of endpoints that nobody could write to."
    )
    measured_at: datetime


class InvariantFindingView(ViewModel):
    """An invariant, and the rows that break it, if any."""

    code: str
    question: str
    severity: str
    meaning: str
    holds: bool
    count: int
    shown: list[str] = Field(description="The first 20 of them.")


class InvariantsView(ViewModel):
    """Every question that must find nothing, asked now."""

    all_hold: bool
    data: list[InvariantFindingView]
    measured_at: datetime


@router.get("/events", response_model=Paged[EventView], operation_id="event_list", summary="List events")
def events(
    call: Annotated[ApiCall, may(READ)],
    page: PageWanted,
    asked: Annotated[ListAsked, list_query(EVENT_LIST)],
) -> Response:
    """What happened: of a name, a level, a thing or a span of time."""
    return answer_listed(call, page, EVENT_LIST, asked, EventView)


@router.get("/workers", response_model=WorkersView, operation_id="worker_list", summary="List workers")
def workers(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Those that were heard of within a day, the latest first."""
    with call.reading() as conn:
        told = workers_standing(conn, now=call.now)
        latest, usual = (None if span is None else round(span / timedelta(milliseconds=1)) for span in (told.pace.latest, told.pace.usual))
        data = workers_shown(conn, call.now)
        return answer(
            WorkersView(status=told.status, why=told.why, latest_ms=latest, usual_ms=usual, data=data, measured_at=call.now),
        )


def workers_shown(conn: Connection[Any], now: datetime) -> list[WorkerView]:
    """Workers with their health at this moment."""
    return [
        WorkerView(**{name: value for name, value in one._asdict().items() if name != "stopped_at"}, health=one.health(now))
        for one in list_workers(conn, since=now - SEEN_WITHIN)
    ]


@router.get("/admin/queue/status", response_model=QueuesView, operation_id="queue_list", summary="List queues")
def queue(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Each queue: how many rows are due, and since when the oldest is."""
    with call.reading() as conn:
        return answer(QueuesView(data=queues_shown(conn, call.now), measured_at=call.now))


def queues_shown(conn: Connection[Any], now: datetime) -> list[QueueView]:
    """Every queue at this moment."""
    return [_queue(one, now) for one in queue_depths(conn, QUEUES, now=now)]


def _queue(one: QueueDepth, now: datetime) -> QueueView:
    age = int((now - one.oldest_due_at).total_seconds()) if one.oldest_due_at else None
    return QueueView(
        name=one.name,
        job=JOB_OF.get(one.name, one.name),
        due=one.due,
        in_hand=one.in_hand,
        later=one.later,
        oldest_due_at=one.oldest_due_at,
        oldest_age_s=age,
        depth=one.depth,
        paused=one.paused,
        circuits_open=list(one.circuits_open),
        peers_silent=SilentPeerView.each(one.peers_silent),
    )


@router.get("/admin/ops/jobs", response_model=JobsListed, operation_id="job_list", summary="List jobs")
def jobs(call: Annotated[ApiCall, may(READ)]) -> Response:
    """What can be run by name, and of what asks other servers, which of them do not answer."""
    with call.reading() as conn:
        silent = {queue.name: peers_silent(conn, queue) for queue in QUEUES}
    return answer(
        JobsListed(
            data=[
                JobListed(
                    name=job.name,
                    says=job.says,
                    queue=job.queue.name if job.queue else None,
                    money=bool(job.queue and job.queue.money),
                    per_provider=job.per_provider,
                    per_peer=job.per_peer,
                    peers_silent=SilentPeerView.each(silent.get(job.woken_by.name, ()) if job.per_peer and job.woken_by else ()),
                )
                for job in JOBS
            ]
        )
    )


@router.post("/admin/ops/run/{job}", response_model=JobRan, operation_id="job_run", summary="Run a job")
def run(
    job: Annotated[str, Path(json_schema_extra={"enum": [job.name for job in JOBS]})],
    call: Annotated[ApiCall, may(OPERATE)],
) -> Response:
    """One bounded tick, as the worker would run it. For an outside cron, or an operator who does not want to wait.

    The same Idempotency-Key again runs nothing and tells what the first request did.
    """
    todo = ticks(call.services.wiring, call.services.owner)
    if job not in todo:
        raise NotFound(what="job", id=job, known=", ".join(todo))

    def act() -> Done:
        # A tick has transactions of its own, and calls the provider between them: it cannot be rolled back, so a dry run does not run it.
        tally = None if call.dry_run else todo[job]()
        done = (tally.handled, tally.failed, tally.stale) if tally else (0, 0, 0)
        return Done(job, JobRan(job=job, handled=done[0], failed=done[1], stale=done[2]))

    return call.write_outside("job.run", act, asked={"job": job})


@router.get("/admin/ops/health", response_model=HealthView, operation_id="health_show", summary="Show system health")
def health(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Counted now, none assumed."""
    now = call.now
    with call.reading() as conn:
        payouts = payout_health(conn, now=now, sending_stuck_after=call.services.wiring.lease, sent_stuck_after=SENT_STUCK_AFTER)
        webhooks = webhook_counts(conn, since=now)
        intents = count_intents(conn, stuck_before=now - call.services.stuck_after)
        circuits = len(open_circuits(conn))
        alerts = count_live(conn)
        healthy = sum(one.health == "healthy" for one in workers_shown(conn, now))
        not_set = providers_not_set(conn, list(call.services.wiring.providers), now=now)
        never = never_concluded(conn)
        unheard = 0 if call.services.wiring.channels.of_owners else owners_named(conn)
    age = payouts.max_outbox_age
    counters: dict[str, int | None] = {
        "payout_outbox_pending": payouts.payout_outbox_pending,
        "payout_outbox_sending_stuck": payouts.payout_outbox_sending_stuck,
        "provider_payout_sent_stuck10m": payouts.provider_payout_sent_stuck,
        "provider_payout_unknown": payouts.provider_payout_unknown,
        "payouts_failed": payouts.payouts_failed,
        "payouts_waiting": payouts.payouts_waiting,
        "max_outbox_age_minutes": age // timedelta(minutes=1) if age is not None else None,
        "provider_circuits_open": circuits,
        "integrity_alerts_critical_open": alerts.critical,
        "integrity_alerts_warning_open": alerts.warning,
        "webhooks_received": webhooks.received,
        "webhooks_parked": webhooks.parked,
        "webhooks_rejected_today": webhooks.rejected,
        "intents_stuck": intents.stuck,
        "intents_failed": intents.failed,
        "workers_healthy": healthy,
        "providers_not_set": len(not_set),
        "sources_never_reconciled": len(never),
    }
    judged = judge_counters(counters)
    shown: dict[str, Any] = {**counters, "verdict": verdict_of(judged), "counters": CounterView.each(judged)}
    told = [Lacking(what=one.sentence(), do=one.do) for one in not_set]
    told += [Lacking(what=f"never reconciled: {one}", do="counterfoil reconcile run") for one in never]
    if unheard:
        told.append(Lacking(what=f"a channel to write to the owners of {unheard} webhook endpoints", do=OWNERS_CHANNEL))
    return answer(HealthView(**shown, lacking=told, measured_at=now))


@router.get("/admin/invariants", response_model=InvariantsView, operation_id="invariant_check", summary="Run the integrity checks")
def invariants(call: Annotated[ApiCall, may(READ)]) -> Response:
    """Asks every question that must find nothing, in one read-only transaction. Minutes on a large database."""
    with call.reading() as conn:
        broken = {one.code: one for one in run_invariants(conn, INVARIANTS)}
    data = [
        InvariantFindingView(
            code=one.code,
            question=one.question,
            severity=one.severity,
            meaning=one.meaning,
            holds=one.code not in broken,
            count=broken[one.code].count if one.code in broken else 0,
            shown=broken[one.code].shown if one.code in broken else [],
        )
        for one in INVARIANTS
    ]
    return answer(InvariantsView(all_hold=not broken, data=data, measured_at=call.now))
