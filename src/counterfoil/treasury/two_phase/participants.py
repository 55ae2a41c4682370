"""What a participant does when it is told: it promises, applies, or releases. Whatever is said again is answered as before.

A promise is a hold that nothing but the decision resolves: no expiry, no freeze, no close and no period end takes it back. A no, and a
cancel that came before its prepare, leave a record as well, so that a prepare that comes late is answered no.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import told_problem
from counterfoil.base.problems import check
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.holds import post_hold, take_hold, void_hold
from counterfoil.ledger.journals.key_spaces import TWO_PHASE
from counterfoil.ledger.problems import AccountClosed, AccountFrozen, InsufficientFunds
from counterfoil.treasury.agents.model import account_name
from counterfoil.treasury.two_phase.model import BETWEEN, Participant, Transaction, participants_of

KIND: Final = "two_phase"
# What the ledger says of the money itself. Anything else is no answer: it is asked again.
NOES: Final = (InsufficientFunds, AccountFrozen, AccountClosed)


class Vote(NamedTuple):
    """A participant's answer to prepare. `why`: of a no."""

    yes: bool
    why: str | None = None


def prepare_participant(conn: Connection[Any], one: Transaction, number: int, *, actor: str, now: datetime) -> Vote:
    """Have a participant of a locked transaction promise its part, or say why not. The same answer however often it is asked."""
    part = _part(conn, one, number)
    if part.vote is not None:
        return Vote(part.vote == "yes" and part.standing != "released", part.why or _over(one, part))
    if one.decision is not None:
        return Vote(False, _over(one, part))
    why, hold_id = _refused(conn, part, one.id, now), None
    if why is None:
        try:
            with conn.transaction():
                hold_id = _hold(conn, one, part, actor, now)
        except NOES as problem:
            why = told_problem(conn, problem)
    conn.execute(
        """insert into two_phase_vote (transaction_id, number, program_id, vote, why, hold_id, at) values (%s, %s, %s, %s, %s, %s, %s)""",
        [one.id, number, one.program_id, "no" if why else "yes", why, hold_id, now],
    )
    return Vote(why is None, why)


def apply_participant(conn: Connection[Any], one: Transaction, number: int, *, actor: str, now: datetime) -> None:
    """Post what a participant promised, after commit was decided. Again: nothing. In a closed period on the first open day."""
    part = _part(conn, one, number)
    check(one.decision == "commit" and part.hold_id is not None, "only what was promised is applied, once commit is decided", id=one.id)
    if part.standing == "applied":
        return
    assert part.hold_id is not None
    source = (KIND, f"{one.id}:{number}")
    posted = post_hold(conn, one.program_id, part.hold_id, actor=actor, now=now, kind=KIND, narrative=one.reference, source=source)
    _outcome(conn, one, number, "applied", posted.journal_id, now)


def release_participant(conn: Connection[Any], one: Transaction, number: int, *, actor: str, now: datetime) -> None:
    """Give back what a participant promised, after abort was decided; of one that promised nothing only the record. Again: nothing."""
    part = _part(conn, one, number)
    check(one.decision == "abort", "nothing is released before abort is decided", id=one.id)
    if part.outcome_at is not None:
        return
    if part.hold_id is not None:
        source = (KIND, f"{one.id}:{number}")
        void_hold(conn, one.program_id, part.hold_id, reason=f"{one.id} is aborted", actor=actor, now=now, source=source)
    _outcome(conn, one, number, "released", None, now)


def _part(conn: Connection[Any], one: Transaction, number: int) -> Participant:
    found = [part for part in participants_of(conn, one.id) if part.number == number]
    check(len(found) == 1, "a participant is one of its transaction", id=one.id, number=number)
    return found[0]


def _over(one: Transaction, part: Participant) -> str | None:
    if part.standing == "applied" or one.decision is None:
        return None
    return f"{one.decision} was decided"


def _refused(conn: Connection[Any], part: Participant, transaction_id: str, now: datetime) -> str | None:
    """Why the agent may not, in its state and by its mandates. It is locked by who votes. A peer's is asked by the peer."""
    if part.agent_id is None:
        return None
    row = conn.execute(
        "select state, mandate_refuses(%s, %s, %s) from agent where id = %s for update",
        [transaction_id, part.number, now, part.agent_id],
    ).fetchone()
    assert row is not None
    return refusal_of(part, *row)


def refusal_of(part: Participant, state: str, refused: str | None) -> str | None:
    """Why an agent may not, in this state and by what its mandates say."""
    if state == "closed" or (part.side == "debit" and state != "active"):
        return f"{part.agent_id} is {state}"
    return None if refused is None else f"{part.agent_id}: {refused}"


def _hold(conn: Connection[Any], one: Transaction, part: Participant, actor: str, now: datetime) -> Any:
    debit, credit = way_of(part)
    open_accounts(conn, one.program_id, [debit, credit], asset=part.asset, actor=actor, now=now)
    return take_hold(
        conn,
        one.program_id,
        key=TWO_PHASE.key(one.id, str(part.number)),
        debit=debit,
        credit=credit,
        minor=part.amount,
        asset=part.asset,
        actor=actor,
        now=now,
        kind=KIND,
        narrative=one.reference,
        source=(KIND, f"{one.id}:{part.number}"),
        promised=True,
        space=TWO_PHASE,
    ).id


def way_of(part: Participant) -> tuple[str, str]:
    """The accounts between which a participant's part is set aside: the debit and the credit."""
    name = account_name(part.agent_id) if part.agent_id else f"clearing:{part.peer}"
    return (name, BETWEEN) if part.side == "debit" else (BETWEEN, name)


def _outcome(conn: Connection[Any], one: Transaction, number: int, outcome: str, journal_id: Any, now: datetime) -> None:
    conn.execute(
        "insert into two_phase_outcome (transaction_id, number, program_id, outcome, journal_id, at) values (%s, %s, %s, %s, %s, %s)",
        [one.id, number, one.program_id, outcome, journal_id, now],
    )
