"""The one file that knows every package: which provider, which job, who follows which event, who applies which webhook."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.machine import Machine
from counterfoil.ledger.invariants import INVARIANTS as LEDGER_INVARIANTS
from counterfoil.operations.approvals import by_verb
from counterfoil.operations.events.events import EVENT, EVENTS, Event, Follower, follow
from counterfoil.operations.providers import RANK, Provider
from counterfoil.operations.providers.capabilities import capabilities_of
from counterfoil.operations.webhooks.event_pull import pull_events
from counterfoil.operations.webhooks.inbound import WEBHOOK_IN, WEBHOOKS_IN, Applier, Received, apply_received
from counterfoil.operations.work.runner import Queue, Runner, Tally
from counterfoil.operations.work.worker import Job
from counterfoil.payouts.invariants import INVARIANTS as PAYOUT_INVARIANTS
from counterfoil.payouts.machines import (
    PAYOUT,
    PROVIDER_CONFLICT,
    PROVIDER_PAYOUT,
    PULLING,
    REPAIRING,
    RESERVING,
    SENDING,
)
from counterfoil.payouts.payouts.reserving import reserve_due
from counterfoil.payouts.payouts.verbs import Owed, create_payouts
from counterfoil.payouts.provider_payouts.outcomes import apply_facts
from counterfoil.payouts.provider_payouts.pulling import pull_due
from counterfoil.payouts.provider_payouts.sending import repair_due, send_due
from counterfoil.reconciliation.breaks.adjusting import PAIRED as BREAK_PAIRED
from counterfoil.reconciliation.breaks.breaks import BREAK
from counterfoil.reconciliation.breaks.invariants import INVARIANTS as BREAK_INVARIANTS
from counterfoil.reconciliation.runs.copying import Books
from counterfoil.reconciliation.runs.nightly import reconcile_due
from counterfoil.reconciliation.runs.pairings import Pairing, pairings
from counterfoil.reconciliation.runs.run import Means
from counterfoil.settlement.intents.intents import INTENT, PROCESSING, VERIFYING
from counterfoil.settlement.invariants import INVARIANTS as SETTLEMENT_INVARIANTS
from counterfoil.settlement.invoices.invoices import INVOICE
from counterfoil.settlement.payments.payments import parsed, receive_charges
from counterfoil.settlement.settlements import settle_due, settlements_by_id, verify_due

RECONCILE_REST_S: Final = 20.0
MakeId = Callable[[str], str]
Clock = Callable[[], datetime]

MACHINES: Sequence[Machine] = (EVENT, WEBHOOK_IN, INVOICE, INTENT, PAYOUT, PROVIDER_PAYOUT, PROVIDER_CONFLICT, BREAK)
QUEUES: Sequence[Queue] = (WEBHOOKS_IN, VERIFYING, PROCESSING, EVENTS, RESERVING, SENDING, PULLING, REPAIRING)
PAIRED: Final = by_verb(*BREAK_PAIRED)  # what takes two people, and what is done once both have agreed
INVARIANTS = (*LEDGER_INVARIANTS, *SETTLEMENT_INVARIANTS, *PAYOUT_INVARIANTS, *BREAK_INVARIANTS)


@dataclass(frozen=True)
class Wiring:
    """What the parts are connected with. `program_id`: where money is booked that names no invoice of ours. `run_folder`: where
    reconciliation runs keep their lines; None keeps none. `crons`: when which scope is reconciled."""

    database: Books
    providers: Mapping[str, Provider]
    program_id: str
    clock: Clock
    make_id: MakeId
    silent_after: timedelta
    lease: timedelta
    rows_max: int
    run_folder: Path | None = None
    crons: Mapping[str, str] = field(default_factory=dict)

    def means(self) -> Means:
        """What reconciliation works with."""
        return Means(self.database, self.clock, self.providers, self.run_folder)

    def pairings(self) -> dict[str, Pairing]:
        """What is held against what, by the name of the source."""
        return pairings(self.providers)

    def runner(self, owner: str) -> Runner:
        """How a process named `owner` runs ticks."""
        return Runner(self.database, self.clock, owner, lease=self.lease, rows_max=self.rows_max)


def ticks(wiring: Wiring, owner: str) -> dict[str, Callable[[], Tally]]:
    """Every job by its name: the worker runs them all, the API and the command line run one on demand."""
    runner, make_id, providers = wiring.runner(owner), wiring.make_id, wiring.providers
    silent = wiring.silent_after
    return {
        "pull-events": lambda: pull_events(runner, providers, make_id),
        "webhooks": lambda: apply_received(runner, appliers(wiring)),
        "verify": lambda: verify_due(runner, providers),
        "settle": lambda: settle_due(runner, make_id),
        "events": lambda: follow(runner, followers(wiring)),
        "reserve": lambda: reserve_due(runner, make_id),
        "outbox": lambda: send_due(runner, providers, silent_after=silent),
        "reconcile-pull": lambda: pull_due(runner, providers, silent_after=silent),
        "repair": lambda: repair_due(runner),
        "reconcile": lambda: reconcile_due(
            wiring.means(), list(wiring.pairings().values()), wiring.crons, by=owner, make_id=make_id
        ),
    }


def jobs(wiring: Wiring, owner: str, *, poll_s: float) -> list[Job]:
    """The worker's jobs."""
    # The first asks the provider each time, the second looks at a clock: not at every turn.
    rests = {"pull-events": wiring.silent_after.total_seconds(), "reconcile": RECONCILE_REST_S}
    return [
        Job(name, tick, rests.get(name, poll_s), woken=name not in rests) for name, tick in ticks(wiring, owner).items()
    ]


def followers(wiring: Wiring) -> dict[str, Follower]:
    """Who follows which event."""

    def pay_out(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
        settled = settlements_by_id(conn, [event.subject_id for event in events])
        owed = [
            Owed(one.program_id, one.invoice_id, one.id, one.payee_id, one.asset, one.net) for one in settled if one.net
        ]
        create_payouts(conn, owed, make_id=wiring.make_id, actor="system:worker", cause="settlement_completed", now=now)

    return {"settlement_completed": pay_out}


def appliers(wiring: Wiring) -> dict[tuple[str, str], Applier]:
    """Who applies which webhook of which provider."""
    found: dict[tuple[str, str], Applier] = {}
    for name, provider in wiring.providers.items():
        found[name, "charge.succeeded"] = _charges(wiring, name, provider)
        payouts = _payouts(wiring, name, provider)
        found |= {(name, f"payout.{status}"): payouts for status in RANK}
    return found


def _charges(wiring: Wiring, name: str, provider: Provider) -> Applier:
    def apply(conn: Connection[Any], received: Sequence[Received], now: datetime) -> None:
        charges = [parsed(provider.charge_of, one.body) for one in received]
        receive_charges(
            conn,
            charges,
            provider=name,
            program_id=wiring.program_id,
            make_id=wiring.make_id,
            cause="charge.succeeded",
            now=now,
        )

    return apply


def _payouts(wiring: Wiring, name: str, provider: Provider) -> Applier:
    def apply(conn: Connection[Any], received: Sequence[Received], now: datetime) -> None:
        facts = [provider.payout_of(one.body) for one in received]
        can = capabilities_of(provider)
        apply_facts(conn, name, facts, silent_after=wiring.silent_after, cause="webhook", now=now, capabilities=can)

    return apply


def process_name(pid: int) -> str:
    """How this process names its leases and its heartbeat."""
    return f"{socket.gethostname()}:{pid}"
