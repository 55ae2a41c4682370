"""Books that were worked in, and a store for their backups; one server with its own clock for all tests of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from counterfoil.backups.keys import BackupKeys, new_backup_key
from counterfoil.backups.making import Backups
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import post
from counterfoil.proofs.packages.exporting import Exporter, export_proof
from counterfoil.proofs.proofs import Proof
from tests.conftest import a_database

KEY = new_backup_key()


def posted(database: Database, key: str, minor: int = 1_000) -> None:
    """One journal more."""
    with database.transaction() as conn:
        lines = [("clearing:x", "payable:payee:a", minor)]
        post(conn, "p", key=key, kind="t", lines=lines, asset="EUR", actor="t", now=now())


def proven_period(own: Backups, start: datetime, end: datetime) -> Proof:
    """The proof of a period, as it is exported."""
    assert own.proof_folder is not None
    return export_proof(Exporter(own.database, own.proof_folder, make_id, now, [], [], 2), start, end, by="t")[0]


@pytest.fixture(scope="module")
def books(server: Any) -> Iterator[Database]:
    """A program with a little money in it."""
    with a_database(server) as database:
        with database.transaction() as conn:
            open_program(conn, "p", name="P", assets=[Asset("EUR", 2)], now=now())
            open_accounts(conn, "p", ["clearing:x", "payable:payee:a"], asset="EUR", actor="t", now=now())
        posted(database, "first")
        yield database


@pytest.fixture(scope="module")
def backups(books: Database, tmp_path_factory: pytest.TempPathFactory) -> Backups:
    """What their backups are made with."""
    keys = BackupKeys([KEY])
    folder = tmp_path_factory.mktemp("store") / "backups"
    proofs = tmp_path_factory.mktemp("proofs")
    return Backups(books, books.url, folder, lambda: keys, make_id, now, KeepPolicy(14, 8, 24), proof_folder=proofs)


@pytest.fixture
def apart(backups: Backups, tmp_path: Path) -> Callable[..., Backups]:
    """The same, with a store or keys of its own."""

    def made(**other: Any) -> Backups:
        return replace(backups, **{"folder": tmp_path / "backups", **other})

    return made
