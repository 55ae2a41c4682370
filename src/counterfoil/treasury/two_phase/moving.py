"""The coordinator's tick: due transactions of a program go on together, by sets.

The rows are those that `transactions` writes one by one: every vote, the one decision, every outcome and every step. Of a transaction
whose participants are all of this server they may be written in one database transaction, since nobody else waits for any of them: they
all stand or none does. Where a peer takes part it is told only what stands. Whatever goes wrong in a set undoes it, and its transactions
are taken on one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from psycopg import Connection

from counterfoil.base.formats.amounts import told_problem
from counterfoil.base.machine import Move, take_steps
from counterfoil.base.problems import Problem
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.key_spaces import TWO_PHASE
from counterfoil.ledger.promises import Kept, NewPromise, post_promises, take_promises
from counterfoil.ledger.write_context import enter
from counterfoil.operations.events.events import emit
from counterfoil.operations.work.jobs import Job, of_runner
from counterfoil.operations.work.runner import Claim, Runner, Tally, run_here, wake
from counterfoil.treasury.agents.model import lock_agents
from counterfoil.treasury.two_phase.model import (
    MOVING,
    TRANSACTION,
    Participant,
    Transaction,
    participants_of_each,
    show_transaction,
    transactions_of,
)
from counterfoil.treasury.two_phase.participants import KIND, NOES, refusal_of, way_of
from counterfoil.treasury.two_phase.transactions import ACTOR, Decided, advance, decide, elsewhere, ended, verify_forced

Parts = Mapping[str, Sequence[Participant]]
Place = tuple[str, int]  # of a participant: its transaction and its number
VOTES: Final = Decided("votes", ACTOR)


def move_due(runner: Runner) -> Tally:
    """One tick: due transactions go on, program by program, so that two workers never wait for each other in a ring."""

    def work(conn: Connection[Any], claims: Sequence[Claim], now: datetime) -> None:
        rows = conn.execute(
            """select t.program_id, t.id, array_remove(array_agg(p.agent_id), null)
               from two_phase t join two_phase_participant p on p.transaction_id = t.id
               where t.id = any(%s) group by t.program_id, t.id order by t.program_id, t.id""",
            [[one.id for one in claims]],
        ).fetchall()
        lock_agents(conn, sorted({agent for *_, agents in rows for agent in agents}))
        for program_id, group in groupby(rows, lambda row: row[0]):
            advance_together(conn, program_id, [row[1] for row in group], now=now)
        wake(conn, MOVING)

    return run_here(runner, MOVING, work)


def advance_together(conn: Connection[Any], program_id: str, ids: Sequence[str], *, now: datetime) -> None:
    """Take transactions of a program on, whose rows and agents are locked: what can be done by sets so, the others by `advance`."""
    ones = transactions_of(conn, ids)
    verbs = ("prepare", "commit", "finish")
    fresh, promised, decided = ([one for one in ones if one.state in TRANSACTION.before(v) and _goes_on(one, v, now)] for v in verbs)
    by_sets = {one.id for one in (*fresh, *promised, *decided)}
    if len(by_sets) > 1:
        parts = participants_of_each(conn, list(by_sets))
        enter(conn, program_id, alone=True)
        promised += prepare_together(conn, program_id, fresh, parts, now=now)
        decide_together(conn, program_id, promised, parts, now=now)
        finish_together(conn, program_id, [*promised, *decided], now=now)
    for one in ones:
        if one.id not in by_sets or len(by_sets) == 1:
            advance(conn, one.id, now=now)


def _goes_on(one: Transaction, verb: str, now: datetime) -> bool:
    """Is it sure to take the usual way? What a peer decides, what is over, and what waits for a word, is looked at by itself."""
    if verb == "finish":
        return one.decision == "commit"
    asked = verb == "prepare" or one.commits == "by_itself"
    return one.coordinator is None and one.decision is None and now < one.expires_at and asked


def prepare_together(
    conn: Connection[Any], program_id: str, ones: Sequence[Transaction], parts: Parts, *, now: datetime, actor: str = ACTOR
) -> list[Transaction]:
    """Ask every participant of this server to promise its part, and the peers theirs: those that are prepared by it and commit by
    themselves. Where one does not promise, abort is decided."""
    if not ones:
        return []
    ones = _steps(conn, ones, "prepare", now, actor=actor)
    here = {one.id: [each for each in parts[one.id] if not elsewhere(one, each)] for one in ones}
    noes: dict[str, str] = {}
    _open(conn, program_id, here, actor, now)
    for those in _rounds(conn, ones, here):
        noes |= _vote(conn, program_id, those, here, actor, now)
    yes = _without(conn, ones, noes, actor, now)
    all_here = [one for one in yes if len(here[one.id]) == one.participant_count]
    at_once = _prepared(conn, all_here, actor, now)
    _tell(conn, [one for one in yes if one not in all_here], parts, now)
    _wait(conn, {one.id for one in yes} - {one.id for one in at_once})
    return at_once


def vote_of_peer(
    conn: Connection[Any], program_id: str, ones: Sequence[Transaction], parts: Parts, peer: str, *, now: datetime
) -> list[Transaction]:
    """Write down that a peer promised, with what the two servers will owe each other held as well: those transactions that are prepared by
    it and commit by themselves. `ones` are locked and under preparation."""
    theirs = {one.id: [each for each in parts[one.id] if each.peer == peer and each.vote is None] for one in ones}
    _open(conn, program_id, theirs, ACTOR, now)
    noes = _vote(conn, program_id, ones, theirs, ACTOR, now)
    yes = _without(conn, ones, noes, ACTOR, now)
    whole = [one for one in yes if all(each.vote == "yes" or each.peer == peer for each in parts[one.id])]
    at_once = [one for one in _prepared(conn, whole, ACTOR, now) if now < one.expires_at]
    _wait(conn, {one.id for one in yes} - {one.id for one in at_once})
    return at_once


def _open(conn: Connection[Any], program_id: str, parts: Parts, actor: str, now: datetime) -> None:
    """The accounts of these participants, where they have none yet."""
    for asset in sorted({each.asset for those in parts.values() for each in those}):
        names = {name for those in parts.values() for each in those if each.asset == asset for name in way_of(each)}
        open_accounts(conn, program_id, names, asset=asset, actor=actor, now=now)


def _without(conn: Connection[Any], ones: Sequence[Transaction], noes: Mapping[str, str], actor: str, now: datetime) -> list[Transaction]:
    """Decide abort for those of which a participant did not promise, and give the others."""
    for id_, why in noes.items():
        decide(conn, show_transaction(conn, id_), "abort", Decided("no_vote", actor, why), now=now)
    return [one for one in ones if one.id not in noes]


def _prepared(conn: Connection[Any], ones: Sequence[Transaction], actor: str, now: datetime) -> list[Transaction]:
    """Every vote of these is there, and is a yes: those that commit by themselves."""
    return [one for one in _steps(conn, ones, "vote", now, actor=actor) if one.commits == "by_itself"]


def _wait(conn: Connection[Any], ids: Collection[str]) -> None:
    """Nothing is to be done with these but to end them when their time is over."""
    if ids:
        conn.execute("update two_phase set due_at = expires_at where id = any(%s)", [sorted(ids)])


def _rounds(conn: Connection[Any], ones: Sequence[Transaction], here: Parts) -> list[list[Transaction]]:
    """The transactions in rounds, in each of which an agent pays once whose mandates count what it spent: the next payment of it is asked
    for when the vote of the one before is written down."""
    payers = {each.agent_id for those in here.values() for each in those if each.side == "debit"}
    counting = {
        row[0]
        for row in conn.execute(
            """select distinct agent_id from agent_mandate
               where agent_id = any(%s) and num_nonnulls(per_hour, per_day, per_week, per_month) > 0""",
            [sorted(filter(None, payers))],
        )
    }
    found: list[list[Transaction]] = []
    used: dict[str | None, int] = {}
    for one in ones:
        pay = {each.agent_id for each in here[one.id] if each.side == "debit"} & counting
        place = max((used.get(agent, 0) for agent in pay), default=0)
        used |= dict.fromkeys(pay, place + 1)
        found += [[]] if place == len(found) else []
        found[place].append(one)
    return found


def _vote(conn: Connection[Any], program_id: str, ones: Sequence[Transaction], here: Parts, actor: str, now: datetime) -> dict[str, str]:
    """Write the votes of these participants, with what they promise: of each transaction with a no, the first reason."""
    asked = [(one, each) for one in ones for each in here[one.id]]
    whys = _refused(conn, asked, now)
    wanted = [
        (one, each, NewPromise(_key(one, each), *way_of(each), each.amount, each.asset, one.reference, (KIND, f"{one.id}:{each.number}")))
        for one, each in asked
        if (one.id, each.number) not in whys
    ]
    taken = take_promises(conn, program_id, [new for *_, new in wanted], kind=KIND, space=TWO_PHASE, actor=actor, now=now)
    holds: dict[Place, Any] = {}
    for (one, each, _), hold in zip(wanted, taken, strict=True):
        if not isinstance(hold, Problem):
            holds[one.id, each.number] = hold
        elif isinstance(hold, NOES):
            whys[one.id, each.number] = told_problem(conn, hold)
        else:  # no answer of the money itself
            raise hold
    places = [(one.id, each.number) for one, each in asked]
    conn.execute(
        """insert into two_phase_vote (transaction_id, number, program_id, vote, why, hold_id, at)
           select id, number, %s, case when why is null then 'yes' else 'no' end, why, hold, %s
           from unnest(%b::text[], %b::int[], %b::text[], %b::uuid[]) as v (id, number, why, hold)""",
        [
            *(program_id, now, [id_ for id_, _ in places], [number for _, number in places]),
            *([whys.get(place) for place in places], [holds.get(place) for place in places]),
        ],
    )
    noes: dict[str, str] = {}
    for place in places:
        if place in whys:
            noes.setdefault(place[0], whys[place])
    return noes


def _key(one: Transaction, part: Participant) -> str:
    return TWO_PHASE.key(one.id, str(part.number))


def _refused(conn: Connection[Any], asked: Sequence[tuple[Transaction, Participant]], now: datetime) -> dict[Place, str]:
    """Of each participant whose agent may not, in its state and by its mandates, why. A peer's are asked by the peer."""
    ours = {(one.id, each.number): each for one, each in asked if each.agent_id is not None}
    if not ours:
        return {}
    rows = conn.execute(
        """select q.id, q.number, a.state, case when q.pays then mandate_refuses(q.id, q.number, %s) end
           from unnest(%b::text[], %b::int[], %b::text[], %b::boolean[]) as q (id, number, agent, pays) join agent a on a.id = q.agent""",
        [
            *(now, [id_ for id_, _ in ours], [number for _, number in ours]),
            *([each.agent_id for each in ours.values()], [each.side == "debit" for each in ours.values()]),
        ],
    ).fetchall()
    said = {(id_, number): refusal_of(ours[id_, number], state, refused) for id_, number, state, refused in rows}
    return {place: why for place, why in said.items() if why is not None}


def decide_together(
    conn: Connection[Any], program_id: str, ones: Sequence[Transaction], parts: Parts, *, now: datetime, how: Decided = VOTES
) -> None:
    """Write commit, the one decision, for transactions that are prepared and locked, and have their peers told."""
    if not ones:
        return
    conn.execute(
        """insert into two_phase_decision (transaction_id, program_id, decision, cause, actor, at)
           select id, %s, 'commit', %s, %s, %s from unnest(%b::text[]) as id""",
        [program_id, how.cause, how.actor, now, [one.id for one in ones]],
    )
    _steps(conn, ones, "commit", now, actor=how.actor, cause=how.cause)
    _tell(conn, ones, parts, now)


def finish_together(
    conn: Connection[Any], program_id: str, ones: Sequence[Transaction], *, now: datetime, actor: str = ACTOR, peer: str | None = None
) -> None:
    """Have every participant of this server apply what it promised, after commit was decided, and end what is whole by it; with `peer`,
    that server's participants as well, which says that it applied them."""
    if not ones:
        return
    ids = sorted(one.id for one in ones)
    decided, parts = transactions_of(conn, ids), participants_of_each(conn, ids)
    due = [
        (one, each)
        for one in decided
        for each in parts[one.id]
        if each.outcome_at is None and (not elsewhere(one, each) or each.peer == peer)
    ]
    kept = [Kept(each.hold_id, (KIND, f"{one.id}:{each.number}"), one.reference) for one, each in due if each.hold_id is not None]
    posted = post_promises(conn, program_id, kept, kind=KIND, actor=actor, now=now)
    conn.execute(
        """insert into two_phase_outcome (transaction_id, number, program_id, outcome, journal_id, at)
           select id, number, %s, 'applied', journal, %s from unnest(%b::text[], %b::int[], %b::uuid[]) as o (id, number, journal)""",
        [
            *(program_id, now, [one.id for one, _ in due], [each.number for _, each in due]),
            [one.journal_id for one in posted],
        ],
    )
    applied = {(one.id, each.number) for one, each in due}
    whole = [one for one in decided if all(each.outcome_at or (one.id, each.number) in applied for each in parts[one.id])]
    _steps(conn, whole, "finish", now, actor=actor)
    conn.execute("update two_phase set due_at = null where id = any(%s) and due_at is not null", [ids])  # a peer's answer moves it on
    emit(conn, [ended(one, "committed", parts[one.id]) for one in whole], at=now)
    for one in whole:
        if one.forced:
            verify_forced(conn, one, now)


def _steps(
    conn: Connection[Any], ones: Sequence[Transaction], verb: str, now: datetime, *, actor: str, cause: str | None = None
) -> list[Transaction]:
    """Take one step with all of them; as they stand after it."""
    if ones:
        take_steps(conn, TRANSACTION, [Move(one.id, one.state, verb) for one in ones], actor=actor, at=now, cause=cause)
    return [one._replace(state=TRANSACTION.next_state(one.state, verb)) for one in ones]


def _tell(conn: Connection[Any], ones: Sequence[Transaction], parts: Parts, now: datetime) -> None:
    """What stands here is told to every peer that takes part, again and again until it has answered."""
    told = sorted({(one.id, each.peer, one.program_id) for one in ones for each in parts[one.id] if each.peer and elsewhere(one, each)})
    if not told:
        return
    conn.execute(
        """insert into two_phase_call (transaction_id, peer, program_id, due_at)
           select id, peer, program, %s from unnest(%b::text[], %b::text[], %b::text[]) as c (id, peer, program)
           on conflict (transaction_id, peer) do update set due_at = excluded.due_at, attempt = 0, last_error = null""",
        [now, *([row[column] for row in told] for column in range(3))],
    )


JOBS: Final = (
    Job(
        "transactions",
        MOVING,
        of_runner(move_due),
        "Takes transactions between agents on: asks participants, writes decisions, applies or releases, ends those whose time is over.",
    ),
)
