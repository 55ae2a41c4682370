"""A server's process: API and worker in one, forked from a process that has loaded their code, so that it starts in a moment."""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from datetime import datetime, tzinfo
from pathlib import Path

from counterfoil.base import edge
from counterfoil.base.settings import load_settings
from counterfoil.cli.local.processes import up

SERVERS = multiprocessing.get_context("forkserver")
SERVERS.set_forkserver_preload([__name__])


CLOCK = "clock"  # in a side's folder: by how many seconds its clock is wrong


def set_clock(folder: Path) -> None:
    """Have this process live by a clock that is wrong by what stands in its folder: all of its time, that of libraries too."""
    right, file = time.time, folder / CLOCK

    def wrong() -> float:
        return right() + (float(file.read_text() or 0) if file.exists() else 0.0)

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Wrong:
            return cls.fromtimestamp(wrong(), tz)

    time.time = wrong
    edge.datetime = Wrong  # type: ignore[misc]


def main(settings: dict[str, str], log: str) -> None:
    """In the forked process: what the command `up` does, over a database that is migrated already."""
    for name in [name for name in os.environ if name.startswith("COUNTERFOIL_")]:
        del os.environ[name]
    os.environ |= settings
    with Path(log).open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    os.chdir(Path(log).parent)
    set_clock(Path(log).parent)
    up(load_settings(os.environ), migrating=False)
