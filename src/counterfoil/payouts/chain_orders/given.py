"""What was given on a chain: until the chain has its last word of it, nobody can say that it was not paid. The database says so, too."""

from __future__ import annotations

from typing import Any

from psycopg import Connection

from counterfoil.base.database import name_refusals
from counterfoil.base.problems import Problem


class GivenOnAChain(Problem):
    """This payout's transaction was given on a chain and can be mined at any time: only the chain can say that it was not paid."""


name_refusals(constraints={"provider_payout_is_given_on_a_chain": GivenOnAChain})


def refuse_given(conn: Connection[Any], attempt_id: str) -> None:
    """Raises GivenOnAChain while the attempt's transaction can still be mined."""
    row = conn.execute(
        """select o.sender, o.nonce, last.state from chain_order o
           left join lateral (select state from chain_sighting where key = o.key order by number desc limit 1) last on true
           where o.reference = %s""",
        [attempt_id],
    ).fetchone()
    if row is not None and row[2] not in ("final", "taken"):
        raise GivenOnAChain(attempt=attempt_id, nonce=row[1], do=f"use nonce {row[1]} of {row[0]} for another transaction")
