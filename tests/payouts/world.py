"""One settlement's payout in the real tables, and a provider too simple to be wrong: each event of its life is one method.

The provider of this world has one order at most for each key it remembers; `orders` is the truth. Calls are announced and answered as
a sender does it, but by hand, so that a test can let them land late, get lost, or be refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.machine import Move, take_steps
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import NewJournal, post_journals
from counterfoil.operations.providers import Accepted, Answer, Found, Later, NotThere, PayoutFact, Refused, Unclear
from counterfoil.operations.providers.simulator import SimulatorProvider
from counterfoil.operations.work.calls import HORIZON, store_answer
from counterfoil.operations.work.runner import Claim, Runner
from counterfoil.payouts.invariants import INVARIANTS
from counterfoil.payouts.machines import PROVIDER_PAYOUT
from counterfoil.payouts.payouts.reserving import reserve_due
from counterfoil.payouts.payouts.verbs import Owed, create_payouts
from counterfoil.payouts.provider_payouts.brakes import brakes_on
from counterfoil.payouts.provider_payouts.orders import orders_to_send
from counterfoil.payouts.provider_payouts.outcome_rules import (
    LockedProviderPayout,
    OutcomeDecision,
    decide_answer,
    decide_fact,
)
from counterfoil.payouts.provider_payouts.outcomes import apply_facts, carry_out
from counterfoil.payouts.provider_payouts.pulling import Heard, Pulling
from counterfoil.payouts.provider_payouts.sending import Sending, SendRequest
from counterfoil.payouts.provider_payouts.standings import lock_by_id
from tests.builders import a_destination, balance_of

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SILENT = timedelta(minutes=10)
OWED = 100
PROGRAM, PAYEE, SETTLEMENT = "main", "payee-1", "set_1"
KINDS = {Accepted: "accepted", Later: "later", Refused: "refused", Unclear: "unclear"}


class _Same:
    """Transactions inside the one that the test rolls back."""

    def __init__(self, conn: Connection[Any]) -> None:
        self._conn = conn

    @contextmanager
    def transaction(self, **_: Any) -> Iterator[Connection[Any]]:
        with self._conn.transaction():
            yield self._conn


def brake_on(conn, one):
    """What holds one attempt back."""
    return brakes_on(conn, [one]).get(one.id)


class World:
    """A payout of 100, owed for one settlement, and what its provider knows. `orders`: key → status."""

    def __init__(self, conn: Connection[Any]) -> None:
        self.conn, self.now, self.owed = conn, NOW, OWED
        self.cooling = timedelta()
        self.provider = SimulatorProvider("http://127.0.0.1:1", "not used", "whsec_" + "k" * 32)  # never asked: what it can do counts
        self.orders: dict[str, str] = {}
        self.calls: dict[str, list[str]] = {}
        self.stopped = ""  # why the last call that was to be announced was not
        self.earn()
        self.newest = self.first.id

    def earn(self) -> None:
        """What is owed for the settlement, as it stands in the books, and its payout."""
        conn = self.conn
        open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2)], now=NOW)
        names = ["escrow:inv_1", f"payable:payee:{PAYEE}", "clearing:simulator"]
        open_accounts(conn, PROGRAM, names, asset="EUR", actor="test", now=NOW)
        lines = [("clearing:simulator", names[0], OWED), (names[0], names[1], OWED)]
        post_journals(conn, PROGRAM, [NewJournal("owed", "settlement", lines, "EUR", "test")], now=NOW)
        self.destination("acct_1")
        owed = [Owed(PROGRAM, "inv_1", SETTLEMENT, PAYEE, "EUR", OWED)]
        (self.first,) = create_payouts(conn, owed, make_id=make_id, actor="test", cause="test", now=NOW)

    def tick(self, **span: float) -> None:
        self.now += timedelta(**span)

    def owe_more(self, amount: int) -> None:
        """The same payee has earned more: a second settlement and its payout."""
        lines = [("clearing:simulator", "escrow:inv_1", amount), ("escrow:inv_1", f"payable:payee:{PAYEE}", amount)]
        post_journals(self.conn, PROGRAM, [NewJournal("more", "settlement", lines, "EUR", "test")], now=self.now)
        owed = [Owed(PROGRAM, "inv_2", "set_2", PAYEE, "EUR", amount)]
        create_payouts(self.conn, owed, make_id=make_id, actor="test", cause="test", now=self.now)
        self.owed += amount

    def can(self, **what: Any) -> None:
        """What the provider is able to do."""
        self.provider.capabilities = self.provider.capabilities._replace(**what)

    def takes_back(self, amount: int) -> None:
        """The customer gets so much back that the payee bears: the payee owes it."""
        name = f"receivable:payee:{PAYEE}"
        open_accounts(self.conn, PROGRAM, [name], asset="EUR", actor="test", now=self.now)
        journal = NewJournal(make_id("refund"), "refund", [(name, "clearing:simulator", amount)], "EUR", "test")
        post_journals(self.conn, PROGRAM, [journal], now=self.now)
        self.owed -= amount

    # What we do.

    def destination(self, token: str) -> None:
        a_destination(self.conn, PAYEE, token, at=self.now)

    def reserve(self) -> None:
        self.conn.execute("update payout set due_at = %s where state = 'pending' and due_at is not null", [self.now])
        reserve_due(Runner(_Same(self.conn), lambda *_: self.now, "worker:test"), make_id, cooling=self.cooling)  # type: ignore[arg-type]

    def claim(self, attempt: str) -> None:
        take_steps(self.conn, PROVIDER_PAYOUT, [Move(attempt, "queued", "send")], actor="test", at=self.now)
        self.conn.execute("update provider_payout set fence = fence + 1 where id = %s", [attempt])

    def announce(self, attempt: str) -> str:
        """The call that begins, which nothing holds back."""
        call = self.try_to_announce(attempt)
        assert call is not None, self.stopped
        return call

    def try_to_announce(self, attempt: str) -> str | None:
        """As a sender that has claimed it does: ask what holds it back, and write the call down. None: `stopped` says why not."""
        claim, call = self._claim(attempt), make_id("call")
        request = SendRequest(*orders_to_send(self.conn, [attempt])[attempt], call)
        stopped = self._sending().announce_all(self.conn, [(claim, request)], self.now)
        self.stopped = str(stopped.get(attempt, ""))
        if self.stopped:
            return None
        self.calls.setdefault(attempt, []).append(call)
        return call

    def _sending(self) -> Sending:
        runner = Runner(_Same(self.conn), lambda *_: self.now, "worker:test")  # type: ignore[arg-type]
        return Sending(runner, {"simulator": self.provider}, make_id, silent_after=SILENT)

    def answer(self, attempt: str, call: str, answer: Answer, *, tries_left: bool = True, ours: bool = True) -> None:
        """What came back for a call; `ours`: under the fence of its claim, otherwise it is a fact or nothing."""
        store_answer(self.conn, call, kind=KINDS[type(answer)], answer={}, now=self.now, due_at=self.now)
        one = self.standing(attempt)
        if ours:
            can = self.provider.capabilities
            self.carry_out(decide_answer(one, answer, silent_after=SILENT, tries_left=tries_left, capabilities=can))
        elif isinstance(answer, Accepted):
            self.carry_out(decide_fact(one, answer.fact, silent_after=SILENT, source="answer", capabilities=self.provider.capabilities))

    def lease_over(self, attempt: str, *, called: bool) -> None:
        verb = "lose" if called else "requeue"
        self.carry_out(OutcomeDecision(self.standing(attempt), (verb,), again=timedelta(), error="its worker was lost"))

    def horizon_passes(self) -> None:
        self.now += HORIZON + timedelta(seconds=1)

    def look_up(self, attempt: str, found: Found | None = None) -> None:
        one = self.standing(attempt)
        said = found if found is not None else self.truth(one.key)
        heard = (self._claim(attempt), Heard(said, self.now))
        Pulling({"simulator": self.provider}, silent_after=SILENT).record(self.conn, [heard], self.now)

    def sender_stops(self, attempt: str) -> str:
        """A sender claims it, asks what holds it back, and does not call; returns why."""
        sending, claim = self._sending(), self._claim(attempt)
        requests = sending.prepare(self.conn, [claim], self.now)
        (stopped,) = sending.announce_all(self.conn, [(claim, requests[attempt])], self.now).values()
        return str(stopped)

    def _claim(self, attempt: str) -> Claim:
        return Claim(attempt, *self.row("select fence, attempt from provider_payout where id = %s", attempt))

    def webhook(self, attempt: str, status: str) -> None:
        """A webhook, and the look-up that it asks for."""
        fact = self.fact(self.standing(attempt).key, status)
        can = self.provider.capabilities
        apply_facts(self.conn, "simulator", [fact], silent_after=SILENT, cause="webhook", now=self.now, capabilities=can)
        if self.standing(attempt).unconfirmed:
            self.look_up(attempt)

    def carry_out(self, decision: OutcomeDecision) -> None:
        carry_out(self.conn, [decision], cause="test", now=self.now)

    # What the provider does.

    def lands(self, attempt: str) -> None:
        self.orders.setdefault(self.standing(attempt).key, "pending")

    def fact(self, key: str, status: str) -> PayoutFact:
        return PayoutFact(f"ref-{key}", key, OWED, 0, "EUR", status, None, self.now)  # type: ignore[arg-type]

    def truth(self, key: str) -> Found:
        return Accepted(self.fact(key, self.orders[key])) if key in self.orders else NotThere()

    # What the tables hold.

    def standing(self, attempt: str) -> LockedProviderPayout:
        return lock_by_id(self.conn, [attempt], now=self.now)[0]

    def row(self, query: str, *given: Any) -> tuple[Any, ...]:
        found = self.conn.execute(query, given or None).fetchone()
        assert found is not None
        return found

    def attempts(self) -> list[str]:
        return [row[0] for row in self.conn.execute("select id from provider_payout order by created_at, id").fetchall()]

    def states(self) -> list[str]:
        return [self.standing(one).state for one in self.attempts()]

    def live(self) -> str | None:
        return next((one for one in self.attempts() if self.standing(one).state in PROVIDER_PAYOUT.open), None)

    def payout(self) -> str:
        """The state of the settlement's newest payout."""
        return str(self.row("select state from payout order by reissue desc limit 1")[0])

    def newest_id(self) -> str:
        return str(self.row("select id from payout order by reissue desc limit 1")[0])

    def balance(self, name: str) -> int:
        return balance_of(self.conn, name)

    def purse(self) -> tuple[int, int, int, int]:
        """Payable, in transit, out, and owed back by the payee."""
        out = self.owed - self.balance("clearing:simulator")
        return (
            self.balance(f"payable:payee:{PAYEE}"),
            self.balance("in_transit:simulator"),
            out,
            self.balance(f"receivable:payee:{PAYEE}"),
        )

    def conflicts(self) -> int:
        return int(self.row("select count(*) from provider_conflict where state = 'open'")[0])

    def invariants_hold(self, but: str = "") -> None:
        """Every invariant of payouts."""
        found = run_invariants(self.conn, [one for one in INVARIANTS if one.code != but])
        assert found == [], found

    def still_true(self) -> None:
        """Every invariant of payouts holds, and no unit was made or lost."""
        self.invariants_hold(but="PAYOUT_SETTLEMENT_TIE")  # this world begins at the payout: of what is behind it there are no rows
        payable, transit, out, receivable = self.purse()
        assert payable + transit + out - receivable == self.owed
