"""The log's tree as the database keeps it: the hashes of leaves, and the roots of complete subtrees of 256, 65,536 ... of them.

What lies between is computed from at most 256 hashes of a row, so a proof at any size reads a few hundred of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.problems import check
from counterfoil.proofs.log.merkle import Leaves

STEP: Final = 8  # levels between two that are kept
KEPT_MAX: Final = 40  # the highest level that is kept: 2^40 leaves


class StoredTree:
    """The roots of complete subtrees (see `merkle.Complete`), as one transaction sees them. Remembers what it has read."""

    def __init__(self, conn: Connection[Any]) -> None:
        """Of the log on this connection."""
        self._conn = conn
        self._rows: dict[tuple[int, int, int], Leaves] = {}

    def __call__(self, height: int, index: int) -> bytes:
        """The root of the subtree of this height and index. Raises InvariantBroken when a leaf of it is missing."""
        base = min(height // STEP * STEP, KEPT_MAX)
        within = height - base
        # A full row of 256 where there is one: neighbours are asked for next.
        first, width = (index << within) >> STEP << STEP, 1 << STEP
        key = (base, first, width)
        if key not in self._rows:
            self._rows[key] = Leaves(self._read(base, first, width))
        place = (index << within) - first
        return self._rows[key](within, place >> within)

    def _read(self, base: int, first: int, width: int) -> Sequence[bytes]:
        query = (
            "select index, leaf_hash from log_entry where index >= %(first)s and index < %(end)s order by index"
            if base == 0
            else "select index, hash from log_subtree where height = %(height)s and index >= %(first)s and index < %(end)s order by index"
        )
        rows = self._conn.execute(query, {"height": base, "first": first, "end": first + width}).fetchall()
        found = [index for index, _ in rows]
        check(found == list(range(first, first + len(rows))), "the log is numbered without a gap", height=base, first=first)
        return [bytes(one) for _, one in rows]


def size_of(conn: Connection[Any]) -> int:
    """How many leaves the log has."""
    row = conn.execute("select coalesce(max(index) + 1, 0) from log_entry").fetchone()
    return int(row[0]) if row else 0
