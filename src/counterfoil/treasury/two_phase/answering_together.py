"""A peer's batch: the usual messages in it are answered by sets, in one transaction, and the others among them one after the other.

Each has the answer that it would have alone. Whatever goes wrong in the set undoes it, and its messages are answered one by one, each in a
transaction of its own, for as long as the peer waits; what is left then is said not to be done, and is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final

import structlog
from psycopg import Connection

from counterfoil.base.failpoints import reached
from counterfoil.base.formats.amounts import told_problem
from counterfoil.base.ids import MakeId
from counterfoil.base.problems import Busy, DatabaseAway, InvalidInput, Problem
from counterfoil.ledger.write_context import enter
from counterfoil.operations.work.runner import ERROR_TEXT_MAX, Transactions
from counterfoil.treasury.two_phase.answering import (
    KnownAgents,
    OfPeer,
    agents_of,
    answer_peer,
    begin_for_peer,
    checked,
    lock_questions,
    sha256_of,
    told_no,
)
from counterfoil.treasury.two_phase.model import Transaction, participants_of_each, transactions_of
from counterfoil.treasury.two_phase.moving import decide_together, finish_together, prepare_together
from counterfoil.treasury.two_phase.peers import PeerMessage, PeerReply
from counterfoil.treasury.two_phase.transactions import Decided

Answers = dict[str, PeerReply | str]  # by the coordinator's id of the transaction
ANSWER_WITHIN_S: Final = 3.0  # less than a coordinator waits for an answer
NOT_YET: Final = "not done yet: others of its batch took the time"
_log = structlog.get_logger("counterfoil.two_phase")


def answer_batch(
    database: Transactions, peer: str, messages: Sequence[PeerMessage], *, make_id: MakeId, now: datetime
) -> list[PeerReply | str]:
    """Do what a peer's coordinator asks, each message once: its answer, or why it was not done. Raises DatabaseAway."""
    if len({one.asked.transaction for one in messages}) == len(messages):  # of one transaction the order counts
        try:
            with database.transaction() as conn:
                told = _by_sets(conn, peer, messages, make_id, now)
                reached("peers.answering")
            return [told[one.asked.transaction] for one in messages]
        except DatabaseAway:
            raise
        except Exception as error:  # noqa: BLE001 - one message must not stop the others
            _log.warning("batch failed, answering its messages singly", peer=peer, error=str(error)[:ERROR_TEXT_MAX])
    end_s = time.monotonic() + ANSWER_WITHIN_S
    return [_alone(database, peer, one, make_id, now) if time.monotonic() < end_s else NOT_YET for one in messages]


def _alone(database: Transactions, peer: str, one: PeerMessage, make_id: MakeId, now: datetime) -> PeerReply | str:
    try:
        with database.transaction() as conn:
            return answer_peer(conn, peer, one.message, one.asked, make_id=make_id, now=now)
    except DatabaseAway:
        raise
    except Problem as problem:
        return _said(problem)
    except Exception as error:  # noqa: BLE001 - one message must not stop the others
        _log.exception("message not answered", peer=peer, transaction=one.asked.transaction)
        return f"it failed here: {type(error).__name__}"


def _said(problem: Problem) -> str:
    return f"{type(problem).__name__}: {problem.sentence()}"


def _by_sets(conn: Connection[Any], peer: str, messages: Sequence[PeerMessage], make_id: MakeId, now: datetime) -> Answers:
    named = {one.asked.transaction: one for one in messages}
    lock_questions(conn, peer, list(named))
    known = _known(conn, peer, list(named))
    told: Answers = {}
    agents = agents_of(conn, [one.asked for id_, one in named.items() if id_ not in known])  # of all, before any program is taken
    fresh = [one for id_, one in named.items() if id_ not in known and one.message == "prepare"]
    promised = [known[id_] for id_, one in named.items() if id_ in known and _is_promised(*known[id_], one)]
    if fresh:
        told |= _prepare(conn, peer, fresh, agents, make_id, now)
    if promised:
        told |= _commit(conn, peer, {one.id: id_ for id_, (one, _) in known.items()}, [one for one, _ in promised], now)
    for id_, one in named.items():
        if id_ not in told:
            told[id_] = _in_turn(conn, peer, one, make_id, now)
    return told


def _known(conn: Connection[Any], peer: str, ids: Sequence[str]) -> dict[str, tuple[Transaction, bytes]]:
    """What there is here of these transactions of a peer, locked, with the hash of what was asked."""
    rows = conn.execute(
        """select id, foreign_id, asked from two_phase where coordinator = %s and foreign_id = any(%s) order by id for update""",
        [peer, list(ids)],
    ).fetchall()
    asked = {row[0]: (row[1], bytes(row[2])) for row in rows}
    return {asked[one.id][0]: (one, asked[one.id][1]) for one in transactions_of(conn, list(asked))}


def _is_promised(one: Transaction, sha256: bytes, message: PeerMessage) -> bool:
    """Is it told to apply what it promised, for the first time?"""
    return message.message == "commit" and one.state == "prepared" and one.decision is None and sha256 == sha256_of(message.asked)


def _prepare(
    conn: Connection[Any], peer: str, fresh: Sequence[PeerMessage], agents: KnownAgents, make_id: MakeId, now: datetime
) -> Answers:
    """Begin what nobody asked for before and have our agents promise their part."""
    told: Answers = {}
    news, actor = list[OfPeer](), f"peer:{peer}"
    for one in fresh:
        try:
            news.append(checked(one.asked, agents, make_id("txn")))
        except InvalidInput as problem:
            told[one.asked.transaction] = PeerReply("no", told_problem(conn, problem))
    if not news:
        return told
    begin_for_peer(conn, peer, news, now=now)
    begun = transactions_of(conn, [one.id for one in news])
    parts = participants_of_each(conn, [one.id for one in begun])
    for program_id, those in _by_program(begun):
        enter(conn, program_id, alone=True)
        prepare_together(conn, program_id, those, parts, now=now, actor=actor)
    names = {one.id: one.asked.transaction for one in news}
    for each in transactions_of(conn, list(names)):
        told[names[each.id]] = PeerReply("yes") if each.decision is None else told_no(conn, each, actor=actor, now=now)
    return told


def _commit(conn: Connection[Any], peer: str, names: Mapping[str, str], ones: Sequence[Transaction], now: datetime) -> Answers:
    """Write down that commit was decided, and apply what was promised."""
    parts = participants_of_each(conn, [one.id for one in ones])
    how = Decided("told", f"peer:{peer}")
    for program_id, those in _by_program(ones):
        enter(conn, program_id, alone=True)
        decide_together(conn, program_id, those, parts, now=now, how=how)
        finish_together(conn, program_id, those, now=now, actor=how.actor)
    return {names[one.id]: PeerReply("applied") for one in ones}


def _in_turn(conn: Connection[Any], peer: str, one: PeerMessage, make_id: MakeId, now: datetime) -> PeerReply | str:
    try:
        with conn.transaction():
            return answer_peer(conn, peer, one.message, one.asked, make_id=make_id, now=now)
    except Busy:  # it would hold up the others again and again
        raise
    except Problem as problem:
        return _said(problem)


def _by_program(ones: Sequence[Transaction]) -> list[tuple[str, list[Transaction]]]:
    """By program, in one order, so that two batches never wait for each other in a ring."""
    ordered = sorted(ones, key=lambda one: (one.program_id, one.id))
    return [(program_id, list(those)) for program_id, those in groupby(ordered, lambda one: one.program_id)]
