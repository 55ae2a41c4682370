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
        select b.program_id, b.asset, (
            with recursive back (id, recorded_at, unused, so_far, number) as (
                select '', 'infinity'::timestamptz, 0::bigint, 0::numeric, 0
                union all
                select p.id, p.recorded_at, p.unused, back.so_far + p.unused, back.number + 1
                from back cross join lateral (
                    select id, recorded_at, payment_unused(id) as unused from payment
                    where program_id = b.program_id and asset = b.asset and invoice_id is null
                      and (recorded_at, id) < (back.recorded_at, back.id)
                    order by recorded_at desc, id desc limit 1) p
                where back.so_far < a.credits - a.debits and back.number < %(most)s)
            select min(recorded_at) filter (where unused > 0) from back
            having max(so_far) >= a.credits - a.debits or max(number) < %(most)s)
        from account a join book b on b.id = a.book_id
        where a.name = 'suspense' and a.credits > a.debits""",
    "refund_payable:customer:*": """
        select program_id, asset, min(at) from (
            select program_id, asset, created_at as at from refund where state = 'owed'
            union all select program_id, asset, created_at from overpayment where state = 'owed') owed
        group by 1, 2""",
}
# What lies at a place has no names on it: what came first is taken to have left first, so the newest that came, as far back as they make up
# what is there, are what lies there. They are read from the newest stretch of postings back, and no further than there are so many. Of
# payments of no invoice the newest are read back one by one, until what is unused of them makes up what lies in suspense.
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
    which more than the newest 10,000 movements or payments lie."""
    lying = conn.execute(BY_TURNS, {"most": BY_TURNS_MAX}).fetchall()
    return {(program, asset, part): recorded_at(seq) for program, asset, part, seq in lying if seq is not None} | {
        (program, asset, part): at
        for part, query in OF_PARTS.items()
        for program, asset, at in conn.execute(query, {**STATES, "most": BY_TURNS_MAX}).fetchall()
        if at is not None
    }
