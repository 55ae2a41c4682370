"""What belongs to a payout when it is shown, and how the outbox stands. Select only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import listed
from counterfoil.payouts.machines import PROVIDER_PAYOUT


class PayoutHealth(NamedTuple):
    """Figures of the outbox, as the runbook names them; `max_outbox_age` is None when nothing waits there."""

    payout_outbox_pending: int
    payout_outbox_sending_stuck: int
    provider_payout_sent_stuck: int
    provider_payout_unknown: int
    payouts_failed: int
    payouts_waiting: int
    max_outbox_age: timedelta | None


def payout_health(conn: Connection[Any], *, now: datetime, sending_stuck_after: timedelta, sent_stuck_after: timedelta) -> PayoutHealth:
    """How the outbox stands: what waits, what hangs in sending or sent for too long, what nobody knows."""
    with conn.cursor(row_factory=class_row(PayoutHealth)) as cur:
        found = cur.execute(
            f"""select count(*) filter (where state = 'queued') as payout_outbox_pending,
                      count(*) filter (where state = 'sending' and state_at < %(sending)s) as payout_outbox_sending_stuck,
                      count(*) filter (where state = 'sent' and state_at < %(sent)s) as provider_payout_sent_stuck,
                      count(*) filter (where state = 'unknown') as provider_payout_unknown,
                      (select count(*) from payout where state = 'failed') as payouts_failed,
                      (select count(*) from payout
                       where state = 'pending' and (due_at is null or last_error is not null)) as payouts_waiting,
                      %(now)s - min(state_at) filter (where state = 'queued') as max_outbox_age
               from provider_payout where state in {listed(PROVIDER_PAYOUT.open)}""",
            {"now": now, "sending": now - sending_stuck_after, "sent": now - sent_stuck_after},
        ).fetchone()
    assert found is not None
    return found


def payout_of_settlement(conn: Connection[Any], settlement_id: str) -> str | None:
    """The id of the payout of a settlement, once there is one."""
    row = conn.execute("select id from payout where settlement_id = %s order by id limit 1", [settlement_id]).fetchone()
    return str(row[0]) if row else None
