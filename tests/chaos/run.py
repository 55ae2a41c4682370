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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from counterfoil.base.edge import make_id, now
from counterfoil.cli.local.drills.payments import INVOICES_PER_CYCLE, LEASE_S, PATIENCE_S, KillMissed, Practice, within
from counterfoil.cli.local.drills.windows import SHORT, WINDOWS, Window
from counterfoil.cli.local.local_stack import PROGRAM, ProcessDidNotStart
from counterfoil.operations.webhooks.inbound import receive

MISSES_MAX = 0.05
MISSES_LEAST = 3  # of a short run on a busy machine
# Somebody else took what the frozen worker had in hand: its lease was repaired, or a fact moved the row, and its fence with it.
TAKEN_OVER = """select 1 from step where machine = 'provider_payout' and cause = 'repair' and at > %s
    union all select 1 from call_standing c join provider_payout pp on pp.id = c.subject_id
              where c.kind is null and pp.fence <> c.fence"""

__all__ = ["Chaos", "KillMissed", "ProcessDidNotStart", "main"]


class Chaos(Practice):
    """A world, traffic, and a hand that kills and freezes."""

    def _destination(self, payee: str, token: str) -> None:
        """Two administrators agree where this payee is paid."""
        body = {"programId": PROGRAM, "payeeId": payee, "token": token}
        maker = {"Authorization": f"Bearer {self.world.keys['administrator']}"}
        waits = self.ask("POST", "/api/destinations", make_id("try"), headers=maker, json=body)
        checker = {"Authorization": f"Bearer {self.world.keys['approver']}"}
        decision = {"payloadSha256": waits["payloadSha256"], "reason": "the payee wrote it"}
        self.ask("POST", f"/api/approvals/{waits['proposalId']}/approve", make_id("try"), headers=checker, json=decision)
        self.ask("POST", "/api/destinations", make_id("try"), headers=maker, json=body)

    def strike(self, window: Window, pid: int) -> bool:
        if window.deed == "close":
            self._close_books()
        return self._stop(window, pid) if window.how == "stop" else super().strike(window, pid)

    def _stop(self, window: Window, pid: int) -> bool:
        """Freeze the process past its lease, let the world go on without it, and wake it up. False when nothing came of the freeze."""
        if pid not in {child.pid for child in self.world.workers}:
            raise KillMissed(f"{window.name}: process {pid} stands there, no worker")
        began = datetime.now(UTC)
        os.kill(pid, signal.SIGSTOP)
        try:
            if not within(lambda: _is_stopped(pid), 5):
                raise KillMissed(f"{window.name}: process {pid} did not stop")
            (self.drill / "reached").unlink()  # when it wakes up, it goes on at once
            with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
                if window.point == "send.before_call":
                    return self._retry_beside(conn)
                if not window.point.startswith("send."):
                    time.sleep(LEASE_S + 2)
                    return _is_stopped(pid)
                return within(lambda: bool(conn.execute(TAKEN_OVER, [began]).fetchall()), LEASE_S + 40) and _is_stopped(pid)
        finally:
            os.kill(pid, signal.SIGCONT)

    def _retry_beside(self, conn: Any) -> bool:
        """While its sender is frozen, an attempt is given up by the other worker, and a person tries again under a new key."""
        (attempt, payout), *_ = conn.execute(
            """select c.subject_id, pp.payout_id from call_standing c join provider_payout pp on pp.id = c.subject_id
               where c.kind is null and pp.state = 'sending' order by c.announced_at desc limit 1"""
        ).fetchall()
        self.ok(self.simulator.post("/v1/faults", json={"fault": "rate_limit", "on": "payout.create", "count": 1_000}))

        def given_up() -> bool:  # an hour passes in a moment
            self.supervise()
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

        within(given_up, 150)
        self.simulator.delete("/v1/faults").raise_for_status()
        if state() != "failed":  # it was sent after all: what is to be seen here did not come about
            return False
        self.ask("POST", f"/api/payouts/{payout}/retry", f"retry-{attempt}", json={"reason": "the provider is back"})
        done = "select count(*) from provider_payout where payout_id = %s and state in ('sent', 'succeeded')"
        return within(lambda: conn.execute(done, [payout]).fetchone() == (1,), 60)

    def refusal(self) -> None:
        """A payee whose account the provider refuses: the payout fails, the account is corrected, a person tries again."""
        payee = f"payee-refused-{self.invoices}"
        self._destination(payee, "unknown_account")
        self.traffic(payee)
        with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
            found = "select id from payout where payee_id = %s and state = 'failed'"
            if not within(lambda: len(conn.execute(found, [payee]).fetchall()) == INVOICES_PER_CYCLE, 60):
                raise KillMissed(f"{payee}: nothing was refused")
            failed = [row[0] for row in conn.execute(found, [payee]).fetchall()]
        if not {one.reference for one in self.world.simulator.oracle().refused}:
            raise KillMissed(f"{payee}: the provider refused nothing")
        self._destination(payee, f"acct_{payee.replace('-', '_')}")
        for payout in failed:
            self.ask("POST", f"/api/payouts/{payout}/retry", f"retry-{payout}", json={"reason": "the account is right now"})
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
            self.traffic()
            with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
                if not within(lambda conn=conn: self._is_parked(conn, webhook), PATIENCE_S):
                    raise KillMissed(f"{webhook} was not parked")
                if not within(lambda conn=conn: self._all_paid(conn), PATIENCE_S):
                    raise KillMissed(f"{webhook} holds up what customers pay")
            self.ask("POST", f"/api/admin/webhooks-in/{webhook}/{verb}", f"{verb}-{webhook}", json={"reason": "not ours"})
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
        self.ask("POST", f"/api/programs/{PROGRAM}/period/close", f"close-{self.invoices}", headers=controller, json=body)


def too_often(misses: int, cycles: int) -> bool:
    """Were more kills without evidence than may be run again?"""
    return misses > max(MISSES_LEAST, cycles * MISSES_MAX)


def _is_stopped(pid: int) -> bool:
    """Is the process frozen? By the kernel's own word."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


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
