"""The crash test: `python -m tests.chaos.run --cycles 200`. Real processes, killed or frozen for real at each point of a payment.

Two workers, a provider that is slow, silent, or refuses, a webhook that is parked, a person who tries again, a month-end in between.
Prints the faults by point, then `lost 0, doubled 0, differences 0`, counted by payout; exits 1 when it cannot.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import psycopg

from counterfoil.base.edge import make_id, now
from counterfoil.base.invariant import run_invariants
from counterfoil.cli.local.local_stack import ASSET, PROGRAM, ProcessDidNotStart, World
from counterfoil.operations.webhooks.inbound import receive
from counterfoil.wiring import INVARIANTS
from tests.chaos.windows import SHORT, WINDOWS, Window

INVOICES_PER_CYCLE = 3
REACH_S = 300
DRAIN_S = 300
TRAFFIC_S = 600  # a process that starts on a busy machine takes its time; none of these is waited for in vain
PATIENCE_S = 300
LEASE_S = 8
MISSES_MAX = 0.05
MISSES_LEAST = 3  # of a short run on a busy machine
SETTINGS = {
    "COUNTERFOIL_WORKER_LEASE_S": str(LEASE_S),  # longer than it takes to look at the evidence: repair must not be faster
    "COUNTERFOIL_WORKER_POLL_MS": "200",
    "COUNTERFOIL_PROVIDER_SILENT_S": "1",
    "COUNTERFOIL_PROVIDER_TIMEOUT_MS": "1500",
    "COUNTERFOIL_PROVIDER_HORIZON_S": "4",
}

# Somebody else took what the frozen worker had in hand: its lease was repaired, or a fact moved the row, and its fence with it.
TAKEN_OVER = """select 1 from step where machine = 'provider_payout' and cause = 'repair' and at > %s
    union all select 1 from call_standing c join provider_payout pp on pp.id = c.subject_id
              where c.kind is null and pp.fence <> c.fence"""

__all__ = ["Chaos", "KillMissed", "ProcessDidNotStart", "main"]


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


class Chaos:
    """A world, traffic, and a hand that kills."""

    def __init__(self, folder: Path) -> None:
        """Nothing starts before `running`."""
        self.drill = folder / "drill"
        self.world = World(
            folder / "world",
            workers=2,
            destinations={"payee-1": "acct_payee_1"},
            settings={**SETTINGS, "COUNTERFOIL_DRILL_FOLDER": str(self.drill), "COUNTERFOIL_DESTINATION_COOLING_HOURS": "0"},
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

    @contextmanager
    def running(self) -> Iterator[Chaos]:
        """With everything started, and stopped in the end."""
        self.drill.mkdir(parents=True, exist_ok=True)
        with self.world:
            self.simulator = httpx2.Client(base_url=self.world.simulator.url, headers=self.world.simulator.headers, timeout=20)
            self.api = httpx2.Client(
                base_url=self.world.url, headers={"Authorization": f"Bearer {self.world.keys['operator']}"}, timeout=20
            )
            yield self

    def _destination(self, payee: str, token: str) -> None:
        """Two administrators agree where this payee is paid."""
        body = {"programId": PROGRAM, "payeeId": payee, "token": token}
        maker = {"Authorization": f"Bearer {self.world.keys['administrator']}"}
        waits = self._api("POST", "/api/destinations", make_id("try"), headers=maker, json=body)
        checker = {"Authorization": f"Bearer {self.world.keys['approver']}"}
        decision = {"payloadSha256": waits["payloadSha256"], "reason": "the payee wrote it"}
        self._api("POST", f"/api/approvals/{waits['proposalId']}/approve", make_id("try"), headers=checker, json=decision)
        self._api("POST", "/api/destinations", make_id("try"), headers=maker, json=body)

    def cycle(self, window: Window) -> bool:
        """Arm a point, cause traffic, wait until a process stands there, look at the evidence, kill, start again.

        False when the evidence was not to be seen, so that the kill proves nothing: a late webhook may have brought the end of the
        very payout that was being looked up. Everything is as after any other cycle, and the window is to be tried again.
        """
        self._supervise()
        (self.drill / "armed").write_text(window.point)
        for fault in window.faults:
            self._ok(self.simulator.post("/v1/faults", json=fault))
        with ThreadPoolExecutor(1) as beside:  # the evidence is looked at the moment that the point is reached
            traffic = beside.submit(self._traffic)
            pid = self._await_reached(window)
            landed = self._seen(window)
            (self.drill / "armed").unlink()
            if window.deed == "close":
                self._close_books()
            if window.how == "stop":
                landed = self._stop(window, pid) and landed
            else:
                self._kill(window, pid)
                (self.drill / "reached").unlink()
            traffic.result(TRAFFIC_S)
        (self.kills if landed else self.misses)[window.name] += 1
        return landed

    def _supervise(self) -> None:
        """Start again who ended by itself, as whoever keeps processes running does: the database was killed while it started, perhaps."""
        for child in self.world.workers:
            if not child.alive():
                child.start()

    def _stop(self, window: Window, pid: int) -> bool:
        """Freeze the process past its lease, let the world go on without it, and wake it up. False when nothing came of the freeze."""
        if pid not in {child.pid for child in self.world.workers}:
            raise KillMissed(f"{window.name}: process {pid} stands there, no worker")
        began = datetime.now(UTC)
        os.kill(pid, signal.SIGSTOP)
        try:
            if not _within(lambda: _is_stopped(pid), 5):
                raise KillMissed(f"{window.name}: process {pid} did not stop")
            (self.drill / "reached").unlink()  # when it wakes up, it goes on at once
            with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
                if window.point == "send.before_call":
                    return self._retry_beside(conn)
                if not window.point.startswith("send."):
                    time.sleep(LEASE_S + 2)
                    return _is_stopped(pid)
                return _within(lambda: bool(conn.execute(TAKEN_OVER, [began]).fetchall()), LEASE_S + 40) and _is_stopped(pid)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _retry_beside(self, conn: Any) -> bool:
        """While its sender is frozen, an attempt is given up by the other worker, and a person tries again under a new key."""
        (attempt, payout), *_ = conn.execute(
            """select c.subject_id, pp.payout_id from call_standing c join provider_payout pp on pp.id = c.subject_id
               where c.kind is null and pp.state = 'sending' order by c.announced_at desc limit 1"""
        ).fetchall()
        self._ok(self.simulator.post("/v1/faults", json={"fault": "rate_limit", "on": "payout.create", "count": 1_000}))

        def given_up() -> bool:  # an hour passes in a moment
            self._supervise()
            conn.execute(
                "update provider_payout set due_at = clock_timestamp() where id = %s and state in ('queued', 'unknown')",
                [attempt],
            )
            conn.execute(
                "update circuit set probe_at = clock_timestamp(), probed_by = null where state <> 'closed'"
            )  # its rests double with each refusal: they would be longer than our patience
            return state() not in ("sending", "queued", "unknown")

        def state() -> str:
            return str(conn.execute("select state from provider_payout where id = %s", [attempt]).fetchone()[0])

        _within(given_up, 150)
        self.simulator.delete("/v1/faults").raise_for_status()
        if state() != "failed":  # it was sent after all: what is to be seen here did not come about
            return False
        self._api("POST", f"/api/payouts/{payout}/retry", f"retry-{attempt}", json={"reason": "the provider is back"})
        done = "select count(*) from provider_payout where payout_id = %s and state in ('sent', 'succeeded')"
        return _within(lambda: conn.execute(done, [payout]).fetchone() == (1,), 60)

    def refusal(self) -> None:
        """A payee whose account the provider refuses: the payout fails, the account is corrected, a person tries again."""
        payee = f"payee-refused-{self.invoices}"
        self._destination(payee, "unknown_account")
        self._traffic(payee)
        with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
            found = "select id from payout where payee_id = %s and state = 'failed'"
            if not _within(lambda: len(conn.execute(found, [payee]).fetchall()) == INVOICES_PER_CYCLE, 60):
                raise KillMissed(f"{payee}: nothing was refused")
            failed = [row[0] for row in conn.execute(found, [payee]).fetchall()]
        if not {one.reference for one in self.world.simulator.oracle().refused}:
            raise KillMissed(f"{payee}: the provider refused nothing")
        self._destination(payee, f"acct_{payee.replace('-', '_')}")
        for payout in failed:
            self._api("POST", f"/api/payouts/{payout}/retry", f"retry-{payout}", json={"reason": "the account is right now"})
        self.kills["refused, and tried again"] += 1

    def parked(self) -> None:
        """A webhook that can never be applied is parked, a person has it tried again, it is parked anew; customers' payments pass it by."""
        told = {
            "id": f"po_{self.invoices}",
            "idempotency_key": "not-ours",
            "amount": "1",
            "amount_paid": None,
            "fee": "0",
            "asset": "EUR",
        }
        told |= {"status": "paid", "failure_code": None, "updated_at": datetime.now(UTC).isoformat()}
        webhook = make_id("whi")
        with self.world.database.transaction() as conn:
            body = json.dumps({"type": "payout.paid", "data": told}).encode()
            receive(
                conn,
                webhook,
                provider="simulator",
                event_id=f"evt_not_ours_{self.invoices}",
                event_type="payout.paid",
                body=body,
                now=now(),
            )
        for verb in ("requeue", "ignore"):
            self._traffic()
            with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
                if not _within(lambda conn=conn: self._is_parked(conn, webhook), PATIENCE_S):
                    raise KillMissed(f"{webhook} was not parked")
                if not _within(lambda conn=conn: self._all_paid(conn), PATIENCE_S):
                    raise KillMissed(f"{webhook} holds up what customers pay")
            self._api("POST", f"/api/admin/webhooks-in/{webhook}/{verb}", f"{verb}-{webhook}", json={"reason": "not ours"})
        with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
            parks = "select count(*) from step where subject_id = %s and verb = 'park'"
            if conn.execute(parks, [webhook]).fetchone() != (2,):
                raise KillMissed(f"{webhook} was not parked twice")
        self.kills["webhook parked, twice"] += 1

    def _all_paid(self, conn: Any) -> bool:
        return bool(conn.execute("select count(*) from invoice where state <> 'paid'").fetchone() == (0,))

    def _is_parked(self, conn: Any, webhook: str) -> bool:
        """Is it? The hours of its ladder pass in a moment."""
        conn.execute(
            """update webhook_in set due_at = clock_timestamp()
               where id = %s and state = 'received' and due_at > clock_timestamp()
                     and (lease_until is null or lease_until < clock_timestamp())""",
            [webhook],
        )
        return bool(conn.execute("select state from webhook_in where id = %s", [webhook]).fetchone() == ("parked",))

    def _close_books(self) -> None:
        """A month-end at this very moment: what happened before it and is told later belongs to the next open day."""
        controller = {"Authorization": f"Bearer {self.world.keys['controller']}"}
        body = {"until": datetime.now(UTC).isoformat(), "reason": "month-end"}
        self._api("POST", f"/api/programs/{PROGRAM}/period/close", f"close-{self.invoices}", headers=controller, json=body)

    def _seen(self, window: Window) -> bool:
        with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
            return _within(lambda: window.evidence(conn, self.world.simulator.oracle()), 5)

    def _kill(self, window: Window, pid: int) -> None:
        if window.victim == "database":
            postmaster = self.world.postgres.pid
            if postmaster is None:
                raise KillMissed(f"{window.name}: no database runs")
            os.kill(postmaster, signal.SIGKILL)
            if not _within(lambda: self.world.postgres.pid is None, 20):
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

    def _await_reached(self, window: Window) -> int:
        reached = self.drill / "reached"
        if not _within(reached.exists, REACH_S):
            raise KillMissed(f"{window.name}: nobody came by within {REACH_S} s")
        told = json.loads(reached.read_text())
        if told["point"] != window.point:
            raise KillMissed(f"{window.name}: {told['point']} was reached")
        return int(told["pid"])

    def _traffic(self, payee: str = "payee-1") -> None:
        """Usage, invoices, and customers who pay them."""
        first = self.invoices
        self.invoices += INVOICES_PER_CYCLE
        lines = ["record_id,customer_id,payee_id,asset,quantity,unit_price,occurred_at,description"]
        lines += [
            f"u-{number},c-{number},{payee},EUR,1,{100 + number}.37,2026-01-05T10:00:00Z,crash test"
            for number in range(first, self.invoices)
        ]
        body = "\n".join(lines) + "\n"
        self._api(
            "POST",
            f"/api/usage?programId={PROGRAM}&fileName=u-{first}.csv",
            f"usage-{first}",
            content=body.encode(),
            headers={"Content-Type": "text/csv"},
        )
        issued = self._api("POST", "/api/invoices/issue", f"issue-{first}", json={"programId": PROGRAM})
        for invoice_id in issued["invoiceIds"]:
            total = self._api("GET", f"/api/invoices/{invoice_id}", None)["total"]
            body_ = {"reference": invoice_id, "amount": total, "asset": ASSET.code, "fee": "30"}
            self._ok(self.simulator.post("/v1/charges", json=body_, headers={"Idempotency-Key": f"pay-{invoice_id}"}))

    def _api(self, method: str, path: str, key: str | None, **more: Any) -> Any:
        """Ask until answered: the server or the database may be dead at this moment; the key makes asking again harmless."""
        headers = {**more.pop("headers", {}), **({"Idempotency-Key": key} if key else {})}
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                response = self.api.request(method, path, headers=headers, **more)
                if response.status_code < 500 and response.status_code != 409:
                    return self._ok(response)
            except httpx2.HTTPError as error:
                if time.monotonic() > end:
                    raise KillMissed(f"{method} {path}: {error!r}") from error
            if time.monotonic() > end:
                raise KillMissed(f"{method} {path}: {response.status_code} {response.text[:500]}")
            time.sleep(0.05)

    def _ok(self, response: httpx2.Response) -> Any:
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
            waiting = """select (select count(*) from invoice where state <> 'paid')
                + (select count(*) from intent where state <> 'completed')
                + (select count(*) from payout where state <> 'completed')
                + (select count(*) from webhook_in where state = 'received') + (select count(*) from event where state = 'due')"""
            drained = _within(lambda: self._hurried(conn, waiting), DRAIN_S)
            oracle = self.world.simulator.oracle()
            ours = conn.execute("select idempotency_key, amount, fee from provider_payout where state = 'succeeded'").fetchall()
            paid = dict(conn.execute("select reference, sum(amount) from payment group by 1").fetchall())
            clearing = conn.execute("select coalesce(sum(debits - credits), 0) from account where name = 'clearing:simulator'").fetchone()
            rows = conn.execute("select id, state, last_error from payout where state <> 'completed'").fetchall()
            payout_of = dict(conn.execute("select idempotency_key, payout_id from provider_payout").fetchall())
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
        if clearing is None or clearing[0] != oracle.balances[ASSET.code]:
            differences.append(f"clearing {clearing}, the provider holds {oracle.balances[ASSET.code]}")
        differences += [f"{one.code}: {one.count} {one.shown[:3]}" for one in findings]
        return Verdict(lost, doubled, differences)


def too_often(misses: int, cycles: int) -> bool:
    """Were more kills without evidence than may be run again?"""
    return misses > max(MISSES_LEAST, cycles * MISSES_MAX)


def _is_stopped(pid: int) -> bool:
    """Is the process frozen? By the kernel's own word."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _within(holds: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


def main(arguments: list[str] | None = None) -> int:
    """Run the cycles and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--cycles", type=int, help="one fault each; all windows once when left out")
    parser.add_argument("--short", action="store_true", help="one window of each kind only")
    parser.add_argument("--folder", type=Path, help="keep everything here; a temporary folder when left out")
    options = parser.parse_args(arguments)
    windows = SHORT if options.short else WINDOWS
    options.cycles = options.cycles or len(windows)
    with tempfile.TemporaryDirectory(prefix="counterfoil-chaos-") as temporary:
        chaos = Chaos(options.folder or Path(temporary))
        began = time.monotonic()
        with chaos.running():
            for number in range(options.cycles):
                window = windows[number % len(windows)]
                while not chaos.cycle(window):
                    if too_often(chaos.misses.total(), options.cycles):
                        raise KillMissed(f"the evidence was gone too often: {dict(chaos.misses)}")
                print(f"{number + 1:4}  {window.name:32} {window.says}", flush=True)
                if number % len(windows) == 0:
                    chaos.refusal()
                    chaos.parked()
            verdict = chaos.verdict()
        print(f"\n{options.cycles} faults in {time.monotonic() - began:.0f} s, {chaos.invoices} invoices")
        if chaos.misses:
            print(f"and {chaos.misses.total()} that proved nothing and were run again: {dict(chaos.misses)}")
        for name, count in sorted(chaos.kills.items()):
            print(f"  {count:4}  {name}")
        for line in (*verdict.lost, *verdict.doubled, *verdict.differences):
            print(f"  ! {line}")
        print(verdict)
    rounds = -(-options.cycles // len(windows))
    return 0 if verdict.clean() and sum(chaos.kills.values()) == options.cycles + 2 * rounds else 1


if __name__ == "__main__":
    sys.exit(main())
