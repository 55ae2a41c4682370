"""Backups as a noun: how they stand, which are kept, and what is known of each."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.machine import Machine, record_birth, take_step
from counterfoil.base.rows import Records
from counterfoil.operations.events.events import NewEvent, declare, emit
from counterfoil.operations.noun_pages import First, SortKey
from counterfoil.operations.sought import FoundBy
from counterfoil.operations.verbs import Noun
from counterfoil.proofs.stores.copies import PLACES

GONE: Final = "its process was gone before it was kept"
BACKUP: Final = Machine(
    name="backup",
    table="backup",
    initial=("running",),
    transitions={
        ("running", "keep"): "kept",
        ("running", "fail"): "failed",
        ("kept", "prune"): "pruned",
    },
)
EVENT_KINDS: Final = declare(
    debug={"backup_kept": "The database was backed up; the backup was read back to its end."},
    critical={"backup_failed": "A backup was not made: nothing of what happened since the last one could be restored."},
)


class Backup(NamedTuple):
    """A backup: a dump of the database, or the base of a recovery to a second. Everything that was committed by `snapshot_at` is in it,
    of the log the first `log_size` entries (of a base: at least those); `key_id`: which key opens it; `bytes` and `sha256` are of the
    encrypted file."""

    id: str
    kind: str
    actor: str
    slot_at: datetime | None
    started_at: datetime
    finished_at: datetime | None
    snapshot_at: datetime | None
    log_size: int | None
    log_root: str | None
    migration: int | None
    server_version: int | None
    key_id: str | None
    bytes: int | None
    sha256: str | None
    error: str | None
    state: str


class BackupFacts(NamedTuple):
    """What a backup that is kept adds to its row."""

    snapshot_at: datetime
    log_size: int
    log_root: bytes
    migration: int
    server_version: int
    key_id: str
    bytes: int
    sha256: str
    manifest_sha256: str


BACKUPS: Final = Records(
    Backup,
    """select id, kind, actor, slot_at, started_at, finished_at, snapshot_at, log_size, encode(log_root, 'hex') as log_root, migration,
              server_version, key_id, bytes, encode(sha256, 'hex') as sha256, error, state from backup""",
    "backup",
)
show_backup: Final = BACKUPS.show


def list_backups(conn: Connection[Any], *, rows_max: int, after: str | None, state: str | None) -> list[Backup]:
    """Backups, newest first."""
    return BACKUPS.newest(conn, rows_max=rows_max, after=after, state=state)


def kept_backups(conn: Connection[Any], kind: str) -> list[Backup]:
    """All of a kind that are kept, the newest first: what is pruned, or restored, is decided on all of them."""
    return BACKUPS.read(conn, "where state = 'kept' and kind = %s order by snapshot_at desc, id desc", [kind])


def backups_that_count(conn: Connection[Any]) -> list[Backup]:
    """All but those that were pruned, the newest first: kept, failed, and one that is being made."""
    return BACKUPS.read(conn, "where state <> 'pruned' order by id desc", [])


def begin_backup(conn: Connection[Any], backup_id: str, *, kind: str, actor: str, slot_at: datetime | None, now: datetime) -> None:
    """Say that one is being made. Only who holds the lock of backups says so: others that run still are of processes that are gone."""
    for (gone,) in conn.execute("select id from backup where state = 'running' order by id for update").fetchall():
        fail_backup(conn, gone, error=GONE, now=now)
    conn.execute(
        "insert into backup (id, kind, actor, slot_at, started_at, state, state_at) values (%s, %s, %s, %s, %s, 'running', %s)",
        [backup_id, kind, actor, slot_at, now, now],
    )
    record_birth(conn, BACKUP, [backup_id], "running", actor=actor, at=now)


def keep_backup(conn: Connection[Any], backup_id: str, kept: BackupFacts, *, actor: str, now: datetime) -> Backup:
    """It lies in the store and was read back."""
    conn.execute(
        """update backup set finished_at = %s, snapshot_at = %s, log_size = %s, log_root = %s, migration = %s, server_version = %s,
                  key_id = %s, bytes = %s, sha256 = %s, manifest_sha256 = %s where id = %s""",
        [now, *kept._replace(sha256=bytes.fromhex(kept.sha256), manifest_sha256=bytes.fromhex(kept.manifest_sha256)), backup_id],  # type: ignore[arg-type]
    )
    take_step(conn, BACKUP, backup_id, "running", "keep", actor=actor, at=now)
    emit(conn, [NewEvent("backup_kept", "", backup_id, {"bytes": kept.bytes, "sha256": kept.sha256})], at=now)
    return show_backup(conn, backup_id)


def fail_backup(conn: Connection[Any], backup_id: str, *, error: str, now: datetime) -> None:
    """It was not made, and why."""
    conn.execute("update backup set finished_at = %s, error = %s where id = %s", [now, error, backup_id])
    take_step(conn, BACKUP, backup_id, "running", "fail", actor="system:backup", at=now, cause=error[:200])
    emit(conn, [NewEvent("backup_failed", "", backup_id, {"error": error})], at=now)


def note_pruned(conn: Connection[Any], backup_id: str, *, actor: str, now: datetime) -> None:
    """Its files are taken away: the policy keeps others in its place."""
    take_step(conn, BACKUP, backup_id, "kept", "prune", actor=actor, at=now)


BACKUP_NOUN: Final = Noun(
    "backup",
    "backups",
    "bkp",
    BACKUP,
    (),
    show_backup,
    row=Backup,
    rows=list_backups,
    by_id=BACKUPS.by_id,
    sorts=(SortKey("started_at", datetime),),
    help="Backups of the database: made, read back, kept by policy.",
    parts=(PLACES,),
    columns=("id", "kind", "snapshot_at", "finished_at", "bytes", "key_id", "log_size", "state", "error"),
    first=First("It is made by the schedule of the worker; at once by hand.", "counterfoil jobs run backup"),
    sought=(FoundBy("encode(sha256, 'hex')", "its file has this digest"),),
)
