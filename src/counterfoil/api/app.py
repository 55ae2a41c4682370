"""The application: every router, the wire around them, and what they share."""

from __future__ import annotations

from datetime import timedelta

from fastapi import FastAPI

from counterfoil import __version__
from counterfoil.api import (
    accounts,
    destinations,
    holds,
    intents,
    invoices,
    journals,
    keys,
    movements,
    operations,
    payouts,
    periods,
    programs,
    reconciliation,
    settlements,
    statements,
    status,
    usage,
    webhooks,
)  # fmt: skip
from counterfoil.api.calls import KeyRing, Services
from counterfoil.api.openapi import add_openapi
from counterfoil.api.problems import add_handlers
from counterfoil.api.wire import Limits, Wire
from counterfoil.base.edge import Database
from counterfoil.wiring import Wiring

ROUTERS = (
    programs.router, keys.router, destinations.router, usage.router, invoices.router, intents.router, settlements.router,
    payouts.router, accounts.router, statements.router, journals.router, holds.router, periods.router, movements.router,
    operations.router, reconciliation.router, status.router, status.alive, webhooks.router,
)  # fmt: skip


def make_app(
    wiring: Wiring,
    *,
    owner: str,
    stuck_after: timedelta = timedelta(minutes=10),
    body_bytes_max: int = 1_000_000,
    import_bytes_max: int = 100_000_000,
    log_requests: bool = True,
) -> FastAPI:
    """The API over `wiring`, whose database must be `base.edge.Database`.

    `owner` names the leases of jobs that are run by request; `stuck_after` is how long an intent may rest.
    """
    database = wiring.database
    if not isinstance(database, Database):
        raise TypeError("the API needs the database of base.edge")
    app = FastAPI(
        title="counterfoil",
        version=__version__,
        openapi_url="/api/openapi.json",
        docs_url="/api/docs",
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.services = Services(wiring, database, KeyRing(database, wiring.clock), __version__, owner, stuck_after)
    add_handlers(app)
    for router in ROUTERS:
        app.include_router(router)
    add_openapi(app)
    app.add_middleware(
        Wire,
        limits=Limits(body_bytes_max, import_bytes_max),
        make_request_id=lambda: wiring.make_id("req"),
        log_requests=log_requests,
    )
    return app
