"""The pages of the treasury of agents: the agents, and their transactions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from psycopg import Connection

from counterfoil.base.money import Money
from counterfoil.base.problems import InvalidInput
from counterfoil.dashboard.finding.ordering import ColumnOrder, after_of, behind_of, order_words, orders_of
from counterfoil.dashboard.finding.plain_lists import AskedPage, asked_here, plain_export, plain_page
from counterfoil.dashboard.web.format import span
from counterfoil.dashboard.web.sections import SectionContext
from counterfoil.operations.listing import ListAsked, order_of, read_listed
from counterfoil.treasury.agents.model import AGENT, accounts_of_agent
from counterfoil.treasury.agents.noun import AGENT_NOUN
from counterfoil.treasury.two_phase.ages import parse_age
from counterfoil.treasury.two_phase.model import TRANSACTION, TransactionLine, WantedTransactions
from counterfoil.treasury.two_phase.noun import TRANSACTION_NOUN
from counterfoil.treasury.verification.rules import PENDING_MAX
from counterfoil.treasury.verification.verify import verify_agents

AGENTS_SHOWN_MAX: Final = 20
TRANSACTIONS_SHOWN_MAX: Final = 20
PENDING: Final = "pending"
KNOWN: Final = (PENDING, *TRANSACTION.states())
_IN_FILES: Final = ("id", "reference", "state", "participants", "moved", "yes", "votes", "decision", "forced", "last_error", "created_at")


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

    @property
    def balances(self) -> tuple[Money, ...]:
        """In each asset."""
        return tuple(one.balance for one in self.money)

    @property
    def held(self) -> tuple[Money, ...]:
        """What of it is promised."""
        return tuple(one.held for one in self.money)


class AgentsAnswer(NamedTuple):
    """What the list of agents shows."""

    rows: tuple[AgentRow, ...]
    state: str | None
    states: tuple[str, ...]
    wrong: int
    after: str | None
    asked: AskedPage
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
    query: str  # with it


def agents_answer(ask: SectionContext) -> AgentsAnswer:
    """Agents, newest first unless sorted otherwise, each held against its postings and transactions. Raises InvalidInput, CursorBroken."""
    now = ask.clock()
    page = plain_page(ask, AGENT_NOUN, rows_max=AGENTS_SHOWN_MAX, program_id=ask.program_id)
    rows = tuple(_agents(ask.conn, page.rows, now))
    wrong = sum(not row.agrees or bool(row.wrong) for row in rows)
    return AgentsAnswer(rows, ask.params.get("state") or None, tuple(AGENT.states()), wrong, page.after, page.asked, now)


def agents_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of them as rows of a file, narrowed and sorted as the page is."""
    columns = ("id", "name", "state", "balances", "held", "agrees", "wrong")
    return plain_export(ask, AGENT_NOUN, columns, _agents, asked=asked_here(ask, AGENT_NOUN, ask.program_id))


def _agents(conn: Connection[Any], shown: Sequence[Any], now: datetime) -> list[AgentRow]:
    checks = {one.agent_id: one for one in verify_agents(conn, [one.id for one in shown], now=now)}
    return [
        AgentRow(
            one.id,
            one.name,
            one.state,
            tuple(HeldMoney(Money(each.balance, each.asset), Money(each.held, each.asset)) for each in accounts_of_agent(conn, one.id)),
            checks[one.id].agrees,
            tuple(f"{each.symptom}: {each.cause}" for each in checks[one.id].findings),
        )
        for one in shown
    ]


def transactions_answer(ask: SectionContext) -> TransactionsAnswer:
    """Transactions, newest first unless sorted otherwise, in any state unless one is asked for. Raises InvalidInput."""
    state, age = ask.params.get("state") or None, ask.params.get("age") or None
    now, asked = ask.clock(), _asked(ask)
    begin = after_of(TRANSACTION_NOUN, asked, ask.params.get("after"))
    found = read_listed(ask.conn, TRANSACTION_NOUN, asked, rows_max=TRANSACTIONS_SHOWN_MAX + 1, after=begin, now=now)
    shown = found[:TRANSACTIONS_SHOWN_MAX]
    after = behind_of(TRANSACTION_NOUN, asked, shown[-1]) if len(found) > TRANSACTIONS_SHOWN_MAX else None
    pending, late = _pending(ask, now)
    given = [(name, value) for name, value in (("program", ask.program_id), ("state", state), ("age", age)) if value]
    sort = [("sort", ask.params["sort"])] if ask.params.get("sort") else []
    listed = (orders_of(TRANSACTION_NOUN, asked), order_words(asked), urlencode(given), urlencode([*given, *sort]))
    return TransactionsAnswer(tuple(_rows(ask.conn, shown, now)), state, KNOWN, age, pending, late, after, now, *listed)


def transactions_export(ask: SectionContext) -> Iterator[tuple[Any, ...]]:
    """All of them as rows of a file, narrowed and sorted as the page is."""
    return plain_export(ask, TRANSACTION_NOUN, _IN_FILES, _rows, asked=_asked(ask))


def _asked(ask: SectionContext) -> ListAsked:
    """What the address asks of the list. Raises InvalidInput."""
    state = _one_of(ask.params.get("state"), KNOWN, "state")
    aged = parse_age(ask.params["age"]) if ask.params.get("age") else (None, None)
    states: Sequence[str] = () if state is None else TRANSACTION.open if state == PENDING else (state,)
    wanted = WantedTransactions(ask.clock(), states, None, ask.program_id, *aged)
    return ListAsked(order=order_of(TRANSACTION_NOUN, ask.params.get("sort")), also=(wanted.condition,))


def _rows(conn: Connection[Any], shown: Sequence[TransactionLine], now: datetime) -> list[TransactionRow]:
    votes = _votes(conn, [one.id for one in shown])
    return [_row(one, votes[one.id], now) for one in shown]


def _row(one: TransactionLine, votes: tuple[int, int, str | None], now: datetime) -> TransactionRow:
    age = now - one.created_at
    return TransactionRow(
        one.id,
        one.reference,
        one.state,
        span(age),
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


def _one_of(given: str | None, known: Sequence[str], field: str) -> str | None:
    if not given:
        return None
    if given not in known:
        raise InvalidInput(field, f"one of {', '.join(known)}", got=given[:40])
    return given
