"""One private PostgreSQL for a run of the tests, shared by all workers; a migrated template; a database or a transaction per test."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from httpx2._transports import default as transports
from psycopg import Connection, sql

from counterfoil.base.edge import Database, entropy, set_up
from counterfoil.base.encryption.keys import EncryptionKeys, carry, parse_keys
from counterfoil.base.migrations.runner import migrate
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.postgres.logins import SERVER as SERVER_LOGIN
from counterfoil.base.postgres.logins import make_logins
from counterfoil.base.problems import Problem
from tests.api.recorder import RECORD, listen, not_as_the_examples_say
from tests.left_out import closing_line
from tests.leftovers import own_folder

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TEMPLATE = "template_migrated"
EMPTY = "template0"
# Processes that a test starts take it from the environment, as an operator's do.
ENCRYPTION_KEY = os.environ.setdefault("COUNTERFOIL_ENCRYPTION_KEYS", "kJ2vN8sQ4xR7tY1wZ5bC9dF3gH6jL0mPqU2aE8iO4uM=")
KEYS = EncryptionKeys(parse_keys(ENCRYPTION_KEY), entropy)
DEPTH = sys.getrecursionlimit()
FOLDER_KEY = "counterfoil_folder"
_numbers = itertools.count(1)
gc.set_threshold(20_000, 50, 100)  # it holds much, and throws little of it away

# fsync is off because these databases are thrown away; the product keeps it on always.
TEST_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_connections": "200",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "autovacuum": "off",
    "max_wal_size": "512MB",
    "min_wal_size": "32MB",
}


def start_server(folder: Path) -> PrivatePostgres:
    """The run's server, with programs from COUNTERFOIL_TEST_POSTGRES_BIN if that is set."""
    return PrivatePostgres(folder, settings=TEST_SETTINGS, binaries=os.environ.get("COUNTERFOIL_TEST_POSTGRES_BIN")).start()


def migrate_template(server: PrivatePostgres) -> None:
    """Every test database is a copy of this one."""
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
    try:
        migrate(server.url_of(TEMPLATE))
        make_logins(server.url_of(TEMPLATE))
    except (psycopg.Error, Problem) as error:
        pytest.exit(f"a migration fails: {error} {getattr(error, '__notes__', '')}", returncode=3)


def as_server(url: str) -> str:
    """The same database, as the login that a server uses: processes refuse to serve as a superuser."""
    return url.replace("//postgres@", f"//{SERVER_LOGIN}@")


def copy_template(conn: Connection[Any], name: str, *, template: str = TEMPLATE) -> None:
    """A database of that name like the migrated one; rights on a database are the one thing that is not copied with it."""
    conn.execute(sql.SQL("create database {} template {} strategy file_copy").format(sql.Identifier(name), sql.Identifier(template)))
    if template != EMPTY:
        conn.execute(sql.SQL("revoke temporary on database {} from public").format(sql.Identifier(name)))


class Server:
    """The server of this process and its workers: started when first needed, stopped by the process that started it."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.running: PrivatePostgres | None = None
        self.given: str | None = None  # to a worker, by the controlling process

    def get(self) -> PrivatePostgres:
        """The running server."""
        if self.running is None and self.given:
            self.running = start_server(Path(self.given))
        elif self.running is None:
            self.folder = own_folder("tests")
            self.running = start_server(self.folder)
            migrate_template(self.running)
        return self.running

    def close(self) -> None:
        """Stop it and remove its folder, if it is ours."""
        if self.folder is not None and self.running is not None:
            self.running.stop()
            shutil.rmtree(self.folder)


SERVER = Server()


class Temporary:
    """Where the run and all its processes make their temporary files: in memory where there is enough. Databases of their own, which
    tests start by the dozen, take a quarter of the time there: what the product syncs to the disk is nobody's to keep. With TMPDIR set it
    is there, and stays."""

    def __init__(self) -> None:
        self.folder: Path | None = None

    def make(self) -> None:
        """By the controlling process, before anybody has asked for a file; workers and what they start inherit it."""
        self.folder = own_folder("files")
        os.environ["TMPDIR"] = tempfile.tempdir = str(self.folder)

    def close(self) -> None:
        """Give the memory back."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)


TEMPORARY = Temporary()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Called by xdist in the controlling process, once for each worker."""
    node.workerinput[FOLDER_KEY] = str(SERVER.get().folder)


def read_authorities_once() -> None:
    """Each client of httpx2 reads whose certificates are believed, which takes 20 ms of processor, for an address on this machine as well.
    A run makes thousands: here a process reads them once, and anew where its environment names others."""

    @cache
    def read(trust_env: bool, *_named: str | None) -> Any:
        return httpx2.create_ssl_context(trust_env=trust_env)

    def shared(verify: Any = True, cert: Any = None, trust_env: bool = True) -> Any:
        if verify is not True or cert:
            return httpx2.create_ssl_context(verify, cert, trust_env)
        return read(trust_env, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))

    transports.create_ssl_context = shared  # type: ignore[attr-defined]


def pytest_configure(config: pytest.Config) -> None:
    listen()
    read_authorities_once()
    if not hasattr(config, "workerinput") and "TMPDIR" not in os.environ:
        TEMPORARY.make()
    SERVER.given = getattr(config, "workerinput", {}).get(FOLDER_KEY)


def pytest_runtest_setup() -> None:
    """A library that tests import by themselves lets Python recurse beyond its stack (tests/operations/providers/test_chain_signer.py)."""
    sys.setrecursionlimit(min(sys.getrecursionlimit(), DEPTH))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """One line before pytest's own last one: what this machine could not run."""
    if told := closing_line(terminalreporter.stats.get("skipped", [])):
        terminalreporter.write_line(told)


def pytest_unconfigure() -> None:
    SERVER.close()
    TEMPORARY.close()


@pytest.fixture(autouse=True)
def sends_its_examples(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that an example of the API's document names must send that call."""
    yield
    failed = getattr(request.node, "failed_in_call", True)
    if not failed and not os.environ.get(RECORD) and (told := not_as_the_examples_say(request.node.nodeid)):
        pytest.fail("\n".join(told))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Whether the test itself went through: what it had sent then is no question."""
    outcome = yield
    if call.when == "call":
        item.failed_in_call = not outcome.get_result().passed  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def server() -> PrivatePostgres:
    """The private PostgreSQL of this run, with the migrated template in it."""
    return SERVER.get()


@pytest.fixture
def make_database_url(server: PrivatePostgres) -> Iterator[Callable[..., str]]:
    """Make fresh databases, dropped after the test: `make_database_url()` is migrated, `make_database_url(empty=True)` is not, and one is
    `like` another that nobody is connected to."""
    made: list[str] = []

    def make(*, empty: bool = False, like: str = TEMPLATE) -> str:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        with psycopg.connect(server.url, autocommit=True) as conn:
            copy_template(conn, name, template=EMPTY if empty else like)
        made.append(name)
        return server.url_of(name)

    yield make
    with psycopg.connect(server.url, autocommit=True) as conn:
        for name in made:
            conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def database_url(make_database_url: Callable[..., str]) -> str:
    """The address of a fresh, migrated database."""
    return make_database_url()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database to commit in, as the application's role."""
    opened = Database(database_url, keys=KEYS).open()
    yield opened
    opened.close()


@contextmanager
def a_database(server: PrivatePostgres) -> Iterator[Database]:
    """As `database`, for whoever shares one among tests."""
    name = f"shared_{os.getpid()}_{next(_numbers)}"
    with psycopg.connect(server.url, autocommit=True) as conn:
        copy_template(conn, name)
    opened = Database(server.url_of(name), keys=KEYS).open()
    try:
        yield opened
    finally:
        opened.close()
        with psycopg.connect(server.url, autocommit=True) as conn:
            conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def shared_url(server: PrivatePostgres) -> Iterator[str]:
    """This worker's own database for tests that roll back."""
    name = f"rolled_back_{os.getpid()}"
    with psycopg.connect(server.url, autocommit=True) as conn:
        copy_template(conn, name)
    yield server.url_of(name)
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _transaction(url: str, role: str | None) -> Iterator[Connection[Any]]:
    with psycopg.connect(url, autocommit=True, prepare_threshold=None) as conn, conn.transaction(force_rollback=True):
        carry(conn, KEYS)
        set_up(conn, role)
        yield conn


@pytest.fixture
def conn(shared_url: str) -> Iterator[Connection[Any]]:
    """An open transaction as the application's role; rolled back after the test."""
    yield from _transaction(shared_url, "counterfoil_app")


@pytest.fixture
def owner_conn(shared_url: str) -> Iterator[Connection[Any]]:
    """An open transaction as a superuser; rolled back after the test."""
    yield from _transaction(shared_url, None)
