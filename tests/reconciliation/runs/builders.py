"""Books and a provider that says what a test has it say; builders with defaults."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, ClassVar

from counterfoil.base.edge import Database, make_id
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import post
from counterfoil.operations.providers.capabilities import FULL
from counterfoil.payouts.destinations.destinations import set_destination
from counterfoil.reconciliation.runs.pairings import pairings
from counterfoil.reconciliation.runs.run import Run, RunContext, RunRequest, run_pairing
from counterfoil.simulator.rules.statement import COLUMNS

PROGRAM = "main"
TODAY = (datetime.now(UTC) + timedelta(days=2)).date()  # what the ledger stamps with the real clock lies before it
YESTERDAY = TODAY - timedelta(days=1)
NOON = time(12, tzinfo=UTC)


def at(day: date, hour: int = 12) -> datetime:
    """That day at an hour, UTC."""
    return datetime.combine(day, time(hour, tzinfo=UTC))


@dataclass
class Clock:
    """A clock that the test moves."""

    now: datetime = field(default_factory=lambda: at(TODAY, 18))

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Says:
    """A provider that gives a statement of the lines it was told, with true balances."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    broken: Exception | None = None
    opening: int = 0
    closing_off: int = 0  # what it says it holds beyond what its lines come to
    capabilities: ClassVar = FULL
    tells: ClassVar[dict[str, str]] = {}

    def line(
        self,
        kind: str,
        source: str,
        gross: int,
        day: date,
        *,
        fee: int = 0,
        reference: str = "",
        status: str = "succeeded",
    ) -> None:
        """One movement."""
        self.lines.append(
            {
                "id": f"txn_{len(self.lines) + 1}",
                "type": kind,
                "reference": reference or source,
                "gross": gross,
                "fee": fee,
                "net": gross - fee,
                "asset": "EUR",
                "created_at": at(day).isoformat(),
                "available_on": day.isoformat(),
                "status": status,
                "source": source,
            }
        )

    def statement(self, first: str, last: str) -> bytes:
        """As the simulator writes it."""
        self.asked.append((first, last))
        if self.broken:
            raise self.broken
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        days = sorted(self.lines, key=lambda one: one["created_at"])
        before = self.opening + sum(one["net"] for one in days if one["available_on"] < first)
        within = [one for one in days if first <= one["available_on"] <= last]
        writer.writerow(_balance("opening_balance", before, first))
        writer.writerows(within)
        writer.writerow(_balance("closing_balance", before + sum(one["net"] for one in within) + self.closing_off, last))
        return text.getvalue().encode()


def _balance(kind: str, minor: int, day: str) -> dict[str, Any]:
    return {"type": kind, "net": minor, "asset": "EUR", "created_at": f"{day}T00:00:00Z", "available_on": day}


@dataclass
class House:
    """A program with its books, one provider, a clock and a folder for runs."""

    database: Database
    folder: Path
    clock: Clock = field(default_factory=Clock)
    provider: Says = field(default_factory=Says)

    def __post_init__(self) -> None:
        with self.database.transaction() as conn:
            open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2)], now=at(TODAY))
            self.place = make_id("dst")
            where = {"program_id": PROGRAM, "payee_id": "bolt", "provider": "simulator", "token": "acct"}
            set_destination(conn, self.place, **where, actor="test", now=at(TODAY))
        self.means = RunContext(self.database, self.clock, {"simulator": self.provider}, self.folder)
        self.pairings = pairings(["simulator"])

    def posts(
        self,
        debit: str,
        credit: str,
        amount: int,
        day: date,
        *,
        kind: str = "test",
        source: tuple[str, str] | None = None,
        key: str | None = None,
        narrative: str | None = None,
    ) -> None:
        """One journal, effective at noon of the day."""
        with self.database.transaction() as conn:
            open_accounts(conn, PROGRAM, [debit, credit], asset="EUR", actor="test", now=at(TODAY))
            post(
                conn,
                PROGRAM,
                key=key or make_id("test"),
                kind=kind,
                lines=[(debit, credit, amount)],
                asset="EUR",
                actor="test",
                effective_at=at(day),
                source=source,
                narrative=narrative,
                now=at(TODAY),
            )

    def charged(self, charge: str, amount: int, day: date, *, invoice: str = "inv-1", there: bool = True) -> None:
        """A customer paid: in our books, and (unless not `there`) on the provider's statement."""
        self.posts("clearing:simulator", f"escrow:{invoice}", amount, day, kind="payment", source=("charge", charge))
        self.rows(
            """insert into payment (id, program_id, provider, charge_id, reference, asset, amount, applied, fee, occurred_at, recorded_at)
               values (%s, %s, 'simulator', %s, %s, 'EUR', %s, 0, 0, %s, %s) returning id""",
            make_id("pay"),
            PROGRAM,
            charge,
            invoice,
            amount,
            at(day),
            at(day),
        )
        if there:
            self.provider.line("charge", charge, amount, day, reference=invoice)

    def sent(self, attempt: str, amount: int, day: date, *, state: str = "sent", ref: str | None = None) -> None:
        """A payout of ours went out."""
        self.rows(
            """insert into payout (id, program_id, payee_id, invoice_id, settlement_id, key, asset, amount, created_at, state, state_at)
               values (%s, %s, 'bolt', %s, %s, %s, 'EUR', %s, %s, 'processing', %s) returning id""",
            f"po-{attempt}",
            PROGRAM,
            attempt,
            f"s-{attempt}",
            attempt,
            amount,
            at(day),
            at(day),
        )
        self.rows(
            """insert into payout_approval (provider_payout_id, payout_id, program_id, basis, destination_id, amount, at)
               values (%s, %s, %s, 'none', %s, %s, %s) returning payout_id""",
            attempt,
            f"po-{attempt}",
            PROGRAM,
            self.place,
            amount,
            at(day),
        )
        self.rows(
            """insert into provider_payout (id, payout_id, program_id, number, provider, idempotency_key, destination_id, asset, amount,
                      payload_sha256, created_at, request_sent_at, sent_at, provider_ref, state, state_at)
               values (%s, %s, %s, 1, 'simulator', %s, %s, 'EUR', %s, '', %s, %s, %s, %s, %s, %s) returning id""",
            attempt,
            f"po-{attempt}",
            PROGRAM,
            attempt,
            self.place,
            amount,
            at(day),
            at(day),
            at(day),
            ref,
            state,
            at(day),
        )

    def arrived(self, attempt: str, amount: int, day: date) -> None:
        """Our books say that it arrived."""
        self.rows(
            "update provider_payout set state = 'succeeded', provider_ref = %s, state_at = %s where id = %s returning id",
            f"pp-{attempt}",
            at(day),
            attempt,
        )
        self.posts(
            "in_transit:simulator",
            "clearing:simulator",
            amount,
            day,
            kind="payout_finalize",
            source=("provider_payout", attempt),
        )

    def owes(self, amount: int, day: date) -> None:
        """Money is on its way by our books, out of nowhere."""
        self.posts("cash:bank:own", "in_transit:simulator", amount, day)

    def run(self, source: str = "simulator", first: date = TODAY, last: date | None = None, **more: Any) -> Run:
        """Reconcile."""
        asked = RunRequest(make_id("rec"), PROGRAM, first, last or first, more.pop("actor", "test"), **more)
        return run_pairing(self.means, self.pairings[source], asked)

    def rows(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with self.database.transaction() as conn:
            return conn.execute(query, given or None).fetchall()

    def found(self, run: Run) -> list[tuple[str, date | None]]:
        """The breaks of a run."""
        rows = self.rows("select kind, day from run_finding where run_id = %s order by number", run.id)
        return [(row[0], row[1]) for row in rows]
