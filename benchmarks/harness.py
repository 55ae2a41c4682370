"""What the benchmarks share: a private PostgreSQL with the product's own settings (fsync on), percentiles, tables, the last line."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from counterfoil.base.migrations.runner import migrate
from counterfoil.base.postgres.launcher import PrivatePostgres


@contextmanager
def private_server() -> Iterator[PrivatePostgres]:
    """A fresh server in a temporary folder, removed afterwards. COUNTERFOIL_BENCH_POSTGRES_BIN names other programs to use."""
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-bench-"))
    server = PrivatePostgres(folder, binaries=os.environ.get("COUNTERFOIL_BENCH_POSTGRES_BIN")).start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def fresh_database(server: PrivatePostgres, name: str) -> str:
    """The address of a new, migrated database."""
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = server.url_of(name)
    migrate(url)
    return url


def machine(server: PrivatePostgres) -> str:
    """What it ran on, in one line."""
    with psycopg.connect(server.url) as conn:
        row = conn.execute(
            "select current_setting('server_version'), current_setting('fsync'), current_setting('shared_buffers')"
        ).fetchone() or ("?", "?", "?")
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores, load {load:.1f} at the start, Python {platform.python_version()}, PostgreSQL {row[0].split()[0]}, "
        f"fsync {row[1]}, shared_buffers {row[2]}"
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def memory_mb() -> float:
    """The most memory this process has had, in megabytes.

    By the kernel's own mark where there is one: `ru_maxrss` of a child begins at what its parent had when it was started.
    """
    status = Path("/proc/self/status")
    if status.exists():
        marks = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return round(int(marks["VmHWM"].split()[0]) / 1024, 1)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(used / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print rows under their columns, numbers to the right."""
    shown = [[f"{value:,.0f}" if isinstance(value, float) else str(value) for value in row] for row in rows]
    widths = [max(len(line[place]) for line in [list(columns), *shown]) for place in range(len(columns))]
    for line in [list(columns), *shown]:
        first, *rest = line
        print("  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]))


def last_line(figures: dict[str, Any]) -> None:
    """The figures, for programs."""
    print(json.dumps(figures), flush=True)
