"""A partner's endpoint over real sockets: it answers as it is told to, and keeps what it got."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Got(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        """Its body."""
        found: dict[str, Any] = json.loads(self.body)
        return found


class Partner:
    """`answers` says what the next requests are answered with, the last one for ever: a status, or a status with headers and a body."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hooks?from=us"
        self.got: list[Got] = []
        self.answers: list[Any] = [200]
        self.waits_for: threading.Event | None = None
        self.meanwhile: Callable[[], None] | None = None

    @property
    def names(self) -> list[str]:
        """The events, in the order in which they came."""
        return [one.told["type"] for one in self.got]


@contextmanager
def partner() -> Iterator[Partner]:
    """One that listens."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # the name is http.server's
            body = self.rfile.read(int(self.headers["content-length"]))
            found.got.append(Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            if found.meanwhile is not None:
                found.meanwhile()
            if found.waits_for is not None:
                found.waits_for.wait(30)
            answer = found.answers[0] if len(found.answers) == 1 else found.answers.pop(0)
            status, headers, content = answer if isinstance(answer, tuple) else (answer, {}, b"")
            self.send_response(status)
            for name, value in {"content-length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # nobody reads it to its end
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Partner(server.server_address[1])
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield found
    finally:
        if found.waits_for is not None:
            found.waits_for.set()
        server.shutdown()
        server.server_close()
