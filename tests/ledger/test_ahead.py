"""Batches that are said to the database ahead: it refuses them as any other, and nobody holds a program's lock who is frozen."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import errors

from counterfoil.base.edge import Database
from counterfoil.base.edge import now as clock
from counterfoil.base.invariant import run_invariants
from counterfoil.base.postgres.ahead import hear
from counterfoil.base.problems import Problem
from counterfoil.ledger import write_context
from counterfoil.ledger.clock import to_us
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals import bulk
from counterfoil.ledger.journals.batch_types import MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk, BulkPosted, post_many
from counterfoil.ledger.journals.memory import Memory
from counterfoil.ledger.write_context import enter
from tests.ledger.builders import CASH, ESCROW, PAYEE, PROGRAM, a_movement, a_program


@pytest.fixture
def program(database: Database) -> Database:
    with database.transaction() as conn:
        a_program(conn)
    return database


def many(database: Database, key: str, movements: list[Any], *, ahead: bool = True, **rest: Any) -> BulkPosted:
    with database.transaction(ahead=ahead) as conn:
        return post_many(conn, PROGRAM, Bulk(key, "test", "EUR", "tester"), movements, now=clock(), **rest)


def rows(database: Database, posted: BulkPosted) -> list[Any]:
    """What stands of it, but for what is another's in each batch: ids, places in time, balances."""
    with database.transaction() as conn:
        return conn.execute(
            """select line, debit, credit, amount, effective_at, off_clock, seq - min(seq) over (), movement is not null
               from posting where journal_id = %s order by seq""",
            [posted.journal_id],
        ).fetchall()


def a_mixed_batch() -> list[Any]:
    """Refused ones in between, one that happened long ago, and two that are linked."""
    long_ago = to_us(clock() - timedelta(days=3)) // 1_000_000 * 1_000_000
    return [
        a_movement(CASH, ESCROW, 500)._replace(effective_us=long_ago),
        a_movement(CASH, "nobody", 1)._replace(effective_us=long_ago),
        a_movement(CASH, ESCROW, 7)._replace(effective_us=long_ago),
        a_movement(ESCROW, PAYEE, 10**9)._replace(effective_us=long_ago),
        a_movement(ESCROW, PAYEE, 3)._replace(effective_us=long_ago, linked=True),
        a_movement(PAYEE, CASH, 2)._replace(effective_us=long_ago),
    ]


def test_what_is_said_ahead_stands_as_what_is_copied(program: Database):
    batch = a_mixed_batch()
    copied = many(program, "copied", batch, ahead=False)
    ahead = many(program, "ahead", [one._replace(id=a_movement().id) for one in batch])
    assert ahead.outcomes == copied.outcomes
    assert ahead.outcomes.count(MovementOutcome.POSTED) == 4
    assert rows(program, ahead) == rows(program, copied)
    assert [row[0] for row in rows(program, ahead)] == [1, 3, 5, 6]
    with program.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []


def test_one_of_which_nothing_is_posted_is_remembered(program: Database):
    refused = [a_movement(CASH, "nobody", 1)]
    assert many(program, "refused", refused).outcomes == [MovementOutcome.CREDIT_UNKNOWN]
    again = many(program, "refused", refused)
    assert (again.outcomes, again.existed) == ([MovementOutcome.CREDIT_UNKNOWN], True)


def test_what_the_database_refuses_is_raised_in_the_block_and_nothing_of_it_stands(program: Database):
    memory = Memory()
    many(program, "first", [a_movement(CASH, ESCROW, 5)], memory=memory)
    assert memory.journal is not None
    memory._accounts[ESCROW].balance += 1  # a mistake of ours: the balance on the posting will not tie
    heard = []

    def second() -> None:
        with program.transaction(ahead=True) as conn:
            try:
                post_many(conn, PROGRAM, Bulk("second", "test", "EUR", "tester"), [a_movement(CASH, ESCROW, 5)], now=clock(), memory=memory)
            except errors.Error as error:
                heard.append(error)
                raise

    with pytest.raises(Problem):
        second()
    assert heard, "before the commit is asked for, so nobody takes it for a commit whose answer is lost"
    assert many(program, "third", [a_movement(CASH, ESCROW, 5)], memory=memory).outcomes == [MovementOutcome.POSTED]
    with program.transaction() as conn:
        assert conn.execute("select array_agg(key order by key) from journal").fetchone() == (["first", "third"],)
        assert run_invariants(conn, INVARIANTS) == []


@pytest.mark.parametrize("place", ["inside", "deciding", "written"])
def test_who_is_frozen_with_the_lock_loses_it_wherever_it_stands(program: Database, monkeypatch: pytest.MonkeyPatch, place: str):
    monkeypatch.setattr(write_context, "SILENT_MAX_MS", 300)
    happened = []

    def frozen(*_: Any, **__: Any) -> None:
        began = time.monotonic()
        with program.transaction() as other:
            enter(other, PROGRAM, alone=True)
        happened.append(time.monotonic() - began)

    class Frozen(bulk.Batch):
        def take(self, movements: Any) -> list[MovementOutcome]:
            frozen()
            return super().take(movements)

    if place == "deciding":
        monkeypatch.setattr(bulk, "Batch", Frozen)

    def write() -> None:
        with program.transaction(ahead=True) as conn:
            entered = frozen if place == "inside" else None
            post_many(conn, PROGRAM, Bulk("frozen", "test", "EUR", "tester"), [a_movement(CASH, ESCROW, 5)], now=clock(), entered=entered)
            if place == "written":
                frozen()
            hear(conn)

    with pytest.raises((Problem, psycopg.Error)):
        write()
    assert happened, "it stood there"
    assert happened[0] < 4, "nobody waits longer than 5 s for a lock"
    with program.transaction() as conn:
        assert conn.execute("select count(*) from journal").fetchone() == (0,)


def test_a_transaction_that_speaks_ahead_is_rolled_back_when_its_block_raises(program: Database):
    def refused_and_not_heard() -> None:
        with program.transaction(ahead=True) as conn:
            conn.execute("insert into journal select 1/0")
            raise KeyError

    with pytest.raises(KeyError):
        refused_and_not_heard()
    with program.transaction(commit=False, ahead=True) as conn:
        a_program(conn, "dry")
    with program.transaction() as conn:
        assert conn.execute("select count(*) from program where id = 'dry'").fetchone() == (0,)
