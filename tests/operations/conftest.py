"""A table of errands to be run, and a clock to move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from counterfoil.operations.work.runner import Queue

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ERRANDS = Queue("errands", "errand", ("due",), lane="provider")


@pytest.fixture
def errands(database, database_url):
    """Five errands, e1 to e5, due a minute ago, a second after each other."""
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(
            """create table errand (id text primary key, state text not null default 'due', done int not null default 0,
                   due_at timestamptz, attempt int not null default 0, lease_owner text, lease_until timestamptz,
                   fence bigint not null default 0, last_error text, provider text not null default 'fast')"""
        )
        owner.execute("grant select, insert, update on errand to counterfoil_app")
        owner.execute(
            "insert into errand (id, due_at) select 'e' || i, %s::timestamptz + i * interval '1 s' from generate_series(1, 5) i",
            [NOW - timedelta(minutes=1)],
        )
    return database


class Clock:
    """As the database's, moved by the test."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self, _: Any = None) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def rows(database, columns: str = "id, done") -> list[tuple[Any, ...]]:
    """What the errands say, in their order."""
    with database.transaction() as conn:
        return conn.execute(f"select {columns} from errand order by id").fetchall()


def do(conn, claims, now):
    """Run these errands."""
    conn.execute("update errand set done = done + 1 where id = any(%s)", [[one.id for one in claims]])
