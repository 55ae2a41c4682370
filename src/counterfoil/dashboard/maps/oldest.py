"""How old the oldest of what a part of the money map holds is. Select only; each by an index of its states."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import Connection

from counterfoil.payouts.machines import PAYOUT, RESERVED
from counterfoil.settlement.escrow.model import ESCROW
from counterfoil.settlement.holdback import HOLDBACK
from counterfoil.settlement.intents.intents import INTENT

OF_PARTS: Final[Mapping[str, LiteralString]] = {
    "escrow:*": """
        select program_id, asset, min(at) from (
            select i.program_id, i.asset, i.state_at as at from intent n join invoice i on i.id = n.invoice_id
            where n.state = any(%(intents)s) and i.paid > 0
            union all select program_id, asset, state_at from escrow where state = any(%(escrows)s) and funded > 0) held
        group by 1, 2""",
    "payable:payee:*": "select program_id, asset, min(created_at) from payout where state = any(%(owed)s) group by 1, 2",
    "holdback:payee:*": "select program_id, asset, min(created_at) from holdback_tranche where state = any(%(kept)s) group by 1, 2",
    "in_transit:*": "select program_id, asset, min(state_at) from payout where state = any(%(out)s) group by 1, 2",
    "refund_payable:customer:*": """
        select program_id, asset, min(at) from (
            select program_id, asset, created_at as at from refund where state = 'owed'
            union all select program_id, asset, created_at from overpayment where state = 'owed') owed
        group by 1, 2""",
}
STATES: Final = {
    "intents": list(INTENT.open),
    "escrows": list(ESCROW.open),
    "owed": [one for one in PAYOUT.open if one not in RESERVED],
    "kept": list(HOLDBACK.open),
    "out": list(RESERVED),
}


def oldest_of_parts(conn: Connection[Any]) -> dict[tuple[str, str, str], datetime]:
    """Since when the oldest waits, by program, asset and part; parts whose money has no age of its own are not among them."""
    return {
        (program, asset, part): at
        for part, query in OF_PARTS.items()
        for program, asset, at in conn.execute(query, STATES).fetchall()
        if at is not None
    }
