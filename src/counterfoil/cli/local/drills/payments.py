"""Payments on an installation of their own, with the simulator as their provider: traffic, faults, and a verdict to the unit in the end.

Real processes, killed for real at a point that they have reached; the evidence that the fault landed is looked at before it is dealt.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple

import httpx2
import psycopg

from counterfoil.base.invariant import run_invariants
from counterfoil.base.machine import listed
from counterfoil.cli.local.crash_drill import ARMED, REACHED
from counterfoil.cli.local.drills.windows import SIMULATOR, OrdersThere, Window
from counterfoil.cli.local.local_stack import ASSET, PROGRAM, World
from counterfoil.simulator.rules.oracle import MovedPayout, Oracle
from counterfoil.wiring import INVARIANTS

INVOICES_PER_CYCLE: Final = 3
REACH_S: Final = 300
DRAIN_S: Final = 300
TRAFFIC_S: Final = 600  # a process that starts on a busy machine takes its time; none of these is waited for in vain
PATIENCE_S: Final = 300
LEASE_S: Final = 8
SETTINGS: Final = {
    "COUNTERFOIL_WORKER_LEASE_S": str(LEASE_S),  # longer than it takes to look at the evidence: repair must not be faster
    "COUNTERFOIL_WORKER_POLL_MS": "200",
    "COUNTERFOIL_PROVIDER_SILENT_S": "1",
    "COUNTERFOIL_PROVIDER_TIMEOUT_MS": "1500",
    "COUNTERFOIL_PROVIDER_HORIZON_S": "4",
}


class KillMissed(Exception):
    """A kill did not land in its window: the cycle proves nothing."""


class Verdict(NamedTuple):
    """What is wrong in the end. `lost`, `doubled`: payouts and charges; `differences`: minor units and broken invariants."""

    lost: list[str]
    doubled: list[str]
    differences: list[str]

    def clean(self) -> bool:
        """Is nothing wrong?"""
        return not (self.lost or self.doubled or self.differences)

    def __str__(self) -> str:
        return f"lost {len(self.lost)}, doubled {len(self.doubled)}, differences {len(self.differences)}"


class SimulatorOrders(NamedTuple):
    """What a simulator's journal says of our orders."""

    oracle: Oracle
    provider: str = SIMULATOR

    def by_key(self) -> Mapping[str, list[MovedPayout]]:
        """Each of our keys with its payouts."""
        return self.oracle.by_key()


class Practice:
    """An installation, customers who pay, and a hand that kills."""

    paid_in: ClassVar[tuple[str, ...]] = ("paid",)  # the states of an invoice that its customer has paid
    ended_in: ClassVar[tuple[str, ...]] = ("completed",)  # and of a payout of which nothing is to come

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """Nothing starts before `running`. `settings` go over those of every process."""
        self.drill = folder / "drill"
        self.world = World(
            folder / "world",
            workers=2,
            die_with_parent=True,
            destinations={"payee-1": "acct_payee_1"},
            settings={
                **SETTINGS,
                "COUNTERFOIL_DRILL_FOLDER": str(self.drill),
                "COUNTERFOIL_DESTINATION_COOLING_HOURS": "0",
                **(settings or {}),
            },
            simulator={
                "settle_ms": 1500,  # nor the provider's next word
                "first_byte_ms": 3000,
                "webhook_backoff_ms": 100,
                "webhook_backoff_max_ms": 500,
            },
        )
        self.kills: Counter[str] = Counter()
        self.misses: Counter[str] = Counter()  # a process stood at its point, the evidence had gone: not counted, run again
        self.invoices = 0
        self.reach_s: float = REACH_S

    @contextmanager
    def running(self) -> Iterator[Practice]:
        """With everything started, and stopped in the end."""
        self.drill.mkdir(parents=True, exist_ok=True)
        with self.world:
            self.simulator = httpx2.Client(base_url=self.world.simulator.url, headers=self.world.simulator.headers, timeout=20)
            self.api = httpx2.Client(
                base_url=self.world.url, headers={"Authorization": f"Bearer {self.world.keys['operator']}"}, timeout=20
            )
            yield self

    def supervise(self) -> None:
        """Start again who ended by itself, as whoever keeps processes running does: the database was killed while it started, perhaps."""
        for child in self.world.workers:
            if not child.alive():
                child.start()

    def cycle(self, window: Window) -> bool:
        """Arm a point, cause traffic, wait until a process stands there, look at the evidence, kill, start again.

        False when the evidence was not to be seen, so that the kill proves nothing: a late webhook may have brought the end of the
        very payout that was being looked up. Everything is as after any other cycle, and the window is to be tried again.
        """
        self.supervise()
        self.before(window)
        (self.drill / ARMED).write_text(window.point)
        for fault in window.faults:
            self.ok(self.faulty(window).post("/v1/faults", json=fault))
        with ThreadPoolExecutor(1) as beside:  # the evidence is looked at the moment that the point is reached
            caused = beside.submit(self.cause, window)
            pid = self.await_reached(window, caused)
            landed = self.seen(window)
            landed = self.strike(window, pid) and landed
            caused.result(TRAFFIC_S)
        self.afterwards(window)
        (self.kills if landed else self.misses)[window.name] += 1
        return landed

    def before(self, window: Window) -> None:
        """What comes before the point is armed: nothing, where a customer pays."""

    def cause(self, window: Window) -> None:  # noqa: ARG002
        """What has a process come by there."""
        self.traffic()

    def faulty(self, window: Window) -> httpx2.Client:  # noqa: ARG002
        """The simulator that is told of the faults of a window."""
        return self.simulator

    def afterwards(self, window: Window) -> None:
        """What is done when the fault is over: nothing, where a customer pays."""

    def orders_at(self, provider: str) -> OrdersThere:
        """What this provider has now. Raises KillMissed where it is none of ours."""
        if provider != SIMULATOR:
            raise KillMissed(f"there is no {provider} here")
        return SimulatorOrders(self.world.simulator.oracle())

    def strike(self, window: Window, pid: int) -> bool:
        """Deal the fault to whoever stands there; whether it landed."""
        self.deal(window, pid)
        (self.drill / REACHED).unlink()
        return True

    def seen(self, window: Window) -> bool:
        """Is the evidence there, in the books and in the provider's journal?"""
        with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
            return within(lambda: window.evidence(conn, self.orders_at(window.provider)), 5)

    def deal(self, window: Window, pid: int) -> None:
        """Kill, and start again. Raises KillMissed."""
        if window.victim == "database":
            postmaster = self.world.postgres.pid
            if postmaster is None:
                raise KillMissed(f"{window.name}: no database runs")
            os.kill(postmaster, signal.SIGKILL)
            if not within(lambda: self.world.postgres.pid is None, 20):
                raise KillMissed(f"{window.name}: the database did not die")
            self.world.postgres.start()
            return
        mine = self.world.workers if window.victim == "worker" else [self.world.server]
        child = next((one for one in mine if one.alive() and one.pid == pid), None)
        if child is None:
            raise KillMissed(f"{window.name}: process {pid} stands there, not the {window.victim}")
        if child.kill() != -signal.SIGKILL:
            raise KillMissed(f"{window.name}: it was dead already")
        child.start()
        if window.victim == "server":
            self.world.await_server()

    def await_reached(self, window: Window, caused: Future[None]) -> int:
        """The process that stands at the point. Raises KillMissed, and at once what `caused` came to grief by."""
        reached = self.drill / REACHED
        if not within(lambda: reached.exists() or _went_wrong(caused), self.reach_s):
            raise KillMissed(f"{window.name}: nobody came by within {self.reach_s} s")
        if not reached.exists():
            caused.result()
        told = json.loads(reached.read_text())
        if told["point"] != window.point:
            raise KillMissed(f"{window.name}: {told['point']} was reached")
        return int(told["pid"])

    def traffic(self, payee: str = "payee-1", asset: str = ASSET.code) -> list[str]:
        """Usage, invoices, and customers who pay them; the ids of the invoices."""
        first = self.invoices
        self.invoices += INVOICES_PER_CYCLE
        lines = ["record_id,customer_id,payee_id,asset,quantity,unit_price,occurred_at,description"]
        lines += [
            f"u-{number},c-{number},{payee},{asset},1,{100 + number}.37,2026-01-05T10:00:00Z,crash test"
            for number in range(first, self.invoices)
        ]
        body = "\n".join(lines) + "\n"
        self.ask(
            "POST",
            f"/api/usage?programId={PROGRAM}&fileName=u-{first}.csv",
            f"usage-{first}",
            content=body.encode(),
            headers={"Content-Type": "text/csv"},
        )
        provider, there = self.paid_through(payee)
        issued = self.ask("POST", "/api/invoices/issue", f"issue-{first}", json={"programId": PROGRAM, "provider": provider})
        for invoice_id in issued["invoiceIds"]:
            total = self.ask("GET", f"/api/invoices/{invoice_id}", None)["total"]
            charge = {"reference": invoice_id, "amount": total, "asset": asset, "fee": "30"}
            self.ok(there.post("/v1/charges", json=charge, headers={"Idempotency-Key": f"pay-{invoice_id}"}))
        return list(issued["invoiceIds"])

    def paid_through(self, payee: str) -> tuple[str, httpx2.Client]:  # noqa: ARG002
        """The provider at which the customers of this payee pay."""
        return SIMULATOR, self.simulator

    def ask(self, method: str, path: str, key: str | None, **more: Any) -> Any:
        """What was answered, as JSON; see `answer_to`."""
        return self.ok(self.answer_to(method, path, key, **more))

    def answer_to(self, method: str, path: str, key: str | None, **more: Any) -> httpx2.Response:
        """Ask until answered: the server or the database may be dead at this moment; the key makes asking again harmless."""
        headers = {**more.pop("headers", {}), **({"Idempotency-Key": key} if key else {})}
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                response = self.api.request(method, path, headers=headers, **more)
                if response.status_code < 500 and response.status_code != 409:
                    return response
            except httpx2.HTTPError as error:
                if time.monotonic() > end:
                    raise KillMissed(f"{method} {path}: {error!r}") from error
            if time.monotonic() > end:
                raise KillMissed(f"{method} {path}: {response.status_code} {response.text[:500]}")
            time.sleep(0.05)

    def ok(self, response: httpx2.Response) -> Any:
        """What was answered. Raises KillMissed for a refusal."""
        if response.status_code not in (200, 201, 202):
            raise KillMissed(f"{response.request.url}: {response.status_code} {response.text[:500]}")
        return response.json()

    def _hurried(self, conn: Any, waiting: str) -> bool:
        """Is nothing under way? What waits for its next try on the ladder need not wait an hour for it here."""
        for table in ("provider_payout", "payout", "webhook_in", "intent", "call_answer"):
            conn.execute(
                f"""update {table} set due_at = clock_timestamp() where due_at > clock_timestamp() + interval '2 s'
                    and (lease_until is null or lease_until < clock_timestamp())
                    and not exists (select from call_standing c where c.subject_id = {table}.id and c.closed_at > clock_timestamp())"""
            )
        return bool(conn.execute(waiting).fetchone() == (0,))

    def verdict(self) -> Verdict:
        """Wait until nothing is under way, then hold the provider's journal against our books."""
        with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
            waiting = f"""select (select count(*) from invoice where state not in {listed(self.paid_in)})
                + (select count(*) from intent where state <> 'completed')
                + (select count(*) from payout where state not in {listed(self.ended_in)})
                + (select count(*) from webhook_in where state = 'received') + (select count(*) from event where state = 'due')"""
            drained = within(lambda: self._hurried(conn, waiting), DRAIN_S)
            oracle = self.world.simulator.oracle()
            ours = conn.execute(
                "select idempotency_key, amount, fee from provider_payout where state = 'succeeded' and provider = 'simulator'"
            ).fetchall()
            paid: dict[str, int] = dict(conn.execute("select reference, sum(amount) from payment group by 1").fetchall())
            clearing = held_in(conn, "clearing:simulator")
            rows = conn.execute(f"select id, state, last_error from payout where state not in {listed(self.ended_in)}").fetchall()
            payout_of: dict[str, str] = dict(conn.execute("select idempotency_key, payout_id from provider_payout").fetchall())
        with self.world.database.transaction(read_only=True) as opened:  # with the keys: one of them opens what is encrypted
            findings = run_invariants(opened, INVARIANTS)
        theirs = {key: made for key, made in oracle.by_key().items() if any(one.out for one in made)}
        charged = {reference: amount for (reference, _), amount in oracle.charged.items()}
        lost = [f"payout not completed: {row}" for row in rows] + ([] if drained else ["not drained"])
        lost += [f"the provider paid {key}, our books do not know" for key in theirs.keys() - {row[0] for row in ours}]
        lost += [f"we say {row[0]} is paid, the provider does not" for row in ours if row[0] not in theirs]
        lost += [f"charge for {reference} is not booked" for reference in charged.keys() - paid.keys()]
        doubled = [f"paid twice: {name}" for name in oracle.moved_twice()]
        # By payout, not by key: a second order under another key is money twice all the same.
        orders = Counter(payout_of.get(key, f"unknown {key}") for key, made in theirs.items() for one in made if one.out)
        doubled += [f"payout {name} was paid {times} times" for name, times in orders.items() if times > 1]
        differences = [f"{row[0]}: booked {row[1]}" for row in ours if row[0] in theirs and theirs[row[0]][0].moved != row[1]]
        differences += [
            f"{name}: charged {charged[name]}, booked {paid[name]}" for name in charged.keys() & paid.keys() if charged[name] != paid[name]
        ]
        if clearing != {asset: minor for asset, minor in oracle.balances.items() if minor}:
            differences.append(f"clearing {dict(clearing)}, the provider holds {dict(oracle.balances)}")
        differences += [f"{one.code}: {one.count} {one.shown[:3]}" for one in findings]
        return Verdict(lost, doubled, differences)


def held_in(conn: Any, account: str) -> Counter[str]:
    """What an account holds of each asset that it has anything of, in minor units."""
    rows = conn.execute(
        """select b.asset, sum(a.debits - a.credits)::bigint from account a join book b on b.id = a.book_id
           where a.name = %s group by 1 having sum(a.debits - a.credits) <> 0""",
        [account],
    ).fetchall()
    return Counter(dict(rows))


def _went_wrong(caused: Future[None]) -> bool:
    return caused.done() and caused.exception() is not None


def within(holds: Callable[[], bool], seconds: float) -> bool:
    """Does it hold before so many seconds are over?"""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False
