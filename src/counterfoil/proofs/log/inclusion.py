"""That one record is in the log: a proof that stands alone (C2SP tlog-proof), for whoever has a checkpoint's key."""

from __future__ import annotations

from typing import Any, NamedTuple

from psycopg import Connection

from counterfoil.base.problems import check
from counterfoil.proofs.log.checkpoints import LogBehind, LogNotBegun, latest_checkpoint
from counterfoil.proofs.log.merkle import inclusion_proof, root_from_inclusion
from counterfoil.proofs.log.notes import write_proof
from counterfoil.proofs.log.tree import StoredTree


class Inclusion(NamedTuple):
    """A record as the log has it, and the proof that it is in."""

    place: int
    record: str
    proof: str


def inclusion_of(conn: Connection[Any], relation: str, row_id: str) -> Inclusion:
    """The proof that leads from a record to the latest checkpoint. Raises LogNotBegun; LogBehind, too, for what
    is not numbered yet: that it is recorded, who asks has seen."""
    checkpoint = latest_checkpoint(conn)
    if checkpoint is None:
        raise LogNotBegun()
    row = conn.execute("select index, record, leaf_hash from log_entry where relation = %s and row_id = %s", [relation, row_id]).fetchone()
    if row is None:
        raise LogBehind(waits=f"{relation} {row_id}", checkpoint=checkpoint.size)
    index, record, leaf = int(row[0]), str(row[1]), bytes(row[2])
    if index >= checkpoint.size:
        raise LogBehind(index=index, checkpoint=checkpoint.size)
    hashes = inclusion_proof(index, checkpoint.size, StoredTree(conn))
    found = root_from_inclusion(index, checkpoint.size, leaf, hashes)
    check(found == bytes(checkpoint.root), "a proof leads to the root of its checkpoint", index=index, size=checkpoint.size)
    return Inclusion(index, record, write_proof(index, hashes, checkpoint.note))
