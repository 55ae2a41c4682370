"""Group commit: callers that come together share a commit, each with its own answer; a failure reaches every one of them."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from counterfoil.base.edge import Database, make_id
from counterfoil.base.edge import now as clock
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import Busy, InvariantBroken, KeyReused, Problem
from counterfoil.ledger.group_commit import Gatherer, Lane, OutcomeUnknown
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.batch_types import MovementOutcome
from counterfoil.ledger.journals.journal import Posted, post
from counterfoil.ledger.journals.memory import Memory
from counterfoil.ledger.problems import InsufficientFunds, UnknownProgram
from counterfoil.ledger.reads.balances import balance
from tests.ledger.builders import CASH, ESCROW, FEES, PAYEE, PROGRAM, a_journal, a_movement, a_program
from tests.loops import run_in_loop
from tests.soak import examples
from tests.waiting import until

LANE = Lane(PROGRAM, "EUR", "test", "tester")


@pytest.fixture
def gatherer(database: Database) -> Iterator[Gatherer]:
    with database.transaction() as conn:
        a_program(conn)
    made = Gatherer(database, clock=clock, make_key=lambda: make_id("gth")).start()
    yield made
    made.close()


def minor(database: Database, name: str = ESCROW) -> int:
    with database.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []
        return balance(conn, PROGRAM, name, asset="EUR").minor


def held_up(database: Database) -> Any:
    """Somebody else has the program, so that requests wait in line."""
    conn = psycopg.connect(database.url)
    conn.execute("select pg_advisory_xact_lock(program_lock(%s))", [PROGRAM])
    return conn


def test_threads_that_come_together_share_a_commit(gatherer: Gatherer, database: Database):
    with ThreadPoolExecutor(40) as pool:
        with held_up(database):
            futures = [pool.submit(gatherer.post, PROGRAM, a_journal((CASH, ESCROW, 1)), timeout_s=20) for _ in range(40)]
            assert until(lambda: gatherer.asked == 40)
        results = [future.result() for future in futures]
    assert len({result.journal_id for result in results}) == 40
    assert gatherer.commits <= 2
    assert minor(database) == 40


def test_coroutines_that_come_together_share_a_commit(gatherer: Gatherer, database: Database):
    async def all_at_once() -> list[MovementOutcome]:
        moves = [gatherer.move_soon(LANE, a_movement(minor=1)) for _ in range(100)]
        journals = [gatherer.post_soon(PROGRAM, a_journal((CASH, ESCROW, 1))) for _ in range(10)]
        outcomes, posted = await asyncio.gather(asyncio.gather(*moves), asyncio.gather(*journals))
        assert all(isinstance(one, Posted) for one in posted)
        return outcomes

    assert run_in_loop(all_at_once()) == [MovementOutcome.POSTED] * 100
    assert gatherer.commits < 20
    assert minor(database) == 110


def test_each_member_of_a_batch_has_its_own_answer(gatherer: Gatherer):
    async def all_at_once() -> list[Any]:
        journals = [
            a_journal((CASH, ESCROW, 5), key="a"),
            a_journal((CASH, ESCROW, 6), key="a"),
            a_journal((ESCROW, PAYEE, 6), key="b"),
            a_journal((ESCROW, PAYEE, 5), key="c"),
        ]
        return await asyncio.gather(*[gatherer.post_soon(PROGRAM, j) for j in journals], return_exceptions=True)

    first, reused, poor, last = run_in_loop(all_at_once())
    assert isinstance(first, Posted)
    assert isinstance(reused, KeyReused)
    assert isinstance(poor, InsufficientFunds)
    assert isinstance(last, Posted)
    assert gatherer.post(PROGRAM, a_journal((CASH, ESCROW, 5), key="a")).existed


def test_a_program_that_is_not_there_fails_its_own_callers_only(gatherer: Gatherer):
    with pytest.raises(UnknownProgram):
        gatherer.post("nobody", a_journal())
    with pytest.raises(UnknownProgram):
        gatherer.move(LANE._replace(program_id="nobody"), a_movement())
    assert gatherer.post(PROGRAM, a_journal()).existed is False


def test_a_program_that_waits_for_a_lock_delays_no_other_program(gatherer: Gatherer, database: Database):
    with database.transaction() as conn:
        a_program(conn, "other")
    with ThreadPoolExecutor(4) as pool:
        with held_up(database):
            stuck = [pool.submit(gatherer.post, PROGRAM, a_journal((CASH, ESCROW, 1)), timeout_s=20) for _ in range(3)]
            assert until(lambda: gatherer.asked == 3)
            time.sleep(0.1)
            began = time.monotonic()
            assert not gatherer.post("other", a_journal((CASH, ESCROW, 1)), timeout_s=20).existed
            assert time.monotonic() - began < 2
            assert not any(one.done() for one in stuck)
        assert [one.result().existed for one in stuck] == [False] * 3


def test_who_comes_when_the_line_is_full_is_told_at_once(database: Database):
    with database.transaction() as conn:
        a_program(conn)
    gatherer = Gatherer(database, clock=clock, make_key=lambda: make_id("gth"), waiting_max=3).start()
    with ThreadPoolExecutor(8) as pool:
        with held_up(database):
            futures = [pool.submit(gatherer.post, PROGRAM, a_journal(), timeout_s=20) for _ in range(8)]
            assert until(lambda: sum(future.done() for future in futures) >= 2)  # at most three were taken, three wait
        outcomes = [future.exception() for future in futures]
    assert sum(isinstance(outcome, Busy) for outcome in outcomes) >= 2
    assert sum(outcome is None for outcome in outcomes) >= 3
    gatherer.close()
    with pytest.raises(Busy):
        gatherer.post(PROGRAM, a_journal())


def test_closing_writes_what_waits(gatherer: Gatherer, database: Database):
    with ThreadPoolExecutor(5) as pool:
        with held_up(database):
            futures = [pool.submit(gatherer.post, PROGRAM, a_journal((CASH, ESCROW, 1))) for _ in range(5)]
            assert until(lambda: gatherer.asked == 5)
            closer = threading.Thread(target=gatherer.close)
            closer.start()
        closer.join()
        assert [future.result().existed for future in futures] == [False] * 5


class Unlucky:
    """A database whose transactions end badly, as told."""

    def __init__(self, database: Database, *, after_commit: bool, error: Exception) -> None:
        self.database, self.after_commit, self.error, self.happened = database, after_commit, error, 0

    @contextmanager
    def transaction(self, **given: Any) -> Iterator[Any]:
        with self.database.transaction(**given) as conn:
            yield conn
            if not self.after_commit:
                self.happened += 1
                raise self.error
        self.happened += 1
        raise self.error


@pytest.mark.parametrize("after_commit", [False, True])
def test_when_the_answer_to_a_commit_is_lost_every_member_is_told_that_it_is_unknown(database: Database, after_commit: bool):
    with database.transaction() as conn:
        a_program(conn)
    unlucky = Unlucky(database, after_commit=after_commit, error=Busy(what="database"))
    gatherer = Gatherer(unlucky, clock=clock, make_key=lambda: make_id("gth")).start()  # type: ignore[arg-type]
    journal = a_journal((CASH, ESCROW, 1))
    with pytest.raises(OutcomeUnknown):
        gatherer.post(PROGRAM, journal, timeout_s=20)
    with pytest.raises(OutcomeUnknown):
        gatherer.move(LANE, a_movement(minor=1), timeout_s=20)
    assert unlucky.happened == 2
    unlucky.transaction = database.transaction  # type: ignore[method-assign]
    assert gatherer.post(PROGRAM, journal).existed is after_commit  # asked again with its key, it is known
    gatherer.close()
    assert minor(database) == (2 if after_commit else 1)


def test_a_batch_that_breaks_fails_every_member_and_the_next_is_written(database: Database, monkeypatch: pytest.MonkeyPatch):
    with database.transaction() as conn:
        a_program(conn)
    gatherer = Gatherer(database, clock=clock, make_key=lambda: make_id("gth")).start()

    def broken(*_: Any, **__: Any) -> Any:
        raise InvariantBroken("by the test")

    with monkeypatch.context() as patched:
        patched.setattr("counterfoil.ledger.group_commit.post_journals", broken)
        with ThreadPoolExecutor(5) as pool:
            futures = [pool.submit(gatherer.post, PROGRAM, a_journal(), timeout_s=20) for _ in range(5)]
            assert {type(future.exception()) for future in futures} == {InvariantBroken}
    assert gatherer.post(PROGRAM, a_journal()).existed is False
    gatherer.close()


def test_one_bad_request_fails_alone(gatherer: Gatherer, database: Database):
    """The database refuses the whole batch for one of its members: then each is tried by itself."""
    with database.transaction() as conn:
        conn.execute("set local role none")
        conn.execute("alter table journal add constraint no_luck check (kind <> 'unlucky')")
    with ThreadPoolExecutor(6) as pool:
        with held_up(database):
            futures = [
                pool.submit(gatherer.post, PROGRAM, a_journal((CASH, ESCROW, 1), kind="unlucky" if n == 3 else "test")) for n in range(6)
            ]
            assert until(lambda: gatherer.asked == 6)
        failures = [future.exception() for future in futures]
    assert [failure is not None for failure in failures] == [n == 3 for n in range(6)]
    assert minor(database) == 5


def slow_commits(database: Database, body: str) -> None:
    """At the end of each transaction that posts movements, `body` runs while the program's lock is still held."""
    with database.transaction() as conn:
        conn.execute("set local role none")
        conn.execute(
            f"""create function at_the_end() returns trigger language plpgsql as $$ begin {body} return null; end $$;
            create constraint trigger zz_at_the_end after insert on journal deferrable initially deferred
                for each row execute function at_the_end()"""
        )


def queue_at_the_lock(database: Database) -> int:
    """How many wait for a program's lock, in this database: others are tested on the same server."""
    here = "(select oid from pg_database where datname = current_database())"
    with psycopg.connect(database.url) as conn:
        row = conn.execute(f"select count(*) from pg_locks where locktype = 'advisory' and not granted and database = {here}").fetchone()
    return int(row[0]) if row else 0


def is_committing(database: Database) -> bool:
    """Is a transaction at its end, in the middle of `slow_commits`? What is asked from now on comes into the next batch."""
    with psycopg.connect(database.url) as conn:
        asleep = "select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'"
        return conn.execute(asleep).fetchone() is not None


def memories_of(gatherer: Gatherer) -> list[Memory]:
    return list(gatherer._memories.values())


def test_the_next_batch_queues_at_the_lock_while_one_is_committed_and_reads_nothing_again(gatherer: Gatherer, database: Database):
    gatherer.move(LANE, a_movement(minor=1), timeout_s=20)
    slow_commits(database, "perform pg_sleep(2);")  # long enough to be looked at on a busy machine
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(gatherer.move, LANE, a_movement(minor=1), timeout_s=20)
        assert until(lambda: is_committing(database))
        rest = [pool.submit(gatherer.move, LANE, a_movement(minor=1), timeout_s=20) for _ in range(4)]
        assert until(lambda: queue_at_the_lock(database) == 1)
        assert not first.done(), "it queues while the first is still being committed"
        assert [one.result() for one in (first, *rest)] == [MovementOutcome.POSTED] * 5
    assert sum(memory.readings for memory in memories_of(gatherer)) == 1
    assert minor(database) == 6


def test_what_queued_behind_a_batch_that_failed_decides_by_what_stands(gatherer: Gatherer, database: Database):
    """The first would have given the account what the next spends: that must not be counted on."""
    gatherer.move(LANE, a_movement(minor=1), timeout_s=20)
    slow_commits(database, "perform pg_sleep(1); if new.kind = 'unlucky' then raise 'no luck' using errcode = 'CF111'; end if;")
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(gatherer.move, LANE._replace(kind="unlucky"), a_movement(minor=100), timeout_s=20)
        assert until(lambda: is_committing(database))
        after = pool.submit(gatherer.move, LANE, a_movement(ESCROW, PAYEE, minor=50), timeout_s=20)
        assert until(lambda: queue_at_the_lock(database) == 1)
        assert isinstance(first.exception(), Problem)
        assert after.result() is MovementOutcome.DEBIT_INSUFFICIENT
    assert minor(database) == 1


def test_callers_of_all_kinds_at_once_are_each_answered_as_it_is(database: Database):
    """Many callers, some of whom ask for too much, beside another writer on the same program: nothing is lost, no limit is passed."""
    with database.transaction() as conn:
        a_program(conn)
    gatherer = Gatherer(database, clock=clock, make_key=lambda: make_id("gth")).start()
    end = time.monotonic() + examples(3)
    posted: list[int] = []

    async def caller(number: int) -> None:
        chance = random.Random(number)
        while time.monotonic() < end:
            debit, credit = chance.choice([(CASH, ESCROW), (ESCROW, PAYEE), (ESCROW, PAYEE), (PAYEE, CASH)])
            lane = LANE._replace(kind=chance.choice(["test", "test", "test", "other"]))
            one = a_movement(debit, credit, chance.randint(1, 20))
            if await gatherer.move_soon(lane, one) is MovementOutcome.POSTED:
                posted.append(one.minor * (debit == CASH) - one.minor * (debit == ESCROW))

    async def all_of_them() -> None:
        await asyncio.gather(*[caller(number) for number in range(64)])

    def beside() -> None:
        while time.monotonic() < end:
            with database.transaction() as conn:
                post(conn, PROGRAM, key=make_id("k"), kind="test", lines=[(CASH, FEES, 1)], asset="EUR", actor="test", now=clock())
            time.sleep(0.05)

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(beside)
        run_in_loop(all_of_them())
        other.result()
    gatherer.close()
    assert minor(database) == sum(posted), "what was answered is what stands"
    assert minor(database, PAYEE) >= 0
