"""The pages of the treasury of agents: the agents, their transactions, and their carbon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from psycopg import Connection

from counterfoil.base.money import Money
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.finding.ordering import ColumnOrder, after_of, behind_of, order_words, orders_of
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.operations.listing import ListAsked, order_of, read_listed
from counterfoil.treasury.agents.model import AGENT, accounts_of_agent, list_agents
from counterfoil.treasury.carbon.billing import CheckedBill, list_bills
from counterfoil.treasury.carbon.credits import list_credits
from counterfoil.treasury.carbon.model import CarbonCredit, CarbonSync
from counterfoil.treasury.carbon.syncing import list_syncs
from counterfoil.treasury.carbon.verify import CarbonDay, verify_day
from counterfoil.treasury.two_phase.ages import age_text, parse_age
from counterfoil.treasury.two_phase.model import TRANSACTION, TransactionLine, WantedTransactions
from counterfoil.treasury.two_phase.noun import TRANSACTION_NOUN
from counterfoil.treasury.verification.rules import PENDING_MAX
from counterfoil.treasury.verification.verify import verify_agents

AGENTS_SHOWN_MAX: Final = 20
TRANSACTIONS_SHOWN_MAX: Final = 20
CARBON_SHOWN_MAX: Final = 20
PENDING: Final = "pending"


class HeldMoney(NamedTuple):
    """An agent's money in one asset, and what of it is promised."""

    balance: Money
    held: Money


class AgentRow(NamedTuple):
    """An agent in the list. `wrong`: what does not agree; `waiting`: what is pending for too long."""

    id: str
    name: str
    state: str
    money: tuple[HeldMoney, ...]
    agrees: bool
    wrong: tuple[str, ...]


class AgentsAnswer(NamedTuple):
    """What the list of agents shows; `after` asks for the next page."""

    rows: tuple[AgentRow, ...]
    state: str | None
    states: tuple[str, ...]
    wrong: int
    after: str | None
    measured_at: datetime


class TransactionRow(NamedTuple):
    """A transaction in the list. `late`: neither committed nor aborted after five minutes."""

    id: str
    reference: str
    state: str
    age: str
    late: bool
    participants: tuple[str, ...]
    moved: tuple[Money, ...]
    yes: int
    votes: int
    decision: str | None
    forced: bool
    last_error: str | None
    created_at: datetime


class TransactionsAnswer(NamedTuple):
    """What the list of transactions shows. `pending` and `late` count all of them, whatever is listed."""

    rows: tuple[TransactionRow, ...]
    state: str | None
    states: tuple[str, ...]
    age: str | None
    pending: int
    late: int
    after: str | None
    measured_at: datetime
    orders: Mapping[str, ColumnOrder]  # by the columns
    order: str | None  # in words
    unsorted: str  # what was asked beside the order, as it stands in an address


class CarbonAnswer(NamedTuple):
    """What the page of carbon shows: a day, the source's bills, the last times that it was asked, and the credits."""

    source: str | None
    found: CarbonDay
    bills: tuple[CheckedBill, ...]
    syncs: tuple[CarbonSync, ...]
    credits: tuple[CarbonCredit, ...]
    measured_at: datetime


def agents_answer(ask: SectionContext) -> AgentsAnswer:
    """Agents, newest first, each held against its postings and transactions. Raises InvalidInput."""
    states = tuple(AGENT.states())
    state = _one_of(ask.params.get("state"), states, "state")
    now = ask.clock()
    after = ask.params.get("after") or None
    found = list_agents(ask.conn, rows_max=AGENTS_SHOWN_MAX + 1, after=after, state=state, program_id=ask.program_id)
    shown = found[:AGENTS_SHOWN_MAX]
    checks = {one.agent_id: one for one in verify_agents(ask.conn, [one.id for one in shown], now=now)}
    rows = tuple(
        AgentRow(
            one.id,
            one.name,
            one.state,
            tuple(HeldMoney(Money(each.balance, each.asset), Money(each.held, each.asset)) for each in accounts_of_agent(ask.conn, one.id)),
            checks[one.id].agrees,
            tuple(f"{each.symptom}: {each.cause}" for each in checks[one.id].findings),
        )
        for one in shown
    )
    wrong = sum(not row.agrees or bool(row.wrong) for row in rows)
    more = shown[-1].id if len(found) > AGENTS_SHOWN_MAX else None
    return AgentsAnswer(rows, state, states, wrong, more, now)


def transactions_answer(ask: SectionContext) -> TransactionsAnswer:
    """Transactions, newest first unless sorted otherwise, in any state unless one is asked for. Raises InvalidInput."""
    known = (PENDING, *TRANSACTION.states())
    state = _one_of(ask.params.get("state"), known, "state")
    age = ask.params.get("age") or None
    span = parse_age(age) if age else (None, None)
    now = ask.clock()
    states: Sequence[str] = () if state is None else TRANSACTION.open if state == PENDING else (state,)
    wanted = WantedTransactions(now, states, None, ask.program_id, *span)
    asked = ListAsked(order=order_of(TRANSACTION_NOUN, ask.params.get("sort")), also=(wanted.condition,))
    begin = after_of(TRANSACTION_NOUN, asked, ask.params.get("after"))
    found = read_listed(ask.conn, TRANSACTION_NOUN, asked, rows_max=TRANSACTIONS_SHOWN_MAX + 1, after=begin, now=now)
    shown = found[:TRANSACTIONS_SHOWN_MAX]
    votes = _votes(ask.conn, [one.id for one in shown])
    rows = tuple(_row(one, votes[one.id], now) for one in shown)
    after = behind_of(TRANSACTION_NOUN, asked, shown[-1]) if len(found) > TRANSACTIONS_SHOWN_MAX else None
    pending, late = _pending(ask, now)
    orders = orders_of(TRANSACTION_NOUN, asked)
    rest = urlencode([(name, value) for name, value in (("program", ask.program_id), ("state", state), ("age", age)) if value])
    return TransactionsAnswer(rows, state, known, age, pending, late, after, now, orders, order_words(asked), rest)


def _row(one: TransactionLine, votes: tuple[int, int, str | None], now: datetime) -> TransactionRow:
    age = now - one.created_at
    return TransactionRow(
        one.id,
        one.reference,
        one.state,
        age_text(age),
        one.state in TRANSACTION.open and age > PENDING_MAX,
        tuple(one.agents),
        tuple(Money(amount, asset) for asset, amount in zip(one.assets, one.amounts, strict=True)),
        *votes,
        one.forced,
        one.last_error,
        one.created_at,
    )


def _votes(conn: Connection[Any], ids: Sequence[str]) -> dict[str, tuple[int, int, str | None]]:
    """Of each: how many said yes, how many take part, and what was decided."""
    rows = conn.execute(
        """select t.id, count(v.vote) filter (where v.vote = 'yes'), t.participants, d.decision
           from two_phase t left join two_phase_vote v on v.transaction_id = t.id left join two_phase_decision d on d.transaction_id = t.id
           where t.id = any(%s) group by t.id, t.participants, d.decision""",
        [list(ids)],
    ).fetchall()
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def _pending(ask: SectionContext, now: datetime) -> tuple[int, int]:
    row = ask.conn.execute(
        """select count(*), count(*) filter (where created_at < %s) from two_phase
           where state = any(%s) and (%s::text is null or program_id = %s)""",
        [now - PENDING_MAX, list(TRANSACTION.open), ask.program_id, ask.program_id],
    ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def carbon_answer(ask: SectionContext) -> CarbonAnswer:
    """The chosen day's grams against the source's figures."""
    means = ask.extra.wiring.carbon
    now = ask.clock()
    found = verify_day(ask.conn, means, ask.day.on, now=now, program_id=ask.program_id)
    return CarbonAnswer(
        means.source.name if means.source else None,
        found,
        tuple(list_bills(ask.conn, means, now=now, rows_max=CARBON_SHOWN_MAX, program_id=ask.program_id)),
        tuple(list_syncs(ask.conn, rows_max=CARBON_SHOWN_MAX)),
        tuple(list_credits(ask.conn, rows_max=CARBON_SHOWN_MAX, program_id=ask.program_id)),
        now,
    )


def _one_of(given: str | None, known: Sequence[str], field: str) -> str | None:
    if not given:
        return None
    if given not in known:
        raise InvalidInput(field, f"one of {', '.join(known)}", got=given[:40])
    return given
