"""`serve`, `up`: the processes of an installation that answer. SIGTERM ends them cleanly, SIGKILL loses nothing."""

from __future__ import annotations

import os
import threading
from datetime import timedelta
from typing import Any, Final

import structlog
import uvicorn

from counterfoil import __version__
from counterfoil.api.http.app import make_app
from counterfoil.api.http.connections import GuardedProtocol, networks
from counterfoil.base.settings import Settings
from counterfoil.cli.local.installation import Installation, installed
from counterfoil.cli.local.lookout import looking_out
from counterfoil.cli.local.working import kept_for_good, stopped_by_signals, working
from counterfoil.dashboard.web.routes import add_dashboard
from counterfoil.operations.access.access import SessionRules
from counterfoil.operations.access.oidc.provider import LoginProvider, parse_provider
from counterfoil.operations.access.turns import TurnLimits

DRAIN_S: Final = 30  # a server answers what it has begun for so long
BACKLOG: Final = 2_048
KEEP_ALIVE_S: Final = 30
_log = structlog.get_logger("counterfoil.start")


def serve(settings: Settings) -> None:
    """Run the API until told to stop. Beside it, it looks after the workers: they could not tell anybody that they are gone."""
    stopping = stopped_by_signals()
    with installed(settings) as installation, looking_out(installation.wiring, installation.owner):
        _run(_server(installation, stopping))


def up(settings: Settings, *, migrating: bool = True) -> None:
    """Run API and worker in one process, over the private database or any URL, migrated first."""
    stopping = stopped_by_signals()
    with installed(settings, migrating=migrating) as installation, working(installation):
        _run(_server(installation, stopping))


def _login_provider(settings: Settings) -> LoginProvider | None:
    if settings.login_provider is None:
        return None
    given = settings.login_provider.get_secret_value()
    asked: dict[str, Any] = {"acr": settings.login_provider_acr, "minutes": settings.login_provider_minutes}
    return parse_provider(given, **asked, rsa_bits=settings.login_provider_rsa_bits)


def _run(server: uvicorn.Server) -> None:
    with kept_for_good():
        server.run()


def _server(installation: Installation, stopping: threading.Event) -> uvicorn.Server:
    settings = installation.settings
    session_rules = SessionRules(
        life=timedelta(hours=settings.session_hours),
        idle=timedelta(minutes=settings.session_idle_minutes),
        fresh=timedelta(minutes=settings.second_factor_fresh_minutes),
        demands_factor=settings.second_factor_demanded or settings.second_factor_at_login,
        needs_factor=settings.second_factor_at_login,
        leaked=settings.leaked_passwords,
    )
    turn_limits = TurnLimits(settings.key_requests_max, settings.address_requests_max)
    app = make_app(
        installation.wiring,
        owner=installation.owner,
        stuck_after=timedelta(minutes=settings.intent_timeout_minutes),
        body_bytes_max=settings.body_bytes_max,
        import_bytes_max=settings.import_bytes_max,
        trusted=networks(settings.trusted_proxies),
        https=settings.dashboard_https,
        turn_limits=turn_limits,
        session_rules=session_rules,
        accounts_remembered_max=settings.accounts_remembered_max,
    )
    add_dashboard(
        app,
        installation.wiring,
        version=__version__,
        refresh_s=settings.dashboard_refresh_s,
        stuck_minutes=settings.intent_timeout_minutes,
        https=settings.dashboard_https,
        session_rules=session_rules,
        login_provider=_login_provider(settings),
        public_url=settings.public_url,
        turn_limits=turn_limits,
    )
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=GuardedProtocol,
        limit_concurrency=settings.server_connections_max,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=DRAIN_S,
    )
    return _Server(config, stopping)


class _Server(uvicorn.Server):
    """Says where it listens, once it does, and does not begin when it was told to stop before."""

    def __init__(self, config: uvicorn.Config, stopping: threading.Event) -> None:
        """`stopping` is set when a signal came before the server had its own handlers."""
        super().__init__(config)
        self._stopping = stopping

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """Start; tell the address, which port 0 leaves to the system."""
        await super().startup(sockets)
        self.should_exit = self.should_exit or self._stopping.is_set()
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            _log.info("listening", url=f"http://{f'[{host}]' if ':' in host else host}:{port}", pid=os.getpid())
