"""Connections: how long their headers may take and be, and from which address they come behind a proxy that is trusted."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from typing import Any, Final

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX: Final = 32_768
HEAD_S: Final = 10.0
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class GuardedProtocol(HttpToolsProtocol):
    """Cuts a connection whose request line and headers are too long, or take too long to come: neither costs us more than that."""

    def connection_made(self, transport: Any) -> None:
        """Begin to count."""
        self._head, self._in_head = 0, True
        self._timer: asyncio.TimerHandle | None = self.loop.call_later(HEAD_S, self._cut)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Count what comes before a body."""
        if self._in_head:
            self._head += len(data)
            if self._head > HEAD_BYTES_MAX and b"\r\n\r\n" not in data:
                self._cut()
                return
            if self._timer is None:  # the next request of a connection that is kept
                self._timer = self.loop.call_later(HEAD_S, self._cut)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """They are there."""
        self._in_head, self._head = False, 0
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes now are the headers of the next request."""
        self._in_head = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        self._stop_timer()
        super().connection_lost(exc)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self) -> None:
        self._stop_timer()
        if not self.transport.is_closing():
            self.transport.close()


def networks(given: str) -> tuple[Network, ...]:
    """Addresses and networks of a list with commas. Raises ValueError."""
    return tuple(ipaddress.ip_network(one.strip(), strict=False) for one in given.split(",") if one.strip())


def address_of(scope: Scope, trusted: Iterable[Network] = ()) -> str:
    """Where a request comes from: the peer, or, if that is a trusted proxy, whom it and the trusted ones before it name.

    Read from the right: what stands left of the first address that is not trusted could be written by anybody.
    """
    peer = str((scope.get("client") or ("", 0))[0])
    hops = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    known = tuple(trusted)
    for hop in reversed([one.strip() for line in hops for one in line.split(",")]):
        if not _within(peer, known) or not _is_address(hop):
            break
        peer = hop
    return peer


def _within(address: str, known: tuple[Network, ...]) -> bool:
    return _is_address(address) and any(ipaddress.ip_address(address) in one for one in known)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
