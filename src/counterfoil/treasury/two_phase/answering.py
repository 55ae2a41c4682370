"""A peer's side: what its coordinator asks is done in a transaction of our own, and answered as before however often it is asked.

Our agents' part is balanced by `clearing:{peer}`, what the two servers owe each other. What was promised to a coordinator is kept for as
long as it takes: no time-out, no hand and no two people of ours decide it. Source: decisions, two-phase.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from psycopg import Connection

from counterfoil.base.formats.amounts import told_problem
from counterfoil.base.ids import MakeId
from counterfoil.base.machine import record_birth
from counterfoil.base.problems import InvalidInput, Problem
from counterfoil.treasury.agents.model import AGENT, Agent, lock_agents
from counterfoil.treasury.two_phase.model import TRANSACTION, Transaction, participants_of, scales_of, show_transaction
from counterfoil.treasury.two_phase.peers import Message, PeerQuestion, PeerReply
from counterfoil.treasury.two_phase.transactions import Decided, decide, finish_transaction, prepare_transaction

NEVER: Final = timedelta(days=36_525)
AMOUNT_MAX: Final = 10**18


class PeerAskedOtherwise(Problem):
    """This peer asked for something else under the same transaction."""

    todo = "Compare what both servers have of it; nothing was done."


class PeerContradicts(Problem):
    """This peer says of a transaction what cannot be after what it said before."""

    todo = "Stop, and compare what both servers have of it: one of them was restored or changed by hand."


def answer_peer(conn: Connection[Any], peer: str, message: Message, asked: PeerQuestion, *, make_id: MakeId, now: datetime) -> PeerReply:
    """Do what a peer's coordinator asks, once. Raises PeerAskedOtherwise, PeerContradicts."""
    lock_questions(conn, peer, [asked.transaction])
    sha256, actor = sha256_of(asked), f"peer:{peer}"
    row = conn.execute("select id, asked from two_phase where (coordinator, foreign_id) = (%s, %s)", [peer, asked.transaction]).fetchone()
    if row is None:
        if message == "commit":
            raise PeerContradicts(transaction=asked.transaction, told="commit", here="nothing was promised")
        try:
            with conn.transaction():
                new = checked(asked, agents_of(conn, [asked]), make_id("txn"))
                begin_for_peer(conn, peer, [new], now=now)
                row = (new.id, sha256)
        except InvalidInput as problem:
            return PeerReply("no", told_problem(conn, problem)) if message == "prepare" else PeerReply("released")
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


def lock_questions(conn: Connection[Any], peer: str, transactions: Sequence[str]) -> None:
    """Whoever asks about one of these waits until we are done with it; taken in one order, so that two batches never wait in a ring."""
    conn.execute(
        """select pg_advisory_xact_lock(k)
           from (select distinct hashtextextended('peer:' || %s || ':' || t, 0) as k from unnest(%b::text[]) as t order by 1) w""",
        [peer, list(transactions)],
    )


def sha256_of(asked: PeerQuestion) -> bytes:
    """What tells this question from another under the same transaction."""
    return hashlib.sha256(asked.body()).digest()


def _prepare(conn: Connection[Any], one: Transaction, actor: str, now: datetime) -> PeerReply:
    if one.state in TRANSACTION.initial:
        prepare_transaction(conn, one.id, actor=actor, now=now)
        one = show_transaction(conn, one.id)
    return told_no(conn, one, actor=actor, now=now) if one.decision == "abort" else PeerReply("yes")


def told_no(conn: Connection[Any], one: Transaction, *, actor: str, now: datetime) -> PeerReply:
    """The answer of a transaction that is aborted: what was promised is given back, and the first reason is told."""
    finish_transaction(conn, one.id, actor=actor, now=now)
    noes = [part.why for part in participants_of(conn, one.id) if part.vote == "no"]
    return PeerReply("no", noes[0] if noes else "abort was decided")


class OfPeer(NamedTuple):
    """A transaction that a peer decides, to be written down: by asset, what our agents pay more than they get is what it owes us."""

    id: str
    program_id: str
    asked: PeerQuestion
    clearing: Mapping[str, int]

    def rows(self, peer: str) -> list[tuple[Any, ...]]:
        """Its participants: number, agent, side, asset, amount, peer."""
        rows: list[tuple[Any, ...]] = [(one.agent, one.side, one.asset, one.amount, None) for one in self.asked.parts]
        owed = [(asset, minor) for asset, minor in sorted(self.clearing.items()) if minor]
        rows += [(None, "credit" if minor > 0 else "debit", asset, abs(minor), peer) for asset, minor in owed]
        return [(number, *row) for number, row in enumerate(rows, start=1)]


class KnownAgents(NamedTuple):
    """Agents by their ids, locked, and the decimals of their programs' assets."""

    agents: Mapping[str, Agent]
    scales: Mapping[str, Mapping[str, int]]


def agents_of(conn: Connection[Any], asked: Sequence[PeerQuestion]) -> KnownAgents:
    """What there is here of the agents that a peer names."""
    agents = lock_agents(conn, sorted({part.agent for one in asked for part in one.parts}))
    return KnownAgents(agents, {one: scales_of(conn, one) for one in sorted({each.program_id for each in agents.values()})})


def begin_for_peer(conn: Connection[Any], peer: str, news: Sequence[OfPeer], *, now: datetime) -> None:
    """Write down what this server is asked for. Nothing is promised yet."""
    actor = f"peer:{peer}"
    rows = {one.id: one.rows(peer) for one in news}
    conn.execute(
        """insert into two_phase (id, program_id, reference, commits, coordinator, foreign_id, asked, participants, expires_at, created_at,
                                  created_by, state, state_at)
           select id, program, reference, 'on_request', %(peer)s, foreign_id, asked, participants, %(never)s, %(now)s, %(actor)s,
                  'initiated', %(now)s
           from unnest(%(ids)b::text[], %(programs)b::text[], %(references)b::text[], %(foreign)b::text[], %(asked)b::bytea[],
                       %(counts)b::int[]) as t (id, program, reference, foreign_id, asked, participants)""",
        {
            "peer": peer,
            "never": now + NEVER,
            "now": now,
            "actor": actor,
            "ids": [one.id for one in news],
            "programs": [one.program_id for one in news],
            "references": [one.asked.reference for one in news],
            "foreign": [one.asked.transaction for one in news],
            "asked": [sha256_of(one.asked) for one in news],
            "counts": [len(each) for each in rows.values()],
        },
    )
    flat = [(one.id, one.program_id, *row) for one in news for row in rows[one.id]]
    conn.execute(
        """insert into two_phase_participant (transaction_id, program_id, number, agent_id, side, asset, amount, peer)
           select * from unnest(%b::text[], %b::text[], %b::int[], %b::text[], %b::text[], %b::text[], %b::bigint[], %b::text[])""",
        [list(column) for column in zip(*flat, strict=True)],
    )
    record_birth(conn, TRANSACTION, [one.id for one in news], "initiated", actor=actor, at=now)


def checked(asked: PeerQuestion, known: KnownAgents, transaction_id: str) -> OfPeer:
    """What is asked, as a transaction of ours. Raises InvalidInput, of which the peer is told no."""
    agents = {one.agent: known.agents[one.agent] for one in asked.parts if one.agent in known.agents}
    programs = {agents[one.agent].program_id if one.agent in agents else None for one in asked.parts}
    program_id = next(iter(programs), None)
    if program_id is None or len(programs) > 1 or any(one.state in AGENT.final for one in agents.values()):
        raise InvalidInput("participants", "agents of one program here that are not closed")
    if not 0 < len(asked.reference) <= 200 or not 0 < len(asked.transaction) <= 64 or len(asked.parts) > 90:
        raise InvalidInput("participants", "up to 90, under a transaction's id and a reference of up to 200 characters")
    assets, clearing = known.scales[program_id], dict[str, int]()
    for one in asked.parts:
        if one.asset not in assets or one.side not in ("debit", "credit") or not 0 < one.amount <= AMOUNT_MAX:
            raise InvalidInput("participants", f"debit or credit of an amount in one of {', '.join(assets)}", got=one.asset[:12])
        if one.scale != assets[one.asset]:
            raise InvalidInput("participants", f"{one.asset} with {assets[one.asset]} decimals, as it has here", got=str(one.scale))
        clearing[one.asset] = clearing.get(one.asset, 0) + (one.amount if one.side == "debit" else -one.amount)
    if len({(one.agent, one.asset) for one in asked.parts}) != len(asked.parts):
        raise InvalidInput("participants", "each agent once in an asset")
    return OfPeer(transaction_id, program_id, asked, clearing)
