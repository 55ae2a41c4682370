"""A program whose payees are owed money, in the real tables: payouts, a policy, batches, and the people who decide on them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import Connection

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import NewJournal, post_journals
from counterfoil.operations.access.access import Caller
from counterfoil.operations.providers import PayoutFact
from counterfoil.operations.work.runner import Runner
from counterfoil.payouts.batches import deciding, executing, gathering
from counterfoil.payouts.batches.batches import PayoutBatch, lines_of, show_batch
from counterfoil.payouts.batches.invariants import INVARIANTS
from counterfoil.payouts.batches.policies import Tier, set_policy
from counterfoil.payouts.batches.tending import look_after_batches
from counterfoil.payouts.destinations.destinations import set_destination
from counterfoil.payouts.payouts.reserving import reserve_due
from counterfoil.payouts.payouts.verbs import Owed, create_payouts
from counterfoil.payouts.provider_payouts.attempts_by_hand import cancel_attempt
from counterfoil.payouts.provider_payouts.outcome_rules import Source
from counterfoil.payouts.provider_payouts.outcomes import apply_facts
from tests.payouts.world import _Same
from tests.people import log_in_as

SILENT = timedelta(minutes=10)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PROGRAM, ASSET, OTHER, PROVIDER = "main", "EUR", "JPY", "simulator"


class Till:
    """`payouts`: by the name of the payee, the ids of what it is owed."""

    def __init__(self, conn: Connection[Any], database: Any = None) -> None:
        self.conn, self.now = conn, NOW
        self.cooling = timedelta()
        self.database = database or _Same(conn)
        open_program(conn, PROGRAM, name="Main", assets=[Asset(ASSET, 2), Asset(OTHER, 0)], now=NOW)
        open_accounts(conn, PROGRAM, ["escrow:all", f"clearing:{PROVIDER}"], asset=ASSET, actor="test", now=NOW)
        at = NOW - timedelta(days=30)
        self.mira = log_in_as(conn, "Mira", "operator", at=at)[0]  # gathers and submits
        self.theo = log_in_as(conn, "Theo", "approver", at=at)[0]
        self.ada = log_in_as(conn, "Ada", "approver", at=at)[0]
        self._number = 0

    def tick(self, **span: float) -> None:
        self.now += timedelta(**span)

    # What is owed.

    def payee(self, name: str, *, age: timedelta = timedelta(days=30), token: str | None = None) -> str:
        set_destination(
            self.conn,
            make_id("dst"),
            program_id=PROGRAM,
            payee_id=name,
            provider=PROVIDER,
            token=token or f"acct_{name}",
            actor="test",
            now=self.now - age,
        )
        return name

    def owed(self, payee: str, amount: int, *, covered: bool = True, asset: str = ASSET) -> str:
        """A payout of this amount; `covered`: its money is with the provider."""
        self._number += 1
        open_accounts(self.conn, PROGRAM, [f"payable:payee:{payee}", "escrow:all"], asset=asset, actor="test", now=self.now)
        source = f"clearing:{PROVIDER}" if covered else "clearing:elsewhere"
        open_accounts(self.conn, PROGRAM, [source], asset=asset, actor="test", now=self.now)
        lines = [(source, "escrow:all", amount), ("escrow:all", f"payable:payee:{payee}", amount)]
        post_journals(self.conn, PROGRAM, [NewJournal(f"owed{self._number}", "settlement", lines, asset, "test")], now=self.now)
        owed = [Owed(PROGRAM, f"inv_{self._number}", f"set_{self._number}", payee, asset, amount)]
        (made,) = create_payouts(self.conn, owed, make_id=make_id, actor="test", cause="test", now=self.now)
        return made.id

    def paid_before(self, payee: str, amount: int = 1) -> str:
        """A payee of long ago that was paid once, before there was any policy."""
        self.payee(payee)
        payout = self.owed(payee, amount)
        self.reserve()
        self.arrives(payout)
        return payout

    def policy(self, by_rule_max: int, *tiers: tuple[int, int], cooling_hours: int = 72, asset: str = ASSET) -> None:
        set_policy(
            self.conn,
            PROGRAM,
            asset,
            by_rule_max=by_rule_max,
            tiers=[Tier(*one) for one in tiers],
            cooling_hours=cooling_hours,
            reason="agreed with the bank",
            actor="test",
            now=self.now,
        )

    # What the worker and the provider do.

    def runner(self, rows_max: int = 200) -> Runner:
        return Runner(self.database, lambda *_: self.now, "worker:test", rows_max=rows_max)

    def reserve(self, rows_max: int = 200) -> None:
        reserve_due(self.runner(rows_max), make_id, cooling=self.cooling)

    def tend(self) -> None:
        look_after_batches(self.runner())

    def answered(self, payout: str, status: str, *, source: Source = "webhook") -> None:
        """The provider tells what became of the newest attempt at it, by itself or because it was asked."""
        row = self.conn.execute(
            "select idempotency_key, amount from provider_payout where payout_id = %s order by number desc limit 1",
            [payout],
        ).fetchone()
        assert row is not None
        fact = PayoutFact(f"ref-{row[0]}", row[0], row[1], 0, ASSET, status, None, self.now)  # type: ignore[arg-type]
        apply_facts(self.conn, PROVIDER, [fact], silent_after=SILENT, cause="test", now=self.now, source=source)

    def arrives(self, payout: str) -> None:
        self.answered(payout, "paid")

    def fails(self, payout: str) -> None:
        """Its attempt is given up before it was sent: the payout is failed."""
        cancel_attempt(self.conn, payout, reason="the bank is closed", actor="test", now=self.now)

    # What people do.

    def gather(self, by: Caller | None = None, **narrowed: Any) -> str:
        wanted = gathering.Wanted(PROGRAM, ASSET, **narrowed)
        return gathering.gather_batch(self.conn, wanted, by=by or self.mira, make_id=make_id, now=self.now).batch_id

    def submit(self, batch: str) -> str:
        return deciding.submit_batch(self.conn, batch, by=self.mira, now=self.now)

    def approve(self, batch: str, by: Caller | None = None) -> str:
        return deciding.approve_batch(self.conn, batch, by=by or self.theo, now=self.now)

    def execute(self, batch: str) -> str:
        return executing.execute_batch(self.conn, batch, by=self.mira, now=self.now)

    def approved_batch(self, **narrowed: Any) -> str:
        batch = self.gather(**narrowed)
        self.submit(batch)
        assert self.approve(batch) == "approved"
        return batch

    # What is there.

    def batch(self, batch: str) -> PayoutBatch:
        return show_batch(self.conn, batch)

    def line(self, batch: str, payout: str) -> Any:
        return next(one for one in lines_of(self.conn, batch) if one.payout_id == payout)

    def payout(self, payout: str) -> tuple[str, str | None, datetime | None]:
        """State, why it waits, when it is due."""
        row = self.conn.execute("select state, last_error, due_at from payout where id = %s", [payout]).fetchone()
        assert row is not None
        return row[0], row[1], row[2]

    def basis(self, payout: str) -> list[str]:
        """By what each attempt at it was allowed."""
        rows = self.conn.execute(
            """select r.basis from provider_payout pp join payout_approval r on r.provider_payout_id = pp.id
               where pp.payout_id = %s order by pp.number""",
            [payout],
        )
        return [row[0] for row in rows]

    def events(self, name: str) -> int:
        row = self.conn.execute("select count(*) from event where name = %s", [name]).fetchone()
        return row[0] if row else 0

    def sound(self) -> None:
        """Every invariant of batches holds, and the database's deferred checks do."""
        self.conn.execute("set constraints all immediate")
        assert run_invariants(self.conn, INVARIANTS) == []
