"""What belongs to an invoice or an intent when it is shown, and how many intents need somebody. Select only."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.settlement.intents.intents import MOVING


class IntentCounts(NamedTuple):
    """How many intents move, are stuck, and failed; `oldest_moving_at` is None when none moves."""

    moving: int
    stuck: int
    failed: int
    oldest_moving_at: datetime | None


def settlement_of_invoice(conn: Connection[Any], invoice_id: str) -> str | None:
    """The id of an invoice's settlement, once it has one."""
    row = conn.execute("select id from settlement where invoice_id = %s", [invoice_id]).fetchone()
    return str(row[0]) if row else None


def count_intents(conn: Connection[Any], *, stuck_before: datetime) -> IntentCounts:
    """Intents that should move by themselves, those that have not since `stuck_before`, and those that wait for a person."""
    with conn.cursor(row_factory=class_row(IntentCounts)) as cur:
        found = cur.execute(
            """select count(*) filter (where state = any(%(moving)s)) as moving,
                      count(*) filter (where state = any(%(moving)s) and state_at < %(stuck)s) as stuck,
                      count(*) filter (where state = 'failed') as failed,
                      min(state_at) filter (where state = any(%(moving)s)) as oldest_moving_at
               from intent where state = any(%(moving)s) or state = 'failed'""",
            {"moving": list(MOVING), "stuck": stuck_before},
        ).fetchone()
    assert found is not None
    return found
