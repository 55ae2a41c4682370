"""Copies of the whole server, each the beginning of what can be recovered to a second: made, read back, found again in the store."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

import psycopg
from psycopg import Connection

from counterfoil.backups.backups import Backup
from counterfoil.backups.keys import BackupDamaged, BackupKeys
from counterfoil.backups.making import written
from counterfoil.backups.measures import log_measured
from counterfoil.backups.recovery.archive import WalFolder, opened
from counterfoil.backups.recovery.reach import BaseCopy, RecoveryReach, reach_of
from counterfoil.backups.recovery.receiving import WalArchive
from counterfoil.backups.store import BASE, DUMP, FILES, PIECE, BackupFolder, StoredBackup
from counterfoil.base.failpoints import reached
from counterfoil.base.postgres.dumping import MAJOR
from counterfoil.base.postgres.replicating import copying, have_slot, lsn_of, replication_programs
from counterfoil.base.problems import Problem
from counterfoil.proofs.log.records import moment

MANIFEST: Final = "backup_manifest"
LABEL: Final = "backup_label"


class TablespacesThere(Problem, kind="invalid"):
    """This server keeps tables in tablespaces beside its data folder; a base backup of such a server is not made."""

    todo = "Move them back into the data folder, or copy this server by its own means."


class BaseCopying:
    """Makes a base: pg_basebackup, compressed and encrypted as it comes."""

    def __init__(self, archive: WalArchive) -> None:
        """From where the archive's log comes."""
        self._archive = archive

    def write(self, conn: Connection[Any], made: Path) -> dict[str, Any]:
        """The encrypted copy, and what is to be signed of it. The log is kept from before its beginning."""
        url = self._archive.source()
        with psycopg.connect(url, autocommit=True) as other:
            slot = have_slot(url)
            spaces = other.execute("select count(*) from pg_tablespace where spcname not in ('pg_default', 'pg_global')").fetchone()
            if spaces != (0,):
                raise TablespacesThere()
            told = log_measured(conn)
            programs = replication_programs(self._archive.backups.programs, server_version=conn.info.server_version)
            file = written(copying(programs, url), made, FILES[BASE], self._archive.backups.keys())
            row = other.execute("select clock_timestamp(), (select rolname from pg_roles where oid = 10)").fetchone()
        assert row is not None
        reached("backup.base_copied")
        place = _read(made / FILES[BASE], file["key_id"], self._archive.backups.keys())
        return {
            "kind": BASE,
            "snapshot_at": moment(row[0]),
            "server": {
                "system": slot.system,
                "segment_bytes": slot.segment_bytes,
                "superuser": row[1],
                "database": conn.info.dbname,
                **place,
            },
            "file": file,
            **told,
        }

    def read_through(self, folder: Path, manifest: dict[str, Any], keys: BackupKeys, programs: str | None) -> None:
        """`write` has read it back to its end already: what is signed is what was found there."""


def read_base(folder: Path, manifest: dict[str, Any], keys: BackupKeys) -> None:
    """Every byte of a base, kept nowhere; each file in it has the SHA-256 that PostgreSQL said. Raises BackupDamaged, BackupKeyMissing."""
    found = _read(folder / FILES[BASE], manifest["file"]["key_id"], keys)
    if any(manifest["server"][name] != value for name, value in found.items()):
        raise BackupDamaged(id=manifest["id"], because="its contents are not what its manifest says")


def make_base(archive: WalArchive, *, actor: str, slot_at: datetime | None = None) -> Backup:
    """One base, and the log that belongs to it. Raises as `Backups.make` and `WalArchive.fetch` do."""
    made = archive.backups.make(actor=actor, slot_at=slot_at, copy=BaseCopying(archive))
    archive.fetch()
    return made


def base_of(stored: StoredBackup) -> BaseCopy:
    """What of a base says how far it reaches. Raises BackupDamaged."""
    try:
        told = stored.manifest["server"]
        size = int(told["segment_bytes"])
        first = lsn_of(told["start"]) // size
        system, timeline = str(told["system"]), int(told["timeline"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        raise BackupDamaged(id=stored.id, because="its manifest does not say where in the log of writes it begins") from error
    return BaseCopy(stored.id, system, timeline, size, first, datetime.fromisoformat(stored.manifest["snapshot_at"]))


def bases_in(store: BackupFolder) -> list[tuple[StoredBackup, BaseCopy]]:
    """Each base in the store, the newest first; one whose manifest cannot be read is none: `damaged_bases` names it."""
    found = []
    for one in store.of_kind(BASE):
        with suppress(BackupDamaged):
            found.append((one, base_of(one)))
    return found


def damaged_bases(store: BackupFolder) -> list[BackupDamaged]:
    """What lies in the store and counts as no base, though it may be one: each says which it is, and why."""
    found = []
    for backup_id in store.ids():
        try:
            one = store.get(backup_id)
            if one.kind == BASE:
                base_of(one)
        except BackupDamaged as damaged:
            if not (store.folder / backup_id / FILES[DUMP]).exists():
                found.append(damaged)
    return found


def reaches_in(store: BackupFolder) -> list[RecoveryReach]:
    """What can be recovered from each base in the store, the newest first; of those that `damaged_bases` names nothing can."""
    bases = [base for _, base in bases_in(store)]
    kept = {system: WalFolder(store.folder, system).kept() for system in {one.system for one in bases}}
    return [reach_of(one, kept[one.system]) for one in bases]


def walk(source: IO[bytes], take: Callable[[tarfile.TarFile, tarfile.TarInfo], None]) -> None:
    """Each member of the tar, as it comes. Raises BackupDamaged."""
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            for member in tar:
                take(tar, member)
        while source.read(PIECE):  # to its end, so that what is wrong behind the last member is found, too
            pass
    except tarfile.TarError as error:
        raise BackupDamaged(because=f"it is no tar: {error}") from error


def _read(path: Path, key_id: str, keys: BackupKeys) -> dict[str, Any]:
    """Where in the log it begins and ends, by PostgreSQL's manifest, which each file in it agrees with."""
    digests: dict[str, str] = {}
    manifest = b""

    def take(tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        nonlocal manifest
        body = tar.extractfile(member) if member.isfile() else None
        if body is None:
            return
        name = member.name.removeprefix("./")
        if name == MANIFEST:
            manifest = body.read()
            return
        digest = hashlib.sha256()
        while piece := body.read(PIECE):
            digest.update(piece)
        digests[name] = digest.hexdigest()

    with opened(keys, path, key_id) as plain:
        walk(plain, take)
    return _held_against(manifest, digests)


def _held_against(manifest: bytes, digests: dict[str, str]) -> dict[str, Any]:
    try:
        told = json.loads(manifest)
        files = {one["Path"]: one["Checksum"] for one in told["Files"]}
        [place] = told["WAL-Ranges"]
    except (ValueError, KeyError, TypeError) as error:
        raise BackupDamaged(because=f"{MANIFEST} cannot be read") from error
    wrong = sorted(name for name, digest in files.items() if digests.get(name) != digest)
    if wrong:
        raise BackupDamaged(because=f"{len(wrong)} files are not as {MANIFEST} says", first=wrong[0])
    return {"timeline": place["Timeline"], "start": place["Start-LSN"], "end": place["End-LSN"], "files": len(files)}


def major_needed(stored: StoredBackup) -> int:
    """The major version of PostgreSQL that wrote it: no other opens it."""
    return int(stored.manifest["server_version"]) // MAJOR
