"""Folders of a run's own in memory, and what killed runs left there: memory that nobody gives back, until tests starve beside it."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

MEMORY = Path("/dev/shm")
FREE_MIN = 4 << 30  # bytes, on the memory's file system and of the machine itself: the first may promise what the second has not
HELD = "held"  # locked for as long as the run lives, so the kernel lets go of it when it is killed
UNHELD_S = 3_600  # a folder that nobody ever locked is a run's that began this moment, or of long ago
_locks: list[IO[bytes]] = []


def own_folder(kind: str) -> Path:
    """A new folder, in memory where there is enough: a copy of the template takes 15 ms there and 100 to 300 ms on disk."""
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"counterfoil-{kind}-", dir=MEMORY if _enough() else None))
    lock = (folder / HELD).open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    _locks.append(lock)
    return folder


def sweep(memory: Path = MEMORY) -> list[Path]:
    """Remove the folders of runs that are no more, and end the servers that still run there; which ones."""
    found = list(memory.glob("counterfoil-*-*")) if memory.is_dir() else []
    return [folder for folder in found if _is_left(folder) and _removed(folder)]


def _enough() -> bool:
    return MEMORY.is_dir() and min(shutil.disk_usage(MEMORY).free, _available()) > FREE_MIN


def _available() -> int:
    """Bytes of memory that the machine can give."""
    told = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(told["MemAvailable"].split()[0]) << 10


def _is_left(folder: Path) -> bool:
    try:
        with (folder / HELD).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        with suppress(OSError):
            return time.time() - folder.stat().st_mtime > UNHELD_S
        return False
    return True


def _removed(folder: Path) -> bool:
    for recorded in folder.glob("postgres/data/postmaster.pid"):
        with suppress(OSError, ValueError):
            os.kill(int(recorded.read_text().splitlines()[0]), signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
