"""Which keys of ML-DSA-44 stand beside the log's own keys, and from which size of the log on each signs every checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import Problem, check
from counterfoil.proofs.log.merkle import HASH_BYTES
from counterfoil.proofs.log.notes import Checkpoint, NoteKey, cosign_note, open_note, sign_note
from counterfoil.proofs.log.quantum import KindMissing, has_ml_dsa, key_beside

KEY_TURN: Final = 4_271_117  # the advisory lock of whoever changes the keys of the log; shared by those who sign with them


class QuantumKeyUnusable(Problem, kind="busy"):
    """The log's key has signed checkpoints with ML-DSA-44, and the library that is installed here has none: it signs none without."""

    todo = (
        "Install the `cryptography` of before, one whose OpenSSL has it (3.5 or later). Until then the log is numbered, and not signed. If "
        "it is gone for good, `counterfoil signers change-log-key --cause planned`: the key that follows signs with Ed25519 alone."
    )


class QuantumKey(NamedTuple):
    """Beside which key of the log it stands, and from which size of the log on each checkpoint of that key is signed with it, too."""

    key_id: str
    public_key: bytes
    size: int


def quantum_keys(conn: Connection[Any]) -> Mapping[str, QuantumKey]:
    """Each by the key of the log beside which it stands."""
    with conn.cursor(row_factory=class_row(QuantumKey)) as cur:
        found = cur.execute("select key_id, public_key, size from log_key_quantum").fetchall()
    return {one.key_id: one._replace(public_key=bytes(one.public_key)) for one in found}


def begins_here(conn: Connection[Any]) -> bool:
    """Would the log's key, as it is now, first sign with ML-DSA-44 if it signed here?"""
    last = conn.execute(
        """select q.key_id is null from log_key k left join log_key_quantum q on q.key_id = k.id
           order by k.made_at desc, k.id desc limit 1"""
    ).fetchone()
    return has_ml_dsa() and (last is None or bool(last[0]))


def quantum_key_for(conn: Connection[Any], key_id: str, seed: bytes, size: int, *, now: datetime) -> QuantumKey | None:
    """With which key a checkpoint of this size is signed beside Ed25519; it begins with it where the library has it. None where neither
    is there. Raises QuantumKeyUnusable."""
    kept = quantum_keys(conn).get(key_id)
    try:
        public = key_beside(seed).public_key().public_bytes_raw()
    except KindMissing as missing:
        if kept is None:
            return None
        raise QuantumKeyUnusable(key=key_id, since=kept.size) from missing
    if kept is not None:
        check(kept.public_key == public, "a key of ML-DSA-44 follows from its key of the log", key=key_id)
        return kept
    conn.execute("select pg_advisory_xact_lock(%s)", [KEY_TURN])
    # Larger checkpoints may be there already, which have Ed25519 alone: a period's end may lie before them.
    row = conn.execute("select greatest(%s, max(size) + 1) from log_checkpoint where key_id = %s", [size, key_id]).fetchone()
    assert row is not None
    conn.execute("insert into log_key_quantum (key_id, public_key, size, made_at) values (%s, %s, %s, %s)", [key_id, public, row[0], now])
    return QuantumKey(key_id, public, int(row[0]))


def signed_checkpoint(text: str, name: str, seed: bytes, public: bytes, quantum: QuantumKey | None) -> str:
    """The text of a checkpoint as a note, signed by the log's key and by the one beside it. What does not verify does not leave.
    Raises NoteRefused, KindMissing."""
    note = sign_note(text, name, seed)
    keys = [NoteKey(name, public)]
    if quantum is not None:
        note = cosign_note(note, name, key_beside(seed))
        keys.append(NoteKey(name, quantum.public_key))
    _, signers = open_note(note, keys)
    check(signers == keys, "what the log signs verifies", keys=len(keys))
    return note


def try_key(name: str, seed: bytes, public: bytes, quantum: QuantumKey | None) -> None:
    """As a checkpoint would be signed, and thrown away: one of no log. Raises QuantumKeyUnusable, NoteRefused."""
    try:
        signed_checkpoint(Checkpoint("a try", 0, bytes(HASH_BYTES)).text(), name, seed, public, quantum)
    except KindMissing as missing:
        assert quantum is not None
        raise QuantumKeyUnusable(key=quantum.key_id, since=quantum.size) from missing
