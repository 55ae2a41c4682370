"""The log's own key is changed, by two administrators, with a statement that leaves the database as checkpoints do.

A signed note says which key ended, at which size of the log with which root, and which follows. The new key signs it, and the one of
before, too: so whoever has that one trusts the new. A key that was stolen or lost signs nothing any more: then whoever verifies is given
the new one by the people themselves, as the first. The key of before signs no checkpoint of a larger log.
"""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.encryption.keys import EncryptionKeyMissing, EnvelopeDoesNotOpen
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.operations.access.access import ADMINISTER
from counterfoil.operations.approvals import Paired
from counterfoil.proofs.log.checkpoints import (
    LogKey,
    LogNotBegun,
    keys_of_log,
    make_log_key,
    origin_of,
    refuse_other_than_left,
    seed_of,
)
from counterfoil.proofs.log.merkle import root_of
from counterfoil.proofs.log.notes import NoteKey, open_note, sign_note
from counterfoil.proofs.log.quantum_keys import KEY_TURN, quantum_keys
from counterfoil.proofs.log.records import moment
from counterfoil.proofs.log.tree import StoredTree, size_of

FORMAT: Final = "counterfoil-log-key-1"
PLANNED: Final = "planned"
CAUSES: Final = (PLANNED, "stolen", "lost")
PAIRED: Final = (Paired("log_key", "change", approved_by=ADMINISTER, label="Change the log's own key"),)


class LogKeyGone(Problem):
    """The log's key cannot be opened, so it does not sign the one that follows."""

    todo = "Put the encryption key back under which it lies. If it is gone for good, change the log's key with the cause `lost`."


class KeyChange(NamedTuple):
    """Which key ended and which follows: why, how large the log was, and the signed statement."""

    key_id: str
    before_id: str
    cause: str
    size: int
    statement: str
    created_by: str
    created_at: datetime


def key_changes(conn: Connection[Any]) -> list[KeyChange]:
    """Every change, the first one first."""
    with conn.cursor(row_factory=class_row(KeyChange)) as cur:
        return cur.execute(
            "select key_id, before_id, cause, size, statement, created_by, created_at from log_key_change order by created_at, key_id"
        ).fetchall()


def change_log_key(conn: Connection[Any], key_id: str, *, cause: str, folder: Path | None, by: str, now: datetime) -> KeyChange:
    """A new key for the log, from now on. Nobody makes a checkpoint meanwhile.

    Raises InvalidInput, LogNotBegun, LogKeyGone, LogForked.
    """
    if cause not in CAUSES:
        raise InvalidInput("cause", f"one of {', '.join(CAUSES)}", got=cause[:40])
    conn.execute("select pg_advisory_xact_lock(%s)", [KEY_TURN])
    known = keys_of_log(conn)
    if not known:
        raise LogNotBegun()
    refuse_other_than_left(conn, folder)
    before, size, origin = known[0], size_of(conn), origin_of(conn)
    word = [_old_seed(conn, before)] if cause == PLANNED else []
    after = make_log_key(conn, key_id, now=now)
    told = _told(origin, before, after, cause, size, root_of(size, StoredTree(conn)), now)
    seeds = [seed_of(conn, after.id), *word]
    note = sign_note(told, origin, *seeds)
    signers = [after, before][: len(seeds)]
    open_note(note, [NoteKey(origin, bytes(one.public_key)) for one in signers])  # what does not verify does not leave
    conn.execute(
        """insert into log_key_change (key_id, before_id, cause, size, statement, created_by, created_at)
           values (%s, %s, %s, %s, %s, %s, %s)""",
        [after.id, before.id, cause, size, note, by, now],
    )
    return KeyChange(after.id, before.id, cause, size, note, by, now)


def _told(origin: str, before: LogKey, after: LogKey, cause: str, size: int, root: bytes, now: datetime) -> str:
    """What is signed. Its first line is that of no checkpoint."""
    keys = [bytes(one.public_key).hex() for one in (before, after)]
    return "\n".join([FORMAT, origin, *keys, cause, str(size), base64.b64encode(root).decode(), moment(now), ""])


def _old_seed(conn: Connection[Any], key: LogKey) -> bytes:
    try:
        return seed_of(conn, key.id)
    except (EncryptionKeyMissing, EnvelopeDoesNotOpen) as error:
        raise LogKeyGone(key=key.id, why=error.headline()) from error


def told_keys(conn: Connection[Any]) -> list[dict[str, Any]]:
    """Every key of the log as a file of keys tells it, the newest first: of one that has ended also since when, why, and the statement;
    of one that signs with ML-DSA-44, too, the key, and from which size of the log on each checkpoint has that signature."""
    beside = quantum_keys(conn)
    ended = {one.before_id: one for one in key_changes(conn)}
    told = []
    for key in keys_of_log(conn):
        one = ended.get(key.id)
        end = {"size": one.size, "cause": one.cause, "at": moment(one.created_at), "statement": one.statement} if one else None
        one_more = beside.get(key.id)
        quantum = {"key": one_more.public_key.hex(), "size": one_more.size} if one_more else None
        told.append(
            {"key": bytes(key.public_key).hex(), "made_at": moment(key.made_at)}
            | ({"ended": end} if end else {})
            | ({"quantum": quantum} if quantum else {})
        )
    return told
