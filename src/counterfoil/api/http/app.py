"""The application: every router, the wire around them, and what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from counterfoil import __version__
from counterfoil.api.document.openapi import add_openapi
from counterfoil.api.http.calls import Services
from counterfoil.api.http.connections import Network
from counterfoil.api.http.doorman import Doorman, KeyRing
from counterfoil.api.http.middleware import BodyLimits, Wire
from counterfoil.api.http.problems import add_handlers
from counterfoil.api.http.routing import Api
from counterfoil.api.http.verbs import noun_routes
from counterfoil.api.nouns.integrity import drills, levels, notices, runbooks, sentinel
from counterfoil.api.nouns.ledger import accounts, holds, journals, movements, periods, programs, statements
from counterfoil.api.nouns.ledger import batches as journal_batches
from counterfoil.api.nouns.operations import (
    access,
    approvals,
    endpoints,
    keys,
    logins,
    metrics,
    operations,
    parked,
    people,
    providers,
    queues,
    schedules,
    status,
    webhooks,
)
from counterfoil.api.nouns.operations.webhooks import store_webhooks
from counterfoil.api.nouns.payouts import bank_files, batches, customers, debts, destinations, disputes, payees, payouts, refunds
from counterfoil.api.nouns.proofs import inclusion, proofs, signers, trails
from counterfoil.api.nouns.reconciliation import bank, break_sheets, breaks
from counterfoil.api.nouns.reconciliation import report as reconciliation_report
from counterfoil.api.nouns.reconciliation import runs as reconciliation
from counterfoil.api.nouns.reports import monthly
from counterfoil.api.nouns.settlement import affiliates, escrows, fees, intents, invoices, settlements, treasury, usage
from counterfoil.api.nouns.treasury import agents, carbon, carbon_bills, peers, transactions
from counterfoil.base.edge import Database
from counterfoil.ledger.bulk_stream import BulkStreams
from counterfoil.ledger.group_commit import Gatherer
from counterfoil.ledger.journals.memory import ACCOUNTS_MAX
from counterfoil.operations.access.access import DEFAULT_RULES, SessionRules
from counterfoil.operations.access.turns import NO_LIMITS, TurnLimits
from counterfoil.operations.together import Together
from counterfoil.operations.verbs import Noun
from counterfoil.wiring import NOUNS, Wiring

ROUTERS = (  # looked through in this order: what is asked most comes first
    movements.router,
    webhooks.router,
    payouts.router,
    refunds.router,
    disputes.router,
    escrows.router,
    debts.router,
    customers.router,
    payees.router,
    invoices.router,
    accounts.router,
    statements.router,
    journals.router,
    journal_batches.router,
    holds.router,
    periods.router,
    programs.router,
    keys.router,
    approvals.router,
    people.router,
    access.router,
    logins.router,
    destinations.router,
    usage.router,
    intents.router,
    settlements.router,
    fees.router,
    treasury.router,
    agents.router,
    transactions.router,
    carbon.router,
    carbon_bills.router,
    monthly.router,
    affiliates.router,
    affiliates.commissions,
    peers.router,
    operations.router,
    queues.router,
    schedules.router,
    providers.router,
    bank_files.router,
    batches.router,
    parked.router,
    endpoints.endpoints,
    endpoints.deliveries,
    sentinel.router,
    levels.router,
    runbooks.router,
    drills.router,
    notices.router,
    notices.silences,
    reconciliation.router,
    reconciliation_report.router,
    bank.router,
    break_sheets.router,
    breaks.router,
    proofs.router,
    signers.router,
    trails.router,
    inclusion.router,
    status.router,
    status.alive,
    metrics.router,
)


def make_app(
    wiring: Wiring,
    *,
    owner: str,
    stuck_after: timedelta = timedelta(minutes=10),
    body_bytes_max: int = 1_000_000,
    import_bytes_max: int = 100_000_000,
    log_requests: bool = True,
    trusted: Iterable[Network] = (),
    https: bool = False,
    turn_limits: TurnLimits = NO_LIMITS,
    session_rules: SessionRules = DEFAULT_RULES,
    accounts_remembered_max: int = ACCOUNTS_MAX,
    nouns: Sequence[Noun] = NOUNS,
) -> FastAPI:
    """The API over `wiring`, whose database must be `base.edge.Database`.

    `owner` names the leases of jobs that are run by request. `trusted` proxies name the address of whoever asks; `https`: clients reach us
    by nothing else. A program's writer of bulks remembers the totals of `accounts_remembered_max` accounts.

    The writers of movements and bulks run while the application does, and write what waits before they end.
    """
    database = _database_of(wiring)
    databases, gatherer, bulks = _writers(database, wiring, accounts_remembered_max)
    app = Api(
        lifespan=partial(_writing, databases, (gatherer, bulks)),
        title="counterfoil",
        version=__version__,
        openapi_url=None,  # FastAPI writes it anew for each who asks
        docs_url=None,  # FastAPI's page loads scripts from elsewhere; ours is a page of the dashboard
        redoc_url=None,
        redirect_slashes=False,
    )
    keys = KeyRing(database, wiring.clock, turn_limits)
    doorman = Doorman(database, wiring.clock, wiring.make_id, leaked=session_rules.leaked)
    webhooks = Together(partial(store_webhooks, database))
    app.state.services = Services(
        wiring, database, keys, doorman, gatherer, bulks, __version__, owner, stuck_after, webhooks, session_rules
    )
    add_handlers(app)
    for router in (*ROUTERS, *(noun_routes(one) for one in nouns)):
        # As they are, in one flat list: the nested routers of FastAPI cost more than half of a small request.
        app.router.routes.extend(router.routes)
    add_openapi(app)
    wire = partial(
        Wire,
        limits=BodyLimits(body_bytes_max, import_bytes_max),
        make_request_id=lambda: wiring.make_id("req"),
        log_requests=log_requests,
        trusted=tuple(trusted),
        https=https,
    )
    app.add_middleware(wire)
    app.ask_directly(wire)
    return app


def _writers(database: Database, wiring: Wiring, accounts_remembered_max: int) -> tuple[Sequence[Database], Gatherer, BulkStreams]:
    """Who writes movements and bulks, on connections of their own: however many slow reads there are, a writer waits for none of them.

    Of bulks so many that one program whose lock somebody keeps does not hold up the others.
    """
    writing, writing_bulks = (
        Database(database.url, role=database.role, connections_max=most, prepares=database.prepares, keys=database.keys) for most in (2, 4)
    )
    gatherer = Gatherer(writing, clock=wiring.clock, make_key=lambda: wiring.make_id("mov"))
    bulks = BulkStreams(writing_bulks, clock=wiring.clock, accounts_max=accounts_remembered_max)
    return (writing, writing_bulks), gatherer, bulks


@asynccontextmanager
async def _writing(databases: Sequence[Database], writers: tuple[Gatherer, BulkStreams], _: FastAPI) -> AsyncIterator[None]:
    """The ledger's writers run while the application does."""
    for database in databases:
        database.open()
    writers[0].start()
    try:
        yield
    finally:
        for writer in writers:
            await run_in_threadpool(writer.close)
        for database in databases:
            database.close()


def _database_of(wiring: Wiring) -> Database:
    if not isinstance(wiring.database, Database):
        raise TypeError("the API needs the database of base.edge")
    return wiring.database
