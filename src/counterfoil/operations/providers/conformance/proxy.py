"""A proxy between adapter and sandbox that loses, garbles and delays: what happens on a network, at will and known to the suite."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from counterfoil.operations.authorities import authorities

Fault = Literal["lose_request", "lose_answer", "garble", "hold", "error_before", "error_after", "rate_limit"]
HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host", "date", "server"})
UPSTREAM_S: Final = 30
RETRY_AFTER_S: Final = 7


class FaultProxy:
    """Listens on loopback and asks the sandbox. A planted fault hits the next request that is an order, once; `fired` counts them."""

    def __init__(self, upstream: str, *, is_order: Callable[[bytes], bool] = lambda _: True) -> None:
        """`upstream` is the sandbox's address; `is_order` says of a body that is no GET's whether it is an order, or only asks."""
        self._is_order = is_order
        parts = urlsplit(upstream)
        self._host, self._port, self._tls = parts.hostname or "", parts.port, parts.scheme == "https"
        self._fault: Fault | None = None
        self._skip = 0
        self._lock, self._hold = threading.Lock(), threading.Event()
        self.fired: list[Fault] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{parts.path.rstrip('/')}"
        threading.Thread(target=self._server.serve_forever, daemon=True, kwargs={"poll_interval": 0.05}).start()

    @contextmanager
    def fault(self, fault: Fault, *, skip: int = 0) -> Iterator[None]:
        """The next order meets this fault, or a later one when `skip` are let by."""
        self._fault, self._skip = fault, skip
        self._hold.clear()
        try:
            yield
        finally:
            self._fault = None
            self._hold.set()

    def __enter__(self) -> FaultProxy:
        """For `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self.close()

    def close(self) -> None:
        """Stop listening."""
        self._hold.set()
        self._server.shutdown()
        self._server.server_close()

    def _take(self, method: str, body: bytes) -> Fault | None:
        with self._lock:
            found = self._fault if method != "GET" and self._is_order(body) else None
            if found is not None and self._skip:
                self._skip -= 1
                return None
            if found is not None:
                self._fault = None
                self.fired.append(found)
            return found

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                proxy._carry(self)

            def do_POST(self) -> None:
                proxy._carry(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                """Nothing."""

        return Handler

    def _carry(self, one: BaseHTTPRequestHandler) -> None:
        body = one.rfile.read(int(one.headers.get("content-length") or 0))
        fault = self._take(one.command, body)
        if fault == "lose_request":
            return _hang_up(one)
        if fault in ("error_before", "rate_limit"):
            return _answer(one, 500 if fault == "error_before" else 429, {"retry-after": str(RETRY_AFTER_S)}, b"{}")
        try:
            status, headers, content = self._ask(one, body)
        except (OSError, http.client.HTTPException):
            return _hang_up(one)  # the sandbox does not answer: nor do we
        match fault:
            case "lose_answer":
                return _hang_up(one)
            case "hold":
                self._hold.wait(UPSTREAM_S)
                return _hang_up(one)
            case "garble":
                return _answer(one, 200, headers, b'{"data": [1, "not what is documented"')
            case "error_after":
                return _answer(one, 500, headers, b"{}")
            case _:
                return _answer(one, status, headers, content)

    def _ask(self, one: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream: http.client.HTTPConnection
        if self._tls:
            upstream = http.client.HTTPSConnection(self._host, self._port, timeout=UPSTREAM_S, context=authorities())
        else:
            upstream = http.client.HTTPConnection(self._host, self._port, timeout=UPSTREAM_S)
        try:
            sent = {name: value for name, value in one.headers.items() if name.lower() not in HOP}
            upstream.request(one.command, one.path, body=body or None, headers=sent)
            answer = upstream.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            upstream.close()


def _answer(one: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes) -> None:
    one.send_response(status)
    for name, value in headers.items():
        if name.lower() not in HOP:
            one.send_header(name, value)
    one.send_header("content-length", str(len(content)))
    one.end_headers()
    one.wfile.write(content)


def _hang_up(one: BaseHTTPRequestHandler) -> None:
    """No answer: the connection is dropped."""
    one.close_connection = True
    one.connection.close()
