"""uvicorn, with what a provider's edge does: close connections on which nothing is asked; and what a well-behaved server cannot do:
drop a connection without an answer, and refuse to listen for a while."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from counterfoil.simulator.engine import Clock, Simulation
from counterfoil.simulator.http.app import make_app
from counterfoil.simulator.http.gate import HANG_UP, Gate
from counterfoil.simulator.journal import SimulatorJournal
from counterfoil.simulator.rules.facts import EndpointSet
from counterfoil.simulator.rules.state import SimulatorSettings

_LOOK_S = 0.02
log = logging.getLogger("counterfoil.simulator")


class _Protocol(HttpToolsProtocol):
    """HTTP that tells the application how to drop the connection, and closes one on which nothing is asked."""

    first_byte_s: float

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._silent = self.loop.call_later(self.first_byte_s, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._silent.cancel()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._silent.cancel()
        super().on_message_begin()
        self.scope["extensions"] = {HANG_UP: {"abort": self.transport.abort}}


class _SimulatorServer(uvicorn.Server):
    """A server on a port of its own that it can leave and take again."""

    def listen(self, host: str, port: int) -> socket.socket:
        """A listening socket; port 0 takes a free one."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(2_048)
        return sock

    async def leave(self) -> None:
        """Stop listening and drop every connection: callers are refused."""
        for server in self.servers:
            server.close()
        self.servers = []
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)

    async def come_back(self, host: str, port: int) -> None:
        """Listen on the same port again."""

        def protocol() -> asyncio.Protocol:
            return _Protocol(self.config, self.server_state, self.lifespan.state)

        loop = asyncio.get_running_loop()
        self.servers = [await loop.create_server(protocol, sock=self.listen(host, port))]


async def serve(
    journal: SimulatorJournal,
    settings: SimulatorSettings,
    clock: Clock,
    *,
    instance: str,
    seed: int,
    api_key: str,
    endpoint: EndpointSet | None,
    host: str,
    port: int,
    ready: Callable[[dict[str, Any]], None],
) -> None:
    """Run the provider until SIGTERM or SIGINT; `ready` is called once with its address, when it listens."""
    journal.start(asyncio.get_running_loop())
    engine = Simulation(journal, settings, clock)
    engine.open(instance=instance, seed=seed)
    if endpoint is not None and endpoint != engine.state.endpoint:
        engine.record([endpoint])
    await journal.durable()
    app = Gate(make_app(engine), engine, api_key)
    _Protocol.first_byte_s = settings.first_byte_ms / 1000
    config = uvicorn.Config(app, http=_Protocol, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=2)
    server = _SimulatorServer(config)
    sock = server.listen(host, port)
    host, port = sock.getsockname()[:2]
    engine.start()
    watch = asyncio.create_task(_watch(server, engine, host, port, ready, journal.cut_bytes))
    try:
        await server.serve(sockets=[sock])
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await engine.stop()
        await asyncio.to_thread(journal.close)


async def _watch(
    server: _SimulatorServer,
    engine: Simulation,
    host: str,
    port: int,
    ready: Callable[[dict[str, Any]], None],
    cut_bytes: int,
) -> None:
    """Say when the server is up; leave and come back as outages ask for it."""
    while not server.started:
        await asyncio.sleep(_LOOK_S)
    shown = f"[{host}]" if ":" in host else host
    ready({"url": f"http://{shown}:{port}", "host": host, "port": port, "cut_bytes": cut_bytes})
    while True:
        if _refusing(engine):
            await engine.journal.durable()
            await asyncio.sleep(_LOOK_S)  # whoever asked for the outage gets an answer first
            await server.leave()
            while _refusing(engine):
                await asyncio.sleep(_LOOK_S)
            await server.come_back(host, port)
        await asyncio.sleep(_LOOK_S)


def _refusing(engine: Simulation) -> bool:
    outage = engine.state.outage
    return outage is not None and outage.mode == "refused" and engine.now_us() < outage.until_us
