"""Starting the simulator as a process of its own, for the demo, the tests and the kill test."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, Protocol

from counterfoil.simulator.rules.oracle import Oracle, read_journal

API_KEY_VARIABLE: Final = "COUNTERFOIL_SIMULATOR_API_KEY"
SECRET_VARIABLE: Final = "COUNTERFOIL_SIMULATOR_WEBHOOK_SECRET"  # noqa: S105
TEST_API_KEY: Final = "sk_sim_local"
START_S: Final = 120
STOP_S: Final = 10


class SimulatorDidNotStart(Exception):
    """The process ended, or said nothing in time; the message holds what it wrote."""


class Running(Protocol):
    """What is asked of a process that was started; `subprocess.Popen` answers it."""

    pid: int
    stdin: IO[bytes] | None
    stdout: IO[bytes] | None

    def poll(self) -> int | None:
        """None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended. Raises subprocess.TimeoutExpired."""

    def send_signal(self, sig: int) -> None:
        """To it, if it runs."""

    def kill(self) -> None:
        """SIGKILL."""


class SimulatorProcess:
    """A running simulator. It keeps its folder, port and arguments over `kill` and `restart`, and ends with whoever started it."""

    def __init__(self, folder: Path, arguments: list[str], *, port: int, api_key: str, webhook_secret: str | None) -> None:
        """Start it and wait until it listens. Raises SimulatorDidNotStart."""
        self.folder, self.api_key = folder, api_key
        self._arguments = arguments
        self._secret = webhook_secret
        self._process: Running | None = None
        self.port = port
        self.url = ""
        self.started: dict[str, Any] = {}
        self.start()

    @property
    def pid(self) -> int:
        """Of the process that runs now. Raises RuntimeError when none does."""
        if self._process is None:
            raise RuntimeError("the simulator is not running")
        return self._process.pid

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.api_key}"}

    def alive(self) -> bool:
        """Does it run?"""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, on the port it had before. Raises SimulatorDidNotStart."""
        if self.alive():
            return
        environment = {**os.environ, API_KEY_VARIABLE: self.api_key}
        if self._secret is not None:
            environment[SECRET_VARIABLE] = self._secret
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "counterfoil.simulator",
            "--folder",
            str(self.folder),
            "--port",
            str(self.port),
        ]
        with (self.folder / "simulator.log").open("ab") as log:
            self._process = self.launch([*command, *self._arguments], environment, log)
        self.started = self._await_ready()
        self.url, self.port = self.started["url"], self.started["port"]

    def launch(self, command: list[str], environment: dict[str, str], log: BinaryIO) -> Running:
        """The process itself: what it prints is read, it ends when its standard input does, and it complains into `log`."""
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment)

    def kill(self) -> None:
        """SIGKILL: no goodbye, nothing flushed."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: it answers what it has begun, then ends; SIGKILL when that takes too long."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it if it runs, and start it again from its journal, on the same address."""
        self.kill()
        self.start()

    def oracle(self) -> Oracle:
        """What its journal on disk tells, whether it runs or not."""
        return read_journal(self.folder)

    def __enter__(self) -> SimulatorProcess:
        """For `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    def _await_ready(self) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            raise SimulatorDidNotStart("no process")
        with contextlib.suppress(ValueError, KeyError):
            if select.select([self._process.stdout], [], [], START_S)[0]:
                line: dict[str, Any] = json.loads(self._process.stdout.readline())
                if line["ready"]:
                    return line
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired):  # what it had to say may end before it does
            code = self._process.wait(1)
        why = f"it runs, and said nothing within {START_S} s" if code is None else f"it ended with {code}"
        self.kill()
        log = (self.folder / "simulator.log").read_text(errors="replace")
        raise SimulatorDidNotStart(f"{self.folder}: {why}. {log[-2_000:]}")


def spawn_simulator(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str = TEST_API_KEY,
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
    seed: int = 1,
    process: type[SimulatorProcess] = SimulatorProcess,
    **settings: int,
) -> SimulatorProcess:
    """Start a simulator on `folder` and wait until it listens. `settings` are those of `state.Settings`, e.g. `settle_ms=0`.

    Raises SimulatorDidNotStart. Without `port` a free one is taken, and kept over restarts.
    """
    arguments = ["--host", host, "--seed", str(seed), "--until-stdin-ends"]
    if webhook_url is not None:
        arguments += ["--webhook-url", webhook_url]
    for name, value in settings.items():
        arguments += [f"--{name.replace('_', '-')}", str(value)]
    return process(folder, arguments, port=port, api_key=api_key, webhook_secret=webhook_secret)
