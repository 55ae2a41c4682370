"""Two servers with two databases, and a way between them that can break; and peers that answer what they want."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from counterfoil.api.http.app import make_app
from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.invariant import run_invariants
from counterfoil.base.secret import SigningSecret
from counterfoil.treasury.two_phase.model import show_transaction
from counterfoil.treasury.two_phase.peers import HttpPeer, NotUnderstood, PeerMessage, PeerQuestion, PeerReply
from counterfoil.treasury.two_phase.transactions import NewParticipant, NewTransaction, begin_transaction
from counterfoil.wiring import INVARIANTS, Wiring, ticks
from tests.api.office import served, wiring_for
from tests.builders import PROGRAM
from tests.conftest import KEYS
from tests.treasury.purse import a_treasury, an_agent, money_of

SECRET = SigningSecret(f"whsec_{base64.b64encode(hashlib.sha256(b'between north and south').digest()).decode()}", "peers")


class Line:
    """A way to a peer that can lose questions, lose answers, and send everything twice."""

    def __init__(self, peer: HttpPeer) -> None:
        self.peer, self.secret = peer, peer.secret
        self.lose_questions = self.lose_answers = 0
        self.doubled = False
        self.asked: list[str] = []
        self.batches: list[list[str]] = []

    def ask(self, message: Any, asked: PeerQuestion, *, now: Any) -> PeerReply:
        if self.lose_questions:
            self.lose_questions -= 1
            raise NotUnderstood("the question was lost")
        self.asked.append(message)
        told = self.peer.ask(message, asked, now=now)
        if self.doubled:
            assert self.peer.ask(message, asked, now=now) == told, "the same answer"
        if self.lose_answers:
            self.lose_answers -= 1
            raise NotUnderstood("the answer was lost")
        return told

    def ask_many(self, messages: Sequence[PeerMessage], *, now: Any) -> list[PeerReply | str]:
        if self.lose_questions:
            self.lose_questions -= 1
            raise NotUnderstood("the question was lost")
        self.batches.append([one.message for one in messages])
        told = self.peer.ask_many(messages, now=now)
        if self.doubled:
            assert self.peer.ask_many(messages, now=now) == told, "the same answers"
        if self.lose_answers:
            self.lose_answers -= 1
            raise NotUnderstood("the answer was lost")
        return told


@dataclass
class Side:
    """One of the two servers."""

    name: str
    database: Database
    wiring: Wiring
    url: str

    def work(self, times: int = 6) -> None:
        run = ticks(self.wiring, f"worker:{self.name}")
        for _ in range(times):
            with self.database.transaction() as conn:  # what waits for its next try does not wait here
                conn.execute("update two_phase_call set due_at = %s where due_at is not null", [now() - timedelta(seconds=1)])
            run["transactions"]()
            run["peers"]()

    def agent(self, **more: Any) -> str:
        with self.database.transaction() as conn:
            return an_agent(conn, **more)

    def money(self, agent: str) -> int:
        with self.database.transaction(read_only=True) as conn:
            return money_of(conn, agent)

    def clearing(self, peer: str) -> int:
        """What this server owes the peer, in minor units."""
        with self.database.transaction(read_only=True) as conn:
            row = conn.execute("select credits - debits from account where name = %s", [f"clearing:{peer}"]).fetchone()
            return int(row[0]) if row else 0

    def state(self, transaction_id: str) -> str:
        with self.database.transaction(read_only=True) as conn:
            return show_transaction(conn, transaction_id).state

    def states(self) -> list[str]:
        with self.database.transaction(read_only=True) as conn:
            return [row[0] for row in conn.execute("select state from two_phase order by id")]


@dataclass
class Pair:
    north: Side
    south: Side
    line: Line

    def transfer(
        self, payer: str, payee: str, amount: int, *, back: bool = False, peer: str = "south", asset: str = "EUR", **more: Any
    ) -> str:
        """From an agent in the north to one in the south; `back`: the other way. The north decides."""
        sides = ("credit", "debit") if back else ("debit", "credit")
        parts = [NewParticipant(payer, sides[0], asset, amount), NewParticipant(payee, sides[1], asset, amount, peer)]
        new = NewTransaction(PROGRAM, "task 7", parts, peers=frozenset({peer}), **more)
        with self.north.database.transaction() as conn:
            return begin_transaction(conn, make_id("txn"), new, actor="test", now=now()).id

    def still_true(self) -> None:
        """On both servers, and between them."""
        for side in (self.north, self.south):
            with side.database.transaction(read_only=True) as conn:
                assert run_invariants(conn, INVARIANTS) == []
        assert self.north.clearing("south") == -self.south.clearing("north")


class Unreadable:
    """An answer that cannot be written down."""

    @property
    def answer(self) -> str:
        raise ZeroDivisionError("what it answered")


class Strange:
    """A peer that breaks whoever asks it, or whoever reads its answer."""

    def __init__(self, answers: Any) -> None:
        self.answers, self.asked, self.batches = answers, 0, 0

    def ask(self, message: Any, asked: PeerQuestion, *, now: Any) -> Any:
        self.asked += 1
        if isinstance(self.answers, Exception):
            raise self.answers
        return self.answers

    def ask_many(self, messages: Sequence[PeerMessage], *, now: Any) -> Any:
        self.batches += 1
        if isinstance(self.answers, Exception):
            raise self.answers
        return [self.answers for _ in messages]


@contextmanager
def two_servers(make_database_url: Any) -> Iterator[Pair]:
    with ExitStack() as stack:
        sides = []
        for name in ("north", "south"):
            database = Database(make_database_url(), keys=KEYS).open()
            stack.callback(database.close)
            with database.transaction() as conn:
                a_treasury(conn)
            wiring = replace(wiring_for(database), peers={})
            url = stack.enter_context(served(make_app(wiring, owner=name, log_requests=False)))
            sides.append(Side(name, database, wiring, url))
        north, south = sides
        line = Line(HttpPeer(south.url, SECRET, ours="north"))
        north.wiring.peers["south"] = line  # type: ignore[index]
        south.wiring.peers["north"] = HttpPeer(north.url, SECRET, ours="south")  # type: ignore[index]
        yield Pair(north, south, line)
