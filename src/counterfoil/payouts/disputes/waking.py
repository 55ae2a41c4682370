"""What waited for a dispute or a chargeback is due again once that ended: its invoice's settlement, and the payouts that it braked.

In a transaction of its own, which holds no other lock: what ends it has locked an invoice and posted to accounts, and whoever
settles or reserves comes from the other side.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from psycopg import Connection

from counterfoil.operations.events.events import Event
from counterfoil.operations.work.runner import wake
from counterfoil.payouts.machines import RESERVING
from counterfoil.settlement.intents.intents import PROCESSING, make_due


def wake_what_waited(conn: Connection[Any], events: Sequence[Event], now: datetime) -> None:
    """Follow the end of disputes and chargebacks. What another one still brakes waits again when it is looked at."""
    ended = [event.subject_id for event in events]
    intents = conn.execute(
        """select i.id from intent i where i.state = any(%s) and i.invoice_id in (
               select invoice_id from dispute where id = any(%s) union select invoice_id from chargeback where id = any(%s))
           order by i.id for update""",
        [list(PROCESSING.states), ended, ended],
    ).fetchall()
    make_due(conn, [row[0] for row in intents], now=now)
    payouts = conn.execute(
        """select p.id from payout p where p.state = 'pending' and (p.program_id, p.payee_id, p.asset) in (
               select program_id, payee_id, asset from dispute where id = any(%s)
               union select program_id, payee_id, asset from chargeback where id = any(%s)) order by p.id for update""",
        [ended, ended],
    ).fetchall()
    conn.execute(
        "update payout set due_at = %s, attempt = 0, last_error = null where id = any(%s)",
        [now, [row[0] for row in payouts]],
    )
    wake(conn, RESERVING)
