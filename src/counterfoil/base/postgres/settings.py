"""With which settings our own PostgreSQL runs."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Final

_MB: Final = 1 << 20
_BUILTIN_LOCALE_SINCE: Final = 17


def default_settings() -> dict[str, str]:
    """Settings that suit a server of one application on one machine: a quarter of its memory, and few checkpoints."""
    buffers = min(1024 * _MB, max(128 * _MB, memory_bytes() // 4)) // _MB
    return {
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{2 * buffers}MB",
        "max_wal_size": "4GB",
        "min_wal_size": "256MB",
        "wal_compression": "on",
        "checkpoint_timeout": "15min",
        # the log of a large batch goes to the disk while the batch is still being written, so that its commit has less to wait for
        "wal_writer_delay": "10ms",
        "wal_writer_flush_after": "256kB",
        # A plan that a connection keeps is made anew once its tables are analysed; one from when they were empty reads all of them.
        "autovacuum_naptime": "5s",
        "random_page_cost": "1.1",
        "jit": "off",  # our statements are short; compiling them costs more than it saves
        "max_connections": "100",
        "unix_socket_permissions": "0700",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
        "log_checkpoints": "off",
    }


def memory_bytes() -> int:
    """This machine's memory, or the container's share of it."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    told = limit.read_text().strip() if limit.exists() else ""
    return min(total, int(told)) if told.isdigit() else total


def environment() -> dict[str, str]:
    """Ours without what would steer PostgreSQL from outside."""
    return {name: value for name, value in os.environ.items() if not re.match(r"PG[A-Z]|LC_|LANG", name)} | {"LC_ALL": "C"}


def locale_options(major: int) -> list[str]:
    """How text is sorted: by code point, with the case rules of Unicode; the same on every machine where it can be."""
    if major >= _BUILTIN_LOCALE_SINCE:
        return ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return ["--locale=C.UTF-8" if sys.platform == "linux" else "--locale=C"]
