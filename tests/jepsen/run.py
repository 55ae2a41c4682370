"""`python -m tests.jepsen.run --faults 1000`: money moves between the agents of two servers while processes are killed and frozen, their
clocks go wrong, and the lines between them are cut. Then all is mended, and everything is compared. Last line:
`half-applied 0, lost 0, untrue answers 0`.

A fault counts when it was seen to happen: a process that was killed says so by how it ended, a frozen one by its state in the kernel, a
wrong clock by the time on its answers, a cut line by a message that it lost. One in the middle of a batch of messages happens when the
batch has gone in and its answer has not come out.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import psycopg
from psycopg import sql

from benchmarks import harness
from counterfoil.base.edge import Database, make_id
from counterfoil.base.invariant import run_invariants
from counterfoil.base.postgres.logins import make_logins
from counterfoil.treasury.two_phase.model import TRANSACTION
from counterfoil.wiring import INVARIANTS
from tests.api.office import PROGRAM
from tests.conftest import KEYS
from tests.jepsen.world import AGENTS, MONEY, START_S, FaultMissed, Line, Side, within

CLIENTS = 4
HEAL_S = 600
CUT_S = 20.0
KINDS = ("freeze", "refuse", "skew", "kill", "deaf", "kill_in_batch", "deaf_batch", "freeze_in_batch", "freeze_sender_in_batch")
BURST = 12  # transactions that a client begins at once, so that messages travel together
TRIES = 40


class Verdict(NamedTuple):
    """What was found when all was mended."""

    faults: Counter[str]
    batches: int
    begun: int
    states: Counter[str]
    half_applied: list[str]
    lost: list[str]
    untrue: list[str]
    wrong: list[str]

    @property
    def clean(self) -> bool:
        return not (self.half_applied or self.lost or self.untrue or self.wrong)


class Teller:
    """A client: begins transactions, sometimes takes one back, and writes down every answer that it was given."""

    def __init__(self, sides: tuple[Side, Side], seed: int) -> None:
        self.sides, self.random = sides, random.Random(seed)
        self.begun: dict[str, Side] = {}
        self.told: list[tuple[str, str]] = []  # of which transaction it was told which state
        self.twice: list[str] = []  # the same key, two answers
        self.unanswered = 0
        self.broken = ""  # why it ended before it was told to
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            with httpx2.Client(timeout=3, trust_env=False) as http:
                while not self.stop.is_set():
                    self._one(http)
        except Exception as error:  # noqa: BLE001 - whatever it is, the verdict says it
            self.broken = f"{type(error).__name__}: {error}"

    def _one(self, http: httpx2.Client) -> None:
        for _ in range(self.random.choice((0, 0, 0, BURST))):
            if not self.stop.is_set():
                self._begin(http)
        if found := self._begin(http):
            self._watch(http, *found)
            time.sleep(self.random.uniform(0, 0.3))

    def _begin(self, http: httpx2.Client) -> tuple[Side, str] | None:
        here, there = self.random.sample(self.sides, 2)
        ours, theirs = self.random.choice(here.agents), self.random.choice(there.agents)
        sides = self.random.sample(["debit", "credit"], 2)
        amount = str(self.random.randint(1, 500))
        parts = [
            {"agent": ours, "side": sides[0], "asset": "EUR", "amount": amount},
            {"agent": f"{there.name}/{theirs}", "side": sides[1], "asset": "EUR", "amount": amount},
        ]
        body = {"programId": PROGRAM, "reference": "task", "participants": parts, "timeOutSeconds": self.random.choice([3, 15])}
        key = make_id("key")
        answer = self._send(http, here, "/api/transactions", body, key)
        if answer is None:
            self.unanswered += 1
            return None
        one = str(answer["id"])
        self.begun[one] = here
        if self.random.random() < 0.2 and (again := self._send(http, here, "/api/transactions", body, key)) and again["id"] != one:
            self.twice.append(one)
        if self.random.random() < 0.15:
            self._send(http, here, f"/api/transactions/{one}/cancel", {"reason": "not needed"}, make_id("key"))
        return here, one

    def _watch(self, http: httpx2.Client, side: Side, one: str) -> None:
        """For a moment; whatever it is told by then is kept."""
        for _ in range(self.random.randint(1, 6)):
            try:
                answer = http.get(f"http://127.0.0.1:{side.port}/api/transactions/{one}", headers=self._headers(side))
            except httpx2.HTTPError:
                return
            if answer.status_code == 404:
                self.told.append((one, "not there"))
            elif answer.is_success:
                self.told.append((one, str(answer.json()["state"])))
                self.told.append((one, f"decided {answer.json()['decision']}"))
                if answer.json()["state"] in TRANSACTION.final:
                    return
            time.sleep(0.1)

    def _send(self, http: httpx2.Client, side: Side, path: str, body: dict[str, Any], key: str) -> dict[str, Any] | None:
        """Until it is answered, a few times, under the same key."""
        for _ in range(6):
            try:
                answer = http.post(f"http://127.0.0.1:{side.port}{path}", json=body, headers=self._headers(side, key))
            except httpx2.HTTPError:
                time.sleep(0.3)
                continue
            if answer.is_success:
                found: dict[str, Any] = answer.json()
                return found
            if answer.status_code < 500 and answer.status_code != 409:
                raise AssertionError(f"{path}: {answer.status_code} {answer.text}")
            time.sleep(0.2)
        return None

    @staticmethod
    def _headers(side: Side, key: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {side.keys['operator']}", **({"Idempotency-Key": key} if key else {})}


class Checker:
    """The two sides, and what is done to them."""

    def __init__(self, urls: tuple[str, str], folder: Path, seed: int) -> None:
        north, south = (Side(name, url, folder) for name, url in zip(("north", "south"), urls, strict=True))
        self.sides = (north, south)
        self.random = random.Random(seed)
        self.faults: Counter[str] = Counter()
        self.tellers = [Teller(self.sides, seed + number) for number in range(CLIENTS)]

    @contextmanager
    def running(self) -> Iterator[None]:
        north, south = self.sides
        try:
            north.start(south)
            south.start(north)
            self._up()
            yield
        finally:
            for teller in self.tellers:
                teller.stop.set()
            for side in self.sides:
                side.end()

    def _up(self) -> None:
        for side in self.sides:
            if not within(START_S, side.is_up):
                raise SystemExit(f"{side.name} does not start: {(side.folder / 'up.log').read_text()[-2000:]}")

    def fault(self) -> str:
        """One of each kind in turn, on a side by chance."""
        kind = KINDS[self.faults.total() % len(KINDS)]
        side = self.random.choice(self.sides)
        if kind == "kill":
            side.program.kill()
            self._up()
        elif kind == "freeze":
            side.program.freeze(self.random.uniform(0.2, 1.5))
        elif kind in ("kill_in_batch", "freeze_in_batch", "freeze_sender_in_batch"):
            self._in_batch(kind, side)
        elif kind == "skew":
            side.skew(self.random.choice((-1, 1)) * self.random.randint(5, 900), self.random.uniform(0.5, 3.0))
        else:
            self._cut(side.line, kind)
        self.faults[kind] += 1
        return kind

    def _cut(self, line: Line, mode: str) -> None:
        before, line.mode = line.hits, mode
        try:
            if not within(CUT_S, lambda: line.hits > before):
                raise FaultMissed(f"nothing was lost on a line that was cut ({mode})")
            time.sleep(self.random.uniform(0.1, 1.0))
        finally:
            line.mode = "open"

    def _in_batch(self, kind: str, side: Side) -> None:
        """To the server that a batch goes in to, or to the one that sent it, while its answer is not out. Tried until it hits."""
        struck = side if kind != "freeze_sender_in_batch" else next(one for one in self.sides if one is not side)
        for _ in range(TRIES):
            side.line.batch_went_in.clear()
            if not within(CUT_S, side.line.batch_went_in.is_set):
                raise FaultMissed(f"no batch went in to {side.name}")
            way = side.line.newest
            time.sleep(self.random.uniform(0, 0.03))
            if kind == "kill_in_batch":
                if hit := way.batch_is_out:
                    struck.program.process.kill()
                    hit = way.batch_is_out  # the answer did not slip out meanwhile
                    struck.program.again()
                    self._up()
            else:
                hit = struck.program.freeze(self.random.uniform(0.2, 1.5), only_if=lambda way=way: way.batch_is_out)  # type: ignore[misc]
            if hit:
                return
        raise FaultMissed(f"{kind}: every batch was answered before")

    def heal(self) -> bool:
        """Let everything run until no transaction is under way; False when that does not come."""
        for teller in self.tellers:
            teller.stop.set()
        for teller in self.tellers:
            teller.thread.join(60)
        self._up()
        return bool(within(HEAL_S, lambda: not any(self._pending(side) for side in self.sides)))

    @staticmethod
    def _pending(side: Side) -> int:
        return int(side.rows(f"select count(*) from two_phase where state in {TRANSACTION_OPEN}")[0][0])

    def verdict(self, healed: bool) -> Verdict:
        """Everything compared: both sides' outcomes, totals, every answer, every invariant."""
        outcomes: list[tuple[str, str]] = []
        final: dict[str, tuple[str, str | None]] = {}
        for side in self.sides:
            outcomes += side.rows(
                """select coalesce(t.foreign_id, t.id), coalesce(o.outcome, 'nothing') from two_phase t
                   join two_phase_participant p on p.transaction_id = t.id left join two_phase_outcome o using (transaction_id, number)"""
            )
            decided = """select t.id, t.state, d.decision from two_phase t left join two_phase_decision d on d.transaction_id = t.id
                         where t.coordinator is null"""  # what the other decides is counted there
            final |= {row[0]: (row[1], row[2]) for row in side.rows(decided)}
        begun = {one for teller in self.tellers for one in teller.begun}
        lost = sorted(one for one in begun if final.get(one, ("",))[0] not in TRANSACTION.final)
        untrue = [f"{one}: told {said}" for teller in self.tellers for one, said in teller.told if not _true(said, final.get(one))]
        untrue += [f"{one}: one key, two transactions" for teller in self.tellers for one in teller.twice]
        return Verdict(
            self.faults,
            sum(side.line.batches for side in self.sides),
            len(begun),
            Counter(state for state, _ in final.values()),
            half_applied(outcomes),
            lost,
            untrue,
            self._wrong(healed),
        )

    def _wrong(self, healed: bool) -> list[str]:
        north, south = self.sides
        wrong = [] if healed else ["some transactions are still under way"]
        wrong += [f"a client broke: {teller.broken}" for teller in self.tellers if teller.broken]
        wrong += ["a client does not end" for teller in self.tellers if teller.thread.is_alive()]
        total = north.money() + south.money()
        wrong += [] if total == 2 * AGENTS * MONEY else [f"{total} minor units instead of {2 * AGENTS * MONEY}"]
        owed = (north.clearing("south"), south.clearing("north"))
        wrong += [] if owed[0] == -owed[1] else [f"they owe each other {owed}"]
        for side in self.sides:
            database = Database(side.database_url, keys=KEYS).open()
            with database.transaction(read_only=True) as conn:
                wrong += [f"{side.name}: {one.code} {one.shown}" for one in run_invariants(conn, INVARIANTS)]
            database.close()
        return wrong


TRANSACTION_OPEN = "(" + ", ".join(f"'{one}'" for one in TRANSACTION.open) + ")"


def half_applied(outcomes: Iterable[tuple[str, str]]) -> list[str]:
    """The transactions of whose participants, on either side, some were applied and some were not."""
    found: dict[str, set[str]] = {}
    for name, outcome in outcomes:
        found.setdefault(name, set()).add(outcome)
    return sorted(name for name, those in found.items() if len(those) > 1)


def _true(said: str, end: tuple[str, str | None] | None) -> bool:
    """What was answered once holds for ever: a final state, a decision, that it is there."""
    if end is None or said == "not there":
        return False
    if said.startswith("decided ") and said != "decided None":
        return said == f"decided {end[1]}"
    return said == end[0] if said in TRANSACTION.final else True


def check(urls: tuple[str, str], folder: Path, *, faults: int, seed: int) -> Verdict:
    """So many faults while money moves, and what was found afterwards."""
    checker = Checker(urls, folder, seed)
    with checker.running():
        for teller in checker.tellers:
            teller.thread.start()
        while checker.faults.total() < faults:
            at = time.monotonic()
            kind = checker.fault()
            print(f"{kind}: {time.monotonic() - at:.1f} s")
        begun = time.monotonic()
        healed = checker.heal()
        print(f"mended in {time.monotonic() - begun:.0f} s")
        return checker.verdict(healed)


def say(found: Verdict) -> None:
    for kind, count in sorted(found.faults.items()):
        print(f"{count:6}  {kind}")
    print(f"{found.batches:6}  batches of messages went between them")
    print(f"{found.begun:6}  transactions were begun: {', '.join(f'{count} {state}' for state, count in sorted(found.states.items()))}")
    for one in (*found.half_applied, *found.lost, *found.untrue, *found.wrong):
        print(f"        {one}")
    print(f"half-applied {len(found.half_applied)}, lost {len(found.lost)}, untrue answers {len(found.untrue)}")


def main(words: list[str]) -> int:
    """On a PostgreSQL of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.jepsen.run", description=__doc__)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args(words)
    print(f"seed {given.seed}")
    with harness.private_server() as server, tempfile.TemporaryDirectory(prefix="jepsen-") as folder:
        urls = harness.fresh_database(server, "north"), harness.fresh_database(server, "south")
        for url in urls:
            make_logins(url)
            with psycopg.connect(url, autocommit=True) as conn:
                conn.execute(sql.SQL("revoke temporary on database {} from public").format(sql.Identifier(conn.info.dbname)))
        found = check(urls, Path(folder), faults=given.faults, seed=given.seed)
    say(found)
    return 0 if found.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
