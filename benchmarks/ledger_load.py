"""A ledger to measure: accounts with money in them, movements among them, and a twin table that takes the same rows by plain COPY."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import Connection

from counterfoil.base import edge
from counterfoil.base.edge import Database
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.batch_types import Movement, MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk, post_many
from counterfoil.ledger.journals.memory import Memory

PROGRAM: Final = "bench"
ASSET: Final = "EUR"
HOT: Final = "fee:platform"
ACCOUNTS: Final = 10_000
FUNDS: Final = 10**12


def prepare(url: str, accounts: int = ACCOUNTS) -> list[str]:
    """A program whose payees hold money and must not fall below nothing; returns their accounts."""
    names = [f"payable:payee:{number}" for number in range(accounts)]
    database = Database(url, connections_max=1).open()
    now = edge.now()
    with database.transaction() as conn:
        open_program(conn, PROGRAM, name="Benchmark", assets=[Asset(ASSET, 2)], now=now)
        open_accounts(conn, PROGRAM, [HOT, "cash:bank:client"], asset=ASSET, actor="bench", now=now)
    for start in range(0, accounts, 8_192):
        part = [Movement(an_id(), "cash:bank:client", name, FUNDS) for name in names[start : start + 8_192]]
        with database.transaction() as conn:
            open_accounts(conn, PROGRAM, [one.credit for one in part], asset=ASSET, actor="bench", now=now)
            post_many(conn, PROGRAM, Bulk(f"fund-{start}", "fund", ASSET, "bench"), part, now=now)
    database.close()
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("create table twin (like posting including all)")
        conn.execute("vacuum analyze")  # what a fresh installation leaves to clean up is not what is measured
        conn.execute("checkpoint")
    gc.collect()
    gc.freeze()  # as every server and every command of the product does when all is loaded
    return names


def an_id() -> bytes:
    """A version 7 UUID of this moment, as a client makes them."""
    ms = time.time_ns() // 1_000_000
    return (ms << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62)).to_bytes(16, "big")


def batch_of(names: Sequence[str], size: int, *, hot: bool) -> list[Movement]:
    """Movements among random accounts, or all to one."""
    made = []
    for _ in range(size):
        debit = random.choice(names)
        credit = HOT if hot else random.choice(names)
        while credit == debit:
            credit = random.choice(names)
        made.append(Movement(an_id(), debit, credit, random.randint(1, 100)))
    return made


class Writer:
    """One writer: a connection and what it remembers. Counts seconds per batch and keeps the journal it wrote last."""

    def __init__(self, url: str, label: str) -> None:
        self.database = Database(url, connections_max=1).open()
        self.label = label
        self.memory = Memory()
        self.seconds: list[float] = []
        self.number = 0
        self.journal: Any = None

    def write(self, movements: Sequence[Movement]) -> None:
        """Post a batch, durably, and note how long it took. Every movement must be posted."""
        self.number += 1
        bulk = Bulk(f"{self.label}-{self.number}", "bench", ASSET, "bench")
        started = time.perf_counter()
        with self.database.transaction() as conn:
            done = post_many(conn, PROGRAM, bulk, movements, now=edge.now(), memory=self.memory)
        self.seconds.append(time.perf_counter() - started)
        if done.outcomes.count(MovementOutcome.POSTED) != len(movements):
            raise RuntimeError("a movement was refused: this measures nothing")
        self.journal = done.journal_id

    def close(self) -> None:
        """Give the connection back."""
        self.database.close()


class Twin:
    """The same rows, by COPY, into a table of the same shape with the same indexes and checks, without triggers."""

    def __init__(self, url: str) -> None:
        self.conn = psycopg.connect(url, autocommit=True)
        self.seconds: list[float] = []

    def write(self, journal: Any) -> int:
        """Copy what this journal wrote; returns how many rows."""
        with self.conn.cursor().copy(
            "copy (select * from posting where journal_id = %s order by seq) to stdout (format binary)", [journal]
        ) as out:
            data = b"".join(bytes(part) for part in out)
        started = time.perf_counter()
        with self.conn.transaction(), self.conn.cursor().copy("copy twin from stdin (format binary)") as into:
            into.write(data)
        self.seconds.append(time.perf_counter() - started)
        return len(data)

    def close(self) -> None:
        """Close the connection."""
        self.conn.close()


def postings(url: str) -> int:
    """How many there are."""
    with psycopg.connect(url) as conn:
        row = conn.execute("select count(*) from posting").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def timed(steps: dict[str, float], places: Sequence[tuple[Any, str]]) -> Iterator[None]:
    """Add up the seconds spent in these functions, by name."""
    kept = [(owner, name, getattr(owner, name)) for owner, name in places]

    def wrap(name: str, act: Any) -> Any:
        def measured(*args: Any, **rest: Any) -> Any:
            started = time.perf_counter()
            try:
                return act(*args, **rest)
            finally:
                steps[name] = steps.get(name, 0.0) + time.perf_counter() - started

        return measured

    for owner, name, act in kept:
        setattr(owner, name, wrap(name, act))
    try:
        yield
    finally:
        for owner, name, act in kept:
            setattr(owner, name, act)


def analyze(conn: Connection[Any]) -> None:
    """What autovacuum would do in time."""
    conn.execute("analyze")
