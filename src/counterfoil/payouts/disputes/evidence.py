"""Evidence of a dispute: files as they were handed in, each with its SHA-256; append-only, and checked again whenever one is read."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.problems import InvalidInput, NotFound, check
from counterfoil.operations.access.access import Caller
from counterfoil.payouts.disputes.disputes import NotAllowedHere, locked_dispute
from counterfoil.payouts.disputes.machine import DISPUTE

EVIDENCE_MAX: Final = 5_000_000
EVIDENCE_FILES_MAX: Final = 1_000  # of a dispute: more are refused, so that every list of them is whole
_GOING: Final = DISPUTE.before("escalate")


def add_evidence(conn: Connection[Any], dispute_id: str, content: bytes, *, name: str, by: Caller, now: datetime) -> tuple[int, str]:
    """Keep a file, of 1 byte to 5 MB, with its SHA-256; the same file again is the one that is there. Its number and its hash.

    Raises NotFound, InvalidInput, NotAllowedHere once the dispute is decided.
    """
    one = locked_dispute(conn, dispute_id)
    if one.state not in _GOING:
        raise NotAllowedHere(dispute=dispute_id, why=f"it is {one.state.replace('_', ' ')}: appeal first")
    if not 0 < len(content) <= EVIDENCE_MAX:
        raise InvalidInput("file", f"1 to {EVIDENCE_MAX} bytes", got=len(content))
    if not 0 < len(name) <= 200 or not name.isprintable():
        raise InvalidInput("file_name", "1 to 200 printable characters", got=name[:40])
    digest = hashlib.sha256(content).digest()
    row = conn.execute("select count(*) from dispute_evidence where dispute_id = %s and sha256 <> %s", [dispute_id, digest]).fetchone()
    if row is not None and row[0] >= EVIDENCE_FILES_MAX:
        raise InvalidInput("file", f"one of at most {EVIDENCE_FILES_MAX} files of a dispute", got=row[0] + 1)
    conn.execute(
        """insert into dispute_evidence (dispute_id, number, name, sha256, content, given_by, actor, at)
           select %(id)s, coalesce(max(number), 0) + 1, %(name)s, %(sha256)s, %(content)s, %(by)s, %(actor)s, %(now)s
           from dispute_evidence where dispute_id = %(id)s on conflict (dispute_id, sha256) do nothing""",
        {
            "id": dispute_id,
            "name": name,
            "sha256": digest,
            "content": content,
            "by": by.principal_id,
            "actor": by.actor,
            "now": now,
        },
    )
    row = conn.execute("select number from dispute_evidence where dispute_id = %s and sha256 = %s", [dispute_id, digest]).fetchone()
    assert row is not None
    return int(row[0]), digest.hex()


class Evidence(NamedTuple):
    """A file that was handed in, without its content."""

    number: int
    name: str
    sha256: str
    size: int
    actor: str
    at: datetime


class EvidenceFile(NamedTuple):
    """A file as it was handed in."""

    name: str
    sha256: str
    content: bytes


def evidence_file(conn: Connection[Any], dispute_id: str, number: int) -> EvidenceFile:
    """One file, its content hashed anew. Raises NotFound."""
    row = conn.execute(
        "select name, encode(sha256, 'hex'), content from dispute_evidence where dispute_id = %s and number = %s", [dispute_id, number]
    ).fetchone()
    if row is None:
        raise NotFound(what="evidence", id=dispute_id, number=str(number))
    found = EvidenceFile(row[0], row[1], bytes(row[2]))
    check(hashlib.sha256(found.content).hexdigest() == found.sha256, "evidence is what was handed in", id=dispute_id, number=number)
    return found


def evidence_of(conn: Connection[Any], dispute_id: str, *, rows_max: int = EVIDENCE_FILES_MAX) -> list[Evidence]:
    """What was handed in, the first one first."""
    with conn.cursor(row_factory=class_row(Evidence)) as cur:
        return cur.execute(
            """select number, name, encode(sha256, 'hex') as sha256, length(content) as size, actor, at
               from dispute_evidence where dispute_id = %s order by number limit %s""",
            [dispute_id, rows_max],
        ).fetchall()
