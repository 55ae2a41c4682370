"""A peer's side: what its coordinator asks is done in a transaction of our own, and answered as before however often it is asked.

Our agents' part is balanced by `clearing:{peer}`, what the two servers owe each other. What was promised to a coordinator is kept for as
long as it takes: no time-out, no hand and no two people of ours decide it. Source: decisions, two-phase.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final

from psycopg import Connection

from counterfoil.base.ids import MakeId
from counterfoil.base.machine import record_birth
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.treasury.agents.model import AGENT, lock_agents
from counterfoil.treasury.two_phase.model import TRANSACTION, Transaction, participants_of, scales_of, show_transaction
from counterfoil.treasury.two_phase.peers import Message, PeerQuestion, PeerReply
from counterfoil.treasury.two_phase.transactions import Decided, decide, finish_transaction, prepare_transaction

NEVER: Final = timedelta(days=36_525)
AMOUNT_MAX: Final = 10**18


class PeerAskedOtherwise(Problem):
    """This peer asked for something else under the same transaction."""

    todo: ClassVar[str] = "Compare what both servers have of it; nothing was done."


class PeerContradicts(Problem):
    """This peer says of a transaction what cannot be after what it said before."""

    todo: ClassVar[str] = "Stop, and compare what both servers have of it: one of them was restored or changed by hand."


def answer_peer(conn: Connection[Any], peer: str, message: Message, asked: PeerQuestion, *, make_id: MakeId, now: datetime) -> PeerReply:
    """Do what a peer's coordinator asks, once. Raises PeerAskedOtherwise, PeerContradicts."""
    conn.execute("select pg_advisory_xact_lock(hashtextextended('peer:' || %s || ':' || %s, 0))", [peer, asked.transaction])
    sha256, actor = hashlib.sha256(asked.body()).digest(), f"peer:{peer}"
    row = conn.execute("select id, asked from two_phase where (coordinator, foreign_id) = (%s, %s)", [peer, asked.transaction]).fetchone()
    if row is None:
        if message == "commit":
            raise PeerContradicts(transaction=asked.transaction, told="commit", here="nothing was promised")
        try:
            with conn.transaction():
                row = (_begin(conn, make_id("txn"), peer, asked, sha256, now), sha256)
        except InvalidInput as problem:
            return PeerReply("no", problem.sentence()) if message == "prepare" else PeerReply("released")
    if bytes(row[1]) != sha256:
        raise PeerAskedOtherwise(transaction=asked.transaction, here=row[0])
    one = show_transaction(conn, row[0], lock=True)
    if message == "prepare":
        return _prepare(conn, one, actor, now)
    wanted = "commit" if message == "commit" else "abort"
    if one.decision is None and (wanted == "abort" or one.state == "prepared"):
        decide(conn, one, wanted, Decided("told", actor), now=now)
        one = show_transaction(conn, one.id)
    if one.decision != wanted:
        raise PeerContradicts(transaction=asked.transaction, told=message, here=one.decision or one.state)
    finish_transaction(conn, one.id, actor=actor, now=now)
    return PeerReply("applied" if wanted == "commit" else "released")


def _prepare(conn: Connection[Any], one: Transaction, actor: str, now: datetime) -> PeerReply:
    if one.state in TRANSACTION.initial:
        prepare_transaction(conn, one.id, actor=actor, now=now)
        one = show_transaction(conn, one.id)
    if one.decision == "abort":
        finish_transaction(conn, one.id, actor=actor, now=now)
        noes = [part.why for part in participants_of(conn, one.id) if part.vote == "no"]
        return PeerReply("no", noes[0] if noes else "abort was decided")
    return PeerReply("yes")


def _begin(conn: Connection[Any], transaction_id: str, peer: str, asked: PeerQuestion, sha256: bytes, now: datetime) -> str:
    """Write down what this server is asked for. Raises InvalidInput, of which the peer is told no."""
    program_id, clearing = _checked(conn, asked)
    rows: list[tuple[Any, ...]] = [(one.agent, one.side, one.asset, one.amount, None) for one in asked.parts]
    rows += [(None, "credit" if minor > 0 else "debit", asset, abs(minor), peer) for asset, minor in sorted(clearing.items()) if minor]
    conn.execute(
        """insert into two_phase (id, program_id, reference, commits, coordinator, foreign_id, asked, participants, expires_at, created_at,
                                  created_by, state, state_at)
           values (%s, %s, %s, 'on_request', %s, %s, %s, %s, %s, %s, %s, 'initiated', %s)""",
        [
            *(transaction_id, program_id, asked.reference, peer, asked.transaction, sha256, len(rows)),
            *(now + NEVER, now, f"peer:{peer}", now),
        ],
    )
    with conn.cursor() as cur:
        cur.executemany(
            """insert into two_phase_participant (transaction_id, number, program_id, agent_id, side, asset, amount, peer)
               values (%s, %s, %s, %s, %s, %s, %s, %s)""",
            [(transaction_id, number, program_id, *row) for number, row in enumerate(rows, start=1)],
        )
    record_birth(conn, TRANSACTION, [transaction_id], "initiated", actor=f"peer:{peer}", at=now)
    return transaction_id


def _checked(conn: Connection[Any], asked: PeerQuestion) -> tuple[str, dict[str, int]]:
    """The program of the agents, and by asset what they pay more than they get."""
    agents = lock_agents(conn, [one.agent for one in asked.parts])
    programs = {agents[one.agent].program_id if one.agent in agents else None for one in asked.parts}
    program_id = next(iter(programs), None)
    if program_id is None or len(programs) > 1 or any(one.state in AGENT.final for one in agents.values()):
        raise InvalidInput("participants", "agents of one program here that are not closed")
    if not 0 < len(asked.reference) <= 200 or not 0 < len(asked.transaction) <= 64 or len(asked.parts) > 90:
        raise InvalidInput("participants", "up to 90, under a transaction's id and a reference of up to 200 characters")
    assets, clearing = scales_of(conn, program_id), dict[str, int]()
    for one in asked.parts:
        if one.asset not in assets or one.side not in ("debit", "credit") or not 0 < one.amount <= AMOUNT_MAX:
            raise InvalidInput("participants", f"debit or credit of an amount in one of {', '.join(assets)}", got=one.asset[:12])
        if one.scale != assets[one.asset]:
            raise InvalidInput("participants", f"{one.asset} with {assets[one.asset]} decimals, as it has here", got=str(one.scale))
        clearing[one.asset] = clearing.get(one.asset, 0) + (one.amount if one.side == "debit" else -one.amount)
    if len({(one.agent, one.asset) for one in asked.parts}) != len(asked.parts):
        raise InvalidInput("participants", "each agent once in an asset")
    return program_id, clearing
