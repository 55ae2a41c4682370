"""A connection that is opened before it is decided whether it may be used, and that nothing is sent on but what was decided then.

A process can be frozen between any two of its instructions, for hours: then it wakes up and sends what it was about to send. No check
of ours can prevent that; a connection can. It is opened first, the check comes after it, and it is never opened again: while the sender
sleeps, the other side closes what it hears nothing from, and the late request dies with it. What wakes up in time is measured by a
clock that goes on while the machine sleeps, and stops itself.
"""

from __future__ import annotations

import heapq
import http.client
import itertools
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from counterfoil.operations.authorities import authorities

ANSWER_BYTES_MAX: Final = 1 << 20
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine is suspended


class NotConnected(Exception):
    """No connection was had: certainly nothing was sent."""


class NotSent(Exception):
    """The connection was too old, or closed: certainly nothing was sent."""


class NoAnswer(Exception):
    """Something was sent, and no whole answer came: nobody knows whether it was carried out."""


class Reply(NamedTuple):
    """What the other side answered, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class OneRequest:
    """A connection for one order, open and unused. It lives for `limit_s` and is never opened again.

    An order is one request; at some providers a second one belongs to it, and goes out on the same connection.
    """

    def __init__(self, url: str, *, limit_s: float, dial: Callable[..., socket.socket] = socket.create_connection) -> None:
        """Connect to `url`'s host, within `limit_s`, by `dial`. Raises NotConnected, and what `dial` raises beside OSError."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise NotConnected(f"not an address: {parts.scheme}://{parts.hostname}")
        self._path = parts.path.rstrip("/")
        self._http = (
            http.client.HTTPSConnection(parts.hostname, parts.port, timeout=limit_s, context=authorities())
            if parts.scheme == "https"
            else http.client.HTTPConnection(parts.hostname, parts.port, timeout=limit_s)
        )
        # The one place at which an address can be looked at after the name was looked up: the host stays in `Host` and in TLS.
        self._http._create_connection = dial  # type: ignore[attr-defined] # noqa: SLF001 - of the standard library, since 2.7
        try:
            self._http.connect()
        except OSError as error:
            self._http.close()
            raise NotConnected(f"not connected: {type(error).__name__}") from error
        self._http.auto_open = 0  # a request on a connection that is gone fails; it never makes a new one
        self._limit_s = limit_s
        self._opened_s = time.clock_gettime(_CLOCK)
        self._end = ENDS.at(time.monotonic() + limit_s, self._hang_up)

    def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a request below the address and read its whole answer. Raises NotSent, NoAnswer."""
        return self.ask("POST", self._path + path, body, headers)

    def ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send a request with its whole path and read its whole answer. Raises NotSent, NoAnswer."""
        self._send(method, path, body, headers)
        try:
            answer = self._http.getresponse()
            content = answer.read(ANSWER_BYTES_MAX + 1)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(f"no answer: {type(error).__name__}") from error
        if len(content) > ANSWER_BYTES_MAX or not answer.isclosed():
            raise NoAnswer(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)

    def tell(self, path: str, body: bytes, headers: Mapping[str, str], *, first: int) -> Reply:
        """Post with its whole path, and read what came back up to `first` bytes: the status says all, and counts also where the rest of
        the answer does not come. Raises NotSent, NoAnswer."""
        self._send("POST", path, body, headers)
        try:
            answer = self._http.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NoAnswer(f"no answer: {type(error).__name__}") from error
        try:
            content = answer.read(first)
        except (OSError, http.client.HTTPException, ValueError):
            content = b""
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> None:
        self._refuse_when_late()
        try:
            self._http.request(method, path, body=body, headers=dict(headers))
        except http.client.NotConnected as error:
            raise NotSent("the connection is gone") from error
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(f"no answer: {type(error).__name__}") from error

    def is_usable(self) -> bool:
        """Would a request go out on it now?"""
        try:
            self._refuse_when_late()
        except NotSent:
            return False
        return True

    def close(self) -> None:
        """Close it; nothing is sent any more."""
        ENDS.forget(self._end)
        self._http.close()

    def _refuse_when_late(self) -> None:
        age_s = time.clock_gettime(_CLOCK) - self._opened_s
        if age_s >= self._limit_s:
            raise NotSent(f"the connection is {age_s:.0f} s old, its limit is {self._limit_s:g} s")
        sock = self._http.sock
        if sock is None or (select.select([sock], [], [], 0)[0] and not _only_tickets(sock)):  # nothing was asked: readable is closed
            raise NotSent("the other side closed the connection")

    def _hang_up(self) -> None:
        """The limit has come: whoever waits for bytes, gets none."""
        sock = self._http.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is closed already


class _Ends:
    """What is done when its moment has come, by one thread for all: hundreds of connections a second would each begin one of their own."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int]] = []  # a heap: when, and which
        self._known: dict[int, Callable[[], None]] = {}
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None

    def at(self, when_s: float, do: Callable[[], None]) -> int:
        """Do it at this moment of the monotonic clock, unless it is forgotten before; its number."""
        with self._changed:
            number = next(self._numbers)
            self._known[number] = do
            heapq.heappush(self._waiting, (when_s, number))
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="connection-ends", daemon=True)
                self._thread.start()
            elif self._waiting[0][1] == number:
                self._changed.notify()
        return number

    def forget(self, number: int) -> None:
        """It is not done any more, if it was not."""
        self._known.pop(number, None)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting or self._waiting[0][0] > time.monotonic():
                    self._changed.wait(self._waiting[0][0] - time.monotonic() if self._waiting else None)
                do = self._known.pop(heapq.heappop(self._waiting)[1], None)
            if do is not None:
                do()


ENDS: Final = _Ends()


def _only_tickets(sock: socket.socket) -> bool:
    """Is what came uninvited of TLS itself? A server sends tickets for later sessions behind the handshake (RFC 8446, 4.6.1)."""
    if not isinstance(sock, ssl.SSLSocket):
        return False
    limit_s = sock.gettimeout()
    sock.settimeout(0)
    try:
        sock.recv(1)  # reads tickets, and finds nothing for us behind them; or the end
    except ssl.SSLWantReadError:
        return True
    except OSError:
        return False
    finally:
        sock.settimeout(limit_s)
    return False
