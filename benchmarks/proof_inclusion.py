"""How long the proof that a record is in the log takes, by the size of the log: a part of `python -m benchmarks.proofs`.

The leaves are as the log's own writer writes them, of records that nothing else knows. Each proof is made by `inclusion_of`, which checks
that it leads to the root of the checkpoint, for records that lie anywhere, each in a transaction of its own.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Final

import psycopg

from benchmarks import harness
from counterfoil.base.edge import Database, make_id, now
from counterfoil.proofs.log.checkpoints import make_checkpoint
from counterfoil.proofs.log.inclusion import inclusion_of
from counterfoil.proofs.log.records import LogRecord
from counterfoil.proofs.log.sequencing import append, begin_log

PART: Final = 50_000
ASKED: Final = 1_000
BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)


def inclusion_ms(database: Database, leaves: int) -> list[float]:
    """Milliseconds of each of 1,000 proofs out of a log of so many leaves; the database has no log yet."""
    with database.transaction() as conn:
        begin_log(conn, "bench/inclusion", BEGAN)
    for first in range(0, leaves, PART):
        last = min(first + PART, leaves)
        with database.transaction() as conn:
            append(conn, [LogRecord("bench", str(one), BEGAN, f"bench {one}\n") for one in range(first, last)])
    with psycopg.connect(database.url, autocommit=True) as conn:
        conn.execute("vacuum analyze log_entry, log_subtree")
    with database.transaction() as conn:
        make_checkpoint(conn, leaves, make_key_id=make_id("lkey"), now=now())
    drawn = random.Random(leaves)
    took = list[float]()
    for _ in range(ASKED):
        begun = time.perf_counter()
        with database.transaction(read_only=True) as conn:
            inclusion_of(conn, "bench", str(drawn.randrange(leaves)))
        took.append((time.perf_counter() - begun) * 1000)
    return took


def measured(database: Database, leaves: int) -> dict[str, float]:
    """The figures for the table."""
    took = inclusion_ms(database, leaves)
    return {
        "inclusion_leaves": leaves,
        "inclusion_p50_ms": harness.percentile(took, 0.50),
        "inclusion_p99_ms": harness.percentile(took, 0.99),
    }
