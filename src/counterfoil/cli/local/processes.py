"""`serve`, `worker`, `up`: the processes of an installation. SIGTERM ends them cleanly, SIGKILL loses nothing."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

import structlog
import uvicorn

from counterfoil import __version__
from counterfoil.api.http.app import make_app
from counterfoil.api.http.connections import GuardedProtocol, networks
from counterfoil.base.edge import now
from counterfoil.base.settings import Settings
from counterfoil.cli.local.installation import Installation, installed
from counterfoil.dashboard.web.routes import add_dashboard
from counterfoil.operations.work.worker import Worker, listen
from counterfoil.wiring import loops

DRAIN_S: Final = 30  # a server answers what it has begun for so long
BACKLOG: Final = 2_048
KEEP_ALIVE_S: Final = 30
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log = structlog.get_logger("counterfoil.start")


def serve(settings: Settings) -> None:
    """Run the API until told to stop."""
    stopping = _stopped_by_signals()
    with installed(settings) as installation:
        _run(_server(installation, stopping))


def work(settings: Settings) -> bool:
    """Run the worker until told to stop. False when a job did not end in time; another worker takes it up after its lease."""
    stopping = _stopped_by_signals()
    with installed(settings) as installation:
        with _working(installation) as ended:
            stopping.wait()
        return ended.is_set()


def up(settings: Settings) -> None:
    """Run API and worker in one process, over the private database or any URL, migrated first."""
    stopping = _stopped_by_signals()
    with installed(settings, migrating=True) as installation, _working(installation):
        _run(_server(installation, stopping))


def _run(server: uvicorn.Server) -> None:
    """Serve. What was imported until here stays for good: the garbage collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
    try:
        server.run()
    finally:
        gc.unfreeze()  # or what was kept for good counts as leaked when the process ends


def _stopped_by_signals() -> threading.Event:
    """Set by SIGTERM or SIGINT. While the server runs it has handlers of its own; when it ends, it raises its signal once more
    to ours, which must not end the process before everything else is closed."""
    stopping = threading.Event()
    for one in SIGNALS:
        signal.signal(one, lambda *_: stopping.set())
    return stopping


@contextmanager
def _working(installation: Installation) -> Iterator[threading.Event]:
    """A running worker; the event is set afterwards, when every job had ended in time."""
    settings, pid = installation.settings, os.getpid()
    todo = loops(installation.wiring, installation.owner, poll_s=settings.worker_poll_ms / 1000)
    worker = Worker(
        installation.owner,
        todo,
        installation.database,
        now,
        host=socket.gethostname(),
        pid=pid,
        version=__version__,
    )
    stopping = threading.Event()
    listener = threading.Thread(
        target=listen, args=(installation.url, worker.wake, stopping), kwargs={"queues": worker.queues}, daemon=True
    )
    worker.start()
    listener.start()
    _log.info("worker started", worker=worker.id, loops=[loop.name for loop in todo])
    ended = threading.Event()
    try:
        yield ended
    finally:
        stopping.set()
        _log.info("stopping", worker=worker.id)
        if worker.stop():
            ended.set()
        else:
            _log.warning("a job did not end in time; its lease will run out", worker=worker.id)


def _server(installation: Installation, stopping: threading.Event) -> uvicorn.Server:
    settings = installation.settings
    app = make_app(
        installation.wiring,
        owner=installation.owner,
        stuck_after=timedelta(minutes=settings.intent_timeout_minutes),
        body_bytes_max=settings.body_bytes_max,
        import_bytes_max=settings.import_bytes_max,
        trusted=networks(settings.trusted_proxies),
        https=settings.dashboard_https,
        requests_per_second=settings.key_requests_max,
    )
    add_dashboard(
        app,
        installation.wiring,
        version=__version__,
        refresh_s=settings.dashboard_refresh_s,
        stuck_minutes=settings.intent_timeout_minutes,
        https=settings.dashboard_https,
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
