"""Which keys a period's package tells of: those that there were when the period was first exported, however often it is exported again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from psycopg import Connection

from counterfoil.base.formats.canonical import canonical_json
from counterfoil.proofs.signing.signers import trusted_keys


def keep_period_keys(conn: Connection[Any], start: datetime, end: datetime, quorum: int, *, now: datetime) -> None:
    """Write down what is known of keys now, unless somebody has for this period. It is told once both its checkpoints are signed, and so
    are their keys."""
    conn.execute(
        "insert into period_keys (from_at, to_at, keys, made_at) values (%s, %s, %s, %s) on conflict do nothing",
        [start, end, canonical_json(trusted_keys(conn, quorum)), now],
    )


def period_keys(conn: Connection[Any], start: datetime, end: datetime) -> str:
    """The file of keys of this period."""
    row = conn.execute("select keys from period_keys where (from_at, to_at) = (%s, %s)", [start, end]).fetchone()
    assert row is not None
    return str(row[0])
