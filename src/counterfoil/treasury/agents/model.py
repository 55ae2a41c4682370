"""Agents as they stand: their states, their accounts, and what they may spend."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import Machine
from counterfoil.base.rows import Records
from counterfoil.operations.events.events import declare

AGENT: Final = Machine(
    name="agent",
    table="agent",
    initial=("active",),
    transitions={
        ("active", "freeze"): "frozen",
        ("frozen", "unfreeze"): "active",
        ("active", "close"): "closed",
        ("frozen", "close"): "closed",
    },
    reasoned=frozenset({"freeze", "close"}),
    paired=frozenset({"unfreeze"}),
)
EVENT_KINDS: Final = declare(
    info={"agent_closed": "An agent was closed."},
    warning={
        "agent_frozen": "An agent was frozen: nothing new leaves its accounts.",
        "agent_unfrozen": "An agent may spend again; two people agreed.",
        "agent_mandate_granted": "What an agent may spend was set; two people agreed.",
        "agent_mandate_revoked": "An agent may no longer spend what it might.",
    },
)
SPANS: Final = ("hour", "day", "week", "month")  # of the calendar, in UTC; a week begins on Monday


class Agent(NamedTuple):
    """An agent as it stands."""

    id: str
    program_id: str
    name: str
    created_at: datetime
    created_by: str
    state: str
    state_at: datetime


class AgentAccount(NamedTuple):
    """An agent's account in one asset, minor units. `held`: promised and not out yet; `available`: the balance less that."""

    asset: str
    balance: int
    held: int
    available: int
    frozen: bool
    account: str


class Mandate(NamedTuple):
    """What an agent may spend in one asset, at all or towards one counterparty; minor units, None for no limit of that kind.

    `towards`: anyone, or only those named by a mandate of their own.
    """

    asset: str
    counterparty_id: str | None
    towards: str
    per_transaction: int | None
    per_hour: int | None
    per_day: int | None
    per_week: int | None
    per_month: int | None
    expires_at: datetime | None
    actor: str
    reason: str
    at: datetime
    number: int


def account_name(agent_id: str) -> str:
    """Where an agent's money lies, in each asset. Source: Money, Chart of accounts."""
    return f"treasury:agent:{agent_id}"


AGENTS: Final = Records(Agent, "select id, program_id, name, created_at, created_by, state, state_at from agent", "agent")
show_agent: Final = AGENTS.show
list_agents: Final = AGENTS.newest


def lock_agents(conn: Connection[Any], ids: Sequence[str]) -> dict[str, Agent]:
    """These agents, locked in the order of their ids; those that do not exist are not in the answer."""
    return {one.id: one for one in AGENTS.by_id(conn, ids, lock=True)}


def accounts_of_agent(conn: Connection[Any], agent_id: str) -> list[AgentAccount]:
    """Its accounts, by asset."""
    with conn.cursor(row_factory=class_row(AgentAccount)) as cur:
        return cur.execute(
            """select b.asset, a.credits - a.debits as balance, a.debits_pending as held,
                      a.credits - a.debits - a.debits_pending as available, a.frozen, a.name as account
               from agent g join book b on b.program_id = g.program_id
               join account a on a.book_id = b.id and a.name = 'treasury:agent:' || g.id
               where g.id = %s order by b.asset""",
            [agent_id],
        ).fetchall()


def mandates_of(conn: Connection[Any], agent_id: str) -> list[Mandate]:
    """What is in force or was not renewed yet: the newest of each asset and counterparty that was not revoked."""
    with conn.cursor(row_factory=class_row(Mandate)) as cur:
        return cur.execute(
            """select asset, counterparty_id, towards, per_transaction, per_hour, per_day, per_week, per_month, expires_at, actor, reason,
                      at, number
               from (select distinct on (asset, counterparty_id) * from agent_mandate where agent_id = %s
                     order by asset, counterparty_id, number desc) newest
               where not revoked order by asset, counterparty_id nulls first""",
            [agent_id],
        ).fetchall()
