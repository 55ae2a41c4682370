"""The coordinator: begins a transaction, asks its participants, writes the one decision, and sees to it that all of them follow it.

Every phase ends in rows, so whoever comes after a crash reads where it stopped and goes on from there; `moving` writes those of several
phases in one database transaction, where nobody else waits for any of them.
The decision is inserted, never changed: whoever comes second reads what the first wrote, and tells nothing else. Without a decision by its
time-out abort is *written*; an absent row is an answer to nobody. Source: decisions, two-phase.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import known_assets, tell_in
from counterfoil.base.machine import Approval, record_birth, take_step
from counterfoil.base.money import MINOR_MAX
from counterfoil.base.problems import AmountOutOfRange, InvalidInput, NotFound, Problem
from counterfoil.base.text import reference_of
from counterfoil.ledger.write_context import enter
from counterfoil.operations.events.events import NewEvent, emit
from counterfoil.operations.work.runner import wake
from counterfoil.treasury.agents.agents import assets_of
from counterfoil.treasury.agents.model import AGENT, lock_agents
from counterfoil.treasury.two_phase.model import MOVING, TRANSACTION, Participant, Transaction, participants_of, show_transaction
from counterfoil.treasury.two_phase.participants import apply_participant, prepare_participant, release_participant
from counterfoil.treasury.verification.verify import verify_agents

ACTOR: Final = "system:worker"
PARTICIPANTS_MAX: Final = 100
TIME_OUT: Final = timedelta(minutes=5)
TIME_OUT_MAX: Final = timedelta(days=7)
VERB_OF: Final = {"commit": "commit", "abort": "cancel"}


class TransactionRefuses(Problem):
    """The transaction does not allow this now."""


class NewParticipant(NamedTuple):
    """An agent that pays (debit) or gets (credit) `amount`, in minor units of an asset. With `peer`: an agent of that server."""

    agent_id: str
    side: str
    asset: str
    amount: int
    peer: str | None = None

    @property
    def who(self) -> str:
        """The agent, with its server when that is another."""
        return f"{self.peer}/{self.agent_id}" if self.peer else self.agent_id


class NewTransaction(NamedTuple):
    """A transaction to begin; see `model.Transaction`."""

    program_id: str
    reference: str
    participants: Sequence[NewParticipant]
    commits: str = "by_itself"
    time_out: timedelta = TIME_OUT
    peers: frozenset[str] = frozenset()  # those that are set up


class Decided(NamedTuple):
    """How a decision is taken: its cause and by whom; of a forced one the reference and what two people approved."""

    cause: str
    actor: str
    reason: str | None = None
    approval: str | None = None
    approved: Approval | None = None


def begin_transaction(conn: Connection[Any], transaction_id: str, new: NewTransaction, *, actor: str, now: datetime) -> Transaction:
    """Write down who takes part. Nothing moves and nothing is promised yet. Raises NotFound, InvalidInput."""
    _refuse_participants(conn, new)
    if not timedelta(seconds=1) <= new.time_out <= TIME_OUT_MAX:
        raise InvalidInput("time_out", f"1 second to {TIME_OUT_MAX.days} days", got=str(new.time_out))
    conn.execute(
        """insert into two_phase (id, program_id, reference, commits, participants, expires_at, created_at, created_by,
                                  state, state_at, due_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, 'initiated', %s, %s)""",
        [
            *(transaction_id, new.program_id, reference_of(new.reference), new.commits, len(new.participants)),
            *(now + new.time_out, now, actor, now, now),
        ],
    )
    with conn.cursor() as cur:
        cur.executemany(
            """insert into two_phase_participant (transaction_id, number, program_id, agent_id, side, asset, amount, peer, peer_agent)
               values (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                (
                    *(transaction_id, number, new.program_id, None if one.peer else one.agent_id, one.side, one.asset, one.amount),
                    *(one.peer, one.agent_id if one.peer else None),
                )
                for number, one in enumerate(new.participants, start=1)
            ],
        )
    record_birth(conn, TRANSACTION, [transaction_id], "initiated", actor=actor, at=now)
    wake(conn, MOVING)
    return show_transaction(conn, transaction_id)


def _refuse_participants(conn: Connection[Any], new: NewTransaction) -> None:
    if conn.execute("select 1 from program where id = %s", [new.program_id]).fetchone() is None:
        raise NotFound(what="program", id=new.program_id)
    if not 2 <= len(new.participants) <= PARTICIPANTS_MAX:
        raise InvalidInput("participants", f"2 to {PARTICIPANTS_MAX}", got=str(len(new.participants)))
    agents = lock_agents(conn, [one.agent_id for one in new.participants if one.peer is None])
    assets = assets_of(conn, new.program_id)
    if all(one.peer for one in new.participants):
        raise InvalidInput("participants", "at least one agent of this server", got="none")
    seen: set[tuple[str, str]] = set()
    sums: dict[str, int] = {}
    totals: dict[str, int] = {}
    for number, one in enumerate(new.participants, start=1):
        agent = agents.get(one.agent_id)
        if one.peer is not None:
            if one.peer not in new.peers:
                known = ", ".join(sorted(new.peers)) or "none is"
                raise InvalidInput(f"participants[{number}].agent", f"of a peer that is set up: {known}", got=one.peer[:40])
        elif agent is None or agent.program_id != new.program_id or agent.state in AGENT.final:
            raise InvalidInput(f"participants[{number}].agent", f"an agent of {new.program_id} that is not closed", got=one.agent_id[:40])
        if one.asset not in assets:
            raise InvalidInput(f"participants[{number}].asset", f"one of {', '.join(assets)}", got=one.asset[:12])
        if (one.who, one.asset) in seen:
            raise InvalidInput(f"participants[{number}].agent", f"each agent once in {one.asset}", got=one.agent_id[:40])
        seen.add((one.who, one.asset))
        sums[one.asset] = sums.get(one.asset, 0) + (one.amount if one.side == "debit" else -one.amount)
        totals[one.asset] = totals.get(one.asset, 0) + (one.amount if one.side == "debit" else 0)
    for asset, total in totals.items():
        if total > MINOR_MAX:
            raise AmountOutOfRange("participants", f"at most {MINOR_MAX} minor units debited in an asset", asset=asset, got=total)
    for asset, difference in sums.items():
        if difference:
            raise AmountOutOfRange("participants", "as much debited as credited in each asset", asset=asset, difference=difference)


def prepare_transaction(conn: Connection[Any], transaction_id: str, *, actor: str, now: datetime) -> str:
    """Ask every participant to promise its part. All promise: prepared; one does not: abort is decided. Again: how it stands.

    Raises NotFound, TransactionRefuses when abort is decided already.
    """
    one = show_transaction(conn, transaction_id, lock=True)
    if one.decision == "abort":
        raise TransactionRefuses(transaction=one.id, verb="prepare", why=_decided(one))
    if one.state != "initiated":
        return one.state
    if now >= one.expires_at:
        return decide(conn, one, "abort", Decided("time_out", actor), now=now)
    _step(conn, one, "prepare", actor, now)
    parts = [each for each in participants_of(conn, one.id) if not elsewhere(one, each)]
    lock_agents(conn, [each.agent_id for each in parts if each.agent_id])
    enter(conn, one.program_id, alone=True)  # one promise after the other: of two transactions neither waits for the other's accounts
    noes = [vote for each in parts if not (vote := prepare_participant(conn, one, each.number, actor=actor, now=now)).yes]
    if noes:
        return decide(conn, show_transaction(conn, one.id), "abort", Decided("no_vote", actor, noes[0].why), now=now)
    tell_peers(conn, one, now)
    return note_votes(conn, one.id, actor=actor, now=now)


def elsewhere(one: Transaction, part: Participant) -> bool:
    """Does another server answer for this participant?"""
    return one.coordinator is None and part.peer is not None


def note_votes(conn: Connection[Any], transaction_id: str, *, actor: str, now: datetime) -> str:
    """Prepared, once every vote is there and is a yes; the state after it."""
    one = show_transaction(conn, transaction_id)
    if any(each.vote != "yes" for each in participants_of(conn, one.id)):
        _due(conn, one.id, one.expires_at)
        return one.state
    _due(conn, one.id, now if one.commits == "by_itself" else one.expires_at)
    return _step(conn, one, "vote", actor, now)


def tell_peers(conn: Connection[Any], one: Transaction, now: datetime) -> None:
    """What stands here is told to every peer that takes part, again and again until it has answered."""
    peers = sorted({each.peer for each in participants_of(conn, one.id) if each.peer and elsewhere(one, each)})
    for peer in peers:
        conn.execute(
            """insert into two_phase_call (transaction_id, peer, program_id, due_at) values (%s, %s, %s, %s)
               on conflict (transaction_id, peer) do update set due_at = excluded.due_at, attempt = 0, last_error = null""",
            [one.id, peer, one.program_id, now],
        )


def commit_transaction(conn: Connection[Any], transaction_id: str, *, actor: str, now: datetime) -> str:
    """Decide commit for a prepared transaction. Again: how it stands. Raises NotFound, TransactionRefuses."""
    one = show_transaction(conn, transaction_id, lock=True)
    if one.coordinator is not None:
        raise TransactionRefuses(transaction=one.id, verb="commit", why=theirs(one))
    if one.decision == "commit":
        return one.state
    if why := refuse_commit(one, now):
        raise TransactionRefuses(transaction=one.id, verb="commit", why=why)
    return decide(conn, one, "commit", Decided("request", actor), now=now)


def cancel_transaction(conn: Connection[Any], transaction_id: str, *, reason: str, actor: str, now: datetime) -> str:
    """Decide abort, also before anybody was asked. Again: how it stands. Raises NotFound, TransactionRefuses when commit is decided."""
    one = show_transaction(conn, transaction_id, lock=True)
    if one.coordinator is not None:
        raise TransactionRefuses(transaction=one.id, verb="cancel", why=theirs(one))
    if one.decision == "abort":
        return one.state
    if one.decision == "commit":
        raise TransactionRefuses(transaction=one.id, verb="cancel", why=_decided(one))
    return decide(conn, one, "abort", Decided("cancelled", actor, reason), now=now)


def force_transaction(conn: Connection[Any], transaction_id: str, verb: str, *, how: Decided, now: datetime) -> str:
    """Two people write the decision: commit only when every participant promised, abort only when nothing else is decided.

    Raises NotFound, TransactionRefuses, ApprovalNeeded.
    """
    one = show_transaction(conn, transaction_id, lock=True)
    if why := refuse_force(one, verb):
        raise TransactionRefuses(transaction=one.id, verb=verb, why=why)
    return decide(conn, one, "commit" if verb == "force_commit" else "abort", how, now=now, verb=verb)


def theirs(one: Transaction) -> str:
    """Why nobody here decides a transaction of a peer: what was promised to it is kept, and it alone says how it ends."""
    return f"{one.coordinator} decides it, and is told of no other decision"


def refuse_commit(one: Transaction, now: datetime) -> str | None:
    """Why commit cannot be decided now; None where it can."""
    if one.decision is not None:
        return _decided(one)
    if one.state != "prepared":
        return f"it is {one.state}, and not every participant has promised"
    return f"its time was over at {one.expires_at.isoformat()}" if now >= one.expires_at else None


def refuse_force(one: Transaction, verb: str) -> str | None:
    """Why two people cannot decide so now; None where they can. The decision row alone counts, not what participants look like."""
    if one.coordinator is not None:
        return theirs(one)
    if one.decision is not None:
        return _decided(one)
    if verb == "force_commit" and one.state != "prepared":
        return f"it is {one.state}, and not every participant has promised: committing could move a part of it only"
    return None


def decide(conn: Connection[Any], one: Transaction, decision: str, how: Decided, *, now: datetime, verb: str | None = None) -> str:
    """Write the decision of a locked transaction and return the state that follows; a decision that is there wins, and is followed."""
    fresh = conn.execute(
        """insert into two_phase_decision (transaction_id, program_id, decision, cause, approval, actor, reason, at)
           values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict (transaction_id) do nothing""",
        [one.id, one.program_id, decision, how.cause, how.approval, how.actor, how.reason, now],
    ).rowcount
    if not fresh:
        return show_transaction(conn, one.id).state
    _due(conn, one.id, now)
    tell_peers(conn, one, now)
    wake(conn, MOVING)
    return _step(conn, one, verb or VERB_OF[decision], how.actor, now, reason=how.reason, cause=how.cause, approved=how.approved)


def finish_transaction(conn: Connection[Any], transaction_id: str, *, actor: str, now: datetime) -> str:
    """Have every participant of a decided transaction follow the decision, and end it. What followed already is left alone."""
    one = show_transaction(conn, transaction_id, lock=True)
    if one.state not in TRANSACTION.before("finish"):
        return one.state
    follow = apply_participant if one.decision == "commit" else release_participant
    enter(conn, one.program_id, alone=True)
    for each in participants_of(conn, one.id):
        if not elsewhere(one, each):
            follow(conn, one, each.number, actor=actor, now=now)
    return end_transaction(conn, one, actor=actor, now=now)


def end_transaction(conn: Connection[Any], one: Transaction, *, actor: str, now: datetime) -> str:
    """Committed or aborted, once every participant followed, those of peers too; the state after it."""
    if any(each.outcome_at is None for each in participants_of(conn, one.id)):
        _due(conn, one.id, None)  # the peers' answers move it on
        return one.state
    state = _step(conn, one, "finish", actor, now)
    _due(conn, one.id, None)
    emit(conn, [ended(one, state, participants_of(conn, one.id))], at=now)
    if one.forced:
        verify_forced(conn, one, now)
    return state


def ended(one: Transaction, state: str, parts: Sequence[Participant]) -> NewEvent:
    """What is told of a transaction that ended."""
    told = {"reference": one.reference, "cause": one.cause, "agents": [each.who for each in parts]}
    return NewEvent(f"transaction_{state}", one.program_id, one.id, told)


def verify_forced(conn: Connection[Any], one: Transaction, now: datetime) -> None:
    """After a forced decision took effect every participant is verified, and what was found is kept and told."""
    agents = sorted({each.agent_id for each in participants_of(conn, one.id) if each.agent_id})
    found, tell = verify_agents(conn, agents, now=now), tell_in(known_assets(conn))
    for each in found:
        conn.execute(
            """insert into two_phase_check (transaction_id, agent_id, program_id, agrees, found, at) values (%s, %s, %s, %s, %s, %s)
               on conflict do nothing""",
            [one.id, each.agent_id, one.program_id, each.agrees, each.sentence(tell), now],
        )
    told = {"decision": one.decision, "approval": one.approval, "agrees": all(each.agrees for each in found), "by": one.decided_by}
    emit(conn, [NewEvent("transaction_forced", one.program_id, one.id, told)], at=now)


def advance(conn: Connection[Any], transaction_id: str, *, now: datetime) -> str:
    """The next phase of a transaction, if one is due, by itself; each is safe to be repeated."""
    one = show_transaction(conn, transaction_id, lock=True)
    if one.state in TRANSACTION.before("finish"):
        return finish_transaction(conn, one.id, actor=ACTOR, now=now)
    if one.state in TRANSACTION.final:
        return one.state
    if one.coordinator is not None:  # it was promised: no time takes it back, and its coordinator says how it ends
        return one.state
    if now >= one.expires_at:
        return decide(conn, one, "abort", Decided("time_out", ACTOR), now=now)
    if one.state == "preparing":  # its peers have not all answered
        _due(conn, one.id, one.expires_at)
        return one.state
    if one.state == "prepared":
        if one.commits == "by_itself":
            return decide(conn, one, "commit", Decided("votes", ACTOR), now=now)
        _due(conn, one.id, one.expires_at)
        return one.state
    return prepare_transaction(conn, one.id, actor=ACTOR, now=now)


def _decided(one: Transaction) -> str:
    reason: Mapping[str | None, str] = {
        "votes": "every participant promised",
        "request": "it was asked for",
        "no_vote": "a participant did not promise",
        "time_out": "its time was over",
        "cancelled": "it was cancelled",
        "forced": f"two people decided it ({one.approval})",
    }
    return f"{one.decision} was decided: {reason.get(one.cause, one.cause)}"


def _step(
    conn: Connection[Any],
    one: Transaction,
    verb: str,
    actor: str,
    now: datetime,
    *,
    reason: str | None = None,
    cause: str | None = None,
    approved: Approval | None = None,
) -> str:
    return take_step(conn, TRANSACTION, one.id, one.state, verb, actor=actor, at=now, reason=reason, cause=cause, approval=approved)


def _due(conn: Connection[Any], transaction_id: str, at: datetime | None) -> None:
    conn.execute("update two_phase set due_at = %s where id = %s", [at, transaction_id])
