"""Databases as they were some migrations ago."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection

from counterfoil.base.migrations.runner import FOLDER, files, migrate


@contextmanager
def as_of_migration(url: str, folder: Path, last: int, *, now: datetime) -> Iterator[Connection[Any]]:
    """Migrate up to `last`, out of copies in `folder`, and open a program in EUR; what follows belongs to that time."""
    for one in files(FOLDER):
        if one.number <= last:
            shutil.copy(FOLDER / one.name, folder)
    migrate(url, folder=folder)
    with psycopg.connect(url) as conn:
        conn.execute("insert into program (id, name, opened_at) values ('main', 'Main', %s)", [now])
        conn.execute("insert into asset (code, scale) values ('EUR', 2) on conflict do nothing")
        yield conn
