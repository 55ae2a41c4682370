"""`python -m tests.ledger.stress --seconds 60`: all kinds of writers at once in one program; some are killed, some frozen.

Each process notes what it is about to ask and what it was answered, line by line, before it goes on. At the end what was answered is
compared with what stands, and every invariant is asked. Last line: `lost 0, doubled 0, findings 0`.

A fault counts when it was seen to happen: a kill by how the process ended with requests under way, a freeze by the kernel's word for the
process while others were answered, and by the answers that it got afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg

from benchmarks import harness
from benchmarks.ledger_load import an_id
from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import Problem
from counterfoil.ledger import write_context
from counterfoil.ledger.accounts.accounts import freeze_account, unfreeze_account
from counterfoil.ledger.bulk_stream import BulkStream
from counterfoil.ledger.group_commit import Gatherer, Lane
from counterfoil.ledger.holds import post_hold, take_hold, void_hold
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.batch_types import Movement, MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk
from counterfoil.ledger.journals.journal import post
from counterfoil.ledger.periods import close_period
from tests.ledger.builders import CASH, ESCROW, FEES, PAYEE, PROGRAM, a_program

CALLERS: Final = 48
BULK: Final = 60
STANDS: Final = (MovementOutcome.POSTED, MovementOutcome.EXISTS)
PAIRS: Final = ((CASH, ESCROW), (CASH, ESCROW), (ESCROW, PAYEE), (PAYEE, CASH), (ESCROW, FEES))  # only cash may be overdrawn
SILENT_MS: Final = 700  # after which a frozen writer loses the lock
FROZEN_S: Final = 1.2
FAULTS_S: Final = 20.0  # after the time, for faults that have not happened yet


class Notes:
    """What one process asked, and what it was answered."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("a", buffering=1)

    def write(self, word: str, what: bytes | str) -> None:
        """One line, out of this process before it goes on."""
        self.file.write(f"{word} {what.hex() if isinstance(what, bytes) else what}\n")


def _any(chance: random.Random) -> Movement:
    debit, credit = chance.choice(PAIRS)
    return Movement(an_id(), debit, credit, chance.randint(1, 60))


def gathers(database: Database, notes: Notes, end: float, chance: random.Random) -> None:
    """Callers of single movements, in common batches."""
    gatherer = Gatherer(database, clock=now, make_key=lambda: make_id("gth")).start()

    async def caller() -> None:
        while time.monotonic() < end:
            one = _any(chance)
            notes.write("asked", one.id or b"")
            try:
                outcome = await gatherer.move_soon(Lane(PROGRAM, "EUR", chance.choice(["test", "test", "other"]), "stress"), one)
            except Exception:  # noqa: BLE001  # whatever it is, nothing is said to stand or not to stand
                continue
            notes.write("stands" if outcome in STANDS else "refused", one.id or b"")

    async def all_of_them() -> None:
        await asyncio.gather(*[caller() for _ in range(CALLERS)])

    asyncio.run(all_of_them())
    gatherer.close()


def sends_bulks(database: Database, notes: Notes, end: float, chance: random.Random) -> None:
    """Bulks, two under way at once."""
    stream = BulkStream(database, PROGRAM, clock=now).start()
    while time.monotonic() < end:
        sent = []
        for _ in range(2):
            movements = [_any(chance) for _ in range(BULK)]
            for one in movements:
                notes.write("asked", one.id or b"")
            sent.append((movements, stream.send(Bulk(make_id("blk"), "test", "EUR", "stress"), movements)))
        for movements, answer in sent:
            with suppress(Problem, psycopg.Error):
                for one, outcome in zip(movements, answer.result().outcomes, strict=True):
                    notes.write("stands" if outcome in STANDS else "refused", one.id or b"")
    stream.close()


def posts_singly(database: Database, notes: Notes, end: float, chance: random.Random) -> None:
    """Single journals, holds that are posted or given back, freezes, and closes of the books."""
    while time.monotonic() < end:
        act = chance.choice([_one, _one, _one, _hold, _hold, _freeze, _close])
        with suppress(Problem, psycopg.Error):
            act(database, notes, chance)


def _one(database: Database, notes: Notes, chance: random.Random) -> None:
    one, key = _any(chance), make_id("one")
    notes.write("asked", key)
    with database.transaction() as conn:
        lines = [(one.debit, one.credit, one.minor)]
        post(conn, PROGRAM, key=key, kind="test", lines=lines, asset="EUR", actor="stress", now=now())
    notes.write("posted", key)


def _hold(database: Database, notes: Notes, chance: random.Random) -> None:
    with database.transaction() as conn:
        hold = take_hold(conn, PROGRAM, key=make_id("hld"), debit=ESCROW, credit=PAYEE, minor=5, asset="EUR", actor="stress", now=now())
    with database.transaction() as conn:
        if chance.random() < 0.5:
            void_hold(conn, PROGRAM, hold.id, reason="stress", actor="stress", now=now())
        else:
            post_hold(conn, PROGRAM, hold.id, minor=3, actor="stress", now=now())
    notes.write("resolved", hold.id.bytes)


def _freeze(database: Database, notes: Notes, chance: random.Random) -> None:
    for act in (freeze_account, unfreeze_account):
        with database.transaction() as conn:
            act(conn, PROGRAM, PAYEE, asset="EUR", reason="stress", actor="stress", now=now())
    notes.write("froze", str(chance.random()))


def _close(database: Database, notes: Notes, chance: random.Random) -> None:
    with database.transaction() as conn:
        close_period(conn, PROGRAM, until=now(), reason="stress", actor="stress", now=now())
    notes.write("closed", str(chance.random()))


ROLES: Final[dict[str, Callable[[Database, Notes, float, random.Random], None]]] = {
    "gathers": gathers,
    "bulks": sends_bulks,
    "singly": posts_singly,
}


class Found(NamedTuple):
    """What was compared at the end."""

    words: Counter[str]  # of all notes
    faults: Counter[str]
    lost: int  # said to stand, and not there
    doubled: int  # there more than once, or there though refused
    findings: list[str]

    @property
    def clean(self) -> bool:
        """Is nothing wrong, and did everything happen that should?"""
        happened = all(self.faults[one] for one in ("killed", "frozen")) and self.words["stands"] and self.words["posted"]
        return bool(happened) and not (self.lost or self.doubled or self.findings)


class _Process:
    def __init__(self, role: str, url: str, folder: Path, seconds: float) -> None:
        self.notes = folder / f"{role}-{os.urandom(4).hex()}"
        self.notes.touch()
        command = [sys.executable, "-m", "tests.ledger.stress", "--role", role, "--url", url, "--notes", str(self.notes)]
        self.process = subprocess.Popen([*command, "--seconds", str(seconds)])

    def words(self) -> Counter[str]:
        return Counter(line.split()[0] for line in self.notes.read_text().splitlines() if line)

    def under_way(self) -> bool:
        """Was it asked for something that it has not answered, after answers to others?"""
        words = self.words()
        return words["stands"] > 0 and words["asked"] > words["stands"] + words["refused"]

    def state(self) -> str:
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]


def run(url: str, seconds: float) -> Found:
    """All kinds at once on this database, for so long."""
    database = Database(url).open()
    with database.transaction() as conn:
        a_program(conn)
    faults: Counter[str] = Counter()
    with tempfile.TemporaryDirectory(prefix="counterfoil-stress-") as name:
        folder, end = Path(name), time.monotonic() + seconds
        roles = ("gathers", "bulks", "bulks", "singly") if seconds > 10 else ("bulks", "singly")
        steady = [_Process(role, url, folder, seconds) for role in roles]
        hurt = [_Process("gathers", url, folder, seconds) for _ in range(2)]
        killed: list[_Process] = []
        while time.monotonic() < end or not (faults["killed"] and faults["frozen"]):
            _kill(hurt[0], faults)
            killed.append(hurt[0])
            _freeze_one(hurt[1], steady, faults)
            if time.monotonic() > end + FAULTS_S:
                break
            hurt[0] = _Process("gathers", url, folder, max(2.0, end - time.monotonic()))
            if hurt[1].process.poll() is not None and not faults["frozen"]:
                killed.append(hurt[1])
                hurt[1] = _Process("gathers", url, folder, 2.0)
        for one in (*steady, *hurt):
            one.process.wait(60)
        found = _compare(database, [one.notes for one in (*steady, *hurt, *killed)], faults)
    database.close()
    return found


def _kill(one: _Process, faults: Counter[str]) -> None:
    limit = time.monotonic() + 30
    while not one.under_way() and one.process.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    time.sleep(random.uniform(0, 0.05))  # wherever it is then
    one.process.kill()
    if one.process.wait(30) == -signal.SIGKILL and one.under_way():
        faults["killed"] += 1


def _freeze_one(one: _Process, others: list[_Process], faults: Counter[str]) -> None:
    if one.process.poll() is not None or not one.under_way():
        time.sleep(0.05)
        return
    one.process.send_signal(signal.SIGSTOP)
    time.sleep(0.05)
    stopped, before, theirs = one.state() == "T", one.words(), sum((each.words() for each in others), Counter[str]())
    time.sleep(FROZEN_S)
    still = one.words() == before
    went_on = sum((each.words() for each in others), Counter[str]()) != theirs
    one.process.send_signal(signal.SIGCONT)
    if stopped and still and went_on:
        faults["frozen"] += 1


def _compare(database: Database, notes: list[Path], faults: Counter[str]) -> Found:
    """What was answered with what stands."""
    said: dict[str, set[str]] = {}
    words: Counter[str] = Counter()
    for word, what in _lines(notes):
        said.setdefault(word, set()).add(what)
        words[word] += 1
    with database.transaction(read_only=True) as conn:
        standing = Counter(row[0].hex for row in conn.execute("select movement from posting where movement is not null"))
        keys = Counter(row[0] for row in conn.execute("select key from journal"))
        resolved = {row[0].hex for row in conn.execute("select hold_id from hold_resolution")}
        findings = [str(one) for one in run_invariants(conn, INVARIANTS)]
    lost = said.get("stands", set()) - standing.keys() | said.get("posted", set()) - keys.keys() | said.get("resolved", set()) - resolved
    doubled = [one for one, times in (standing + keys).items() if times > 1]
    doubled += [one for one in said.get("refused", set()) if one in standing]
    return Found(words, faults, len(lost), len(doubled), findings)


def _lines(notes: list[Path]) -> Iterator[tuple[str, str]]:
    for path in notes:
        for line in path.read_text().splitlines():
            word, _, what = line.partition(" ")
            if what:
                yield word, what


def main() -> int:
    """Stress a private server, or be one of its processes."""
    parser = argparse.ArgumentParser(prog="python -m tests.ledger.stress", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--role", choices=ROLES, help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--notes", type=Path, help=argparse.SUPPRESS)
    asked: Any = parser.parse_args()
    if asked.role:
        write_context.SILENT_MAX_MS = SILENT_MS
        database = Database(asked.url).open()
        ROLES[asked.role](database, Notes(asked.notes), time.monotonic() + asked.seconds, random.Random())
        database.close()
        return 0
    with harness.private_server() as server:
        found = run(harness.fresh_database(server, "stress"), asked.seconds)
    print(f"answers {dict(found.words)}, faults {dict(found.faults)}")
    for finding in found.findings[:20]:
        print(finding)
    print(f"lost {found.lost}, doubled {found.doubled}, findings {len(found.findings)}")
    return 0 if found.clean else 1


if __name__ == "__main__":
    sys.exit(main())
