"""Transactions as they stand: their states, their records, and what is read of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from psycopg import Connection
from psycopg.rows import class_row

from counterfoil.base.machine import Machine
from counterfoil.base.rows import row_by_id
from counterfoil.operations.events.events import declare
from counterfoil.operations.noun_pages import ListCondition
from counterfoil.operations.work.runner import Queue

TRANSACTION: Final = Machine(
    name="transaction",
    table="two_phase",
    initial=("initiated",),
    transitions={
        ("initiated", "prepare"): "preparing",
        ("initiated", "cancel"): "aborting",
        ("initiated", "force_rollback"): "aborting",
        ("preparing", "vote"): "prepared",
        ("preparing", "cancel"): "aborting",
        ("preparing", "force_rollback"): "aborting",
        ("prepared", "commit"): "committing",
        ("prepared", "cancel"): "aborting",
        ("prepared", "force_commit"): "committing",
        ("prepared", "force_rollback"): "aborting",
        ("committing", "finish"): "committed",
        ("aborting", "finish"): "aborted",
    },
    paired=frozenset({"force_commit", "force_rollback"}),
)
MOVING: Final = Queue("transactions", "two_phase", TRANSACTION.open, program="program_id", calls="two_phase_call")
BETWEEN: Final = "two_phase"  # what one agent gave and another did not get yet
EVENT_KINDS: Final = declare(
    info={
        "transaction_committed": "Every participant of a transaction applied what it promised.",
        "transaction_aborted": "A transaction was given up: nothing of it moved.",
    },
    critical={"transaction_forced": "Two people decided a transaction; its participants were verified after it."},
)


class Transaction(NamedTuple):
    """A transaction as it stands. `commits`: by_itself once every participant promised, or on_request; `expires_at`: without a decision by
    then, abort is decided. `coordinator`: the peer that decides it; None when this server does. `cause` and `approval` are of the decision:
    why it was taken, and of a forced one its reference."""

    id: str
    program_id: str
    reference: str
    commits: str
    coordinator: str | None
    participant_count: int
    expires_at: datetime
    created_at: datetime
    created_by: str
    state: str
    state_at: datetime
    decision: str | None
    cause: str | None
    approval: str | None
    decided_at: datetime | None
    decided_by: str | None
    last_error: str | None

    @property
    def forced(self) -> bool:
        """Did two people decide it? That mark lasts."""
        return self.approval is not None


class Participant(NamedTuple):
    """One agent's part: it pays (debit) or gets (credit) an amount, in minor units. `standing`: none, held, applied or released."""

    number: int
    agent_id: str | None
    agent_name: str | None
    peer: str | None
    peer_agent: str | None
    side: str
    asset: str
    amount: int
    standing: str
    vote: str | None
    why: str | None
    voted_at: datetime | None
    outcome_at: datetime | None
    hold_id: UUID | None
    journal_id: UUID | None

    @property
    def who(self) -> str:
        """The agent, or the peer and its agent; of a transaction that a peer decides, what lies between the two servers."""
        return self.agent_id or f"{self.peer}/{self.peer_agent or 'clearing'}"


class ParticipantCheck(NamedTuple):
    """A participant as it was verified after a forced decision took effect."""

    agent_id: str
    agrees: bool
    found: str
    at: datetime


class PeerWaiting(NamedTuple):
    """A peer that did not answer yet: when it is asked again, how often it was in vain, and what came of the last time."""

    peer: str
    due_at: datetime
    attempt: int
    last_error: str | None


class TransactionLine(NamedTuple):
    """A transaction in a list: who takes part, and what moves, by asset in minor units."""

    id: str
    program_id: str
    reference: str
    state: str
    created_at: datetime
    agents: list[str]
    assets: list[str]
    amounts: list[int]
    forced: bool
    last_error: str | None


class WantedTransactions(NamedTuple):
    """Which transactions are listed. `older_than`, `younger_than`: since they were begun, at `now`."""

    now: datetime
    states: Sequence[str] = ()
    agent_id: str | None = None
    program_id: str | None = None
    older_than: timedelta | None = None
    younger_than: timedelta | None = None

    @property
    def condition(self) -> ListCondition:
        """On a row `t`."""
        given = {
            "states": list(self.states) or None,
            "of_program": self.program_id,
            "agent": self.agent_id,
            "begun_before": None if self.older_than is None else self.now - self.older_than,
            "begun_after": None if self.younger_than is None else self.now - self.younger_than,
        }
        return ListCondition(_WANTED, given)


_WANTED: Final = """(%(states)s::text[] is null or t.state = any(%(states)s))
    and (%(of_program)s::text is null or t.program_id = %(of_program)s)
    and (%(begun_before)s::timestamptz is null or t.created_at < %(begun_before)s)
    and (%(begun_after)s::timestamptz is null or t.created_at > %(begun_after)s)
    and (%(agent)s::text is null or exists (
        select from two_phase_participant p where p.transaction_id = t.id and p.agent_id = %(agent)s))"""

_SELECT: Final = """
    select t.id, t.program_id, t.reference, t.commits, t.coordinator, t.participants as participant_count, t.expires_at, t.created_at,
           t.created_by, t.state, t.state_at, d.decision, d.cause, d.approval, d.at as decided_at, d.actor as decided_by, t.last_error
    from two_phase t left join two_phase_decision d on d.transaction_id = t.id """


def show_transaction(conn: Connection[Any], transaction_id: str, *, lock: bool = False) -> Transaction:
    """One transaction. Raises NotFound."""
    if lock:  # first the row, then what the one before us wrote
        conn.execute("select from two_phase where id = %s for update", [transaction_id])
    return row_by_id(conn, Transaction, "transaction", _SELECT + "where t.id = %s", transaction_id)


def scales_of(conn: Connection[Any], program_id: str) -> dict[str, int]:
    """The assets that a program keeps books in, and their decimals."""
    query = "select s.code, s.scale from book b join asset s on s.code = b.asset where b.program_id = %s"
    return dict(conn.execute(query, [program_id]).fetchall())


def transactions_of(conn: Connection[Any], ids: Sequence[str]) -> list[Transaction]:
    """These transactions, in the order of their ids; whoever moves them has their rows locked."""
    with conn.cursor(row_factory=class_row(Transaction)) as cur:
        return cur.execute(_SELECT + "where t.id = any(%s) order by t.id", [list(ids)]).fetchall()


_PARTS: Final = """
    select p.number, p.agent_id, a.name as agent_name, p.peer, p.peer_agent, p.side, p.asset, p.amount,
           coalesce(o.outcome, case v.vote when 'yes' then 'held' when 'no' then 'released' else 'none' end) as standing,
           v.vote, v.why, v.at as voted_at, o.at as outcome_at, v.hold_id, o.journal_id
    from two_phase_participant p
    left join agent a on a.id = p.agent_id
    left join two_phase_vote v using (transaction_id, number)
    left join two_phase_outcome o using (transaction_id, number)"""


def participants_of(conn: Connection[Any], transaction_id: str) -> list[Participant]:
    """Who takes part, in the order of their numbers."""
    with conn.cursor(row_factory=class_row(Participant)) as cur:
        return cur.execute(f"{_PARTS} where p.transaction_id = %s order by p.number", [transaction_id]).fetchall()


def participants_of_each(conn: Connection[Any], ids: Sequence[str]) -> dict[str, list[Participant]]:
    """Who takes part in each of these transactions, in the order of their numbers."""
    found: dict[str, list[Participant]] = {one: [] for one in ids}
    query = _PARTS.replace("select p.number", "select p.transaction_id, p.number")
    for row in conn.execute(f"{query} where p.transaction_id = any(%s) order by p.number", [list(ids)]):
        found[row[0]].append(Participant(*row[1:]))
    return found


def checks_of(conn: Connection[Any], transaction_id: str) -> list[ParticipantCheck]:
    """How its participants were verified, if it was forced."""
    with conn.cursor(row_factory=class_row(ParticipantCheck)) as cur:
        return cur.execute(
            "select agent_id, agrees, found, at from two_phase_check where transaction_id = %s order by agent_id", [transaction_id]
        ).fetchall()


def peers_waited_for(conn: Connection[Any], transaction_id: str) -> list[PeerWaiting]:
    """The peers that still have to answer."""
    with conn.cursor(row_factory=class_row(PeerWaiting)) as cur:
        return cur.execute(
            "select peer, due_at, attempt, last_error from two_phase_call where transaction_id = %s and due_at is not null order by peer",
            [transaction_id],
        ).fetchall()


_LINES: Final = """
    select t.id, t.program_id, t.reference, t.state, t.created_at, w.agents, m.assets, m.amounts,
           d.approval is not null as forced, t.last_error
    from two_phase t
    left join two_phase_decision d on d.transaction_id = t.id
    cross join lateral (select array_agg(who order by number) as agents
                        from (select coalesce(agent_id, peer || '/' || coalesce(peer_agent, 'clearing')) as who,
                                     min(number) as number
                              from two_phase_participant where transaction_id = t.id group by 1) each_agent) w
    cross join lateral (select array_agg(asset order by asset) as assets, array_agg(amount order by asset) as amounts
                        from (select asset, sum(amount)::bigint as amount from two_phase_participant
                              where transaction_id = t.id and side = 'debit' group by asset) each_asset) m"""


def transactions_by_id(conn: Connection[Any], ids: Sequence[str]) -> list[TransactionLine]:
    """These transactions as a list shows them, in any order."""
    with conn.cursor(row_factory=class_row(TransactionLine)) as cur:
        return cur.execute(f"{_LINES} where t.id = any(%s)", [list(ids)]).fetchall()


def late_transactions(
    conn: Connection[Any], *, before: datetime, rows_max: int, program_id: str | None
) -> tuple[int, list[TransactionLine]]:
    """How many transactions begun before this moment are neither committed nor aborted, and the oldest of them."""
    which = " where t.state = any(%(states)s) and t.created_at < %(before)s and (%(program)s::text is null or t.program_id = %(program)s)"
    given = {"states": list(TRANSACTION.open), "before": before, "program": program_id, "rows": rows_max}
    row = conn.execute(f"select count(*) from two_phase t{which}", given).fetchone()
    with conn.cursor(row_factory=class_row(TransactionLine)) as cur:
        rows = cur.execute(f"{_LINES}{which} order by t.created_at, t.id limit %(rows)s", given).fetchall()
    return (row[0] if row else 0), rows
