"""Migrations: applied once, in order, by one process at a time, and never changed afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection, errors

from counterfoil.base.edge import Database
from counterfoil.base.machine import Machine
from counterfoil.base.migrations.__main__ import rows
from counterfoil.base.migrations.describe import describe
from counterfoil.base.migrations.runner import (
    FOLDER,
    ROLES,
    DatabaseIsNewer,
    MigrationChanged,
    MigrationNumberShared,
    MigrationOutOfOrder,
    files,
    migrate,
    pending,
)
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.problems import Busy
from tests.base.postgres_programs import NAMES, PROGRAMS, SMALL, short_folder
from tests.waiting import at_once

NOW = datetime(2026, 11, 20, tzinfo=UTC)
LAMP = Machine("lamp", "lamp", ("dark",), {("dark", "light"): "lit", ("lit", "break"): "broken"}, frozenset({"break"}))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_one.sql").write_text("create table one (n integer); insert into one values (1);")
    (tmp_path / "0002_two.sql").write_text("create table two (n integer check (n % 2 = 0));")
    return tmp_path


@pytest.fixture
def empty_url(make_database_url: Callable[..., str]) -> str:
    return make_database_url(empty=True)


def ask(url: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as conn:
        return conn.execute(statement.encode()).fetchall()


def test_each_file_is_applied_once_and_in_order(empty_url: str, folder: Path) -> None:
    assert migrate(empty_url, folder=folder) == ["0001_one.sql", "0002_two.sql"]
    assert migrate(empty_url, folder=folder) == []
    assert ask(empty_url, "select n from one") == [(1,)]
    assert ask(empty_url, "select number, name, applied_at > now() - interval '1 minute' from migration order by number") == [
        (1, "0001_one.sql", True),
        (2, "0002_two.sql", True),
    ]


def test_what_is_not_applied_yet_is_told(empty_url: str, folder: Path) -> None:
    with psycopg.connect(empty_url) as conn:
        assert pending(conn, folder=folder) == ["0001_one.sql", "0002_two.sql"]
    migrate(empty_url, folder=folder)
    (folder / "0003_three.sql").write_text("create table three (n integer)")
    with psycopg.connect(empty_url) as conn:
        assert pending(conn, folder=folder) == ["0003_three.sql"]


def test_a_file_that_fails_leaves_nothing_and_is_named(empty_url: str, folder: Path) -> None:
    (folder / "0002_two.sql").write_text("create table two (n integer); select 1 / 0;")
    with pytest.raises(errors.DivisionByZero) as caught:
        migrate(empty_url, folder=folder)
    assert caught.value.__notes__ == ["in migration 0002_two.sql"]
    assert ask(empty_url, "select to_regclass('one')::text, to_regclass('two')::text") == [("one", None)]
    assert ask(empty_url, "select max(number) from migration") == [(1,)]


def test_a_file_that_was_changed_after_it_was_applied_is_refused(empty_url: str, folder: Path) -> None:
    migrate(empty_url, folder=folder)
    (folder / "0001_one.sql").write_text("create table one (n bigint);")
    with pytest.raises(MigrationChanged, match=r"0001_one\.sql"):
        migrate(empty_url, folder=folder)


def test_two_files_of_one_number_are_both_named_and_nothing_is_applied(empty_url: str, folder: Path) -> None:
    (folder / "0002_another.sql").write_text("create table another (n integer);")
    with pytest.raises(MigrationNumberShared) as caught:
        migrate(empty_url, folder=folder)
    assert caught.value.facts == {"number": 2, "migration": "0002_another.sql", "other": "0002_two.sql"}
    assert ask(empty_url, "select to_regclass('one')::text, to_regclass('another')::text") == [(None, None)]


def test_a_file_of_a_number_under_which_the_database_has_applied_another_is_not_called_changed(empty_url: str, folder: Path) -> None:
    migrate(empty_url, folder=folder)
    (folder / "0002_two.sql").unlink()
    (folder / "0002_another.sql").write_text("create table another (n integer);")
    with pytest.raises(MigrationNumberShared, match=r"0002_another\.sql.*0002_two\.sql"):
        migrate(empty_url, folder=folder)
    with psycopg.connect(empty_url) as conn, pytest.raises(MigrationNumberShared):
        pending(conn, folder=folder)


def test_a_file_that_only_got_another_name_is_the_same_migration(empty_url: str, folder: Path) -> None:
    migrate(empty_url, folder=folder)
    (folder / "0002_two.sql").rename(folder / "0002_too.sql")
    assert migrate(empty_url, folder=folder) == []


def test_a_database_that_a_newer_version_migrated_is_refused(empty_url: str, folder: Path) -> None:
    migrate(empty_url, folder=folder)
    (folder / "0002_two.sql").unlink()
    with pytest.raises(DatabaseIsNewer):
        migrate(empty_url, folder=folder)


def test_a_number_below_one_that_was_applied_is_refused(empty_url: str, folder: Path) -> None:
    (folder / "0002_two.sql").rename(folder / "0003_three.sql")
    migrate(empty_url, folder=folder)
    (folder / "0002_two.sql").write_text("create table two (n integer);")
    with pytest.raises(MigrationOutOfOrder, match=r"0002_two\.sql"):
        migrate(empty_url, folder=folder)


def test_processes_that_migrate_at_once_apply_each_file_once(empty_url: str, folder: Path) -> None:
    (folder / "0001_one.sql").write_text("create table one (n integer); select pg_sleep(0.2);")
    done: list[list[str]] = []
    at_once(lambda: done.append(migrate(empty_url, folder=folder)), 4, within_s=60)
    assert sorted(name for names in done for name in names) == ["0001_one.sql", "0002_two.sql"]
    assert len(done) == 4


def test_a_table_in_use_is_waited_for_only_shortly(empty_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterfoil.base.migrations.runner.LOCK_TIMEOUT_MS", 100)
    migrate(empty_url, folder=folder)
    (folder / "0003_three.sql").write_text("alter table one add column m integer;")
    with psycopg.connect(empty_url) as reader:
        reader.execute("select * from one")
        with pytest.raises(Busy):
            migrate(empty_url, folder=folder)
    assert migrate(empty_url, folder=folder) == ["0003_three.sql"]


def test_everything_belongs_to_the_owner_who_cannot_log_in(owner_conn: Connection[Any]) -> None:
    owners = owner_conn.execute("""
        select distinct relowner::regrole::text from pg_class
        where relnamespace = 'public'::regnamespace""").fetchall()
    assert owners == [("counterfoil_owner",)]
    logins = owner_conn.execute("select rolname from pg_roles where rolname = any(%s) and rolcanlogin", [list(ROLES)]).fetchall()
    assert logins == []


@pytest.mark.parametrize("programs", PROGRAMS, ids=NAMES)
def test_a_login_that_is_no_superuser_can_migrate_and_then_act_as_the_application(programs: str) -> None:
    """As production would, on a server that has none of our roles yet."""
    with short_folder() as folder, PrivatePostgres(folder, settings=SMALL, binaries=programs) as server:
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute("create role deploy login createrole")
            conn.execute("create database books owner deploy")
        url = server.url_of("books").replace("postgres@", "deploy@")
        assert len(migrate(url)) == len(files())
        assert migrate(url) == []
        database = Database(url).open()
        with database.transaction() as conn:
            assert conn.execute("select session_user::text, current_user::text").fetchone() == (
                "deploy",
                "counterfoil_app",
            )
        database.close()


def test_a_login_that_may_only_act_as_the_application_can_serve(database_url: str) -> None:
    """As production would: the server's login neither migrates nor owns anything."""
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"create role {name}_app login in role counterfoil_app".encode())
    theirs = database_url.replace("postgresql://postgres@", f"postgresql://{name}_app@")
    database = Database(theirs).open()
    try:
        with psycopg.connect(theirs) as conn:
            assert pending(conn) == []
        with database.transaction() as conn:
            assert conn.execute("select session_user::text, current_user::text").fetchone() == (
                f"{name}_app",
                "counterfoil_app",
            )
        with pytest.raises(errors.InsufficientPrivilege):
            migrate(theirs)
    finally:
        database.close()
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(f"drop role {name}_app".encode())


MOVED_BY_TRIGGERS = {"account", "program_segment"}  # they follow the postings; see the ledger's own tests
APPEND_ONLY = """
    select c.relname from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
      and exists (select from pg_trigger t where t.tgrelid = c.oid and t.tgfoid = 'refuse_change'::regproc)
    order by 1"""


def test_the_application_adds_to_what_is_append_only_and_changes_nothing_there(owner_conn: Connection[Any]) -> None:
    tables = [name for (name,) in owner_conn.execute(APPEND_ONLY).fetchall()]
    assert "step" in tables
    for table in tables:
        for role in ("counterfoil_app", "counterfoil_auditor"):
            told = owner_conn.execute("select has_table_privilege(%s, %s, 'update, delete, truncate, trigger')", [role, table]).fetchone()
            assert told == (False,), f"{role} may change {table}"


def test_what_is_append_only_stays_so_while_a_session_replays_as_a_replica(owner_conn: Connection[Any]) -> None:
    rows_found = owner_conn.execute(
        f"""
        select c.relname, count(*) filter (where t.tgenabled <> 'A'), bit_or(t.tgtype) & 56 = 56
        from pg_class c join pg_trigger t on t.tgrelid = c.oid and t.tgfoid = 'refuse_change'::regproc
        where c.relname in ({APPEND_ONLY}) group by 1""".encode()
    ).fetchall()
    weak = [name for name, off, whole in rows_found if off or (not whole and name not in MOVED_BY_TRIGGERS)]
    assert weak == [], "use make_append_only: update, delete and truncate, always enabled"
    owner_conn.execute("set local session_replication_role = replica")
    owner_conn.execute("""insert into step (machine, subject_id, step, from_state, verb, to_state, actor, at)
                          values ('m', 's', 1, '', 'create', 'x', 'test', now())""")
    with pytest.raises(errors.DatabaseError, match="append-only") as caught:
        owner_conn.execute("delete from step")
    assert caught.value.sqlstate == "CF001"


@pytest.mark.parametrize(
    "statement",
    [
        "update step set actor = 'x'",
        "delete from step",
        "truncate step",
        "insert into transition values ('m', '', 'create', 'x', false, false)",
        "insert into migration values (9999, 'x', 'x', now())",
        "create table mine (n integer)",
    ],
)
def test_the_application_may_not(conn: Connection[Any], statement: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        conn.execute(statement.encode())


def test_the_auditor_reads_every_table_and_writes_none(owner_conn: Connection[Any]) -> None:
    """What of a table is a secret, the tests of rights say."""
    told = owner_conn.execute("""
        select count(*) filter (where not has_any_column_privilege('counterfoil_auditor', c.oid, 'select')),
               count(*) filter (where has_table_privilege('counterfoil_auditor', c.oid, 'insert, update, delete, truncate'))
        from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')""").fetchone()
    assert told == (0, 0)


def test_a_comment_limits_the_application_to_what_it_names(empty_url: str, tmp_path: Path) -> None:
    for name in ("0001_base.sql", "grants.sql"):
        (tmp_path / name).write_text((FOLDER / name).read_text())
    (tmp_path / "0002_till.sql").write_text("create table till (n integer); comment on table till is 'app: select, insert';")
    migrate(empty_url, folder=tmp_path)
    told = ask(
        empty_url,
        """select has_table_privilege('counterfoil_app', 'till', 'insert'),
                  has_table_privilege('counterfoil_app', 'till', 'update, delete')""",
    )
    assert told == [(True, False)]


def test_migrations_from_zero_equal_the_recorded_schema(owner_conn: Connection[Any]) -> None:
    assert describe(owner_conn) == (FOLDER / "schema.sql").read_text("utf-8"), "run `make schema` and look at the difference"


def test_the_description_names_every_kind_of_change(owner_conn: Connection[Any]) -> None:
    before = describe(owner_conn)
    for change in (
        "alter table step add column more text",
        "alter table step alter column reason set not null",
        "create index more on step (at)",
        "alter table step disable trigger is_append_only",
        "grant update (actor) on step to counterfoil_app",
        "grant delete on step to counterfoil_auditor",
        "grant execute on function refuse_change() to public",
        "comment on column step.actor is 'who'",
        "comment on table step is 'steps'",
        "alter table step set (fillfactor = 50)",
        "create view more_steps as select s.actor from step s",
        "create function more() returns integer language sql return 1",
        "create sequence more_numbers",
        "alter table step owner to postgres",
    ):
        owner_conn.execute(change.encode())
        after = describe(owner_conn)
        assert after != before, change
        before = after


def test_a_machine_is_printed_as_the_rows_that_the_database_needs(owner_conn: Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterfoil.base.machine.LAMP", LAMP, raising=False)
    owner_conn.execute(rows("counterfoil.base.machine:LAMP").encode())
    found = owner_conn.execute("select * from transition where machine = 'lamp'").fetchall()
    assert sorted(found) == sorted(LAMP.rows())
