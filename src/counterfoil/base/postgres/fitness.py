"""Is a database fit to keep money? What the server asks before it starts, and what `counterfoil doctor` tells, is one list."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from psycopg import Connection, sql

from counterfoil.base.migrations.runner import OWNER, pending
from counterfoil.base.postgres.way import leaves_this_machine
from counterfoil.base.problems import Problem

POSTGRES_MIN: Final = 150_000
SKEW_MAX: Final = timedelta(seconds=5)  # webhooks are refused beyond 300 s; what is beyond 5 s grows
How = Literal["good", "warning", "bad"]
GOOD: Final = "good"
WARNING: Final = "warning"
BAD: Final = "bad"
DRILL_ONLY: Final = "durability"  # a start says it and goes on: databases that are thrown away run without


class Check(NamedTuple):
    """What was looked at, how it is, and what to do."""

    what: str
    how: How
    said: str
    do: str = ""


class DatabaseNotFit(Problem):
    """This database, or the login to it, is not fit to keep money; the facts say why and what to do."""


def check_database(conn: Connection[Any], *, now: datetime) -> Iterator[Check]:
    """Every check of the database that `conn` is logged in to, as this login sees it. `now` by this machine's clock."""
    version = conn.info.server_version
    told = f"PostgreSQL {version // 10_000}.{version % 10_000}, database {conn.info.dbname}"
    if version < POSTGRES_MIN:
        yield Check("database", BAD, told, "PostgreSQL 15 or later is needed.")
        return
    yield Check("database", GOOD, told)
    yield from on_the_way(conn.info.host, encrypted=conn.pgconn.ssl_in_use)
    yield _durability(conn)
    yield _login(conn)
    yield _temporary_objects(conn)
    yield _migrations(conn)
    yield _clock(conn, now)


def on_the_way(host: str, *, encrypted: bool) -> Iterator[Check]:
    """Nothing where the connection stays on this machine, or is encrypted."""
    if leaves_this_machine(host) and not encrypted:
        do = "Let PostgreSQL speak TLS, and add sslmode=verify-full to its address. COUNTERFOIL_DATABASE_TLS=true refuses any other."
        yield Check("way", WARNING, f"the connection to {host} is not encrypted: whoever stands on the way reads it", do)


def refuse_unless_fit(conn: Connection[Any], *, now: datetime) -> list[Check]:
    """Raise DatabaseNotFit for the first thing that is bad; return what is worth a warning."""
    found = list(check_database(conn, now=now))
    for one in found:
        if one.how == BAD and one.what not in (DRILL_ONLY, "migrations"):  # who starts looks at migrations itself
            raise DatabaseNotFit(what=one.what, detail=one.said, do=one.do)
    return [one for one in found if one.how != GOOD]


def _durability(conn: Connection[Any]) -> Check:
    if _one(conn, "select current_setting('fsync') = 'off' or current_setting('full_page_writes') = 'off'"):
        return Check("durability", BAD, "fsync or full_page_writes is off", "Turn both on: a crash loses money otherwise.")
    return Check("durability", GOOD, "fsync and full_page_writes are on")


def _login(conn: Connection[Any]) -> Check:
    """A superuser passes over every rule of the database: nothing that serves may be one."""
    name = str(_one(conn, "select session_user::text"))
    advice = "create role server login password '…' in role counterfoil_app, counterfoil_program; then use it in COUNTERFOIL_DATABASE_URL."
    if _one(conn, "select rolsuper from pg_roles where rolname = session_user"):
        return Check("login", BAD, f"{name} is a superuser: no rule of the database holds for it", advice)
    more = _one(
        conn,
        """select string_agg(what, ', ') from (
               select unnest(array['may make roles', 'may make databases', 'may replicate', 'passes over row rules']) as what,
                      unnest(array[rolcreaterole, rolcreatedb, rolreplication, rolbypassrls]) as is_so
               from pg_roles where rolname = session_user
               union all
               select 'is ' || o.rolname, pg_has_role(session_user, o.oid, 'member') from pg_roles o
               where o.rolname = %s or o.rolname like 'pg\\_write%%' or o.rolname like 'pg\\_execute%%') able
           where is_so""",
        [OWNER],
    )
    if more:
        return Check("login", WARNING, f"{name} can do more than serving needs: it {more}", advice)
    if not _one(conn, "select pg_has_role(session_user, 'counterfoil_program', 'member')"):
        said = f"{name} may not act as counterfoil_program: keys and logins of one program are refused"
        return Check("login", WARNING, said, f"grant counterfoil_program to {name};")
    return Check("login", GOOD, f"{name}, which can do no more than the application")


def _temporary_objects(conn: Connection[Any]) -> Check:
    name = conn.info.dbname
    if _one(conn, "select has_database_privilege(session_user, %s, 'temporary')", [name]):
        statement = sql.SQL("revoke temporary on database {} from public").format(sql.Identifier(name))
        advice = f"As the owner of the database: {statement.as_string(conn)}"
        return Check("temporary objects", BAD, "this login may make tables that stand in for ours", advice)
    return Check("temporary objects", GOOD, "none can be made")


def _migrations(conn: Connection[Any]) -> Check:
    try:
        lacking = pending(conn)
    except Problem as problem:
        return Check("migrations", BAD, problem.sentence(), "Run the version of counterfoil that migrated it, or a newer one.")
    if lacking:
        return Check("migrations", BAD, f"{len(lacking)} are missing: {', '.join(lacking)}", "counterfoil migrate")
    return Check("migrations", GOOD, "all are applied")


def _clock(conn: Connection[Any], now: datetime) -> Check:
    theirs = _one(conn, "select clock_timestamp()")
    skew = abs(theirs - now)
    told = f"{skew / timedelta(milliseconds=1):.0f} ms between this machine and the database"
    if skew > SKEW_MAX:
        return Check("clock", BAD, told, "Run NTP on both: leases, webhooks and effective dates depend on it.")
    return Check("clock", GOOD, told)


def _one(conn: Connection[Any], query: str, given: list[Any] | None = None) -> Any:
    row = conn.execute(query.encode(), given).fetchone()
    return row[0] if row else None
