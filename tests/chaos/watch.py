"""What is measured beside: how long orphans wait until somebody takes them up, and what frozen workers do when they wake up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

import psycopg

from counterfoil.cli.local.drills.payments import within
from counterfoil.cli.local.drills.windows import OrdersThere

LOOK_S = 0.1
NOTED_S = 60  # a worker that woke up has found out by then that its work is another's
ENDED_S = 5  # its connection is gone: it says so in its log, and begins anew
TABLES = ("provider_payout", "intent")  # what is claimed in one transaction and done in another


class Orphan(NamedTuple):
    """A row that a dead worker held."""

    table: str
    id: str
    fence: int
    owner: str
    since_s: float


class Rescues:
    """Looks from the moment of each kill on until nothing is the dead worker's any more."""

    def __init__(self, address: Callable[[], str]) -> None:
        self._address = address
        self._lock = threading.Lock()
        self.waiting: list[Orphan] = []
        self.took_s: list[float] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Rescues:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def killed(self, pid: int) -> None:
        """This worker is dead from now on."""
        since_s, found = time.monotonic(), list[Orphan]()
        with psycopg.connect(self._address(), autocommit=True) as conn:
            for table in TABLES:
                query = f"select id, fence, lease_owner from {table} where lease_owner like %s"
                found += [Orphan(table, *row, since_s) for row in conn.execute(query.encode(), [f"%:{pid}"]).fetchall()]
        with self._lock:
            self.waiting += found

    def _look(self) -> None:
        while not self._end.wait(LOOK_S):
            with self._lock:
                waiting = list(self.waiting)
            if waiting:
                with suppress(psycopg.Error):  # the database was killed, perhaps
                    self._look_at(waiting)

    def _look_at(self, waiting: list[Orphan]) -> None:
        with psycopg.connect(self._address(), autocommit=True) as conn:
            held = {
                (table, *row)
                for table in {one.table for one in waiting}
                for row in conn.execute(
                    f"select id, fence, lease_owner from {table} where id = any(%s)".encode(),
                    [[one.id for one in waiting if one.table == table]],
                ).fetchall()
            }
        rescued = [one for one in waiting if one[:4] not in held]
        with self._lock:
            self.waiting = [one for one in self.waiting if one not in rescued]
            self.took_s += [time.monotonic() - one.since_s for one in rescued]


class Held(NamedTuple):
    """What a frozen worker had in hand: an attempt, its key, and its fence."""

    id: str
    key: str
    fence: int


class Woken:
    """Counts what frozen workers sent and wrote once they were awake again."""

    def __init__(self) -> None:
        self.workers = self.orders = self.sent = self.wrote = self.refused = self.kept = 0
        self.told: list[str] = []

    def in_hand(self, conn: Any, pid: int, provider: str) -> list[Held]:
        """The attempts that this worker is sending. Ask it when it stands still."""
        rows = conn.execute(
            """select id, idempotency_key, fence from provider_payout
               where lease_owner like %s and state = 'sending' and provider = %s""",
            [f"%:{pid}", provider],
        ).fetchall()
        return [Held(*row) for row in rows]

    def wake(
        self, conn: Any, pid: int, held: list[Held], orders_now: Callable[[], OrdersThere], wake: Callable[[], None], *, ended: int = 0
    ) -> None:
        """Wake it up, and look at what it does with what is not its own any more. `ended`: its transactions that the database ended
        while it stood still; what it was about to say in them is refused by that, and nobody notes it."""
        standing = "select id, fence from provider_payout where id = any(%s)"
        fences = dict(conn.execute(standing, [[one.id for one in held]]).fetchall())
        gone = [one for one in held if fences[one.id] != one.fence]
        [[at]] = conn.execute("select clock_timestamp()").fetchall()
        looked = "select id from provider_payout where id = any(%s) and lease_until is not null"
        # Asked before the orders are counted, too: a look-up that ends meanwhile may have sent the bytes behind the count.
        in_hand = {row[0] for row in conn.execute(looked, [[one.id for one in gone]]).fetchall()}
        there = orders_now()
        before = _orders(there, gone)
        in_hand |= {row[0] for row in conn.execute(looked, [[one.id for one in gone]]).fetchall()}
        wake()
        ids, fences_held = [one.id for one in gone], [one.fence for one in gone]
        of_held = "from call c join unnest(%s::text[], %s::bigint[]) as h (id, fence) on h.id = c.subject_id"
        noted = "select 1 from work_mishap where kind = 'stale_write' and queue = 'send' and worker like %s and at >= %s"
        answered = f"select c.subject_id, a.answered_at {of_held} join call_answer a on a.id = c.id where c.fence = h.fence"

        def refused() -> bool:
            return bool(conn.execute(noted, [f"%:{pid}", at]).fetchall())

        def answers() -> dict[str, Any]:
            """What the provider said to a call of its own is a fact: nobody refuses it, and it is applied by whoever comes by."""
            return dict(conn.execute(answered.encode(), [ids, fences_held]).fetchall())

        within(lambda: refused() or len(answers()) == len(gone), ENDED_S if ended else NOTED_S)
        after = _orders(orders_now(), gone)
        wrote = "select subject_id, verb, from_state, at from step where subject_id = any(%s) and at >= %s and cause = 'sending'"
        steps = conn.execute(wrote, [ids, at]).fetchall()
        # What explains a step or an order is read behind it: the answer is kept in the moment before it is applied.
        kept = answers()
        self.refused += refused()
        self.kept += sum(answered_at >= at for answered_at in kept.values())
        later = f"select c.subject_id {of_held} left join call_answer a on a.id = c.id"
        later += " where c.fence > h.fence and coalesce(a.answered_at >= %s, true)"
        others = {row[0] for row in conn.execute(later.encode(), [ids, fences_held, at]).fetchall()}
        if getattr(there, "looking_sends", False):  # bytes that the other side does not have are sent again by whoever looks
            now_held = dict(conn.execute(standing, [ids]).fetchall())
            others |= in_hand | {name for name, fence in now_held.items() if fence != fences[name]}
        alone = [one for one in gone if one.id not in others]  # what came of a later call, under way or made since, is that call's
        sent = sum(after[one.key] - before[one.key] for one in alone)
        steps = [one for one in steps if one[0] not in others and one[0] not in kept]
        made = f"select c.subject_id, c.fence {of_held} where c.announced_at >= %s and c.worker like %s and c.fence <= h.fence"
        calls = conn.execute(made.encode(), [ids, fences_held, at, f"%:{pid}"]).fetchall()  # what it claimed anew is its own
        self.workers += 1
        self.orders += len(gone)
        self.sent += sent + len(calls)
        self.wrote += len(steps)
        if len(kept) < len(gone) and not refused() and not ended:
            self.told.append(f"worker {pid} woke up at {at}, and what it held was another's, and nobody refused it: {gone}")
        if sent or calls or steps:
            self.told.append(f"worker {pid} woke up at {at} with {gone}: sent {sent}, called {calls}, wrote {steps}")


def _orders(there: OrdersThere, held: list[Held]) -> dict[str, int]:
    known = there.by_key()
    return {one.key: len(made) if isinstance(made := known.get(one.key, ()), list) else int(one.key in known) for one in held}
