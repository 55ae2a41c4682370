"""`counterfoil doctor`: it looks at the database that the server uses, and calls nothing good that it did not see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from counterfoil.base.postgres.fitness import DatabaseNotFit
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.postgres.logins import AUDITOR, SERVER, make_logins
from counterfoil.base.settings import Settings
from counterfoil.cli.local.installation import installed, serving_url
from counterfoil.cli.local.local_stack import World
from tests.api.office import NOWHERE, PROVIDER_KEY, SECRET, Office
from tests.base.postgres_programs import SMALL, short_folder
from tests.cli.conftest import Cli, runner
from tests.conftest import as_server

ALONE = {
    "COUNTERFOIL_URL": NOWHERE,
    "COUNTERFOIL_PROVIDER_URL": NOWHERE,
    "COUNTERFOIL_PROVIDER_API_KEY": PROVIDER_KEY,
    "COUNTERFOIL_PROVIDER_WEBHOOK_SECRET": SECRET,
}


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Asks the doctor with these settings, and gives its checks by name."""
    monkeypatch.chdir(tmp_path)
    for name, value in ALONE.items():
        monkeypatch.setenv(name, value)
    cli = runner(capsys)

    def ask(**settings: str) -> dict[str, dict[str, str]]:
        for name, value in settings.items():
            monkeypatch.setenv(f"COUNTERFOIL_{name.upper()}", value)
        found = cli("doctor", "--output", "json")
        checks = {one["what"]: one for one in json.loads(found.out)}
        assert found.code == (1 if any(one["how"] == "bad" for one in checks.values()) else 0)
        return checks

    return ask


def test_a_database_without_migrations_is_bad_and_one_with_them_is_good(doctor: Any, make_database_url: Any, database_url: str) -> None:
    empty, migrated = (doctor(database_url=as_server(url)) for url in (make_database_url(empty=True), database_url))
    assert (empty["migrations"]["how"], empty["migrations"]["do"]) == ("bad", "counterfoil migrate")
    assert {name: migrated[name]["how"] for name in ("database", "login", "temporary objects", "migrations", "clock")} == dict.fromkeys(
        ("database", "login", "temporary objects", "migrations", "clock"), "good"
    )
    assert migrated["durability"]["how"] == "bad", "the tests' database runs without fsync"
    assert migrated["provider"]["how"] == "bad"
    assert migrated["server"]["do"] == "`counterfoil serve` starts it; COUNTERFOIL_URL says where it is."


def test_a_superuser_is_refused_and_a_login_that_can_more_than_serve_is_warned_of(doctor: Any, database_url: str) -> None:
    assert doctor(database_url=database_url)["login"]["how"] == "bad"
    name = f"{psycopg.conninfo.conninfo_to_dict(database_url)['dbname']}_deploy"
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"create role {name} login createrole in role counterfoil_owner".encode())
    try:
        found = doctor(database_url=database_url.replace("postgres@", f"{name}@"))["login"]
        assert found["how"] == "warning"
        assert "may make roles" in found["said"]
        assert "counterfoil_owner" in found["said"]
    finally:
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(f"drop role {name}".encode())


def serving(url: str, folder: Path) -> Settings:
    return Settings(database_url=as_server(url), data_folder=folder, log_level="error")  # type: ignore[arg-type]


def test_a_database_in_which_temporary_tables_can_be_made_is_bad_and_starts_nothing(doctor: Any, database_url: str, tmp_path: Path) -> None:
    name = psycopg.conninfo.conninfo_to_dict(database_url)["dbname"]
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(sql.SQL("grant temporary on database {} to public").format(sql.Identifier(name)))
    found = doctor(database_url=as_server(database_url))["temporary objects"]
    assert found["how"] == "bad"
    with pytest.raises(DatabaseNotFit, match="stand in for ours"), installed(serving(database_url, tmp_path)):
        pass
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(found["do"].removeprefix("As the owner of the database: ").encode())
    assert doctor(database_url=as_server(database_url))["temporary objects"]["how"] == "good"


def test_a_private_database_that_is_stopped_is_said_to_be_stopped_and_nothing_is_made(doctor: Any) -> None:
    with short_folder() as folder:
        never = doctor(data_folder=str(folder / "none"))["database"]
        assert (never["how"], "is not running" in never["said"]) == ("warning", True)
        assert not (folder / "none").exists()
        with PrivatePostgres(folder / "own", settings=SMALL):
            assert doctor(data_folder=str(folder / "own"))["database"]["how"] == "bad"  # it has no login for a server yet
        stopped = doctor(data_folder=str(folder / "own"))["database"]
        assert (stopped["how"], stopped["do"]) == ("warning", "`counterfoil up` starts it, and everything with it.")


def test_a_database_that_is_away_is_bad(doctor: Any) -> None:
    with short_folder() as folder:
        found = doctor(database_url=f"postgresql://nobody@/x?host={folder}")
    assert found["database"]["how"] == "bad"


def test_the_database_that_is_looked_at_is_the_servers_and_not_this_shells(
    cli: Cli, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The settings here lead nowhere; the server's own database is what counts."""
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", "postgresql://nobody@/elsewhere?host=/nowhere")
    checks = {one["what"]: one for one in cli("doctor", "--output", "json").json()}
    name = psycopg.conninfo.conninfo_to_dict(office.database.url)["dbname"]
    assert name in checks["database"]["said"]
    assert checks["login"]["how"] == "bad", "the tests' server is logged in as a superuser"
    assert checks["migrations"]["how"] == "good"
    assert (checks["provider"]["how"], checks["provider"]["said"]) == ("good", "the server pays through simulator"), "nothing of this shell"


def test_a_server_whose_database_is_gone_is_bad(cli: Cli, office: Office) -> None:
    name = psycopg.conninfo.conninfo_to_dict(office.database.url)["dbname"]
    admin = psycopg.conninfo.make_conninfo(office.database.url, dbname="postgres")
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute(sql.SQL("alter database {} allow_connections false").format(sql.Identifier(name)))
        conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        try:
            checks = {one["what"]: one for one in cli("doctor", "--output", "json").json()}
        finally:
            conn.execute(sql.SQL("alter database {} allow_connections true").format(sql.Identifier(name)))
    assert checks["server"]["how"] == "bad"
    assert "database does not answer" in checks["server"]["said"]


def test_nothing_serves_as_a_superuser(database_url: str, tmp_path: Path) -> None:
    settings = Settings(database_url=database_url, data_folder=tmp_path, log_level="error")  # type: ignore[arg-type]
    with pytest.raises(DatabaseNotFit, match="superuser"), installed(settings):
        pass
    with installed(serving(database_url, tmp_path)) as installation, installation.database.transaction() as conn:
        assert conn.execute("select session_user::text").fetchone() == (SERVER,)


def test_what_runs_on_the_private_database_is_no_superuser_and_its_auditor_only_reads(tmp_path: Path) -> None:
    with short_folder() as folder:
        settings = Settings(data_folder=folder)
        with serving_url(settings) as url, serving_url(settings) as again:
            assert url == again
            make_logins(url.replace(f"//{SERVER}@", "//postgres@"))  # as often as one likes
            with psycopg.connect(url) as conn:
                assert conn.execute("select rolsuper from pg_roles where rolname = session_user").fetchone() == (False,)
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute("create temp table t ()")
            with psycopg.connect(url.replace(SERVER, AUDITOR)) as conn:
                conn.execute("select count(*) from journal")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    conn.execute("insert into asset values ('EUR', 2)")


def test_the_demos_processes_are_no_superusers(tmp_path: Path) -> None:
    with short_folder() as folder, World(folder) as world, psycopg.connect(world.postgres.url) as conn:
        logins = conn.execute(
            """select distinct usename::text from pg_stat_activity
               where datname = 'counterfoil' and backend_type = 'client backend' and pid <> pg_backend_pid()"""
        ).fetchall()
        assert logins == [(SERVER,)]
