"""How old the oldest of what a part of the money map holds is. Select only; each by an index of its states."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import Connection

from counterfoil.ledger.clock import recorded_at
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
    "suspense": """
        select b.program_id, b.asset, p.recorded_at
        from account a join book b on b.id = a.book_id
        cross join lateral (
            select recorded_at from payment
            where program_id = b.program_id and asset = b.asset and invoice_id is null and payment_unused(id) > 0
            order by recorded_at limit 1) p
        where a.name = 'suspense' and a.credits > a.debits""",
    "refund_payable:customer:*": """
        select program_id, asset, min(at) from (
            select program_id, asset, created_at as at from refund where state = 'owed'
            union all select program_id, asset, created_at from overpayment where state = 'owed') owed
        group by 1, 2""",
}
# What lies at a place has no names on it: what came first is taken to have left first, so the newest that came, as far back as they make up
# what is there, are what lies there. They are read from the newest stretch of postings back, and no further than there are so many.
BY_TURNS_MAX: Final = 10_000
BY_TURNS: Final[LiteralString] = """
    select b.program_id, b.asset, a.name, (
        select min(seq) from (
            select seq, amount, sum(amount) over (order by seq desc) as so_far
            from newest_postings(a.id, a.last_seq + 1, %(most)s) where debit = a.id) counted
        where so_far - amount < a.debits - a.credits
        having max(so_far) >= a.debits - a.credits)
    from account a join book b on b.id = a.book_id
    where (a.name like 'clearing:%%' or a.name like 'cash:bank:%%') and a.debits > a.credits"""
STATES: Final = {
    "intents": list(INTENT.open),
    "escrows": list(ESCROW.open),
    "owed": [one for one in PAYOUT.open if one not in RESERVED],
    "kept": list(HOLDBACK.open),
    "out": list(RESERVED),
}


def oldest_of_parts(conn: Connection[Any]) -> dict[tuple[str, str, str], datetime]:
    """Since when the oldest waits, by program, asset and part; parts whose money has no age of its own are not among them, nor a place in
    which more than the newest 10,000 movements lie."""
    lying = conn.execute(BY_TURNS, {"most": BY_TURNS_MAX}).fetchall()
    return {(program, asset, part): recorded_at(seq) for program, asset, part, seq in lying if seq is not None} | {
        (program, asset, part): at
        for part, query in OF_PARTS.items()
        for program, asset, at in conn.execute(query, STATES).fetchall()
        if at is not None
    }
