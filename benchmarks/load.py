"""The API while everything else is busy: `python -m benchmarks.load [--quick]`.

A whole installation. For ten minutes (quick: 20 s) 200 requests a second, reads and posted movements mixed, each due at its own moment, so
that a slow answer makes the next ones late instead of fewer; meanwhile customers pay, the worker settles and pays out, and the sentinel
runs again and again. Then the same for a while with what should slow nobody down: clients that send headers and bodies a byte a second, or
ten thousand requests at once whose answers they do not read; then readers that take a byte a second, and a provider that does not answer.
Between them customers pay while every event is told to two partners, one of whom takes connections and never answers. Then webhooks,
1,000 a second for a minute (quick: 5 s). The callers run on this machine, too, and take part of it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import hashlib
import hmac
import json
import os
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2

from benchmarks import harness, ledger_load
from benchmarks.payouts import Office, an_office, round_of
from counterfoil.cli.local.local_stack import PROGRAM
from counterfoil.client.client import Client

PER_S: Final = 200
WEBHOOKS_PER_S: Final = 1_000
PAYMENTS_PER_S: Final = 5
CONNECTIONS: Final = 64
SLOW_READERS: Final = 20
SLOW_SENDERS: Final = 20  # of each kind
SENTINEL_EACH_S: Final = 10
WRITES: Final = 0.2  # the share of requests that post a movement
READS: Final = (
    f"/api/payouts?programId={PROGRAM}",
    f"/api/invoices?programId={PROGRAM}",
    "/api/admin/queue/status",
    "/api/admin/ops/health",
    "/api/workers",
    f"/api/programs/{PROGRAM}/trial-balance?asset=EUR",
)


class Pace(NamedTuple):
    """What came of requests at a pace: milliseconds from the moment each was due, what went wrong, how many a second were answered."""

    took_ms: list[float]
    errors: dict[str, int]
    per_s: float


async def at_pace(url: str, seconds: float, per_s: int, request: Any, headers: dict[str, str]) -> Pace:
    """`request(client, number)` so many times a second, each due at its moment."""
    took, errors, begun = list[float](), dict[str, int](), time.perf_counter()
    numbers = iter(range(int(seconds * per_s)))

    async def caller(client: httpx2.AsyncClient) -> None:
        for number in numbers:
            due = begun + number / per_s
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            try:
                answer = await request(client, number)
                wrong = "" if answer.is_success else f"status {answer.status_code}"
            except httpx2.HTTPError as error:
                wrong = type(error).__name__
            took.append((time.perf_counter() - due) * 1e3)
            if wrong:
                errors[wrong] = errors.get(wrong, 0) + 1

    limits = httpx2.Limits(max_connections=CONNECTIONS)
    async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=30, limits=limits, trust_env=False) as client:
        await asyncio.gather(*(caller(client) for _ in range(CONNECTIONS)))
    return Pace(took, errors, len(took) / (time.perf_counter() - begun))


def mixed(office: Office, names: list[str], seconds: float) -> Pace:
    """Reads and posted movements."""

    async def request(client: httpx2.AsyncClient, number: int) -> Any:
        if random.random() >= WRITES:
            return await client.get(READS[number % len(READS)])
        debit, credit = random.sample(names, 2)
        body = {"id": str(uuid.uuid4()), "programId": ledger_load.PROGRAM, "asset": ledger_load.ASSET, "debit": debit, "credit": credit}
        return await client.post("/api/movements", json={**body, "amount": "1"})

    headers = {"Authorization": f"Bearer {office.world.keys['controller']}"}
    return asyncio.run(at_pace(office.world.url, seconds, PER_S, request, headers))


def webhooks(office: Office, seconds: float, secret: str) -> Pace:
    """Signed events of charges that name no invoice, as fast as a provider that catches up would send them."""
    key = base64.b64decode(secret.removeprefix("whsec_"))

    async def request(client: httpx2.AsyncClient, number: int) -> Any:
        told = {"id": f"ch_{number}", "reference": "nobody", "amount": "100", "fee": "1", "asset": "EUR", "status": "succeeded"}
        body = json.dumps({"type": "load.test", "data": told}).encode()
        stamp, name = str(int(time.time())), f"evt_load_{time.time_ns()}_{number}"
        made = base64.b64encode(hmac.digest(key, f"{name}.{stamp}.".encode() + body, hashlib.sha256)).decode()
        headers = {"webhook-id": name, "webhook-timestamp": stamp, "webhook-signature": f"v1,{made}"}
        return await client.post("/webhooks/simulator", content=body, headers=headers)

    return asyncio.run(at_pace(office.world.url, seconds, WEBHOOKS_PER_S, request, {"Content-Type": "application/json"}))


@contextmanager
def busy(office: Office, invoices: dict[str, int]) -> Iterator[None]:
    """Customers who pay, and a sentinel that runs, in threads."""
    ended = threading.Event()

    def look() -> None:
        number = 0
        while not ended.wait(SENTINEL_EACH_S):
            number += 1
            office.operator.post("/api/sentinel-runs", {"kind": "recent"}, key=f"load-{time.time_ns()}-{number}")

    def pay() -> None:
        todo = list(invoices.items())
        while todo and not ended.wait(1.0):
            part, todo = todo[:PAYMENTS_PER_S], todo[PAYMENTS_PER_S:]
            office.pay(dict(part))

    paying = threading.Thread(target=pay, daemon=True)
    looking = threading.Thread(target=look, daemon=True)
    for thread in (paying, looking):
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in (paying, looking):
            thread.join(60)


@contextmanager
def trouble(office: Office) -> Iterator[None]:
    """Readers that take a byte a second, and a provider that stands still."""
    ended, host, port = threading.Event(), "127.0.0.1", int(office.world.url.rpartition(":")[2])
    asked = f"GET {READS[1]} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {office.world.keys['viewer']}\r\n\r\n".encode()

    def read_slowly() -> None:
        with socket.create_connection((host, port)) as reader:
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
            reader.sendall(asked)
            while not ended.wait(1.0):
                reader.recv(1)

    readers = [threading.Thread(target=read_slowly, daemon=True) for _ in range(SLOW_READERS)]
    for one in readers:
        one.start()
    os.kill(office.world.simulator.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(office.world.simulator.pid, signal.SIGCONT)
        ended.set()


@contextmanager
def partners(office: Office) -> Iterator[list[float]]:
    """Two endpoints that are told of everything: one takes connections and never answers, the other answers at once. How long each event
    was on its way to that one, in milliseconds."""
    delays: list[float] = []

    class Hearing(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["content-length"])))
            delays.append((time.time() - datetime.fromisoformat(told["timestamp"]).timestamp()) * 1e3)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    with socket.create_server(("127.0.0.1", 0)) as dead, ThreadingHTTPServer(("127.0.0.1", 0), Hearing) as well:
        threading.Thread(target=well.serve_forever, daemon=True).start()
        made = [endpoint(office, f"http://127.0.0.1:{port}/") for port in (dead.getsockname()[1], well.server_port)]
        try:
            yield delays
        finally:
            for one in made:
                office.operator.post(f"/api/endpoints/{one}/disable", {"reason": "benchmark"})
            well.shutdown()


def endpoint(office: Office, url: str) -> str:
    """An endpoint that is told of everything; two administrators enable it."""
    with office.world.database.transaction() as conn:
        second = Client(office.world.url, office.world._logged_in(conn, "karl"))
    first = Client(office.world.url, office.world.keys["administrator"])
    made: str = first.post("/api/endpoints", {"url": url, "ownerEmail": "partner@example.org", "minLevel": "debug"})["id"]
    asked = first.post(f"/api/endpoints/{made}/enable", {"reason": "benchmark"})
    second.post(f"/api/approvals/{asked['proposal']}/approve", {"reason": "benchmark", "payloadSha256": asked["payloadSha256"]})
    return made


def slow_senders() -> list[tuple[bytes, bytes]]:
    """What slow clients send first, and what they go on with: headers, a body, chunks, and requests without waiting for an answer."""
    head = b"POST /webhooks/simulator HTTP/1.1\r\nHost: x\r\n"
    kinds = (
        (b"GET /healthz HTTP/1.1\r\nX-A: ", b"a"),
        (head + b"Content-Length: 200000\r\n\r\n" + b"[" * 20_000, b"["),
        (head + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n[\r\n"),
        (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 10_000, b""),
    )
    return [one for one in kinds for _ in range(SLOW_SENDERS)]


@contextmanager
def slowed(office: Office) -> Iterator[None]:
    """Clients that are slow on purpose; one that is cut off comes again."""
    ended, address = threading.Event(), ("127.0.0.1", int(office.world.url.rpartition(":")[2]))

    def send_slowly(first: bytes, more: bytes) -> None:
        while not ended.is_set():
            try:
                with socket.create_connection(address, timeout=1.0) as one:
                    one.sendall(first)
                    while not ended.wait(1.0):
                        one.sendall(more)
            except OSError:
                ended.wait(1.0)

    senders = [threading.Thread(target=send_slowly, args=kind, daemon=True) for kind in slow_senders()]
    for one in senders:
        one.start()
    try:
        yield
    finally:
        ended.set()


def memory_mb(pid: int) -> float:
    """What a process has in memory now."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024


def _tell(named: dict[str, Pace]) -> None:
    """How each of them went, and what went wrong."""
    harness.table(
        ["", "requests", "per s", "p50 ms", "p99 ms", "worst ms", "errors"],
        [
            [
                name,
                float(len(one.took_ms)),
                one.per_s,
                *(harness.percentile(one.took_ms, share) for share in (0.5, 0.99, 1.0)),
                sum(one.errors.values()),
            ]
            for name, one in named.items()
        ],
    )
    for name, one in named.items():
        for wrong, number in one.errors.items():
            print(f"{name}: {wrong}, {number} times")


def main() -> None:
    """Measure, print the tables, and one JSON object as the last line."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.load", description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--quick", action="store_true", help="20 s")
    options = made.parse_args()
    seconds, flood = (20.0, 5.0) if options.quick else (600.0, 60.0)
    with an_office(500) as office:
        print(f"\n{harness.machine(office.world.postgres)}\n", flush=True)
        round_of(office, 300)
        names = ledger_load.prepare(office.world.postgres.url, 1_000)
        totals = office.issue(int(PAYMENTS_PER_S * seconds * 1.5))
        pids = {"server": office.world.server.pid, "worker": office.world.worker.pid}
        mixed(office, names, 5.0)  # what is remembered for good is, before memory is looked at
        with busy(office, totals):
            mixed(office, names, seconds / 4)
            before = {name: memory_mb(pid) for name, pid in pids.items()}
            calm = mixed(office, names, seconds)
            after = {name: memory_mb(pid) for name, pid in pids.items()}
        with partners(office) as delays, busy(office, office.issue(int(PAYMENTS_PER_S * seconds / 2))):
            partnered = mixed(office, names, seconds / 2)
        with busy(office, {}), slowed(office):
            beside = mixed(office, names, seconds / 2)
        slow_mb = memory_mb(pids["server"])
        with busy(office, {}), trouble(office):
            troubled = mixed(office, names, seconds / 2)
        secret = office.world.server._environment["COUNTERFOIL_PROVIDER_WEBHOOK_SECRET"]
        taken = webhooks(office, flood, secret)
    named = {"busy": calm, "a dead endpoint": partnered, "slow clients": beside, "slow readers, no provider": troubled, "webhooks": taken}
    _tell(named)
    growth = {name: after[name] - before[name] for name in pids}
    print("Memory: " + ", ".join(f"{name} {before[name]:.0f} MB, then {after[name]:.0f} MB" for name in pids))
    print(f"Memory of the server beside slow clients: {slow_mb:.0f} MB")
    late, worst = harness.percentile(delays, 0.99), harness.percentile(delays, 1.0)
    print(f"Beside a partner who never answers the other was told of {len(delays):,} events: p99 {late:,.0f} ms, the worst {worst:,.0f}.")
    harness.last_line(
        {
            "p99_ms": round(harness.percentile(calm.took_ms, 0.99), 1),
            "slow_clients_p99_ms": round(harness.percentile(beside.took_ms, 0.99), 1),
            "slow_clients_memory_mb": round(slow_mb - after["server"], 1),
            "dead_endpoint_p99_ms": round(harness.percentile(partnered.took_ms, 0.99), 1),
            "told_beside_it_p99_ms": round(late),
            "troubled_p99_ms": round(harness.percentile(troubled.took_ms, 0.99), 1),
            "errors": sum(sum(one.errors.values()) for one in named.values()),
            "webhooks_per_s": round(taken.per_s),
            "memory_growth_mb": round(sum(growth.values()), 1),
        }
    )


if __name__ == "__main__":
    main()
