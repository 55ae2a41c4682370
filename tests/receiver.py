"""Somebody's webhook: a real HTTP server that keeps what it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """Somebody's webhook. `status`: what it answers from now on."""

    port: int = 0
    status: int = 200
    heard: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)  # of each that was heard
    asked: int = 0  # calls that came, answered or not
    hang: threading.Event = field(default_factory=threading.Event)  # it answers once this is set


@contextmanager
def received() -> Iterator[Receiver]:
    """An HTTP server of our own that keeps what it is told."""
    made = Receiver()
    made.hang.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.asked += 1
            made.hang.wait(60)
            made.heard.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            made.paths.append(self.path)
            self.send_response(made.status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def do_GET(self) -> None:
            self.send_response(made.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128  # so many may knock at once: a test has more callers than Python's five

    server = Server(("127.0.0.1", 0), Handler)
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
