"""The one file that knows every package: which provider, which job, who follows which event, who applies which webhook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from counterfoil import metrics
from counterfoil.base.encryption.confidential import Confidential
from counterfoil.base.encryption.standing import every_envelope_opens
from counterfoil.base.invariant import Invariant
from counterfoil.base.machine import Machine, history_kept
from counterfoil.checks import INVARIANTS_OF_PARTS, MONITORS_OF_PARTS
from counterfoil.drills import declared as backing
from counterfoil.following import appliers, followers, together
from counterfoil.integrity import declared as integrity
from counterfoil.integrity import telling as telling_alerts
from counterfoil.integrity.alerts.noun import alert_noun
from counterfoil.integrity.monitors import monitors
from counterfoil.ledger import expiring
from counterfoil.ledger import tending as tending_ledger
from counterfoil.ledger.periods import PAIRED as PERIOD_PAIRED
from counterfoil.operations import declared as operations
from counterfoil.operations.access import acts as access_acts
from counterfoil.operations.access import second_factor
from counterfoil.operations.access.administering.enough import CannotBeDone, cannot_be_done
from counterfoil.operations.approvals import Paired, by_verb
from counterfoil.operations.by_two import labels_by_permission
from counterfoil.operations.events import events
from counterfoil.operations.events.events import EVENT, EventKind, tell_stuck
from counterfoil.operations.metrics import queue_metrics
from counterfoil.operations.notices import heartbeat, notices
from counterfoil.operations.providers import keeping_balances
from counterfoil.operations.verbs import Noun
from counterfoil.operations.webhooks import event_pull
from counterfoil.operations.webhooks import inbound as webhooks_in
from counterfoil.operations.webhooks.inbound import WEBHOOK_IN
from counterfoil.operations.webhooks_out import declared as webhooks_out
from counterfoil.operations.webhooks_out.addresses import Network
from counterfoil.operations.work import forgetting, pauses
from counterfoil.operations.work.circuit_rules import DEFAULT, CircuitLimits
from counterfoil.operations.work.circuits import CIRCUIT, CIRCUIT_NOUN
from counterfoil.operations.work.clocks import DatabaseClock, database_now
from counterfoil.operations.work.jobs import Job, JobContext, JobMeans
from counterfoil.operations.work.runner import Queue, Runner, Tally
from counterfoil.operations.work.worker import Loop
from counterfoil.payouts import machines as payout_machines
from counterfoil.payouts.batches import machine as batch_machine
from counterfoil.payouts.batches import tending
from counterfoil.payouts.batches.acts import PAIRED as POLICY_PAIRED
from counterfoil.payouts.batches.noun import BATCH_NOUN
from counterfoil.payouts.batches.policies import many_approve
from counterfoil.payouts.chain_orders import tending as tending_chain
from counterfoil.payouts.chargebacks import machine as chargeback_machine
from counterfoil.payouts.chargebacks.noun import CHARGEBACK_NOUN
from counterfoil.payouts.chargebacks.ruling import PAIRED as CHARGEBACK_PAIRED
from counterfoil.payouts.destinations import machine as destination_machine
from counterfoil.payouts.destinations import tokens
from counterfoil.payouts.destinations.acts import PAIRED as SET_PAIRED
from counterfoil.payouts.destinations.noun import DESTINATION_NOUN
from counterfoil.payouts.destinations.noun import PAIRED as DESTINATION_PAIRED
from counterfoil.payouts.disputes import disputes
from counterfoil.payouts.disputes import machine as dispute_machine
from counterfoil.payouts.disputes.noun import DISPUTE_NOUN
from counterfoil.payouts.invoices import parts as unpaid
from counterfoil.payouts.machines import PAYMENT_FILE, PAYOUT, PROVIDER_CONFLICT, PROVIDER_PAYOUT
from counterfoil.payouts.payment_files import files, reporting
from counterfoil.payouts.payouts import reserving
from counterfoil.payouts.payouts.noun import PAYOUT_NOUN
from counterfoil.payouts.provider_payouts import pulling, sending
from counterfoil.payouts.provider_payouts.paired import PAIRED as PAYOUT_PAIRED
from counterfoil.payouts.refunds import customer_debts, debts, refunds, release
from counterfoil.payouts.refunds.acts import PAIRED as DEBT_PAIRED
from counterfoil.payouts.refunds.noun import REFUND_NOUN
from counterfoil.proofs import declared as proofs
from counterfoil.reconciliation import bank_lines, bank_statements, client_money, payout_reminder, treasury_daily
from counterfoil.reconciliation.breaks.acts import PAIRED as LIMIT_PAIRED
from counterfoil.reconciliation.breaks.adjusting import PAIRED as BREAK_PAIRED
from counterfoil.reconciliation.breaks.breaks import BREAK
from counterfoil.reconciliation.breaks.noun import BREAK_NOUN
from counterfoil.reconciliation.runs import continuous, nightly, rows, run
from counterfoil.reconciliation.runs.copying import Books
from counterfoil.reconciliation.runs.pairings import Pairing, pairings
from counterfoil.reconciliation.runs.run import RunContext
from counterfoil.runbooks import model as runbook_model
from counterfoil.runbooks.noun import runbook_noun
from counterfoil.settlement import holdback, settlements
from counterfoil.settlement.affiliates import affiliates
from counterfoil.settlement.affiliates.noun import AFFILIATE_NOUN
from counterfoil.settlement.commissions import model as commission_model
from counterfoil.settlement.commissions import moving as commissions
from counterfoil.settlement.commissions.noun import COMMISSION_NOUN
from counterfoil.settlement.escrow import escrows
from counterfoil.settlement.escrow import model as escrow_model
from counterfoil.settlement.escrow.noun import ESCROW_NOUN
from counterfoil.settlement.escrow.noun import PAIRED as ESCROW_PAIRED
from counterfoil.settlement.intents import intents
from counterfoil.settlement.payments import payments
from counterfoil.settlement.treasury import treasury
from counterfoil.treasury.agents import model as agent_model
from counterfoil.treasury.agents.noun import AGENT_NOUN
from counterfoil.treasury.agents.noun import PAIRED as AGENT_PAIRED
from counterfoil.treasury.carbon import model as carbon_model
from counterfoil.treasury.carbon import syncing as carbon
from counterfoil.treasury.two_phase import model as two_phase_model
from counterfoil.treasury.two_phase import moving, telling
from counterfoil.treasury.two_phase.noun import PAIRED as TRANSACTION_PAIRED
from counterfoil.treasury.two_phase.noun import TRANSACTION_NOUN
from counterfoil.treasury.two_phase.peers import HttpPeer

Clock = Callable[[], datetime]

MACHINES: Sequence[Machine] = (
    EVENT,
    WEBHOOK_IN,
    *webhooks_out.MACHINES,
    *unpaid.MACHINES,
    PAYOUT,
    PROVIDER_PAYOUT,
    PROVIDER_CONFLICT,
    holdback.HOLDBACK,
    refunds.REFUND,
    escrow_model.ESCROW,
    affiliates.AFFILIATE,
    commission_model.COMMISSION,
    batch_machine.PAYOUT_BATCH,
    destination_machine.DESTINATION,
    dispute_machine.DISPUTE,
    chargeback_machine.CHARGEBACK,
    BREAK,
    CIRCUIT,
    PAYMENT_FILE,
    agent_model.AGENT,
    two_phase_model.TRANSACTION,
    *integrity.MACHINES,
    *backing.MACHINES,
    runbook_model.RUNBOOK_RUN,
    notices.NOTICE,
)
JOBS: Final[Sequence[Job]] = (
    *event_pull.JOBS,
    *webhooks_in.JOBS,
    *settlements.JOBS,
    *events.JOBS,
    *reserving.JOBS,
    *tending.JOBS,
    *sending.JOBS,
    *tending_chain.JOBS,
    *pulling.JOBS,
    *release.JOBS,
    *disputes.JOBS,
    *escrows.JOBS,
    *moving.JOBS,
    *unpaid.JOBS,
    *commissions.JOBS,
    *telling.JOBS,
    *carbon.JOBS,
    *expiring.JOBS,
    *tending_ledger.JOBS,
    *webhooks_out.JOBS,
    *forgetting.JOBS,
    *nightly.JOBS,
    *treasury_daily.JOBS,
    *payout_reminder.JOBS,
    *integrity.JOBS,
    *notices.JOBS,
    *heartbeat.JOBS,
    *backing.JOBS,
    *metrics.JOBS,
)
EVENT_KINDS: Final[Sequence[EventKind]] = (
    *unpaid.EVENT_KINDS,
    *payments.EVENT_KINDS,
    *intents.EVENT_KINDS,
    *settlements.EVENT_KINDS,
    *holdback.EVENT_KINDS,
    *escrow_model.EVENT_KINDS,
    *treasury.EVENT_KINDS,
    *agent_model.EVENT_KINDS,
    *two_phase_model.EVENT_KINDS,
    *carbon_model.EVENT_KINDS,
    *affiliates.EVENT_KINDS,
    *commission_model.EVENT_KINDS,
    *payout_machines.EVENT_KINDS,
    *refunds.EVENT_KINDS,
    *batch_machine.EVENT_KINDS,
    *destination_machine.EVENT_KINDS,
    *dispute_machine.EVENT_KINDS,
    *chargeback_machine.EVENT_KINDS,
    *debts.EVENT_KINDS,
    *customer_debts.EVENT_KINDS,
    *operations.EVENT_KINDS,
    *payout_reminder.EVENT_KINDS,
    *expiring.EVENT_KINDS,
    *run.EVENT_KINDS,
    *rows.EVENT_KINDS,
    *continuous.EVENT_KINDS,
    *nightly.EVENT_KINDS,
    *treasury_daily.EVENT_KINDS,
    *client_money.EVENT_KINDS,
    *integrity.EVENT_KINDS,
    *backing.EVENT_KINDS,
    *runbook_model.EVENT_KINDS,
    *notices.EVENT_KINDS,
)
QUEUES: Final[Sequence[Queue]] = tuple(job.queue for job in JOBS if job.queue is not None)
QUEUE_BY_NAME: Final[Mapping[str, Queue]] = {queue.name: queue for queue in QUEUES}
# What takes two people, and what is done once both have agreed.
PAIRED: Final = by_verb(
    *PAYOUT_PAIRED,
    *BREAK_PAIRED,
    *PERIOD_PAIRED,
    *pauses.paired(QUEUE_BY_NAME),
    *access_acts.PAIRED,
    *ESCROW_PAIRED,
    *AGENT_PAIRED,
    *TRANSACTION_PAIRED,
    *proofs.PAIRED,
    *webhooks_out.PAIRED,
    *unpaid.PAIRED,
    *CHARGEBACK_PAIRED,
    *SET_PAIRED,
    *DESTINATION_PAIRED,
    *LIMIT_PAIRED,
    *POLICY_PAIRED,
    *DEBT_PAIRED,
    Paired("treasury", "withdraw", label="Withdraw fees"),
    Paired("journal", "post", label="Post a journal by hand"),
    Paired("journal", "reverse", label="Reverse a journal"),
    Paired("hold", "post", label="Post a hold"),
)
# What is kept encrypted, by table.
CONFIDENTIAL: Final[Sequence[Confidential]] = (
    tokens.CONFIDENTIAL,
    webhooks_in.CONFIDENTIAL,
    webhooks_out.CONFIDENTIAL,
    bank_lines.CONFIDENTIAL,
    bank_statements.CONFIDENTIAL,
    files.CONFIDENTIAL,
    reporting.CONFIDENTIAL,
    proofs.CONFIDENTIAL,
    second_factor.CONFIDENTIAL,
)
_WATCHED: Final = (
    *unpaid.NOUNS,
    PAYOUT_NOUN,
    DESTINATION_NOUN,
    REFUND_NOUN,
    DISPUTE_NOUN,
    ESCROW_NOUN,
    AFFILIATE_NOUN,
    COMMISSION_NOUN,
    CHARGEBACK_NOUN,
    release.HOLDBACK_NOUN,
    BATCH_NOUN,
    BREAK_NOUN,
    CIRCUIT_NOUN,
    AGENT_NOUN,
    TRANSACTION_NOUN,
    *webhooks_out.NOUNS,
    *backing.NOUNS,
)
# Where a thing is kept, by the prefix of its id: a finding that names it is of its program.
TABLES: Final[Mapping[str, str]] = {
    "set": "settlement",
    "pay": "payment",
    "esm": "escrow_movement",
    "cde": "customer_debt_entry",
    "trm": "treasury_movement",
} | {one.prefix: one.machine.table for one in _WATCHED if one is not CIRCUIT_NOUN}
# What must always hold, of every part; and of all that has states, and all that is kept encrypted.
INVARIANTS: Final[Sequence[Invariant]] = (
    *INVARIANTS_OF_PARTS,
    history_kept(MACHINES),
    every_envelope_opens(CONFIDENTIAL),
)
# What the sentinel asks, in this order: what must always hold, then what must hold in time; its own runs last.
CHECKS: Final[Sequence[Invariant]] = (*INVARIANTS, *MONITORS_OF_PARTS, *backing.MONITORS, *monitors(QUEUES))
METRICS: Final = (*metrics.METRICS_OF_PARTS, *queue_metrics(QUEUES))  # what Prometheus is told
ALERT_NOUN: Final = alert_noun(CHECKS, TABLES)
RUNBOOK_NOUN: Final = runbook_noun(CHECKS, TABLES, lambda: NOUNS)
# Whose verbs become routes, commands and forms.
NOUNS: Final[Sequence[Noun]] = (*_WATCHED, ALERT_NOUN, *integrity.NOUNS, RUNBOOK_NOUN, notices.NOTICE_NOUN)
TWO_PEOPLE: Final = labels_by_permission(PAIRED, NOUNS)


def cannot_be_done_now(conn: Connection[Any], now: datetime, *, issuer: str) -> list[CannotBeDone]:
    """What takes two people and lacks one, by all that is declared and by the policies in force. `issuer`: of the provider that people log
    in by, `Wiring.login_issuer`."""
    return cannot_be_done(conn, TWO_PEOPLE, many_approve(conn), issuer=issuer, now=now)


@dataclass(frozen=True, kw_only=True)
class Wiring(JobMeans):
    """What the parts are connected with. `program_id`: where money is booked that names no invoice of ours. `run_folder`: where
    reconciliation runs keep their lines; None keeps none. `proof_folder`: where checkpoints and proofs lie, the same. `crons`: when which
    scope is reconciled."""

    database: Books
    program_id: str
    lease: timedelta
    rows_max: int
    call_limit: timedelta = timedelta(seconds=10)
    circuits: CircuitLimits = DEFAULT
    database_clock: DatabaseClock = database_now
    proof_quorum: int = 2  # so many people sign a proof
    metrics_namespace: str = "counterfoil"  # what the names of metrics begin with
    runbook_folder: Path | None = None  # where the user's own runbooks lie
    login_issuer: str = ""  # the provider that people log in by: a link to another one is no way in
    peers: Mapping[str, HttpPeer] = field(default_factory=dict)
    carbon: carbon_model.CarbonMeans = field(default_factory=carbon_model.CarbonMeans)
    webhook_networks: Sequence[Network] = ()
    backups: backing.Backups | None = None
    wal: backing.WalArchive | None = None
    drills: backing.DrillMeans | None = None
    copying: proofs.Copying | None = None

    def means(self) -> RunContext:
        """What reconciliation works with."""
        return RunContext(self.database, self.clock, self.providers, self.run_folder)

    def pairings(self) -> dict[str, Pairing]:
        """What is held against what, by the name of the source."""
        return pairings(keeping_balances(self.providers))

    def exporter(self) -> proofs.Exporter:
        """What proofs are made with. Raises ProofStoreUnset."""
        if self.proof_folder is None:
            raise proofs.ProofStoreUnset(setting="proof_folder")
        known = list(self.pairings().values())
        return proofs.Exporter(self.database, self.proof_folder, self.make_id, self.clock, known, INVARIANTS, self.proof_quorum)

    def runner(self, owner: str) -> Runner:
        """How a process named `owner` runs ticks. Raises LeaseTooShort."""
        return Runner(
            self.database,
            self.database_clock,
            owner,
            lease=self.lease,
            rows_max=self.rows_max,
            call_limit=self.call_limit,
            stuck=tell_stuck,
            circuits=self.circuits,
        )

    def context(self, owner: str) -> JobContext:
        """What jobs work with, in a process named `owner`."""
        return JobContext(
            **{one.name: getattr(self, one.name) for one in fields(JobMeans)},
            runner=self.runner(owner),
            followers=together(followers(self.make_id), telling_alerts.tellers(EVENT_KINDS, self.channels, self.make_id)),
            appliers=appliers(self.providers, self.program_id, self.make_id, silent_after=self.silent_after),
            checks=CHECKS,
            tables=TABLES,
            queues=QUEUES,
            exporter=self.exporter() if self.proof_folder else None,
        )


def ticks(wiring: Wiring, owner: str) -> dict[str, Callable[[], Tally]]:
    """Every job by its name: the worker runs them all, the API and the command line run one on demand."""
    context = wiring.context(owner)
    return {job.name: lambda job=job: job.run(context) for job in JOBS}  # type: ignore[misc]


def loops(wiring: Wiring, owner: str, *, poll_s: float) -> list[Loop]:
    """What the worker runs: a loop for each job, and where it is parted by providers or peers, one for each of them."""
    context = wiring.context(owner)
    return [
        Loop(
            f"{job.name}:{lane}" if lane else job.name,
            lambda job=job, lane=lane: job.tick(context, lane),  # type: ignore[misc]
            job.rest_s(context, poll_s),
            queue=queue.name if (queue := job.queue or job.woken_by) else None,
            gathers=job.few(context, lane),
        )
        for job in JOBS
        for lane in job.lanes(context)
    ]
