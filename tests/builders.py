"""Builders with defaults, one per noun: a program that can earn and pay, usage, invoices, charges; and the ticks of a worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from counterfoil.base.edge import Database, make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.providers import ChargeFact
from counterfoil.operations.providers.simulator import SimulatorProvider
from counterfoil.operations.webhooks.inbound import receive
from counterfoil.operations.work.jobs import JobContext
from counterfoil.operations.work.runner import Runner
from counterfoil.payouts.destinations.destinations import set_destination
from counterfoil.settlement.fees.fees import set_rates
from counterfoil.settlement.invoices.invoices import issue_invoices
from counterfoil.settlement.usage.rules import COLUMNS
from counterfoil.settlement.usage.usage import import_usage
from counterfoil.simulator.process import SimulatorProcess
from counterfoil.wiring import INVARIANTS, JOBS, Wiring, ticks

PROGRAM = "main"
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
# A file of the bank into the books: one column says how much, one says when.
BANK_MAP = """
[journal]
asset = "EUR"
kind = "bank"
key = "bank:{id}"
[amount]
column = "amount"
unit = "minor"
[effective]
column = "date"
[[move]]
debit = "bad_debt"
credit = "platform:own_funds"
"""
SECRET = "whsec_" + "kx7WqPz2Lr9vTn4Yb8McHs3JdFu6GeAa"
ASKED = frozenset(job.name for job in JOBS if job.on_demand)
ORDER = ("webhooks", "verify", "settle", "events", "reserve", "outbox", "answers", "repair", "reconcile-pull")


@dataclass
class Clock:
    """A clock that the test moves."""

    now: datetime = NOW

    def __call__(self, _: Any = None) -> datetime:
        """As ours, and as the database's."""
        return self.now

    def advance(self, **span: float) -> None:
        self.now += timedelta(**span)


def a_program(database: Database, *, holdback_bps: int = 0, payees: tuple[str, ...] = ("payee-1",)) -> None:
    """Program `main` in EUR at 5 % and 1 %, whose payees are paid at the simulator."""
    with database.transaction() as conn:
        open_program(conn, PROGRAM, name="Main", assets=[Asset("EUR", 2)], now=NOW)
        set_rates(conn, PROGRAM, platform_bps=500, validator_bps=100, holdback_bps=holdback_bps, actor="test", now=NOW)
        for payee in payees:
            a_destination(conn, payee)


def a_destination(conn: Any, payee: str, token: str | None = None, *, at: datetime = NOW) -> None:
    """Where this payee is paid."""
    set_destination(
        conn,
        make_id("dst"),
        program_id=PROGRAM,
        payee_id=payee,
        provider="simulator",
        token=token or f"acct_{payee}",
        actor="test",
        now=at,
    )


def balance_of(conn: Any, name: str) -> int:
    """An account's balance on its normal side, minor units; 0 when it was never opened."""
    row = conn.execute(
        "select case when debit_normal then debits - credits else credits - debits end from account where name = %s", [name]
    ).fetchone()
    return int(row[0]) if row else 0


def usage_csv(*prices: str, payee: str = "payee-1", prefix: str = "u") -> bytes:
    """One record for each price, each of another customer: one invoice each."""
    lines = [
        f"{prefix}-{number},customer-{prefix}-{number},{payee},EUR,1,{price},2026-11-19T10:00:00Z,a service"
        for number, price in enumerate(prices, start=1)
    ]
    return ("\n".join([",".join(COLUMNS), *lines]) + "\n").encode()


def issue(database: Database, *prices: str, payee: str = "payee-1", prefix: str = "u", provider: str = "simulator") -> list[str]:
    """Usage at these prices, and the ids of its invoices in the order of the prices."""
    with database.transaction() as conn:
        body = usage_csv(*prices, payee=payee, prefix=prefix)
        import_usage(conn, PROGRAM, body, file_name="usage.csv", make_id=make_id, actor="test", now=NOW)
        issued = issue_invoices(conn, PROGRAM, provider=provider, make_id=make_id, actor="test", now=NOW)
        rows = conn.execute("select id from invoice where id = any(%s) order by length(customer_id), customer_id", [issued.invoice_ids])
        return [row[0] for row in rows.fetchall()]


def a_charge(charge_id: str, invoice_id: str, amount: int, *, fee: int = 0, asset: str = "EUR") -> ChargeFact:
    """What the provider says of a customer's payment."""
    return ChargeFact(charge_id, invoice_id, amount, fee, asset, NOW)


def a_context(runner: Runner, clock: Callable[[], datetime], **more: Any) -> JobContext:
    """What a job works with, without any provider unless more is said."""
    return JobContext(**{"providers": {}, "make_id": make_id, "silent_after": timedelta(), "runner": runner, "clock": clock, **more})


@dataclass
class Desk:
    """A database and a simulator, wired, with a clock and no processes: its ticks are run by hand."""

    database: Database
    simulator: SimulatorProcess
    clock: Clock = field(default_factory=Clock)
    timeout_s: float = 1.0  # of a call; longer where none is lost on purpose, so that a busy machine loses none either

    def __post_init__(self) -> None:
        self.provider = SimulatorProvider(self.simulator.url, self.simulator.api_key, SECRET, timeout_s=self.timeout_s)
        self.http = httpx2.Client(base_url=self.simulator.url, headers=self.simulator.headers, timeout=10)
        self.wiring = Wiring(
            database=self.database,
            providers={"simulator": self.provider},
            program_id=PROGRAM,
            clock=self.clock,
            make_id=make_id,
            silent_after=timedelta(minutes=10),
            lease=timedelta(seconds=60),
            rows_max=200,
            call_limit=timedelta(seconds=self.timeout_s),
            database_clock=self.clock,
            cooling=timedelta(),
        )
        self.ticks = ticks(self.wiring, "worker:test")
        self._seen: str | None = None

    def pay(self, invoice_id: str, amount: int, *, fee: int = 30, key: str = "") -> None:
        """The customer pays at the provider."""
        body = {"reference": invoice_id, "amount": str(amount), "asset": "EUR", "fee": str(fee)}
        headers = {"Idempotency-Key": key or f"pay-{invoice_id}-{amount}"}
        self.http.post("/v1/charges", json=body, headers=headers).raise_for_status()

    def fault(self, kind: str, **more: Any) -> None:
        """Ask the provider for a fault."""
        self.http.post("/v1/faults", json={"fault": kind, **more}).raise_for_status()

    def spoil_the_statement(self) -> None:
        """The provider's statement will lose a line, double one and alter one."""
        for kind in ("line_lost", "line_doubled", "line_altered"):
            self.fault(kind)

    def webhook(self, event_id: str, event_type: str, body: bytes, *, at: datetime | None = None) -> None:
        """A webhook of the provider has come, and is stored."""
        with self.database.transaction() as conn:
            self._store(conn, event_id, event_type, body, at or self.clock.now)

    def _store(self, conn: Any, event_id: str, event_type: str, body: bytes, at: datetime) -> None:
        receive(conn, make_id("whi"), provider="simulator", event_id=event_id, event_type=event_type, body=body, now=at)

    def deliver(self) -> list[str]:
        """Hand over the provider's new events as if their webhooks had come; returns their types."""
        found = self.http.get("/v1/events", params={"limit": 1000, **({"after": self._seen} if self._seen else {})}).json()
        with self.database.transaction() as conn:
            for event in found["data"]:
                body = httpx2.Request("POST", "http://x", json=event).content
                self._store(conn, event["id"], event["type"], body, self.clock.now)
                self._seen = event["id"]
        return [event["type"] for event in found["data"]]

    def work(self, *names: str) -> None:
        """Run ticks until none finds anything. A job that looks at everything whenever it is asked always finds it, and is asked once."""
        asked = [name for name in names or ORDER if name in ASKED]
        while sum([self.ticks[name]().handled for name in names or ORDER if name not in ASKED]):
            pass
        for name in asked:
            self.ticks[name]()

    def settle_time(self) -> None:
        """Let the provider finish what it has accepted."""
        self.http.post("/v1/clock/advance", json={"ms": 60_000}).raise_for_status()
        self.clock.now = max(self.clock.now, NOW)

    def rows(self, query: str, *given: Any) -> list[tuple[Any, ...]]:
        """What the database holds."""
        with self.database.transaction() as conn:
            return conn.execute(query, given or None).fetchall()

    def balance(self, name: str) -> int:
        """An account's balance on its normal side, minor units; 0 when it was never opened."""
        with self.database.transaction() as conn:
            return balance_of(conn, name)

    def still_true(self) -> None:
        """Every invariant holds, and our clearing account is what the provider holds for us."""
        with self.database.transaction() as conn:
            assert run_invariants(conn, INVARIANTS) == []
        assert self.balance("clearing:simulator") == self.simulator.oracle().balances["EUR"]
        assert self.simulator.oracle().moved_twice() == []
