"""Clients that are slow on purpose, against a real server: headers byte by byte, bodies that stop or never end, answers that nobody reads.

The others are answered all the while, the memory keeps within its bound, and each of the slow is told why it was cut off, if it can be.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest

from counterfoil.base.edge import Database
from tests.api.office import PROGRAM, fresh, seed, signed
from tests.cli.test_processes import Process, running, within

# The server as it is, but for its patience, which is a tenth: a test does not wait as long.
SHORTER: Final = """
from counterfoil.api.http import connections, middleware
connections.HEAD_S, connections.LINGER_S, connections.UNREAD_S, middleware.BODY_S = 2.0, 1.0, 2.0, 3.0
from counterfoil.cli.main import main
main()
"""
OF_EACH: Final = 20
MEMORY_BYTES_MAX: Final = 64 << 20  # beside what it had: 180 connections of at most a webhook's body each, and as much again
ALL_CUT_S: Final = 40.0
CALLS: Final = 40
ANSWERED_S: Final = 10.0
HEAD: Final = b"POST /webhooks/simulator HTTP/1.1\r\nHost: x\r\n"
ENDLESS: Final = b"Transfer-Encoding: chunked\r\n\r\n"
LARGE: Final = "/api/openapi.json"  # what is largest of all that anybody may read


class Impatient(Process):
    """A server that waits a tenth as long as it does otherwise."""

    begins = ("-c", SHORTER)


class Slow:
    """One connection: what it sends first, and what it goes on with, a piece at a time."""

    def __init__(self, address: tuple[str, int], first: bytes, more: bytes = b"", *, reads: bool = True) -> None:
        self.reads, self.more, self._at = reads, more, 0
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096 if not reads else 65_536)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self.socket.sendall(first)
        self.socket.settimeout(0.01)

    def go_on(self) -> None:
        """Another piece; nothing if the other side has ended it or takes no more now."""
        with contextlib.suppress(OSError):
            if self.more:
                self._at += self.socket.send(self.more)

    def told(self) -> bytes:
        """All that came until the other side ended it."""
        got = b""
        self.socket.settimeout(ALL_CUT_S)
        with contextlib.suppress(ConnectionError):
            while part := self.socket.recv(65_536):
                got += part
        return got


KINDS: Final[dict[str, Callable[[tuple[str, int]], Slow]]] = {
    "headers byte by byte": lambda at: Slow(at, b"GET /healthz HTTP/1.1\r\nX-A: ", b"a"),
    "a request line without end": lambda at: Slow(at, b"GET /", b"a"),
    "headers that stop": lambda at: Slow(at, HEAD),
    "a body that stops": lambda at: Slow(at, HEAD + b"Content-Length: 200000\r\n\r\n" + b"[" * 20_000),
    "a body byte by byte": lambda at: Slow(at, HEAD + b"Content-Length: 200000\r\n\r\n", b"["),
    "chunks without end": lambda at: Slow(at, HEAD + ENDLESS, b"1\r\n[\r\n"),
    "a chunk's extension without end": lambda at: Slow(at, HEAD + ENDLESS + b"1;", b"a" * 20_000),
    "fields behind the body without end": lambda at: Slow(at, HEAD + ENDLESS + b"0\r\n", b"X-A: " + b"a" * 5_000 + b"\r\n"),
    "answers that are not read": lambda at: Slow(at, f"GET {LARGE} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 8, reads=False),
}
TOLD: Final = {  # the status and the problem that each is cut off with
    "headers byte by byte": (408, b"/problems/TooSlow"),
    "a request line without end": (408, b"/problems/TooSlow"),
    "headers that stop": (408, b"/problems/TooSlow"),
    "a body that stops": (408, b"/problems/TooSlow"),
    "a body byte by byte": (408, b"/problems/TooSlow"),
    "chunks without end": (408, b"/problems/TooSlow"),
}


@pytest.fixture
def server(database: Database, database_url: str, tmp_path: Path) -> Iterator[tuple[Process, str, str]]:
    """The process, its address, and the key of a viewer."""
    keys, _ = seed(database)
    with running(tmp_path, ["serve"], database_url, Impatient) as process:
        yield process, process.said("listening")["url"], keys["viewer"]


def memory_bytes(process: Process) -> int:
    status = Path(f"/proc/{process.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024  # type: ignore[index]


def sockets(process: Process) -> int:
    found = 0
    for one in Path(f"/proc/{process.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found += one.readlink().name.startswith("socket:")
    return found


def call(url: str, key: str) -> list[tuple[int, float]]:
    """What others ask meanwhile, on connections of their own: status and seconds of each."""
    found = []
    for number in range(CALLS):
        began = time.monotonic()
        with httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
            if number % 4:
                answer = client.get(f"/api/programs/{PROGRAM}/rates", headers={"Authorization": f"Bearer {key}"})
            else:
                body = b'{"type": "x"}'
                answer = client.post("/webhooks/simulator", content=body, headers=signed(body, fresh("evt")))
        found.append((answer.status_code, time.monotonic() - began))
    return found


@contextmanager
def going_on(slow: list[Slow]) -> Iterator[None]:
    """They go on while this does."""
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(0.05):
            for one in slow:
                one.go_on()

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)


def test_slow_clients_cost_the_others_nothing_and_are_cut_off_with_the_reason(server: tuple[Process, str, str]) -> None:
    process, url, key = server
    host, port = url.removeprefix("http://").split(":")
    httpx2.get(f"{url}{LARGE}", trust_env=False, timeout=60)
    assert {status for status, _ in call(url, key)} == {200}
    memory, open_before = memory_bytes(process), sockets(process)

    slow = {name: [make((host, int(port))) for _ in range(OF_EACH)] for name, make in KINDS.items()}
    every = [one for group in slow.values() for one in group]
    with going_on(every):
        meanwhile = call(url, key)
        most = memory_bytes(process)
        unread = [one for one in every if not one.reads]
        assert within(ALL_CUT_S, lambda: sockets(process) <= open_before + 2), f"{sockets(process) - open_before} are still held"
        most = max(most, memory_bytes(process))
    assert {status for status, _ in meanwhile} == {200}
    assert max(seconds for _, seconds in meanwhile) < ANSWERED_S
    assert most - memory < MEMORY_BYTES_MAX

    for name, (status, kind) in TOLD.items():
        answers = [one.told() for one in slow[name]]
        assert [one for one in answers if f"HTTP/1.1 {status} ".encode() not in one or kind not in one] == [], name
    assert all(len(one.told()) < 4_000_000 for one in unread)
    assert {status for status, _ in call(url, key)} == {200}

    cut = [one["why"] for one in process.lines() if one.get("event") == "connection cut"]
    assert cut.count("It did not come in the time that it has.") == 3 * OF_EACH
    assert cut.count("The answer is not read.") == OF_EACH
    assert sum("are longer than that may be" in one for one in cut) == 2 * OF_EACH
    late = [one for one in process.lines() if one.get("event") == "request" and one["status"] == 408]
    assert {one["path"] for one in late} == {"/webhooks/{provider}"}
    assert len(late) == 3 * OF_EACH
    assert [one for one in process.lines() if one.get("event") == "request" and one["status"] >= 500] == []


def test_who_hangs_up_in_the_middle_of_a_body_is_no_mistake_of_ours(server: tuple[Process, str, str]) -> None:
    process, url, _ = server
    host, port = url.removeprefix("http://").split(":")
    for path in ("/webhooks/simulator", "/peers/north/prepare", "/api/logins", "/login"):
        with socket.create_connection((host, int(port)), timeout=5) as one:
            one.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n[".encode())
            time.sleep(0.1)
    lines = within(10, lambda: len(found := [one for one in process.lines() if one.get("event") == "request"]) == 4 and found)
    assert lines, process.log.read_text()
    assert {one["status"] for one in lines} <= {400, 401}
    assert [one for one in process.lines() if one.get("level") == "error"] == []


PIPELINED: Final = 150_000
PIPELINED_BYTES_MAX: Final = 16 << 20
SMALL: Final = b"GET /nowhere HTTP/1.1\r\n\r\n"


def test_requests_that_are_sent_without_waiting_for_answers_are_held_in_no_number(server: tuple[Process, str, str]) -> None:
    """Whoever sends a hundred thousand and reads nothing holds a few of them; whoever reads gets each answer, in order."""
    process, url, key = server
    host, port = url.removeprefix("http://").split(":")
    call(url, key)
    memory = memory_bytes(process)
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        one.connect((host, int(port)))
        one.settimeout(1.0)
        with contextlib.suppress(TimeoutError, ConnectionError):
            one.sendall(SMALL * PIPELINED)
        assert {status for status, _ in call(url, key)} == {200}
        assert memory_bytes(process) - memory < PIPELINED_BYTES_MAX
    asked = b"GET /healthz HTTP/1.1\r\n\r\n" + SMALL * 2
    posted = HEAD + b"Content-Length: 20000\r\n\r\n" + b"[" * 20_000
    ends = b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as one:
        threading.Thread(target=one.sendall, args=(asked * 100 + posted + ends,), daemon=True).start()
        got = b"".join(iter(lambda: one.recv(65_536), b""))
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", got)
    assert statuses == [b"200", b"404", b"404"] * 100 + [b"422", b"404"]
