"""WattTime's API, version 3, as it is published, on a socket of its own: basic authentication for a token of 30 minutes, bearer tokens
for everything else, an end that is inclusive, points of five minutes, problems by status."""

from __future__ import annotations

import base64
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

USER, PASSWORD = "founder", "a long word of passing"
PERIOD = timedelta(minutes=5)


class FakeWattTime:
    """What it knows, and what it was asked. `values`: pounds a MWh by moment, else `flat`; as JSON text, so that nothing is rounded."""

    def __init__(self) -> None:
        self.flat = "800"
        self.values: dict[datetime, str] = {}
        self.until: datetime | None = None  # it knows nothing from then on
        self.oldest: datetime | None = None  # what is older is not in our plan
        self.regions = {"CAISO_NORTH", "DE"}
        self.tokens: set[str] = set()
        self.logins = 0
        self.asked: list[str] = []
        self.next: deque[tuple[int, dict[str, str]]] = deque()  # statuses to answer instead, and their headers
        self.mangle: dict[str, Any] = {}  # what stands in `meta` instead

    def answer(self, path: str, query: dict[str, str], authorization: str) -> tuple[int, dict[str, str], str]:
        self.asked.append(path)
        if self.next:
            status, headers = self.next.popleft()
            return status, headers, json.dumps({"error": "as it was told"})
        if path == "/login":
            wanted = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if authorization != f"Basic {wanted}":
                return 403, {}, json.dumps({"error": "bad credentials"})
            self.logins += 1
            token = f"token-{self.logins}"
            self.tokens.add(token)
            return 200, {}, json.dumps({"token": token})
        if authorization.removeprefix("Bearer ") not in self.tokens:
            return 401, {}, json.dumps({"error": "token expired"})
        return self._told(path, query)

    def _told(self, path: str, query: dict[str, str]) -> tuple[int, dict[str, str], str]:
        if path == "/v3/region-from-loc":
            place = {"region": "CAISO_NORTH", "region_full_name": "California ISO Northern", "signal_type": query["signal_type"]}
            return 200, {}, json.dumps(place)
        if query.get("region") not in self.regions:
            return 403, {}, json.dumps({"error": "region not in your plan"})
        if path == "/v3/forecast":
            start = datetime(2026, 11, 20, 12, tzinfo=UTC)
            count = int(query["horizon_hours"]) * 12
            return 200, {}, self._body(query, [start + PERIOD * n for n in range(count)], {"generated_at": start.isoformat()})
        start, end = datetime.fromisoformat(query["start"]), datetime.fromisoformat(query["end"])
        if self.oldest is not None and start < self.oldest:
            return 403, {}, json.dumps({"error": "too old for your plan"})
        if end - start > timedelta(days=32):
            return 400, {}, json.dumps({"error": "at most 32 days"})
        count = (end - start) // PERIOD + 1  # the end is inclusive
        moments = [start + PERIOD * n for n in range(count) if self.until is None or start + PERIOD * n < self.until]
        return 200, {}, self._body(query, moments, {})

    def _body(self, query: dict[str, str], moments: list[datetime], more: dict[str, str]) -> str:
        meta = {
            "data_point_period_seconds": 300,
            "region": query["region"],
            "signal_type": query["signal_type"],
            "units": "lbs_co2_per_mwh",
            "model": {"date": "2026-03-01"},
            "warnings": [],
            **more,
            **self.mangle,
        }
        points = (f'{{"point_time": "{at.isoformat()}", "value": {self.values.get(at, self.flat)}}}' for at in moments)
        return f'{{"data": [{", ".join(points)}], "meta": {json.dumps(meta)}}}'


@contextmanager
def fake_watttime() -> Iterator[tuple[FakeWattTime, str]]:
    """It, and its address."""
    fake = FakeWattTime()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, headers, body = fake.answer(parts.path, query, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body.encode()))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield fake, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
