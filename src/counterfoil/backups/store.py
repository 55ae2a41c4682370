"""The store of backups: a folder with a folder for each, holding the encrypted dump and its signed manifest; none is written again.

A manifest is a signed note (https://c2sp.org/signed-note) whose text is JSON: people read it as it is, and the log's key has signed it.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.backups.keys import BackupDamaged
from counterfoil.base.ids import valid_id
from counterfoil.base.postgres.launcher import sync_folder
from counterfoil.base.problems import InvalidInput, NotFound, Problem
from counterfoil.proofs.log.notes import NoteKey, NoteRefused, open_note

DUMP: Final = "dump"  # of the database, by pg_dump
BASE: Final = "base"  # a copy of the whole server, by pg_basebackup
FILES: Final[Mapping[str, str]] = {DUMP: "dump.age", BASE: "base.tar.gz.age"}
MANIFEST: Final = "manifest.note"
MAKING: Final = ".making"
FORMAT: Final = "counterfoil-backup/1"
_NOTHING: Final = object()
# What is read of a manifest before its signature is looked at, by its place in it.
SAID: Final[Mapping[str, type | tuple[type, ...]]] = {
    "origin": str,
    "snapshot_at": str,
    "server_version": int,
    "checkpoint": (str, type(None)),
    "forked": (str, type(None)),
    "log.size": int,
    "log.root": str,
}
SAID_OF_KIND: Final[Mapping[str, Mapping[str, type]]] = {
    DUMP: {"tables": dict, "books": list, "migrations": dict},
    BASE: {"server": dict},
}
PREFIX: Final = "bkp"
PIECE: Final = 1 << 20
STOLEN: Final = "stolen"


class BackupForeign(Problem):
    """This backup is of another installation, or nobody signed for it whom we know."""

    todo = "Look where it came from. Never restore it over books of yours."


class StoredBackup(NamedTuple):
    """A backup as it lies in the store. `manifest` is what its note says; `note` the signed text."""

    id: str
    folder: Path
    manifest: Mapping[str, Any]
    note: str

    @property
    def kind(self) -> str:
        """A dump, or a base."""
        return str(self.manifest.get("kind", DUMP))

    @property
    def file(self) -> Path:
        """The encrypted file."""
        return self.folder / FILES[self.kind]

    @property
    def manifest_sha256(self) -> str:
        """Of the signed text, to the byte."""
        return hashlib.sha256(self.note.encode()).hexdigest()

    def refuse_damaged(self) -> None:
        """Raises BackupDamaged unless the file is the one that the manifest signs for. Reads all of it."""
        told = self.manifest["file"]
        name = self.file.name
        if not self.file.is_file():
            raise BackupDamaged(id=self.id, because=f"{name} is not there")
        if (found := self.file.stat().st_size) != told["bytes"]:
            raise BackupDamaged(id=self.id, because=f"{name} has {found} bytes, and had {told['bytes']}")
        if digest_of_file(self.file) != told["sha256"]:
            raise BackupDamaged(id=self.id, because=f"{name} has another SHA-256 than when it was written")

    def refuse_foreign(self, keys: Sequence[NoteKey]) -> None:
        """Raises BackupForeign unless one of these keys has signed the manifest, and BackupDamaged when it was changed afterwards."""
        if self.manifest["origin"] not in {one.name for one in keys}:
            raise BackupForeign(id=self.id, origin=str(self.manifest["origin"])[:80], ours=sorted({one.name for one in keys}))
        try:
            _, signers = open_note(self.note, keys)
        except NoteRefused as refused:
            why = str(refused.facts.get("why"))
            known = "no known key" not in why
            raise (BackupDamaged if known else BackupForeign)(id=self.id, because=f"its manifest: {why}") from refused
        refuse_ended(signers, datetime.fromisoformat(self.manifest["snapshot_at"]), id=self.id)

    def doubt(self, keys: Sequence[NoteKey], conn: Connection[Any] | None) -> str | None:
        """Why its signature alone shows little: a thief of the key could have made it, and dated it back. None where nothing speaks for
        that, and where the database knows this very manifest. Raises NoteRefused."""
        said = doubt_of(self.note, keys)
        known = "select from backup where id = %s and encode(manifest_sha256, 'hex') = %s"
        if said and conn is not None and conn.execute(known, [self.id, self.manifest_sha256]).fetchone() is not None:
            return None
        return said


def refuse_ended(signers: Sequence[NoteKey], at: datetime, **which: str) -> None:
    """Raises BackupForeign when whoever signed for this moment had ended by then: nobody of ours signs with such a key."""
    ends = [one.ended for one in signers]
    last = max((one for one in ends if one is not None), key=lambda one: one.at, default=None)
    if last is not None and None not in ends and last.at < at:
        why = f"of {at.isoformat()}, signed by a key of the log that had ended on {last.at.isoformat()} ({last.cause})"
        raise BackupForeign(**which, because=why)


def doubt_of(note: str, keys: Sequence[NoteKey]) -> str | None:
    """What is to be said of a note whose every known signer was stolen. Raises NoteRefused."""
    _, signers = open_note(note, keys)
    ends = [one.ended for one in signers if one.ended is not None and one.ended.cause == STOLEN]
    if len(ends) < len(signers):
        return None
    told = max(one.at for one in ends)
    return f"its key was told as stolen on {told.isoformat()}: whoever has it could have made this, and dated it back"


class BackupFolder:
    """Where backups lie."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made before the first backup."""
        self.folder = folder

    def making(self, backup_id: str) -> Path:
        """A fresh folder to write into; what killed processes left is taken away."""
        shutil.rmtree(self.folder / MAKING, ignore_errors=True)
        made = self.folder / MAKING / backup_id
        made.mkdir(parents=True, mode=0o700)
        self.folder.chmod(0o700)
        return made

    def put(self, made: Path) -> StoredBackup:
        """Rename into place what is whole and on the disk."""
        for path in made.iterdir():
            path.chmod(0o400)
        sync_folder(made)
        made.rename(self.folder / made.name)
        sync_folder(self.folder)
        return self.get(made.name)

    def drop(self, backup_id: str) -> None:
        """Take away the files of one, if they are there."""
        shutil.rmtree(self.folder / valid_id(backup_id, PREFIX, "id"), ignore_errors=True)

    def ids(self) -> list[str]:
        """Every backup that lies here, the newest first."""
        found = self.folder.iterdir() if self.folder.exists() else iter(())
        return sorted((one.name for one in found if _is_id(one.name)), reverse=True)

    def of_kind(self, kind: str) -> list[StoredBackup]:
        """Those of a kind, the newest first; one whose manifest cannot be read is none."""
        found = []
        for one in self.ids():
            with suppress(BackupDamaged):
                found.append(self.get(one))
        return [one for one in found if one.kind == kind]

    def get(self, backup_id: str) -> StoredBackup:
        """One of them. Raises NotFound, BackupDamaged for a manifest that cannot be read."""
        folder = self.folder / valid_id(backup_id, PREFIX, "id")
        if not folder.is_dir():
            raise NotFound(what="backup", id=backup_id)
        return read_backup(folder)


def read_backup(folder: Path) -> StoredBackup:
    """The backup in this folder, wherever it lies. Raises BackupDamaged."""
    try:
        note = (folder / MANIFEST).read_text("utf-8")
        manifest = json.loads(note.rpartition("\n\n")[0])
        known = manifest["format"] == FORMAT and manifest.get("kind", DUMP) in FILES
        text = str(manifest["id"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupDamaged(id=folder.name, because=f"{MANIFEST} cannot be read") from error
    if not known:
        raise BackupDamaged(id=folder.name, because=f"{MANIFEST} is none of format {FORMAT}")
    if lacking := _lacking(manifest):
        raise BackupDamaged(id=folder.name, because=f"{MANIFEST} does not say, or not as it must: {', '.join(lacking)}")
    if text != folder.name:
        raise BackupDamaged(id=folder.name, because=f"its manifest is of {text[:40]}")
    return StoredBackup(text, folder, manifest, note)


def _lacking(manifest: Mapping[str, Any]) -> list[str]:
    """The places of a manifest at which nothing is, or something else than must be there."""
    wanted = {**SAID, **SAID_OF_KIND[manifest.get("kind", DUMP)]}
    lacking = [place for place, kinds in wanted.items() if not isinstance(_at(manifest, place), kinds)]
    try:
        refuse_untold(manifest["file"])
    except (KeyError, TypeError):
        lacking.append("file")
    try:
        datetime.fromisoformat(manifest["snapshot_at"])
    except (KeyError, TypeError, ValueError):
        lacking.append("snapshot_at")
    return list(dict.fromkeys(lacking))


def _at(told: Any, place: str) -> Any:
    for name in place.split("."):
        told = told.get(name, _NOTHING) if isinstance(told, dict) else _NOTHING
    return told


def refuse_untold(file: Mapping[str, Any]) -> None:
    """Raises KeyError or TypeError unless this says of a file what it is held against: how long it is, its SHA-256, and which key opens it.

    Every byte of a note may be damaged, the names in it, too: it is read before anybody's signature under it is.
    """
    if not (isinstance(file["bytes"], int) and isinstance(file["sha256"], str) and isinstance(file["key_id"], str)):
        raise TypeError("of a file")


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file, piece by piece."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_id(name: str) -> bool:
    try:
        return valid_id(name, PREFIX, "id") == name
    except InvalidInput:
        return False
