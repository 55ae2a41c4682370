"""Checkpoints of the log: size and root, signed, and put where the owner of the database does not reach: into a folder of their own.

Each must be consistent with the one before (RFC 9162, 2.1.4.2), or none is made. Boundaries say where in the log a moment lies.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.encryption.confidential import Confidential, encrypt, opened
from counterfoil.base.problems import NotFound, Problem, check
from counterfoil.proofs.log.merkle import consistency_proof, is_consistent, root_of
from counterfoil.proofs.log.notes import Checkpoint, KeyEnd, NoteKey, open_note, read_checkpoint
from counterfoil.proofs.log.quantum_keys import KEY_TURN, begins_here, quantum_key_for, quantum_keys, signed_checkpoint
from counterfoil.proofs.log.sequencing import await_turn
from counterfoil.proofs.log.tree import StoredTree, size_of

CONFIDENTIAL: Final = Confidential("log_key", ("id",), ("seed",), "keys that sign checkpoints", raw=True)
FOLDER: Final = "checkpoints"
LATEST: Final = "latest"


class LogNotBegun(Problem, kind="busy"):
    """Nothing is in the log yet: the worker has not come to it."""

    todo = "Let a worker run (`counterfoil worker`), or run it once: `counterfoil jobs run log`."


class LogBehind(Problem, kind="busy"):
    """Not everything that was recorded before that moment is in the log yet."""

    todo = "Wait a minute and ask again. If it stays so, a transaction is open that does not end, or no worker runs."


class LogForked(Problem):
    """The log is no longer what it was: a checkpoint that has left this database is not its beginning."""

    todo = (
        "Records of the log were changed or taken out, or this database was restored to an earlier moment and went on from there. Stop "
        "paying out, keep the checkpoints, and compare with the last good proof."
    )


class KeptCheckpoint(NamedTuple):
    """A checkpoint as the database knows it; `note` is what was signed and has left."""

    size: int
    root: bytes
    key_id: str
    note: str
    at: datetime


class LogKey(NamedTuple):
    """With what the log signs."""

    id: str
    public_key: bytes
    made_at: datetime


def origin_of(conn: Connection[Any]) -> str:
    """What the log calls itself. Raises LogNotBegun."""
    row = conn.execute("select origin from log_origin").fetchone()
    if row is None:
        raise LogNotBegun()
    return str(row[0])


def keys_of_log(conn: Connection[Any]) -> list[LogKey]:
    """Every key that the log has signed with, the newest first."""
    with conn.cursor(row_factory=class_row(LogKey)) as cur:
        return cur.execute("select id, public_key, made_at from log_key order by made_at desc, id desc").fetchall()


def note_keys(conn: Connection[Any]) -> list[NoteKey]:
    """The same, as whoever verifies needs them: of one that has ended also when and why; then those of ML-DSA-44 beside them."""
    origin = origin_of(conn)
    ended = {row[0]: KeyEnd(*row[1:]) for row in conn.execute("select before_id, cause, created_at from log_key_change").fetchall()}
    known, beside = keys_of_log(conn), quantum_keys(conn)
    first = [NoteKey(origin, bytes(one.public_key), ended.get(one.id)) for one in known]
    return first + [NoteKey(origin, beside[one.id].public_key, ended.get(one.id)) for one in known if one.id in beside]


def make_log_key(conn: Connection[Any], key_id: str, *, now: datetime) -> LogKey:
    """A new key for the log's checkpoints; the private half is kept encrypted, and opened only to sign."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes_raw()
    envelope = encrypt(conn, CONFIDENTIAL, [key_id], [private.private_bytes_raw()])
    conn.execute("insert into log_key (id, public_key, envelope, made_at) values (%s, %s, %s, %s)", [key_id, public, envelope, now])
    return LogKey(key_id, public, now)


def seed_of(conn: Connection[Any], key_id: str) -> bytes:
    """The private half. Raises EncryptionKeyMissing, EnvelopeDoesNotOpen."""
    row = conn.execute("select envelope, seed from log_key where id = %s", [key_id]).fetchone()
    if row is None:
        raise NotFound(what="log key", id=key_id)
    return bytes(*opened(conn, CONFIDENTIAL, [key_id], row[0], [row[1]]))


def make_checkpoint(conn: Connection[Any], size: int, *, make_key_id: str, now: datetime) -> KeptCheckpoint:
    """The checkpoint of this size: the one that was made, or a new one. Raises LogForked, LogNotBegun, QuantumKeyUnusable."""
    known = find_checkpoint(conn, size)
    if known is not None:
        return known
    # Alone when its key begins to sign with ML-DSA-44: nobody makes a larger checkpoint without it meanwhile.
    turn = b"select pg_advisory_xact_lock(%s)" if begins_here(conn) else b"select pg_advisory_xact_lock_shared(%s)"
    conn.execute(turn, [KEY_TURN])
    tree = StoredTree(conn)
    root = root_of(size, tree)
    _refuse_fork(conn, size, root, tree)
    keys = keys_of_log(conn)
    key = keys[0] if keys else make_log_key(conn, make_key_id, now=now)
    origin, seed = origin_of(conn), seed_of(conn, key.id)
    quantum = quantum_key_for(conn, key.id, seed, size, now=now)
    note = signed_checkpoint(Checkpoint(origin, size, root).text(), origin, seed, bytes(key.public_key), quantum)
    conn.execute(
        "insert into log_checkpoint (size, root, key_id, note, at) values (%s, %s, %s, %s, %s) on conflict do nothing",
        [size, root, key.id, note, now],
    )
    found = find_checkpoint(conn, size)
    assert found is not None
    return found


def find_checkpoint(conn: Connection[Any], size: int) -> KeptCheckpoint | None:
    """The checkpoint of exactly this size."""
    found = _checkpoints(conn, "where size = %s", [size])
    return found[0] if found else None


def latest_checkpoint(conn: Connection[Any]) -> KeptCheckpoint | None:
    """The largest."""
    found = _checkpoints(conn, "order by size desc limit 1", [])
    return found[0] if found else None


def _checkpoints(conn: Connection[Any], rest: str, values: Sequence[Any]) -> list[KeptCheckpoint]:
    with conn.cursor(row_factory=class_row(KeptCheckpoint)) as cur:
        return cur.execute(f"select size, root, key_id, note, at from log_checkpoint {rest}".encode(), values).fetchall()


def _refuse_fork(conn: Connection[Any], size: int, root: bytes, tree: StoredTree) -> None:
    """The checkpoints on both sides of this size are of the same log."""
    for one in (
        *_checkpoints(conn, "where size < %s order by size desc limit 1", [size]),
        *_checkpoints(conn, "where size > %s order by size limit 1", [size]),
    ):
        (old, old_root), (new, new_root) = sorted([(size, root), (one.size, bytes(one.root))])
        if new > size_of(conn) or not is_consistent(old, old_root, new, new_root, consistency_proof(old, new, tree)):
            raise LogForked(size=one.size, now=size)


def boundary(conn: Connection[Any], at: datetime, *, now: datetime) -> int:
    """How many records lie before the moment `at`: of those that the log had when this was first asked. Later askers get the same.

    A record whose transaction lasted so long that it came into the log behind later ones is of the period in which it came.
    Raises LogBehind while records of before may still come, LogNotBegun.
    """
    row = _boundary(conn, at)
    if row is None:
        await_turn(conn)  # a boundary follows from its neighbours: two that are made at once could cross
        row = _boundary(conn, at)
    if row is not None:
        return row
    origin_of(conn)
    if at > now:
        raise LogBehind(until=at.isoformat())
    found = conn.execute(
        """select greatest(least(coalesce((select min(index) from log_entry where recorded_at >= %(at)s), %(size)s),
                                 coalesce((select min(size) from log_boundary where at > %(at)s), %(size)s)),
                           coalesce((select max(size) from log_boundary where at < %(at)s), 0))""",
        {"at": at, "size": size_of(conn)},
    ).fetchone()
    assert found is not None
    conn.execute("insert into log_boundary (at, size, made_at) values (%s, %s, %s)", [at, found[0], now])
    return int(found[0])


def _boundary(conn: Connection[Any], at: datetime) -> int | None:
    row = conn.execute("select size from log_boundary where at = %s", [at]).fetchone()
    return int(row[0]) if row else None


class CheckpointFolder:
    """Where checkpoints lie outside of the database: a file for each size, read-only, and `latest`."""

    def __init__(self, folder: Path, keys: Sequence[NoteKey]) -> None:
        """In `checkpoints` below `folder`; what lies there must be signed by one of `keys`."""
        self._folder = folder / FOLDER
        self._keys = keys

    def latest(self) -> Checkpoint | None:
        """The checkpoint that left last. Raises NoteRefused for what is none of ours."""
        path = self._folder / LATEST
        if not path.exists():
            return None
        text, _ = open_note(path.read_text("utf-8"), self._keys)
        return read_checkpoint(text)

    def put_statement(self, key_id: str, note: str) -> None:
        """Write the statement beside them with which a key of the log followed another; once."""
        path = self._folder / f"key-{key_id}"
        if not path.exists():
            open_note(note, self._keys)
            self._folder.mkdir(parents=True, exist_ok=True)
            write_read_only(path, [note.encode()])

    def put(self, note: str) -> Path:
        """Write a checkpoint beside the others; the same again is no harm, another of that size is refused. Raises LogForked."""
        text, _ = open_note(note, self._keys)
        size = read_checkpoint(text).size
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{size:016d}"
        if path.exists():
            if path.read_text("utf-8") != note:
                raise LogForked(size=size, file=str(path))
        else:
            write_read_only(path, [note.encode()])
        known = self.latest()
        if known is None or known.size < size:
            write_read_only(self._folder / LATEST, [note.encode()])
        return path


def write_read_only(path: Path, parts: Iterable[bytes]) -> None:
    """Whole or not at all, on the disk before anybody relies on it, and not to be written by anybody afterwards."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o444), "wb") as out:
        for part in parts:
            out.write(part)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)


def refuse_other_than_left(conn: Connection[Any], folder: Path | None) -> None:
    """Asked before anything is signed: what has left last is the beginning of the log as it is now. Raises LogForked, NoteRefused.

    The owner of the database can take the checkpoints inside away too; then only what lies outside tells of it.
    """
    left = None if folder is None else CheckpointFolder(folder, note_keys(conn)).latest()
    if left is not None:
        refuse_unless_beginning(conn, left)


def refuse_unless_beginning(conn: Connection[Any], left: Checkpoint) -> None:
    """Raises LogForked unless a checkpoint that has left is the beginning of the log as it is now."""
    check(left.size >= 0, "a checkpoint has a size", size=left.size)
    if left.size > size_of(conn) or root_of(left.size, StoredTree(conn)) != left.root:
        raise LogForked(size=left.size, now=size_of(conn))
