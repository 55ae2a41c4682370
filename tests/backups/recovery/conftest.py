"""Books on a server of their own, which keeps its log of writes: the other tests' server writes none that can be followed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

import psycopg
import pytest

from counterfoil.backups.keys import BackupKeys
from counterfoil.backups.making import Backups
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.backups.recovery.receiving import WalArchive
from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.migrations.runner import migrate
from counterfoil.base.money import Asset
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.postgres.logins import make_logins
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from tests.backups.conftest import KEY
from tests.conftest import KEYS
from tests.leftovers import own_folder

SETTINGS = {"fsync": "off", "shared_buffers": "64MB", "max_wal_size": "512MB", "min_wal_size": "32MB"}


@pytest.fixture(scope="package")
def own_server() -> Iterator[PrivatePostgres]:
    """A server as the product runs it, but for what makes it slow."""
    folder = own_folder("own")
    try:
        with PrivatePostgres(folder, settings=SETTINGS, binaries=os.environ.get("COUNTERFOIL_TEST_POSTGRES_BIN")) as server:
            migrate(server.url)
            make_logins(server.url)
            yield server
    finally:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="package")
def own_books(own_server: PrivatePostgres) -> Iterator[Database]:
    """A program with its accounts."""
    database = Database(own_server.url, keys=KEYS).open()
    with database.transaction() as conn:
        open_program(conn, "p", name="P", assets=[Asset("EUR", 2)], now=now())
        open_accounts(conn, "p", ["clearing:x", "payable:payee:a"], asset="EUR", actor="t", now=now())
    yield database
    database.close()


@pytest.fixture(scope="package")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the proofs of these books lie."""
    return tmp_path_factory.mktemp("proofs")


@pytest.fixture
def archive(own_server: PrivatePostgres, own_books: Database, proofs: Path, tmp_path: Path) -> WalArchive:
    """A store and a spool of its own. The server keeps its log for it from now on."""
    with psycopg.connect(own_server.url, autocommit=True) as conn:
        conn.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
        conn.execute("delete from wal_archive")
    keys = BackupKeys([KEY])
    backups = Backups(own_books, own_server.url, tmp_path / "store", lambda: keys, make_id, now, KeepPolicy(14, 8, 24), proof_folder=proofs)
    return WalArchive(backups, lambda: own_server.url, tmp_path / "spool", timedelta(days=14))


def the_clock(database: Database) -> datetime:
    """What the server's clock says."""
    with database.transaction() as conn:
        row = conn.execute("select clock_timestamp()").fetchone()
    assert row is not None
    moment: datetime = row[0]
    return moment


def a_moment(database: Database) -> datetime:
    """A moment between what was committed and what will be: nothing is committed within a twentieth of a second around it."""
    sleep(0.05)
    found = the_clock(database)
    sleep(0.05)
    return found


def switched(server: PrivatePostgres) -> None:
    """The server begins another segment, as it does when one is full."""
    with psycopg.connect(server.url, autocommit=True) as conn:
        conn.execute("select pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()")


Apart = Callable[..., WalArchive]


def moved(archive: WalArchive, **other: Any) -> WalArchive:
    """The same, with some of it changed."""
    return replace(archive, backups=replace(archive.backups, **other))
