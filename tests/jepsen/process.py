"""A server's process: API and worker in one, forked from a process that has loaded their code, so that it starts in a moment."""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path

from counterfoil.base.settings import load_settings
from counterfoil.cli.local.processes import up

SERVERS = multiprocessing.get_context("forkserver")
SERVERS.set_forkserver_preload([__name__])


def main(settings: dict[str, str], log: str) -> None:
    """In the forked process: what the command `up` does, over a database that is migrated already."""
    for name in [name for name in os.environ if name.startswith("COUNTERFOIL_")]:
        del os.environ[name]
    os.environ |= settings
    with Path(log).open("ab") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    os.chdir(Path(log).parent)
    up(load_settings(os.environ), migrating=False)
