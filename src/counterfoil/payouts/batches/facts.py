"""What the gate and the rule ask of the tables: payees, what is critical and open, and whether the treasury covers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import listed
from counterfoil.base.money import format_major
from counterfoil.payouts.batches.machine import PAYOUT_BATCH
from counterfoil.payouts.batches.rule import PayeeFacts
from counterfoil.payouts.machines import SENDING

ALARMS_MAX: Final = 10
RULE_SPAN: Final = timedelta(hours=24)
_LOCK: Final = 4_271_093


class Treasury(NamedTuple):
    """What is with a provider in an asset and not on its way, in minor units; and the decimals of the asset, to speak of it."""

    provider: str
    asset: str
    free: int
    scale: int

    def lacks(self, amount: int) -> str | None:
        """Why it does not cover `amount`; None when it does."""
        if amount <= self.free:
            return None
        has, needs, short = (format_major(one, self.scale) for one in (max(self.free, 0), amount, amount - self.free))
        return f"{self.provider} holds {has} {self.asset} that is not on its way, and {needs} is needed: {short} is missing"


def lock_treasury(conn: Connection[Any], program_id: str) -> None:
    """One at a time decides what a program's treasury covers, and what its rule lets go; until the end of the transaction."""
    conn.execute("select pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCK, program_id])


def treasuries_of(conn: Connection[Any], program_id: str) -> dict[tuple[str, str], Treasury]:
    """By provider and asset: what was paid in there and not out, less what is set aside."""
    with conn.cursor(row_factory=class_row(Treasury)) as cur:
        rows = cur.execute(
            """select substr(a.name, 10) as provider, b.asset, s.scale,
                      (a.debits - a.credits - a.credits_pending
                       - coalesce((select t.credits - t.debits from account t
                                   where t.book_id = b.id and t.name = 'in_transit:' || substr(a.name, 10)), 0))::bigint as free
               from account a join book b on b.id = a.book_id join asset s on s.code = b.asset
               where b.program_id = %s and a.name like 'clearing:%%' and not is_of_a_peer(b.program_id, a.name)""",
            [program_id],
        ).fetchall()
    return {(one.provider, one.asset): one for one in rows}


def scales(conn: Connection[Any]) -> dict[str, int]:
    """The decimals of every asset."""
    return dict(conn.execute("select code, scale from asset").fetchall())


def payees_of(conn: Connection[Any], program_id: str, payee_ids: Sequence[str], *, now: datetime) -> dict[str, PayeeFacts]:
    """What the rule asks of each of these payees that has an active destination."""
    with conn.cursor(row_factory=class_row(PayeeFacts)) as cur:
        rows = cur.execute(
            """select d.payee_id, d.created_at as destination_at,
                      exists (select from destination o where (o.program_id, o.payee_id) = (d.program_id, d.payee_id) and o.id <> d.id)
                          as changed,
                      exists (select from payout p where p.program_id = d.program_id and p.payee_id = d.payee_id
                              and p.state = 'completed') as paid_before,
                      (select coalesce(jsonb_object_agg(t.asset, t.amount), '{}') from (
                           select p.asset, sum(r.amount) as amount
                           from destination o join payout_approval r on r.destination_id = o.id and r.basis = 'rule' and r.at > %(since)s
                           join payout p on p.id = r.payout_id
                           where (o.program_id, o.payee_id) = (d.program_id, d.payee_id) group by p.asset) t) as by_rule_today
               from destination d where d.program_id = %(program)s and d.payee_id = any(%(payees)s) and d.ended_at is null""",
            {"program": program_id, "payees": sorted(set(payee_ids)), "since": now - RULE_SPAN},
        ).fetchall()
    return {one.payee_id: one for one in rows}


def changed_since(conn: Connection[Any], program_id: str, payee_ids: Sequence[str], *, since: datetime) -> dict[str, datetime]:
    """When the destination of each of these payees was changed, of those whose it was after `since`; a first one is no change."""
    rows = conn.execute(
        """select d.payee_id, d.created_at from destination d
           where d.program_id = %s and d.payee_id = any(%s) and d.ended_at is null and d.created_at > %s
             and exists (select from destination o where (o.program_id, o.payee_id) = (d.program_id, d.payee_id) and o.id <> d.id)""",
        [program_id, sorted(set(payee_ids)), since],
    ).fetchall()
    return dict(rows)


def alarms_of(conn: Connection[Any], program_id: str) -> list[str]:
    """What is critical and open in a program: contradictions of a provider, critical breaks."""
    rows = conn.execute(
        f"""select 'a conflict with the provider is open: ' || c.id from provider_conflict c
           join provider_payout pp on pp.id = c.provider_payout_id where pp.program_id = %(program)s and c.state = 'open'
           union all
           select 'a critical break is open: ' || b.id from break b
           where b.program_id = %(program)s and b.severity = 'critical'
             and exists (select from transition t where t.machine = 'break' and t.from_state = b.state)
           order by 1 limit {ALARMS_MAX}""",
        {"program": program_id},
    ).fetchall()
    return [row[0] for row in rows]


def broken_providers(conn: Connection[Any]) -> dict[str, str]:
    """The providers whose calls to send wait for a circuit breaker, and why."""
    rows = conn.execute("select provider from circuit where queue = %s and state <> 'closed' order by provider", [SENDING.name]).fetchall()
    return {row[0]: f"{row[0]} does not work at present" for row in rows}


def promised(conn: Connection[Any], program_id: str, *, but: str) -> Mapping[tuple[str, str], int]:
    """What batches that are being executed, other than `but`, still have to set aside, by provider and asset; minor units."""
    rows = conn.execute(
        f"""select l.provider, l.asset, sum(l.amount)::bigint from payout_batch_line l
            join payout_batch b on b.id = l.batch_id join payout p on p.id = l.payout_id
            where l.program_id = %s and l.live and l.batch_id <> %s and b.state in {listed(PAYOUT_BATCH.before("finish"))}
              and p.state = 'pending' group by l.provider, l.asset""",
        [program_id, but],
    ).fetchall()
    return {(row[0], row[1]): row[2] for row in rows}
