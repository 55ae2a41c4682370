"""A world, traffic, and a hand that kills and freezes: every path and every provider that can be had."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import psycopg

from counterfoil.base.edge import make_id, now
from counterfoil.base.money import Asset
from counterfoil.cli.local.crash_drill import ARMED, REACHED
from counterfoil.cli.local.drills.payments import INVOICES_PER_CYCLE, LEASE_S, PATIENCE_S, KillMissed, Verdict, within
from counterfoil.cli.local.drills.windows import OrdersThere, Window
from counterfoil.cli.local.local_stack import PROGRAM, ProcessDidNotStart, World
from counterfoil.operations.webhooks.inbound import receive
from tests.chaos.others import Bank, OtherProvider, Stripe, connected
from tests.chaos.people import People
from tests.chaos.scenes import SCENES, Scene, bring, issue_anew, tidy, try_again
from tests.chaos.verdicts import by_people
from tests.chaos.watch import Held, Rescues, Woken

RESCUED_S = 60
LOCKED_S = 60  # whoever froze in the middle of a transaction keeps its locks for so long, then the database ends it
DOLLARS = Asset("USD", 2)
PAYEES = ("payee-1", "payee-batch", "payee-refund", "payee-return", "payee-dispute")


class Chaos(People):
    """A world, traffic, and a hand that kills and freezes."""

    paid_in: ClassVar[tuple[str, ...]] = ("paid", "refunded")
    ended_in: ClassVar[tuple[str, ...]] = ("completed", "refunded", "returned")  # what came back is looked at beside

    def __init__(self, folder: Path, others: Sequence[OtherProvider] = ()) -> None:
        """`others`: the providers beside the simulator's own."""
        super().__init__(folder)
        self.others = {one.name: one for one in others}
        self.bank = next((one for one in others if isinstance(one, Bank)), None)
        self.folder = folder
        self.world = World(
            folder / "world",
            workers=2,
            die_with_parent=True,
            destinations={payee: f"acct_{payee.replace('-', '_')}" for payee in PAYEES},
            by_batch=DOLLARS,
            settings=self.world.settings,
            simulator=self.world.simulator_settings,
        )
        self.rescues = Rescues(lambda: self.world.postgres.url)
        self.woken = Woken()
        self.ended = 0  # transactions of whoever stands still that the database ended
        self.scene = Scene(self, Window("worker", "", lambda *_: False, ""))

    @contextmanager
    def running(self) -> Iterator[Chaos]:
        """With everything started, the other providers first, since our processes are told where they are."""
        with ExitStack() as stack:
            for one in self.others.values():
                self.world.settings |= stack.enter_context(one.running(self.world, self.folder))
            stack.enter_context(super().running())
            for one in self.others.values():
                with self.world.database.transaction() as conn:
                    one.bring_funds(conn)
                self.by_two("/destinations", programId=PROGRAM, payeeId=one.payee, provider=one.name, **one.destination())
            stack.enter_context(self.rescues)
            yield self

    def paid_through(self, payee: str) -> tuple[str, httpx2.Client]:
        stripe = self.others.get("stripe")
        if isinstance(stripe, Stripe) and payee == stripe.payee:
            return stripe.name, stripe.client
        return super().paid_through(payee)

    def faulty(self, window: Window) -> httpx2.Client:
        there = self.others.get(window.provider)
        return there.client if isinstance(there, Stripe) else super().faulty(window)

    def orders_at(self, provider: str) -> OrdersThere:
        if provider not in self.others:
            return super().orders_at(provider)
        with connected(self.world) as conn:
            return self.others[provider].orders(conn)

    def before(self, window: Window) -> None:
        self.scene = SCENES[window.path](self, window)
        self.scene.before()

    def cause(self, window: Window) -> None:
        self.scene.cause()

    def afterwards(self, window: Window) -> None:
        self.scene.afterwards()

    def try_cycle(self, window: Window) -> bool:
        """As `cycle`; a walk that broke off proves nothing either, and everything is as before it. What the cycle before did to a provider
        is over: its circuit is asked at once, and does not rest for minutes in which nobody comes by."""
        try:
            with connected(self.world) as conn:
                _no_rest(conn)
            return self.cycle(window)
        except (KillMissed, ProcessDidNotStart, httpx2.HTTPError, psycopg.Error) as error:
            print(f"      {window.name}: {error!r}"[:600], flush=True)
            self.misses[window.name] += 1
            for left in (ARMED, REACHED):
                (self.drill / left).unlink(missing_ok=True)
            tidy(self)
            return False

    def strike(self, window: Window, pid: int) -> bool:
        if window.deed == "close":
            self._close_books()
        if window.how == "stop":
            return self._stop(window, pid)
        done = self.scene.deed(pid)
        if window.victim == "worker":
            self.rescues.killed(pid)
        return super().strike(window, pid) and done

    def _stop(self, window: Window, pid: int) -> bool:
        """Freeze the process past its lease, let the world go on without it, and wake it up. False when nothing came of the freeze."""
        if pid not in {child.pid for child in self.world.workers}:
            raise KillMissed(f"{window.name}: process {pid} stands there, no worker")
        os.kill(pid, signal.SIGSTOP)
        try:
            if not within(lambda: _is_stopped(pid), 5):
                raise KillMissed(f"{window.name}: process {pid} did not stop")
            (self.drill / REACHED).unlink()  # when it wakes up, it goes on at once
            with connected(self.world) as conn:
                if not window.point.startswith("send."):
                    time.sleep(LEASE_S + 2)
                    return _is_stopped(pid)
                held = self.woken.in_hand(conn, pid, window.provider)
                self.ended = 0
                done = bool(held) and self.scene.deed(pid) and self._goes_on(conn, window, held) and _is_stopped(pid)
                wake = lambda: os.kill(pid, signal.SIGCONT)  # noqa: E731 - said where it is done
                self.woken.wake(conn, pid, held, lambda: self.orders_at(window.provider), wake, ended=self.ended)
                return done
        finally:
            os.kill(pid, signal.SIGCONT)

    def _goes_on(self, conn: Any, window: Window, held: list[Held]) -> bool:
        """The others take what the frozen one holds; where the provider has it, until they have found that out."""
        if window.point == "send.before_call" and not window.path:
            return self._retry_beside(conn)
        began = time.monotonic()
        still = """select count(*) filter (where p.state = 'sending'), count(*)
                   from provider_payout p join unnest(%s::text[], %s::bigint[]) as h (id, fence) using (id, fence)"""
        given = [[one.id for one in held], [one.fence for one in held]]

        def taken() -> bool:
            if time.monotonic() > began + LEASE_S + 2:
                self.ended += _no_locks(conn)
            return bool(conn.execute(still, given).fetchone()[0] == 0)  # a webhook may have brought the end of what it had called before

        if not within(taken, LOCKED_S + LEASE_S + 20) or conn.execute(still, given).fetchone()[1] == len(held):
            return False
        open_ = "select idempotency_key from provider_payout where id = any(%s) and state in ('sending', 'unknown')"

        def known() -> bool:
            self._hurry(conn, given[0])
            there = self.orders_at(window.provider).by_key()
            return all(key not in there for (key,) in conn.execute(open_, given[:1]).fetchall())

        if not within(known, PATIENCE_S):
            return False
        time.sleep(max(0.0, began + LEASE_S + 1 - time.monotonic()))  # past its lease, however fast the others were
        return True

    def _hurry(self, conn: Any, attempts: list[Any]) -> None:
        """An hour passes in a moment."""
        self.supervise()
        conn.execute(
            """update provider_payout set due_at = clock_timestamp() where id = any(%s) and state in ('queued', 'unknown')
               and (lease_until is null or lease_until < clock_timestamp()) and due_at > clock_timestamp()""",
            [attempts],
        )
        _no_rest(conn)

    def _retry_beside(self, conn: Any) -> bool:
        """While its sender is frozen, an attempt is given up by the other worker, and a person tries again under a new key."""
        (attempt, payout), *_ = conn.execute(
            """select c.subject_id, pp.payout_id from call_standing c join provider_payout pp on pp.id = c.subject_id
               where c.kind is null and pp.state = 'sending' order by c.announced_at desc limit 1"""
        ).fetchall()
        self.ok(self.simulator.post("/v1/faults", json={"fault": "rate_limit", "on": "payout.create", "count": 1_000}))

        def given_up() -> bool:  # an hour passes in a moment
            self._hurry(conn, [attempt])
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
        self.pay_to(payee, "unknown_account")
        self.traffic(payee)
        with psycopg.connect(self.world.postgres.url, autocommit=True) as conn:
            found = "select id from payout where payee_id = %s and state = 'failed'"
            if not within(lambda: len(conn.execute(found, [payee]).fetchall()) == INVOICES_PER_CYCLE, 60):
                raise KillMissed(f"{payee}: nothing was refused")
            failed = [row[0] for row in conn.execute(found, [payee]).fetchall()]
        if not {one.reference for one in self.world.simulator.oracle().refused}:
            raise KillMissed(f"{payee}: the provider refused nothing")
        self.pay_to(payee, f"acct_{payee.replace('-', '_')}")
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

    def _hurried(self, conn: Any, waiting: str) -> bool:
        """As everywhere; and people do what is theirs: bring files to the bank, issue anew what came back, try again what failed."""
        bring(self)
        issue_anew(self)
        try_again(self)
        return super()._hurried(conn, waiting)

    def verdict(self) -> Verdict:
        """As of any practice; and each other provider's word, refunds, batches, approvals, and what was measured beside."""
        lost, doubled, differences = super().verdict()
        within(lambda: not self.rescues.waiting, RESCUED_S)
        lost += [f"nobody took {one.table} {one.id} up" for one in self.rescues.waiting]
        late = [f"an orphan waited for {took:.0f} s" for took in self.rescues.took_s if took > RESCUED_S]
        parts = [Verdict([], [], [*late, *self.woken.told])]
        with connected(self.world) as conn:
            parts += [one.verdict(conn, one.in_our_books(conn), self.world) for one in self.others.values()]
            parts.append(by_people(conn, self.repaid))
        for part in parts:
            lost, doubled, differences = lost + part.lost, doubled + part.doubled, differences + part.differences
        return Verdict(lost, doubled, differences)

    @property
    def measured(self) -> Iterator[str]:
        """What was measured beside, in sentences."""
        took_s, woken = sorted(self.rescues.took_s), self.woken
        if took_s:
            middle = took_s[len(took_s) // 2]
            waited = f"the last after {took_s[-1]:.1f} s, the middle one after {middle:.1f} s, by a lease of {LEASE_S} s"
            yield f"{len(took_s)} orphans were taken up by another worker: {waited}"
        yield (
            f"{woken.workers} frozen workers woke up with {woken.orders} attempts that were another's by then: "
            f"sent {woken.sent}, wrote {woken.wrote}; {woken.refused} were seen to be refused, "
            f"and {woken.kept} answers to calls of before were kept"
        )


def _is_stopped(pid: int) -> bool:
    """Is the process frozen? By the kernel's own word."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _no_locks(conn: Any) -> int:
    """A minute passes in a moment: the database ends the transactions that nobody goes on with; how many. Who froze in the middle of one
    is meant."""
    ended: int = conn.execute(
        """select pg_terminate_backend(pid) from pg_stat_activity
           where state = 'idle in transaction' and state_change < clock_timestamp() - interval '5 s'"""
    ).rowcount
    return ended


def _no_rest(conn: Any) -> None:
    """Open circuits are asked now: their rests double with each refusal, and would be longer than our patience."""
    conn.execute("update circuit set probe_at = clock_timestamp(), probed_by = null where state <> 'closed'")
