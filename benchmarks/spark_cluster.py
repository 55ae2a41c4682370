"""A standalone Spark cluster on this machine: a master and workers in processes of their own, for the benchmark and the tests."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar

SECONDS: Final = 120
HOST: Final = "127.0.0.1"
Answer = TypeVar("Answer")


@contextmanager
def standalone(folder: Path, *, workers: int = 2, memory: str = "1g", java: str = "") -> Iterator[str]:
    """The address of a master that has its workers of one core each; `folder` takes their logs and what they spill."""
    found = find_spec("pyspark")
    assert found is not None
    assert found.origin is not None
    home = Path(found.origin).parent
    environment = {**os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_DIRS": str(folder), "SPARK_DAEMON_MEMORY": "256m"}
    environment["SPARK_DAEMON_JAVA_OPTS"] = java
    processes: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> Path:
        log = folder / f"{len(processes)}.log"
        with log.open("wb") as told:
            command = [str(home / "bin" / "spark-class"), *words, "--host", HOST, "--webui-port", "0"]
            processes.append(subprocess.Popen(command, stdout=told, stderr=subprocess.STDOUT, env=environment, cwd=folder))
        return log

    try:
        log = start("org.apache.spark.deploy.master.Master", "--port", "0")
        master = patiently(lambda: _behind(log, "Starting Spark master at "))
        page = patiently(lambda: _behind(log, "started at http://"))
        for number in range(workers):
            work = str(folder / f"work{number}")
            start("org.apache.spark.deploy.worker.Worker", "--cores", "1", "--memory", memory, "--work-dir", work, master)
        patiently(lambda: sum(each["state"] == "ALIVE" for each in _asked(page)["workers"]) == workers)
        yield master
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(SECONDS)


def _behind(log: Path, mark: str) -> str | None:
    """The word behind a mark in a log, once it stands there."""
    return next((line.rpartition(mark)[2].split()[0] for line in log.read_text().splitlines() if mark in line), None)


def _asked(page: str) -> Any:
    with urllib.request.urlopen(f"http://{page}/json/", timeout=SECONDS) as answer:
        return json.load(answer)


def patiently(ask: Callable[[], Answer | None]) -> Answer:
    """An answer, as soon as there is one."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        if answer := ask():
            return answer
        time.sleep(0.2)
    raise AssertionError("Spark's master and workers did not come up")
