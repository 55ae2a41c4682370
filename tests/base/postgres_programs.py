"""Which PostgreSQL programs the launcher's tests run with, and small processes to harm."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from counterfoil.base.postgres.binaries import candidates, major_of

OLD = Path("/usr/lib/postgresql/15/bin")
PROGRAMS = list(dict.fromkeys([*map(str, candidates()), *([str(OLD)] if OLD.exists() else [])]))
NAMES = [f"PostgreSQL {major_of(Path(folder))}" for folder in PROGRAMS]
SMALL = {"shared_buffers": "16MB", "max_connections": "20"}

START = """
import os, sys, time
from counterfoil.base.postgres.launcher import PrivatePostgres
server = PrivatePostgres(sys.argv[1], die_with_parent=sys.argv[2] == "die", settings={"shared_buffers": "16MB"})
server.start()
print(server.pid, flush=True)
sys.stdin.readline()
server.stop()
print("stopped", flush=True)
"""


@contextmanager
def parent_process(folder: Path, *, die: bool, programs: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """Another process that starts the server on `folder`, prints its pid, and stops it when told a line."""
    environ = {**os.environ, **({"COUNTERFOIL_POSTGRES_BIN": programs} if programs else {})}
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(folder), "die" if die else "live"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(true: Callable[[], object], what: str, timeout_s: int = 30) -> None:
    """Return as soon as `true()` holds; fail naming `what` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, f"waited {timeout_s} s: {what}"
        time.sleep(0.002)


def is_alive(pid: int) -> bool:
    """Whether that process runs (a zombie does not)."""
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(told.stdout.strip()) and not told.stdout.startswith("Z")


@contextmanager
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path is short enough for a socket; in memory where there is some, because initdb syncs a lot."""
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else "/tmp"
    with tempfile.TemporaryDirectory(prefix="cf", dir=memory, ignore_cleanup_errors=True) as folder:
        yield Path(folder)
