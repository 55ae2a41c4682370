"""Two servers with a database each, and the lines between them: all of it real, and each can be broken."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2
import psycopg

from counterfoil.base.edge import Database
from tests.api.office import NOWHERE, PROGRAM, PROVIDER_KEY, SECRET, seed
from tests.conftest import ENCRYPTION_KEY, KEYS, as_server
from tests.jepsen import process
from tests.jepsen.process import SERVERS
from tests.treasury.purse import an_agent

SHARED = f"whsec_{base64.b64encode(hashlib.sha256(b'between the two').digest()).decode()}"
AGENTS, MONEY = 4, 10_000_00
START_S = 120
CLOCK_SEEN_S = 3.0  # the time on an answer is of the second before, and the answer takes its time


class FaultMissed(Exception):
    """A fault did not happen: whatever was seen proves nothing."""


def within(seconds: float, found: Callable[[], Any]) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    return None


class Way:
    """One connection through a line, and whether a batch went in whose answer did not come out yet."""

    def __init__(self) -> None:
        self.batch_is_out = False


class Line:
    """A TCP line to a server, that can be cut: `refuse` lets nobody through, `deaf` takes what is asked and loses the answer, `deaf_batch`
    loses the answers to batches alone. It tells of each batch that went in."""

    def __init__(self, port: int) -> None:
        self.port_behind, self.mode, self.hits = port, "open", 0
        self.batches = 0
        self.batch_went_in = threading.Event()
        self.newest = Way()  # that a batch took
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(caller,), daemon=True).start()

    def _carry(self, caller: socket.socket) -> None:
        if self.mode == "refuse":
            self.hits += 1
            caller.close()
            return
        try:
            behind = socket.create_connection(("127.0.0.1", self.port_behind), timeout=5)
        except OSError:
            caller.close()
            return
        way = Way()
        threading.Thread(target=self._pump, args=(caller, behind, way, False), daemon=True).start()
        self._pump(behind, caller, way, True)

    def _pump(self, source: socket.socket, target: socket.socket, way: Way, is_answer: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if is_answer and (self.mode == "deaf" or (self.mode == "deaf_batch" and way.batch_is_out)):
                    self.hits += 1
                    break
                if is_answer:
                    way.batch_is_out = False
                elif data.startswith(b"POST /peers/") and b"/batch " in data[:100]:
                    self.batches += 1
                    way.batch_is_out, self.newest = True, way
                target.sendall(data)
                if way.batch_is_out and not is_answer:
                    self.batch_went_in.set()
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def close(self) -> None:
        self._socket.close()


class Program:
    """The process of a side, that is started again under the same settings."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self._settings = {f"COUNTERFOIL_{name.upper()}": value for name, value in settings.items()}
        self.log = folder / "up.log"
        self.process = self._start()

    def _start(self) -> Any:
        started = SERVERS.Process(target=process.main, args=(self._settings, str(self.log)))
        started.start()
        return started

    def kill(self) -> None:
        """Killed, and started again."""
        self.process.kill()
        self.again()

    def again(self) -> None:
        """Started again, after it was killed."""
        self.process.join(30)
        if self.process.exitcode != -signal.SIGKILL:
            raise FaultMissed(f"it was dead already: {self.log.read_text()[-2000:]}")
        self.process = self._start()

    def freeze(self, seconds: float, *, only_if: Callable[[], bool] = lambda: True) -> bool:
        """Stopped for so long, as a machine that is suspended; False where `only_if` does not hold when it stands still."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            if not within(5, lambda: self._state() == "T"):
                raise FaultMissed("it did not stop")
            if not only_if():
                return False
            time.sleep(seconds)
            if self._state() != "T":
                raise FaultMissed("it went on by itself")
            return True
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    def _state(self) -> str:
        stat = Path(f"/proc/{self.process.pid}/stat")
        return stat.read_text().rpartition(")")[2].split()[0] if stat.exists() else ""

    def end(self) -> None:
        self.process.kill()
        self.process.join(30)


class Side:
    """One of the two servers."""

    def __init__(self, name: str, database_url: str, folder: Path) -> None:
        self.name, self.database_url = name, database_url
        self.folder = folder / name
        self.folder.mkdir()
        self.agents: list[str] = []
        database = Database(database_url, keys=KEYS).open()

        def before(conn: Any, _: Any) -> None:
            self.agents = [an_agent(conn, money=MONEY) for _ in range(AGENTS)]

        self.keys, _ = seed(database, before)
        database.close()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.line = Line(self.port)  # through which the other reaches it

    def start(self, other: Side) -> None:
        settings = {
            "database_url": as_server(self.database_url),
            "program": PROGRAM,
            "provider_url": NOWHERE,
            "provider_api_key": PROVIDER_KEY,
            "provider_webhook_secret": SECRET,
            "port": str(self.port),
            "encryption_keys": ENCRYPTION_KEY,
            "server_name": self.name,
            "peers": f"{other.name} http://127.0.0.1:{other.line.port} {SHARED}",
            "worker_poll_ms": "100",
            "log_level": "error",
        }
        self.program = Program(self.folder, settings)

    def is_up(self) -> bool:
        with suppress(httpx2.HTTPError):
            return httpx2.get(f"http://127.0.0.1:{self.port}/healthz", timeout=2, trust_env=False).status_code == 200
        return False

    def skew(self, wrong_s: int, seconds: float) -> None:
        """Its clock is wrong by so much, for so long: proven by the time that it writes on its answers, from outside."""
        clock = self.folder / process.CLOCK
        clock.write_text(str(wrong_s))
        try:
            if not within(10, lambda: abs(self.ahead_s() - wrong_s) < CLOCK_SEEN_S):
                raise FaultMissed(f"its clock is not wrong by {wrong_s} s")
            time.sleep(seconds)
        finally:
            clock.write_text("0")

    def ahead_s(self) -> float:
        """By how much its clock is before ours, in whole seconds or so; nothing where it does not answer."""
        with suppress(httpx2.HTTPError):
            told = httpx2.get(f"http://127.0.0.1:{self.port}/healthz", timeout=2, trust_env=False).headers["date"]
            return parsedate_to_datetime(told).timestamp() - time.time()
        return 0.0

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            return conn.execute(query.encode()).fetchall()

    def money(self) -> int:
        return int(self.rows("select coalesce(sum(credits - debits), 0)::bigint from account where name like 'treasury:agent:%'")[0][0])

    def clearing(self, other: str) -> int:
        found = self.rows(f"select credits - debits from account where name = 'clearing:{other}'")
        return int(found[0][0]) if found else 0

    def end(self) -> None:
        self.line.close()
        if program := getattr(self, "program", None):
            program.end()
