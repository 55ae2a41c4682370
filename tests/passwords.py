"""A login of its own that the tests' server asks for a password, and the file that the password lies in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

ASKED = "asked_for_passwords"  # a role: who is in it needs one
FIRST = "the first password"


class Kept(NamedTuple):
    """A login whose password the server asks for, and the file that it lies in."""

    url: str
    file: Path
    login: str
    admin: str


@contextmanager
def login_with_password(admin: str, folder: Path) -> Iterator[Kept]:
    """On the database at `admin`, as a server's login; dropped at the end."""
    login = f"login_of_{admin.rpartition('/')[2].partition('?')[0]}"
    with psycopg.connect(admin, autocommit=True) as conn:
        _ask_for_passwords(conn)
        conn.execute(
            sql.SQL("create role {} login password {} in role counterfoil_app, counterfoil_program, {}").format(
                sql.Identifier(login), FIRST, sql.Identifier(ASKED)
            )
        )
    file = folder / "pass"
    file.write_text(f"# ours\n*:*:*:somebody:else\n*:*:*:{login}:{FIRST}\n")
    file.chmod(0o600)
    joined = "&" if "?" in admin else "?"
    yield Kept(f"{admin.replace('//postgres@', f'//{login}@')}{joined}passfile={file}", file, login, admin)
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [login])
        conn.execute(sql.SQL("drop role {}").format(sql.Identifier(login)))


def _ask_for_passwords(conn: psycopg.Connection[Any]) -> None:
    """The server of the tests lets everybody of its socket in; members of one role it asks. All processes of a run share it."""
    conn.execute("select pg_advisory_lock(4711)")
    if conn.execute("select from pg_roles where rolname = %s", [ASKED]).fetchone() is None:
        conn.execute(sql.SQL("create role {}").format(sql.Identifier(ASKED)))
        row = conn.execute("select current_setting('hba_file')").fetchone()
        assert row is not None
        hba = Path(row[0])
        hba.write_text(f"local all +{ASKED} scram-sha-256\n{hba.read_text()}")
        conn.execute("select pg_reload_conf()")
    conn.execute("select pg_advisory_unlock(4711)")
