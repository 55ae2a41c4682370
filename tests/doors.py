"""A noun that only tests have: doors, two of them, both shut."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from counterfoil.base.machine import Machine, record_birth


def two_doors(conn: Connection[Any], machine: Machine, *, at: datetime) -> Connection[Any]:
    """Make their table, which follows `machine`, and the doors `a` and `b`."""
    conn.execute("create table door (id text primary key, state text, state_at timestamptz, steps int default 1)")
    conn.cursor().executemany("insert into transition values (%s, %s, %s, %s, %s, %s)", machine.rows())
    conn.execute("create trigger follows before update of state on door for each row execute function state_follows_table('door')")
    conn.execute("insert into door values ('a', 'shut', now()), ('b', 'shut', now())")
    record_birth(conn, machine, ["a", "b"], "shut", actor="test", at=at)
    return conn
