"""Apply the migrations: in order, once, each in one transaction; what was applied is remembered with its SHA-256."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection, errors, sql

from counterfoil.base.postgres.passwords import FileConnection
from counterfoil.base.problems import Busy, Problem

FOLDER: Final = Path(__file__).parent
OWNER: Final = "counterfoil_owner"
APP: Final = "counterfoil_app"
OF_PROGRAM: Final = "counterfoil_program"  # may what the application may, and sees one program
ROLES: Final = (OWNER, APP, "counterfoil_auditor", OF_PROGRAM)
LOCK_TIMEOUT_MS: Final = 5_000  # a migration that cannot have its table at once must not queue everybody behind it
TURN_TIMEOUT_MS: Final = 120_000  # another process migrates
_LOCK: Final = 4_271_001  # of all migrations in a database
_SET_IS_A_RIGHT_SINCE: Final = 160000  # from then on, who makes a role administers it but may not act as it
_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql", re.ASCII)


class MigrationChanged(Problem):
    """A migration was changed after this database had applied it; restore the file and write a new one."""


class MigrationNumberShared(Problem):
    """Two migrations carry one number; give the one that no database has applied yet the next free number."""


class DatabaseIsNewer(Problem):
    """This database was migrated by a newer version than the one that runs now."""


class MigrationOutOfOrder(Problem):
    """A migration has a lower number than one that this database has applied already; give it the next number."""


class Migration(NamedTuple):
    """One file."""

    number: int
    name: str
    text: str
    sha256: str  # what is remembered of it


def files(folder: Path = FOLDER) -> list[Migration]:
    """Every migration, in order. Raises MigrationNumberShared."""
    named = sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    for one, following in pairwise(named):
        if one.name[:4] == following.name[:4]:
            raise MigrationNumberShared(number=int(one.name[:4]), migration=one.name, other=following.name)
    return [Migration(int(path.name[:4]), path.name, text, _sha256(text)) for path in named for text in (path.read_text("utf-8"),)]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def migrate(url: str, *, folder: Path = FOLDER) -> list[str]:
    """Bring the database up to the newest schema and return the names of the files applied; none when there was nothing to do.

    The login must be able to create roles and objects in `public` (the private PostgreSQL's can). Several processes may call it
    at once: one works, the others wait. Raises MigrationNumberShared, MigrationChanged, MigrationOutOfOrder, DatabaseIsNewer, Busy.
    """
    done: list[str] = []
    here = files(folder)
    with FileConnection.connect(url, autocommit=True) as conn:
        try:
            prepare_database(conn)
            while (name := _apply_next(conn, here)) is not None:
                done.append(name)
            _grant(conn, folder)
        except errors.LockNotAvailable as error:
            raise Busy(what="the schema", detail="another transaction holds a table that the migration needs") from error
    return done


def began_at(conn: Connection[Any]) -> datetime | None:
    """When this installation began to hold books; null before its first program.

    A program may be opened as of long ago (the demo's day is past), so its hour alone would say that a new installation is old.
    """
    row = conn.execute("select greatest(min(opened_at), (select min(applied_at) from migration)) from program").fetchone()
    return None if row is None or row[0] is None else row[0]


def pending(conn: Connection[Any], *, folder: Path = FOLDER) -> list[str]:
    """Names of the files that this database still lacks. Raises as `migrate` does."""
    known = conn.execute("select to_regclass('public.migration') is not null").fetchone() == (True,)
    return [migration.name for migration in _lacking(files(folder), _applied(conn) if known else {})]


def prepare_database(conn: Connection[Any]) -> None:
    """What no migration and no dump brings: the roles, which are the server's, and that nobody makes temporary objects in this database."""
    with conn.transaction():
        _wait_for_our_turn(conn)
        _create_roles(conn)
        _refuse_temporary_objects(conn)


def _create_roles(conn: Connection[Any]) -> None:
    """The roles, granted to this login so that it can act as them. Roles belong to the whole server, not to a database."""
    acts_as = "set" if conn.info.server_version >= _SET_IS_A_RIGHT_SINCE else "member"
    for role in ROLES:
        name = sql.Identifier(role)
        if conn.execute("select from pg_roles where rolname = %s", [role]).fetchone() is None:
            # Our turn is this database's; the migration of another database on this server may be first.
            with suppress(errors.DuplicateObject, errors.UniqueViolation), conn.transaction():
                conn.execute(sql.SQL("create role {} nologin").format(name))
        if conn.execute("select pg_has_role(%s, %s)", [role, acts_as]).fetchone() != (True,):
            with suppress(errors.UniqueViolation), conn.transaction():
                conn.execute(sql.SQL("grant {} to current_user").format(name))
    _grant_program_role(conn)


def _grant_program_role(conn: Connection[Any]) -> None:
    """Whoever acts as the application may act as the narrower role, too: also a login that was made before there was one."""
    lacking = conn.execute(
        """select m.member::regrole::text from pg_auth_members m
           where m.roleid = %(app)s::regrole and m.member <> %(narrow)s::regrole
             and not exists (select from pg_auth_members n where n.roleid = %(narrow)s::regrole and n.member = m.member)""",
        {"app": APP, "narrow": OF_PROGRAM},
    ).fetchall()
    narrow, app = sql.Identifier(OF_PROGRAM), sql.Identifier(APP)
    if conn.execute("select pg_has_role(%s, %s, 'usage')", [OF_PROGRAM, APP]).fetchone() != (True,):
        with suppress(errors.UniqueViolation), conn.transaction():
            conn.execute(sql.SQL("grant {} to {}").format(app, narrow))
    for (login,) in lacking:
        # Who may not grant it leaves it to who may; without it a caller of one program is refused, and the doctor says so.
        with suppress(errors.UniqueViolation, errors.InsufficientPrivilege), conn.transaction():
            conn.execute(b"grant counterfoil_program to " + login.encode())


def _refuse_temporary_objects(conn: Connection[Any]) -> None:
    """Nobody but the owner, as whom migrations run, makes temporary tables: one of a session could stand in for one of ours.

    A login that does not own the database cannot say so; `counterfoil doctor` tells who can.
    """
    database, owner = sql.Identifier(conn.info.dbname), sql.Identifier(OWNER)
    if not _may_make_temporary_objects(conn, OWNER):
        conn.execute(sql.SQL("grant temporary on database {} to {}").format(database, owner))
    if _may_make_temporary_objects(conn, "counterfoil_app"):
        conn.execute(sql.SQL("grant temporary on database {} to {}").format(database, owner))
        conn.execute(sql.SQL("revoke temporary on database {} from public").format(database))


def _may_make_temporary_objects(conn: Connection[Any], role: str) -> bool:
    told = conn.execute("select has_database_privilege(%s, %s, 'temporary')", [role, conn.info.dbname]).fetchone()
    return told == (True,)


def _wait_for_our_turn(conn: Connection[Any]) -> None:
    """One process at a time until the transaction ends: two that grant on one object at once are both refused by PostgreSQL."""
    conn.execute("select set_config('lock_timeout', %s, true)", [str(TURN_TIMEOUT_MS)])
    conn.execute("select pg_advisory_xact_lock(%s)", [_LOCK])
    conn.execute("select set_config('lock_timeout', %s, true)", [str(LOCK_TIMEOUT_MS)])


def _begin(conn: Connection[Any]) -> None:
    """Wait for our turn, then act as the owner of everything; all of it ends with the transaction, so a pooler is no obstacle."""
    _wait_for_our_turn(conn)
    if conn.execute("select has_schema_privilege(%s, 'public', 'create')", [OWNER]).fetchone() != (True,):
        conn.execute(sql.SQL("grant create, usage on schema public to {}").format(sql.Identifier(OWNER)))
    conn.execute("select set_config('role', %s, true), set_config('search_path', 'public', true)", [OWNER])


def _apply_next(conn: Connection[Any], migrations: Sequence[Migration]) -> str | None:
    with conn.transaction():
        _begin(conn)
        conn.execute("""
            create table if not exists migration (
                number integer primary key, name text not null, sha256 text not null, applied_at timestamptz not null)""")
        lacking = _lacking(migrations, _applied(conn))
        if not lacking:
            return None
        following = lacking[0]
        try:
            conn.execute(following.text.encode())
        except errors.Error as error:
            error.add_note(f"in migration {following.name}")
            raise
        conn.execute(
            "insert into migration (number, name, sha256, applied_at) values (%s, %s, %s, clock_timestamp())",
            [following.number, following.name, following.sha256],
        )
        return following.name


def _grant(conn: Connection[Any], folder: Path) -> None:
    path = folder / "grants.sql"
    if path.exists():
        with conn.transaction():
            _begin(conn)
            conn.execute(path.read_bytes())


def _applied(conn: Connection[Any]) -> dict[int, tuple[str, str]]:
    """The name and the SHA-256 of each that this database has applied, by its number."""
    rows = conn.execute("select number, name, sha256 from public.migration order by number").fetchall()
    return {number: (name, sha256) for number, name, sha256 in rows}


def _lacking(migrations: Sequence[Migration], applied: Mapping[int, tuple[str, str]]) -> list[Migration]:
    by_number = {migration.number: migration for migration in migrations}
    for number, (name, sha256) in applied.items():
        if number not in by_number:
            raise DatabaseIsNewer(migration=number)
        ours = by_number[number]
        if ours.sha256 != sha256 and ours.name != name:  # another branch's: nobody changed a file
            raise MigrationNumberShared(number=number, migration=ours.name, other=name, detail="this database has applied the other")
        if ours.sha256 != sha256:
            raise MigrationChanged(migration=ours.name)
    lacking = [migration for migration in migrations if migration.number not in applied]
    if lacking and applied and lacking[0].number < max(applied):
        raise MigrationOutOfOrder(migration=lacking[0].name, applied=max(applied))
    return lacking
