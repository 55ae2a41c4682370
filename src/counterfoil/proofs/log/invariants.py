"""What must always hold of the log: it is whole, it says what the records say, and it is not behind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.invariant import Invariant
from counterfoil.base.problems import InvariantBroken
from counterfoil.proofs.log.entries import LogEntry, entry_pages
from counterfoil.proofs.log.merkle import Frontier, leaf_hash
from counterfoil.proofs.log.records import SOURCES, WaitingRecord, read_records
from counterfoil.proofs.log.tree import StoredTree

FOUND_MAX: Final = 100


def mutated(conn: Connection[Any]) -> Sequence[Sequence[Any]]:
    """Entries that say something else than their record, or have none any more; and what no longer leads to the last checkpoint's root.

    Reads the log from its beginning to its end.
    """
    found: list[Sequence[Any]] = []
    frontier, roots = Frontier(), _roots(conn)
    for page in entry_pages(conn):
        found += _not_as_recorded(conn, page)
        for one in page:
            if one.place != frontier.size or one.leaf_hash != leaf_hash(one.record.encode()):
                return [*found, (f"entry {one.place}", "is not where or what its hash says")]
            frontier.add(one.leaf_hash)
            if frontier.size in roots and frontier.root() != roots[frontier.size]:
                return [*found, (f"checkpoint {frontier.size}", "has another root than its entries")]
    found += [(f"checkpoint {size}", "is larger than the log") for size in roots if size > frontier.size]
    return [*found, *_wrong_subtrees(conn, frontier)]


def _not_as_recorded(conn: Connection[Any], page: Sequence[LogEntry]) -> list[Sequence[Any]]:
    told = read_records(conn, [WaitingRecord(one.relation, one.row_id, 0, 1) for one in page])
    known = {(one.relation, one.row_id): one.record for one in told}
    return [
        (f"{one.relation} {one.row_id}", "was taken out" if (one.relation, one.row_id) not in known else "was changed")
        for one in page
        if known.get((one.relation, one.row_id)) != one.record
    ]


def _roots(conn: Connection[Any]) -> dict[int, bytes]:
    return {size: bytes(root) for size, root in conn.execute("select size, root from log_checkpoint where size > 0").fetchall()}


def _wrong_subtrees(conn: Connection[Any], frontier: Frontier) -> list[Sequence[Any]]:
    """Kept roots of subtrees from which proofs are made: they lead to the same root as the entries."""
    try:
        kept = Frontier(frontier.size, StoredTree(conn)).root()
    except (InvariantBroken, IndexError) as error:
        return [("subtrees", f"are not whole: {error}")]
    return [] if kept == frontier.root() else [("subtrees", "lead to another root than the entries")]


def skipped(conn: Connection[Any]) -> Sequence[Sequence[Any]]:
    """Records of transactions that the sequencer has passed, and that it did not take."""
    if conn.execute("select from log_position where swept_xid is null").fetchone() is None:
        return []
    found: list[Sequence[Any]] = []
    for one in SOURCES:
        query = f"""select {one.relation!r}, {one.key} from "{one.relation}" n
            where {one.writer} < (select next_xid from log_position)
              and not exists (select from log_entry e where e.relation = {one.relation!r} and e.row_id = {one.key}) limit {FOUND_MAX}"""
        found += conn.execute(query.encode()).fetchall()
    return found


INVARIANTS: Final = (
    Invariant(
        "LOG_MUTATED",
        "Does the log say what the records say, from its first entry on, and lead to the root of every checkpoint?",
        mutated,
        "critical",
        "Somebody edited the database past its rules: what has left it, checkpoints and proofs, says what was there before.",
        "P2",
    ),
    Invariant(
        "LOG_SKIPPED",
        "Is every record in the log whose transaction the sequencer has passed?",
        skipped,
        "critical",
        "A record would be missing in the proof of its period. Do not sign proofs until it is known why.",
        "P2",
    ),
    Invariant(
        "LOG_BEHIND",
        "Is every journal of more than ten minutes ago in the log?",
        """select j.id from journal j
           where exists (select from log_origin) and j.recorded_at < clock_timestamp() - interval '10 minutes'
             and j.written_by >= coalesce((select next_xid from log_position), '0'::xid8)
             and not exists (select from log_entry e where e.relation = 'journal' and e.row_id = j.id::text) limit 100""",
        "warning",
        "No worker numbers what is recorded, or a transaction is open that does not end: look at the job `log` and at pg_stat_activity.",
        "P19",
    ),
)
