"""Make a backup: one moment of the database, dumped, encrypted and signed for, on the disk, read back to its end; then it is one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final, Protocol

import structlog
from psycopg import Connection

from counterfoil import __version__
from counterfoil.backups.backups import Backup, BackupFacts, begin_backup, fail_backup, keep_backup
from counterfoil.backups.keys import BackupKeys
from counterfoil.backups.measures import measured
from counterfoil.backups.pruning import KeepPolicy
from counterfoil.backups.store import BASE, DUMP, FILES, FORMAT, MANIFEST, BackupFolder, StoredBackup
from counterfoil.base.failpoints import reached
from counterfoil.base.ids import MakeId
from counterfoil.base.postgres.dumping import Command, dump_programs, dumping, reading_from, reading_through, writing_to
from counterfoil.base.problems import Busy, Problem
from counterfoil.proofs.log.checkpoints import LogForked, keys_of_log, latest_checkpoint, make_checkpoint, origin_of, seed_of
from counterfoil.proofs.log.job import origin_name
from counterfoil.proofs.log.notes import sign_note
from counterfoil.proofs.log.records import moment
from counterfoil.proofs.log.sequencing import sequence

ROLE: Final = "counterfoil_app"  # reads everything, and nothing that serves needs a right more for it
TURN: Final = 4_271_113  # the advisory lock of whoever makes one
SAID: Final = "said.txt"
_log = structlog.get_logger("counterfoil.backups")


ReadThrough = Callable[[Path, dict[str, Any], BackupKeys, str | None], None]


class BaseMaker(Protocol):
    """Makes a copy of the whole server."""

    def write(self, conn: Connection[Any], made: Path) -> dict[str, Any]:
        """Write the encrypted file into this folder. What is signed of it."""

    def read_through(self, folder: Path, manifest: dict[str, Any], keys: BackupKeys, programs: str | None) -> None:
        """Read it back to its end. Raises BackupDamaged."""


@dataclass(frozen=True)
class Backups:
    """What backups are made with. `database` as the application, at `url`; `programs`: the folder of pg_dump, if it is set;
    `proof_folder`: where the proofs lie that a restored one is held against."""

    database: Any  # `base.edge.Database`
    url: str
    folder: Path
    keys: Callable[[], BackupKeys]
    make_id: MakeId
    clock: Callable[[], datetime]
    policy: KeepPolicy
    programs: str | None = None
    proof_folder: Path | None = None

    @property
    def store(self) -> BackupFolder:
        """Where they lie."""
        return BackupFolder(self.folder)

    def make(self, *, actor: str, slot_at: datetime | None = None, copy: BaseMaker | None = None) -> Backup:
        """One backup, kept: a dump, or with `copy` one of the whole server. Raises Busy while another is made, and what went wrong,
        which its row says, too."""
        forked = self._settle()
        backup_id = self.make_id("bkp")
        with self.database.transaction(snapshot=True) as conn:
            _take_turn(conn)
            with self.database.transaction() as beside:
                begin_backup(beside, backup_id, kind=BASE if copy else DUMP, actor=actor, slot_at=slot_at, now=self.clock())
            made = self.store.making(backup_id)
            try:
                said = self._said(conn, backup_id, actor, forked)
                if copy is None:
                    kept = self._sign(conn, made, {**said, **self._dump(conn, made)}, read_through)
                else:
                    kept = self._sign(conn, made, {**said, **copy.write(conn, made)}, copy.read_through)
            except BaseException as error:
                self._failed(backup_id, error)
                raise
            finally:
                shutil.rmtree(made, ignore_errors=True)
        return self._kept(kept, actor)

    def _settle(self) -> str | None:
        """Everything that was recorded until now is in the log, and a checkpoint of it is signed. Why not, where the log is forked: that
        is no reason to be without a backup, and the drill will say it."""
        while True:
            with self.database.transaction() as conn:
                turn = sequence(conn, make_origin=origin_name(self.make_id), now=self.clock(), waits=True)
            if turn.drained:
                break
        try:
            with self.database.transaction() as conn:
                make_checkpoint(conn, turn.size, make_key_id=self.make_id("lgk"), now=self.clock())
        except LogForked as problem:
            return problem.sentence()
        return None

    def _said(self, conn: Connection[Any], backup_id: str, actor: str, forked: str | None) -> dict[str, Any]:
        """What is signed of any backup."""
        last = latest_checkpoint(conn)
        return {
            "format": FORMAT,
            "id": backup_id,
            "origin": origin_of(conn),
            "by": actor,
            "software": {"name": "counterfoil", "version": __version__},
            "server_version": conn.info.server_version,
            "checkpoint": None if last is None else last.note,
            "forked": forked,
        }

    def _dump(self, conn: Connection[Any], made: Path) -> dict[str, Any]:
        """The encrypted dump, and what is to be signed of it."""
        row = conn.execute("select pg_export_snapshot(), clock_timestamp(), pg_current_snapshot()::text").fetchone()
        assert row is not None
        snapshot, at, horizon = row
        programs = dump_programs(self.programs, server_version=conn.info.server_version)
        file = written(dumping(programs, self.url, role=ROLE, snapshot=snapshot), made, FILES[DUMP], self.keys())
        reached("backup.dumped")
        return {"kind": DUMP, "snapshot_at": moment(at), "horizon": horizon, "file": file, **measured(conn)}

    def _sign(self, conn: Connection[Any], made: Path, manifest: dict[str, Any], read: ReadThrough) -> StoredBackup:
        """Signed by the log's key, read back from the disk to its end, and put into place."""
        with (made / MANIFEST).open("w", encoding="utf-8") as out:
            out.write(signed_note(conn, json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"))
            out.flush()
            os.fsync(out.fileno())
        read(made, manifest, self.keys(), self.programs)
        reached("backup.read_back")
        return self.store.put(made)

    def _kept(self, one: StoredBackup, actor: str) -> Backup:
        told = one.manifest
        kept = BackupFacts(
            datetime.fromisoformat(told["snapshot_at"]),
            told["log"]["size"],
            _decoded(told["log"]["root"]),
            told["migrations"]["last"],
            told["server_version"],
            told["file"]["key_id"],
            told["file"]["bytes"],
            told["file"]["sha256"],
            one.manifest_sha256,
        )
        with self.database.transaction() as conn:
            return keep_backup(conn, one.id, kept, actor=actor, now=self.clock())

    def _failed(self, backup_id: str, error: BaseException) -> None:
        """Its row says why; where even that cannot be written, the next backup finds the row and says that the process was gone."""
        why = error.sentence() if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
        try:
            with self.database.transaction() as conn:
                fail_backup(conn, backup_id, error=why[:500], now=self.clock())
        except Problem as problem:
            _log.warning("a backup failed, and its row does not say so", backup=backup_id, why=why, problem=problem.sentence())


def written(command: Command, made: Path, name: str, keys: BackupKeys) -> dict[str, Any]:
    """What a program writes, encrypted into a file on the disk, and what is signed of that file. Raises DumpFailed."""
    with said_file() as said, (made / name).open("wb") as out:
        file = _Hashed(out)
        with reading_from(command, said) as source:
            keys.encrypt(source, file)
        out.flush()
        os.fsync(out.fileno())
    return {"name": name, "bytes": file.bytes, "sha256": file.digest.hexdigest(), "encryption": "age", "key_id": keys.current}


def signed_note(conn: Connection[Any], text: str) -> str:
    """A text with the signature of the log's key."""
    return sign_note(text, origin_of(conn), seed_of(conn, keys_of_log(conn)[0].id))


def read_through(folder: Path, manifest: dict[str, Any], keys: BackupKeys, programs: str | None) -> None:
    """Decrypt a backup and have pg_restore read it to its end, keeping nothing. Raises BackupDamaged, BackupKeyMissing, DumpFailed."""
    found = dump_programs(programs, server_version=manifest["server_version"])
    with said_file() as said, (folder / FILES[DUMP]).open("rb") as file, writing_to(reading_through(found), said) as sink:
        keys.decrypt(file, sink, key_id=manifest["file"]["key_id"])


@contextmanager
def said_file() -> Iterator[Path]:
    """A file for what a program says, outside of what is kept."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="counterfoil-") as folder:
        yield Path(folder) / SAID


def _take_turn(conn: Connection[Any]) -> None:
    """Held until this transaction ends. It reads for as long as the dump takes: hours for a large house."""
    conn.execute("select set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)")
    if conn.execute("select pg_try_advisory_xact_lock(%s)", [TURN]).fetchone() != (True,):
        raise Busy(what="the database", detail="another backup of it is being made")


def _decoded(text: str) -> bytes:
    import base64

    return base64.b64decode(text)


class _Hashed:
    """Writes on, and knows size and SHA-256 of what went through."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self.bytes, self.digest = out, 0, hashlib.sha256()

    def write(self, piece: bytes) -> int:
        self._out.write(piece)
        self.digest.update(piece)
        self.bytes += len(piece)
        return len(piece)

    def flush(self) -> None:
        """Flushed once, at the end."""
