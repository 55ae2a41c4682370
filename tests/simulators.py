"""Simulators without the wait: each a process of its own, really killed, but forked from one that has loaded all its code already.

Loading it takes most of a second of a processor, and hundreds of tests want one. Whether a simulator starts from nothing is tested in
`tests/simulator`, with the product's own `spawn_simulator`.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO, BinaryIO

from fastapi import FastAPI

from counterfoil.simulator import process
from counterfoil.simulator.engine import Simulation
from counterfoil.simulator.http import serving
from counterfoil.simulator.http.app import make_app

LOADED = (  # what one comes to need
    "uvloop",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "uvicorn.lifespan.on",
    "counterfoil.simulator.__main__",
)
MESSAGE_MAX = 1 << 20
ROOT = Path(__file__).parents[1]


class Forked:
    """A process of somebody else, held by its file descriptor: no other that has its number later is ever meant."""

    def __init__(self, pid: int, stdin: IO[bytes], stdout: IO[bytes]) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self._handle = os.pidfd_open(pid)
        self._ended = False

    def poll(self) -> int | None:
        return 0 if self._over(0) else None

    def wait(self, timeout: float | None = None) -> int:
        if not self._over(timeout):
            raise subprocess.TimeoutExpired("simulator", timeout or 0)
        return 0

    def send_signal(self, sig: int) -> None:
        if self.poll() is None:
            signal.pidfd_send_signal(self._handle, sig)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _over(self, timeout: float | None) -> bool:
        if not self._ended and select.select([self._handle], [], [], timeout)[0]:
            self._ended = True
            os.close(self._handle)
        return self._ended


class Loaded:
    """The process that has loaded the code, started when the first simulator is asked for; it ends with this one."""

    def __init__(self) -> None:
        self._asked: socket.socket | None = None

    def fork(self, arguments: list[str], environment: Mapping[str, str], log: BinaryIO) -> Forked:
        """A simulator with these arguments. Its environment is exactly the one given."""
        asked = self._asked = self._asked or self._started()
        taken, given = os.pipe()
        told, tells = os.pipe()
        try:
            message = json.dumps([arguments, dict(environment)]).encode()
            socket.send_fds(asked, [message], [taken, tells, log.fileno()])
        finally:
            os.close(taken)
            os.close(tells)
        return Forked(int(asked.recv(64)), os.fdopen(given, "wb", buffering=0), os.fdopen(told, "rb"))

    def _started(self) -> socket.socket:
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with there:
            made = subprocess.Popen([sys.executable, "-m", __name__, str(there.fileno())], cwd=ROOT, pass_fds=[there.fileno()])
        atexit.register(self._end, made, here)
        return here

    def _end(self, made: subprocess.Popen[bytes], asked: socket.socket) -> None:
        asked.close()
        made.wait(10)


LOADED_ONCE = Loaded()


class WarmSimulator(process.SimulatorProcess):
    """A simulator that is there at once, and gone at once: nobody asks it for more, and its journal is on the disk after each answer."""

    def __exit__(self, *_: object) -> None:
        self.kill()

    def launch(self, command: list[str], environment: dict[str, str], log: BinaryIO) -> process.Running:
        return LOADED_ONCE.fork(command[command.index("counterfoil.simulator") + 1 :], environment, log)


spawn_simulator = functools.partial(process.spawn_simulator, process=WarmSimulator)


def build_routes_once() -> None:
    """The routes are the same for every simulator, and building them takes longer than all else: built around an engine without anything
    in it, which in each forked process becomes that one's own."""
    blank = Simulation.__new__(Simulation)
    built = make_app(blank)

    def around(engine: Simulation) -> FastAPI:
        blank.__dict__ = engine.__dict__
        return built

    serving.make_app = around


def be_a_simulator(arguments: list[str], environment: Mapping[str, str], descriptors: list[int]) -> None:
    """In the forked process: nothing is left of the one before but its code."""
    os.environ.clear()
    os.environ.update(environment)
    for place, one in enumerate(descriptors):
        os.dup2(one, place)
        os.close(one)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    simulator = importlib.import_module("counterfoil.simulator.__main__")
    os._exit(simulator.main(arguments))


def fork_on_demand(asked: socket.socket) -> None:
    """Until whoever asks has gone: a process for each message, its number back."""
    for name in LOADED:
        importlib.import_module(name)
    build_routes_once()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them here
    while True:
        message, descriptors, _, _ = socket.recv_fds(asked, MESSAGE_MAX, 3)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            asked.close()
            be_a_simulator(*json.loads(message), descriptors)
        for one in descriptors:
            os.close(one)
        asked.send(str(pid).encode())


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as from_the_tests:
        fork_on_demand(from_the_tests)
