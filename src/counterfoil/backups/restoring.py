"""Restore a backup into an empty database: what was signed for is looked at first, and what came out is held against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import psycopg
from psycopg import Connection

from counterfoil.backups.keys import BackupKeys
from counterfoil.backups.making import said_file
from counterfoil.backups.measures import measured
from counterfoil.backups.store import BackupFolder, StoredBackup, read_backup
from counterfoil.base.migrations.runner import prepare_database
from counterfoil.base.postgres.dumping import dump_programs, restoring, writing_to
from counterfoil.base.problems import NotFound, Problem


class TargetNotEmpty(Problem):
    """There are tables in this database already: nothing is ever restored over them."""

    todo: ClassVar[str] = "Make an empty one (`create database … template template0`), and restore into that."


def restore(stored: StoredBackup, keys: BackupKeys, url: str, *, programs: str | None) -> None:
    """Into the empty database at `url`, whose login may make roles and objects; wholly or not at all.

    Raises TargetNotEmpty, BackupDamaged, BackupKeyMissing, DumpFailed, PgDumpMissing, PgDumpOlder.
    """
    stored.refuse_damaged()
    with psycopg.connect(url, autocommit=True) as conn:
        _refuse_filled(conn)
        prepare_database(conn)
    found = dump_programs(programs, server_version=stored.manifest["server_version"])
    with said_file() as said, stored.dump.open("rb") as file, writing_to(restoring(found, url), said) as sink:
        keys.decrypt(file, sink, key_id=stored.manifest["file"]["key_id"])
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("analyze")  # a dump brings no statistics: the first questions would take for ever


def measured_at(url: str) -> dict[str, Any]:
    """What the database at `url` holds."""
    with psycopg.connect(url, autocommit=True) as conn, conn.transaction():
        conn.execute("set transaction isolation level repeatable read, read only")
        conn.execute("select set_config('search_path', 'public, pg_temp', true), set_config('timezone', 'UTC', true)")
        return measured(conn)


def find_stored(store: BackupFolder, wanted: str | None) -> StoredBackup:
    """The backup of this id, or in this folder; the newest of the store when none is named. Raises NotFound, BackupDamaged."""
    if wanted is not None and ("/" in wanted or Path(wanted).is_dir()):
        return read_backup(Path(wanted))
    ids = store.ids()
    if wanted is None and not ids:
        raise NotFound(what="backup", path=str(store.folder))
    return store.get(wanted or ids[0])


def _refuse_filled(conn: Connection[Any]) -> None:
    row = conn.execute("select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')").fetchone()
    assert row is not None
    if row[0]:
        raise TargetNotEmpty(database=conn.info.dbname, tables=row[0])
