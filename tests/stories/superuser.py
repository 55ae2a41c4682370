"""Faults that nothing of ours can make: a row that was edited past every rule."""

from __future__ import annotations

from typing import Protocol

import psycopg

from counterfoil.base.edge import Database


class HasDatabase(Protocol):
    """Whatever keeps its rows in a database."""

    @property
    def database(self) -> Database:
        """The database."""
        ...


def by_a_superuser(desk: HasDatabase, statement: str) -> None:
    """One row of the accounts is changed, or one row is put in or taken out elsewhere, with the triggers off."""
    with psycopg.connect(desk.database.url, autocommit=True) as conn:
        conn.execute("set session_replication_role = replica")
        conn.execute("alter table account disable trigger user")
        try:
            assert conn.execute(statement.encode()).rowcount == 1
        finally:
            conn.execute("alter table account enable trigger user")
