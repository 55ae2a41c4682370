"""The logins of a private PostgreSQL: what serves there is no superuser, and who audits there can write nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

import psycopg
from psycopg import errors, sql

SERVER: Final = "counterfoil_server"  # server and worker
AUDITOR: Final = "counterfoil_reader"
LOGINS: Final = {SERVER: ("counterfoil_app", "counterfoil_program"), AUDITOR: ("counterfoil_auditor",)}


def make_logins(url: str) -> None:
    """Make each login that is not there, with its roles. `url` is the superuser's, and the database is migrated.

    The socket's folder is closed to others, so the logins need no password; none of them may do more than its roles.
    """
    with psycopg.connect(url, autocommit=True) as conn:
        for login, role in ((login, role) for login, roles in LOGINS.items() for role in roles):
            names = {"login": sql.Identifier(login), "role": sql.Identifier(role)}
            # Another process on the same folder may be first.
            if conn.execute("select from pg_roles where rolname = %s", [login]).fetchone() is None:
                with suppress(errors.DuplicateObject, errors.UniqueViolation):
                    conn.execute(sql.SQL("create role {login} login in role {role}").format(**names))
            if conn.execute("select pg_has_role(%s, %s, 'member')", [login, role]).fetchone() != (True,):
                conn.execute(sql.SQL("grant {role} to {login}").format(**names))
