"""Every agent's balance against its transactions, from the postings and the participants' records, never from a figure that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.formats.amounts import known_assets, tell_in
from counterfoil.base.machine import listed
from counterfoil.base.problems import NotFound, Tell
from counterfoil.treasury.two_phase.model import MOVING, TRANSACTION
from counterfoil.treasury.verification.rules import (
    AgentFinding,
    LackingPart,
    Pending,
    StrayMoney,
    of_figures,
    of_lacking,
    of_pending,
    of_stray,
)


class AssetCheck(NamedTuple):
    """An agent's money in one asset, minor units. `balance`: of its account; `from_postings`: summed anew; `expected`: what came in and
    went out by its transactions, and `other`: by journals beside them, such as what it was given. `promised` is out on its way by open
    transactions, `held` by all that holds it."""

    asset: str
    balance: int
    from_postings: int
    received: int
    sent: int
    other: int
    expected: int
    held: int
    promised: int
    agrees: bool


class AgentCheck(NamedTuple):
    """Whether an agent's money is what its transactions say, and what is wrong when it is not. What is pending for too long is among the
    findings, and moves no money yet."""

    agent_id: str
    agrees: bool
    assets: list[AssetCheck]
    findings: list[AgentFinding]
    checked_at: datetime

    def sentence(self, tell: Tell) -> str:
        """In one line, for records; amounts as `tell` says them."""
        told = [f"balance {tell(one.balance, one.asset)}, transactions and journals {tell(one.expected, one.asset)}" for one in self.assets]
        return "; ".join([*told, *(f"{one.cause}: {one.evidence}" for one in self.findings)])[:2000] or "it has no accounts"


def verify_agents(conn: Connection[Any], agent_ids: Sequence[str], *, now: datetime) -> list[AgentCheck]:
    """Each agent, in the order given. Raises NotFound."""
    known = {row[0] for row in conn.execute("select id from agent where id = any(%s)", [list(agent_ids)])}
    for agent_id in agent_ids:
        if agent_id not in known:
            raise NotFound(what="agent", id=agent_id)
    return [_verify(conn, agent_id, now) for agent_id in dict.fromkeys(agent_ids)]


def _verify(conn: Connection[Any], agent_id: str, now: datetime) -> AgentCheck:
    figures = conn.execute(_FIGURES, {"agent": agent_id}).fetchall()
    assets = [_checked(*row) for row in figures]
    tell = tell_in(known_assets(conn))
    findings = [of_stray(one, tell) for one in _each(conn, StrayMoney, _STRAYS, agent_id)]
    findings += [of_lacking(one, tell) for one in _each(conn, LackingPart, _LACKING, agent_id)]
    waiting = (of_pending(one, now) for one in _each(conn, Pending, _PENDING, agent_id))
    findings += [one for one in waiting if one is not None]
    told = {one.asset for one in findings}
    # Whatever does not agree is told: where no journal or part explains it, the figures themselves.
    findings += [
        of_figures(one.asset, _unequal(tell, *row))
        for one, row in zip(assets, figures, strict=True)
        if not one.agrees and one.asset not in told
    ]
    agrees = all(one.agrees for one in assets) and all(one.asset is None for one in findings)  # what is pending is not wrong yet
    return AgentCheck(agent_id, agrees, assets, findings, now)


def _checked(
    asset: str, balance: int, postings: int, received: int, sent: int, other: int, held: int, open_holds: int, promised: int
) -> Any:
    expected = received - sent + other
    agrees = balance == postings == expected and held == open_holds and promised <= held
    return AssetCheck(asset, balance, postings, received, sent, other, expected, held, promised, agrees)


def _unequal(
    tell: Tell, asset: str, balance: int, postings: int, received: int, sent: int, other: int, held: int, open_holds: int, promised: int
) -> str:
    """Which figures of an asset should be the same, and are not."""
    moved = received - sent + other
    pairs = (
        ("its account says {}, its postings {}", balance, postings, balance == postings),
        ("its account says {}, its transactions and other journals {}", balance, moved, balance == moved),
        ("its account holds {}, its open holds are {}", held, open_holds, held == open_holds),
        ("its account holds {}, its transactions promised {}", held, promised, promised <= held),
    )
    return "; ".join(said.format(tell(one, asset), tell(other_one, asset)) for said, one, other_one, good in pairs if not good)


def _each(conn: Connection[Any], row: type[Any], query: Any, agent_id: str) -> list[Any]:
    with conn.cursor(row_factory=class_row(row)) as cur:
        return cur.execute(query, {"agent": agent_id, "queue": MOVING.name}).fetchall()


_ACCOUNTS: Final = """
    account_of as (
        select b.asset, a.id, a.credits - a.debits as balance, a.debits_pending as held
        from agent g join book b on b.program_id = g.program_id
        join account a on a.book_id = b.id and a.name = two_phase_agent_account(g.id)
        where g.id = %(agent)s
    ), moved as (
        select o.asset, p.journal_id, j.source_id, -p.amount as amount, j.kind = 'two_phase' and j.source_type = 'two_phase' as ours
        from account_of o join posting p on p.debit = o.id join journal j on j.id = p.journal_id
        union all
        select o.asset, p.journal_id, j.source_id, p.amount, j.kind = 'two_phase' and j.source_type = 'two_phase'
        from account_of o join posting p on p.credit = o.id join journal j on j.id = p.journal_id
    ), part as (
        select p.transaction_id, p.number, p.side, p.asset, p.amount, v.vote, v.hold_id, o.outcome, o.journal_id
        from two_phase_participant p
        left join two_phase_vote v using (transaction_id, number) left join two_phase_outcome o using (transaction_id, number)
        where p.agent_id = %(agent)s
    )"""
_FIGURES: Final = f"""
    with {_ACCOUNTS}
    select o.asset, o.balance, coalesce((select sum(amount) from moved m where m.asset = o.asset), 0)::bigint,
           coalesce((select sum(amount) from part p where p.asset = o.asset and p.outcome = 'applied' and p.side = 'credit'), 0)::bigint,
           coalesce((select sum(amount) from part p where p.asset = o.asset and p.outcome = 'applied' and p.side = 'debit'), 0)::bigint,
           coalesce((select sum(amount) from moved m where m.asset = o.asset and not m.ours), 0)::bigint,
           o.held, coalesce((select sum(h.amount) from open_hold h where h.debit = o.id), 0)::bigint,
           coalesce((select sum(amount) from part p where p.asset = o.asset and p.side = 'debit' and p.vote = 'yes'
                     and p.outcome is null), 0)::bigint
    from account_of o order by o.asset"""
_STRAYS: Final = f"""
    with {_ACCOUNTS}
    select m.asset, m.amount > 0 as credited, abs(m.amount) as amount, m.journal_id::text as journal_id, m.source_id as transaction_id,
           'no participant applied it' as why
    from moved m
    where m.ours and not exists (select from part p where p.journal_id = m.journal_id and p.outcome = 'applied' and p.asset = m.asset
                                 and m.amount = case p.side when 'credit' then p.amount else -p.amount end)
    union all
    select m.asset, m.amount > 0, abs(m.amount), m.journal_id::text, p.transaction_id,
           format('its narrative names that transaction, which moved the same by journal %%s', p.journal_id)
    from moved m
    join journal j on j.id = m.journal_id and j.reverses is null
    join part p on p.outcome = 'applied' and p.asset = m.asset and m.amount = case p.side when 'credit' then p.amount else -p.amount end
                   and position(p.transaction_id in coalesce(j.narrative, '') || ' ' || j.key) > 0
    where not m.ours and not exists (select from reversal r where r.journal_id = m.journal_id)
    order by 1, 4"""
_LACKING: Final = f"""
    with {_ACCOUNTS}
    select p.asset, p.side, p.amount, p.transaction_id, p.number, 'it says that it was applied, and nothing was posted' as why
    from part p
    where p.outcome = 'applied' and not exists (
        select from moved m where m.journal_id = p.journal_id and m.asset = p.asset
                            and m.amount = case p.side when 'credit' then p.amount else -p.amount end)
    union all
    select p.asset, p.side, p.amount, p.transaction_id, p.number, 'others of it applied theirs, and it did not yet'
    from part p
    where p.outcome is null and exists (
        select from two_phase_outcome o where o.transaction_id = p.transaction_id and o.outcome = 'applied')
    order by 1, 4"""
_PENDING: Final = f"""
    select t.id as transaction_id, t.state, coalesce('by ' || t.coordinator, t.commits) as commits, d.decision,
           t.created_at, t.expires_at, t.last_error,
           exists (select from queue_paused q
                   where q.queue = %(queue)s and q.provider = '' and q.program_id in ('', t.program_id)) as paused
    from two_phase t left join two_phase_decision d on d.transaction_id = t.id
    where t.state in {listed(TRANSACTION.open)}
          and exists (select from two_phase_participant p where p.transaction_id = t.id and p.agent_id = %(agent)s)
    order by t.id"""
