"""Questions to a provider, on connections that are kept: a question changes nothing there, so one whose connection was closed meanwhile is
asked once more on a new one. It takes half of the processor that a client for everything takes, and each payout is asked for twice.
"""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode, urlsplit

from counterfoil.operations.providers.connection import ANSWER_BYTES_MAX, ENDS, NoAnswer, Reply

_BROKEN: Final = (OSError, http.client.HTTPException, ValueError)


class Questions:
    """Asks one address; safe to call from several threads, each on a connection of its own."""

    def __init__(self, url: str, headers: Mapping[str, str], *, limit_s: float, kept_max: int, authorities: ssl.SSLContext) -> None:
        """`limit_s`: within which a whole answer comes; `kept_max`: so many connections stay open between questions."""
        parts = urlsplit(url)
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname or "", parts.port
        self._path, self._headers = parts.path.rstrip("/"), dict(headers)
        self._limit_s, self._kept_max, self._authorities = limit_s, kept_max, authorities
        self._lock = threading.Lock()
        self._kept: list[http.client.HTTPConnection] = []
        self._closed = False

    def get(self, path: str, asked: Mapping[str, str] | None = None) -> Reply:
        """The whole answer, whatever its status. Raises NoAnswer."""
        whole = self._path + path + (f"?{urlencode(asked)}" if asked else "")
        known = self._kept_one()
        if known is not None:
            try:
                return self._ask(known, whole)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                pass  # it was closed while nothing was asked on it: not a word of an answer came
            except _BROKEN as error:
                raise NoAnswer(f"no answer: {type(error).__name__}") from error
        try:
            return self._ask(self._new(), whole)
        except _BROKEN as error:
            raise NoAnswer(f"no answer: {type(error).__name__}") from error

    def close(self) -> None:
        """Close those that are kept, and keep none from now on."""
        with self._lock:
            self._closed, kept, self._kept = True, self._kept, []
        for one in kept:
            one.close()

    def _ask(self, one: http.client.HTTPConnection, path: str) -> Reply:
        end = ENDS.at(time.monotonic() + self._limit_s, lambda: _hang_up(one))
        whole = False
        try:
            one.request("GET", path, headers=self._headers)
            answer = one.getresponse()
            if answer.length is None and not answer.chunked:  # as where it was cut short among its headers
                raise ValueError("an answer that does not say how long it is")
            content = answer.read(ANSWER_BYTES_MAX + 1)
            whole = answer.isclosed() and len(content) <= ANSWER_BYTES_MAX
            if not whole:
                raise ValueError(f"an answer of more than {ANSWER_BYTES_MAX} bytes, or less than it said")
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, content)
        finally:
            ENDS.forget(end)
            if not (whole and self._keep(one)):
                one.close()

    def _new(self) -> http.client.HTTPConnection:
        if self._secure:
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._limit_s, context=self._authorities)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._limit_s)

    def _kept_one(self) -> http.client.HTTPConnection | None:
        while True:
            with self._lock:
                one = self._kept.pop() if self._kept else None
            if one is None or (one.sock is not None and not select.select([one.sock], [], [], 0)[0]):
                return one
            one.close()  # readable while nothing is asked: it was closed, or says what nobody asked for

    def _keep(self, one: http.client.HTTPConnection) -> bool:
        with self._lock:
            if self._closed or one.sock is None or len(self._kept) >= self._kept_max:
                return False
            self._kept.append(one)
        return True


def _hang_up(one: http.client.HTTPConnection) -> None:
    sock = one.sock
    if sock is not None:
        try:
            sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already
