"""Restore a backup into an empty database: what was signed for is looked at first, and what came out is held against it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg import Connection

from counterfoil.backups.keys import BackupKeys
from counterfoil.backups.making import said_file
from counterfoil.backups.measures import measured
from counterfoil.backups.store import DUMP, PREFIX, BackupFolder, StoredBackup, read_backup
from counterfoil.base.ids import valid_id
from counterfoil.base.migrations.runner import prepare_database
from counterfoil.base.postgres.dumping import dump_programs, restoring, writing_to
from counterfoil.base.problems import InvalidInput, NotFound, Problem


class TargetNotEmpty(Problem):
    """There are tables in this database already: nothing is ever restored over them."""

    todo = "Make an empty one (`create database … template template0`), and restore into that."


def restore(stored: StoredBackup, keys: BackupKeys, url: str, *, programs: str | None) -> None:
    """Into the empty database at `url`, whose login may make roles and objects; wholly or not at all.

    Raises TargetNotEmpty, BackupDamaged, BackupKeyMissing, DumpFailed, PgDumpMissing, PgDumpOlder.
    """
    stored.refuse_damaged()
    with psycopg.connect(url, autocommit=True) as conn:
        _refuse_filled(conn)
        prepare_database(conn)
    found = dump_programs(programs, server_version=stored.manifest["server_version"])
    with said_file() as said, stored.file.open("rb") as file, writing_to(restoring(found, url), said) as sink:
        keys.decrypt(file, sink, key_id=stored.manifest["file"]["key_id"])
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("analyze")  # a dump brings no statistics: the first questions would take for ever


def measured_at(url: str) -> dict[str, Any]:
    """What the database at `url` holds."""
    with psycopg.connect(url, autocommit=True) as conn, conn.transaction():
        conn.execute("set transaction isolation level repeatable read, read only")
        conn.execute("select set_config('search_path', 'public, pg_temp', true), set_config('timezone', 'UTC', true)")
        return measured(conn)


def find_stored(store: BackupFolder, wanted: str | None, *, kind: str | None = DUMP) -> StoredBackup:
    """The backup of this id, or in this folder; the newest of its kind in the store when none is named.

    Raises NotFound, BackupDamaged, also for a newer one whose manifest cannot be read: it may be the newest. InvalidInput for another kind.
    """
    if wanted is None:
        found = next((one for each in store.ids() if kind in (None, (one := store.get(each)).kind)), None)
        if found is None:
            raise NotFound(what="backup", path=str(store.folder), backup_kind=kind)
        return found
    one = read_backup(Path(wanted)) if _is_folder(wanted) else store.get(wanted)
    if kind not in (None, one.kind):
        raise InvalidInput("backup", f"one that is a {kind}", got=f"{one.id}, which is a {one.kind}")
    return one


def refuse_nameless(wanted: str) -> None:
    """Raises InvalidInput for what is neither the id of a backup nor a folder: such a thing was mistyped, and says nothing of a backup."""
    if not _is_folder(wanted):
        valid_id(wanted, PREFIX, "backupId")


def _is_folder(wanted: str) -> bool:
    return "/" in wanted or (wanted != "" and Path(wanted).is_dir())


def _refuse_filled(conn: Connection[Any]) -> None:
    row = conn.execute("select count(*) from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')").fetchone()
    assert row is not None
    if row[0]:
        raise TargetNotEmpty(database=conn.info.dbname, tables=row[0])
