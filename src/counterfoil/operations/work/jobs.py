"""Jobs: what the worker does again and again. Each is declared once, beside its noun, as a row of that module's `JOBS`.

Worker, API, command line, health and help are derived from the rows that `wiring` concatenates. A job `per_provider` has a thread for
each provider, one `per_peer` one for each peer, one `per_channel` one for each channel, so that a slow one holds up nobody; a job with
a queue is woken when something becomes due in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import update_wrapper
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from counterfoil.base.invariant import Invariant
from counterfoil.operations.notices.channels import Channels
from counterfoil.operations.providers import Provider, capabilities_of
from counterfoil.operations.work.runner import Queue, Runner, Tally

_log = structlog.get_logger("counterfoil.work")


@dataclass(frozen=True, kw_only=True)
class JobMeans:
    """What an installation gives its jobs. `run_folder` for reconciliation; `proof_folder` is where checkpoints and proofs lie; `crons`:
    when what a schedule wants is due, by its name."""

    providers: Mapping[str, Provider]
    make_id: Callable[[str], str]
    clock: Callable[[], datetime]
    silent_after: timedelta
    run_folder: Path | None = None
    proof_folder: Path | None = None
    crons: Mapping[str, str] = field(default_factory=dict)
    cooling: timedelta = timedelta(hours=72)  # in which nothing goes to a destination that was changed, where no policy says it
    channels: Channels = field(default_factory=Channels)  # where people are told of alerts and incidents
    heartbeat_url: str = ""  # what is called every minute, so that somebody else notices when nobody calls
    health_url: str = ""  # what is asked each minute whether the server answers
    monitors_every_s: int = 60  # how often what must hold in time is asked
    peers: Mapping[str, Any] = field(default_factory=dict)  # other servers, by the names we call them
    carbon: Any = None  # how carbon figures are had
    webhook_networks: Sequence[Any] = ()  # that webhooks may go to, although they are not public
    database: Any = None  # of the kind that reconciliation copies from
    backups: Any = None  # what backups are made with
    wal: Any = None  # what recovery to a second is kept with
    drills: Any = None  # what drills are run with
    copying: Any = None  # what copies in a store of their own are made with


@dataclass(frozen=True, kw_only=True)
class JobContext(JobMeans):
    """What ticks work with. `followers`, `appliers` and `checks` as `wiring` names them."""

    runner: Runner
    followers: Mapping[str, Any] = field(default_factory=dict)
    appliers: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    checks: Sequence[Invariant] = ()
    queues: Sequence[Queue] = ()
    tables: Mapping[str, str] = field(default_factory=dict)  # where a thing is kept, by the prefix of its id
    exporter: Any = None  # what proofs of periods are made with

    def of(self, provider: str | None) -> Mapping[str, Provider]:
        """The providers of a lane: one, or all."""
        return {name: one for name, one in self.providers.items() if provider in (None, name)}

    def runner_of(self, provider: str | None) -> Runner:
        """The runner of a lane of orders: it sends a provider as many at once, and asks of as many, as that one takes."""
        found = self.providers.get(provider) if provider is not None else None
        return replace(self.runner, callers_max=capabilities_of(found).calls_at_once)


Tick = Callable[[JobContext, str | None], Tally]  # of one provider or peer, or of all
GATHERED = 100  # with so many at once each of them costs little
NOT_SET_UP = ""  # the lane of peers that are not, or no longer, set up here


def of_runner(due: Callable[[Runner], Tally]) -> Tick:
    """The tick of what takes the runner alone."""
    return update_wrapper(lambda context, _: due(context.runner), due)  # it is of the part that it was written in


def of_runner_and_ids(due: Callable[[Runner, Callable[[str], str]], Tally]) -> Tick:
    """The tick of what takes the runner, and makes ids."""
    return update_wrapper(lambda context, _: due(context.runner, context.make_id), due)


class Job(NamedTuple):
    """A job: its name, its queue, one bounded run of it, and the longest rest between two in seconds (None: the worker's poll).

    `says` is what it does, for people. `on_demand`: what is done when somebody runs it by name, where the worker's tick waits for a
    schedule. `woken_by`: the queue of another job after which there may be something for this one. `gathers`: what customers wait for goes
    first; after a few of these it lets more come together.
    """

    name: str
    queue: Queue | None
    tick: Tick
    says: str
    every: Callable[[JobContext], float] | float | None = None
    per_provider: bool = False
    on_demand: Tick | None = None
    per_peer: bool = False
    per_channel: bool = False
    woken_by: Queue | None = None
    gathers: bool = False

    def rest_s(self, context: JobContext, poll_s: float) -> float:
        """The longest rest between two runs, in seconds."""
        if self.every is None:
            return poll_s
        return self.every(context) if callable(self.every) else self.every

    def few(self, context: JobContext, lane: str | None) -> int:
        """After fewer than so many it waits for more; never after as many as one tick takes: there may be more already."""
        runner = context.runner_of(lane)
        return min(GATHERED, runner.calls_max if self.per_provider else runner.rows_max) if self.gathers else 0

    @property
    def part(self) -> str:
        """Of which part of the product it is: where its tick is written."""
        return self.tick.__module__.split(".")[1]

    def lanes(self, context: JobContext) -> Sequence[str | None]:
        """The lanes that it is parted into, none of which waits for another; None is the only one."""
        if self.per_peer:
            return [*sorted(context.peers), NOT_SET_UP]
        if self.per_channel:
            return [*context.channels.names, None]  # None is what is of no channel that is set
        return sorted(context.providers) if self.per_provider else [None]

    def run(self, context: JobContext) -> Tally:
        """One run over everything, lane by lane. One that fails is raised after the others."""
        lanes = self.lanes(context)
        total, failed = Tally(), None
        for lane in lanes:
            try:
                total = total.plus((self.on_demand or self.tick)(context, lane))
            except Exception as error:
                if len(lanes) == 1:
                    raise
                _log.exception("lane failed", job=self.name, lane=lane)
                failed = failed or error
        if failed is not None:
            raise failed
        return total
