"""Bulks that are sent ahead: written together, each with the answer that it would have had alone, and nothing answered is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from counterfoil.base.edge import Database
from counterfoil.base.edge import now as clock
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import Busy, InvalidInput, InvariantBroken, KeyReused, Problem
from counterfoil.ledger.bulk_stream import BulkStream, BulkStreams
from counterfoil.ledger.group_commit import OutcomeUnknown
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.batch_types import Movement, MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk, BulkPosted, post_bulks, post_many, prepare
from counterfoil.ledger.journals.memory import Memory
from counterfoil.ledger.reads.balances import balances, journal_by_key, journal_lines
from tests.ledger.builders import CASH, ESCROW, FEES, NOW, PAYEE, PROGRAM, a_hold, a_movement, a_program, an_id
from tests.ledger.test_gather import Unlucky, held_up

NAMES = [CASH, ESCROW, PAYEE, FEES]


def a_bulk(key: str, **rest: Any) -> Bulk:
    return Bulk(key, "test", "EUR", "tester", **rest)


@pytest.fixture
def stream(database: Database) -> Iterator[BulkStream]:
    with database.transaction() as conn:
        a_program(conn)
    made = BulkStream(database, PROGRAM, clock=clock).start()
    yield made
    made.close()


def standing(database: Database) -> dict[str, int]:
    with database.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []
        return {name: one.minor for name, one in balances(conn, PROGRAM, NAMES, asset="EUR").items()}


def test_bulks_that_wait_are_written_together_each_under_its_own_header(stream: BulkStream, database: Database):
    with held_up(database):
        answers = [stream.send(a_bulk(f"b{n}"), [a_movement(minor=1) for _ in range(40)]) for n in range(6)]
    done = [answer.result(20) for answer in answers]
    assert [one.outcomes for one in done] == [[MovementOutcome.POSTED] * 40] * 6
    assert stream.commits <= 2
    with database.transaction() as conn:
        for number, one in enumerate(done):
            header = journal_by_key(conn, PROGRAM, f"b{number}")
            assert header is not None
            assert (header.id, header.lines, header.recorded_at) == (one.journal_id, 40, one.recorded_at)
            assert [line.line for line in journal_lines(conn, one.journal_id, rows_max=100)] == list(range(1, 41))
    assert standing(database)[ESCROW] == 240


def some_bulks(chance: random.Random) -> list[tuple[Bulk, list[Movement]]]:
    """Movements that meet limits, that are linked, whose ids come again within a bulk and in a later one."""
    ids: list[bytes] = []
    made = []
    for number in range(chance.randint(2, 5)):
        movements = []
        for _ in range(chance.randint(1, 90)):
            debit, credit = chance.sample(NAMES, 2)
            id_ = chance.choice(ids) if ids and chance.random() < 0.05 else an_id()
            ids.append(id_)
            movements.append(Movement(id_, debit, credit, chance.randint(1, 60), linked=chance.random() < 0.2))
        effective_at = NOW - timedelta(days=1) if chance.random() < 0.5 else None
        made.append((a_bulk(f"b{number}", effective_at=effective_at), movements))
    return made


def in_a_try(database: Database, act: Any) -> tuple[list[Any], dict[str, int]]:
    """What an attempt answers, and where it leaves the accounts and every posting; then it is undone."""
    with database.transaction(commit=False) as conn:
        outcomes = act(conn)
        assert run_invariants(conn, INVARIANTS) == []
        found = {name: one.minor for name, one in balances(conn, PROGRAM, NAMES, asset="EUR").items()}
        rows = """select j.key, p.line, p.debit_balance, p.credit_balance, p.movement, p.effective_at = j.effective_at
                  from posting p join journal j on j.id = p.journal_id order by p.seq limit 10000"""
        return [outcomes, conn.execute(rows).fetchall()], found


@pytest.mark.parametrize("seed", range(12))
def test_together_they_come_out_as_one_after_the_other(database: Database, seed: int):
    with database.transaction() as conn:
        a_program(conn)
        post_many(conn, PROGRAM, a_bulk("funds"), [a_movement(CASH, name, 200) for name in (ESCROW, PAYEE)], now=NOW)
    bulks = some_bulks(random.Random(seed))

    def together(conn: Connection[Any]) -> list[Any]:
        done = post_bulks(conn, PROGRAM, [prepare(*one) for one in bulks], now=NOW)
        return [one.outcomes for one in done if isinstance(one, BulkPosted)]

    def apart(conn: Connection[Any]) -> list[Any]:
        return [post_many(conn, PROGRAM, *one, now=NOW).outcomes for one in bulks]

    found = in_a_try(database, together)
    assert found == in_a_try(database, apart)
    assert len({outcome for outcomes in found[0][0] for outcome in outcomes}) > 2, "this tries nothing"


def test_a_key_that_was_used_is_answered_as_before_and_stops_no_other(stream: BulkStream, database: Database):
    first = [a_movement(PAYEE, FEES, 5), a_movement(minor=5)]
    done = stream.send(a_bulk("a"), first).result(20)
    with held_up(database):
        again, other, new = (stream.send(a_bulk(key), moves) for key, moves in (("a", first), ("a", [a_movement()]), ("c", [a_movement()])))
        last = stream.send(a_bulk("d"), [a_movement()])
    assert again.result(20) == done._replace(existed=True)
    assert isinstance(other.exception(20), KeyReused)
    assert new.result(20).outcomes == last.result(20).outcomes == [MovementOutcome.POSTED]
    standing(database)


def test_what_cannot_be_written_with_others_is_written_alone_in_its_turn(stream: BulkStream, database: Database):
    with held_up(database):
        answers = [
            stream.send(a_bulk("a"), [a_movement(minor=100)]),
            stream.send(a_bulk("b"), [a_hold(minor=60)]),
            stream.send(a_bulk("c"), [a_movement(ESCROW, PAYEE, 50), a_movement(ESCROW, PAYEE, 40)]),
            stream.send(Bulk("d", "another kind", "EUR", "tester"), [a_movement(ESCROW, PAYEE, 40)]),
        ]
    posted, refused = MovementOutcome.POSTED, MovementOutcome.DEBIT_INSUFFICIENT
    assert [answer.result(20).outcomes for answer in answers] == [[posted], [posted], [refused, posted], [refused]]
    standing(database)


def test_one_that_the_database_refuses_fails_alone(stream: BulkStream, database: Database):
    with held_up(database):
        good = stream.send(a_bulk("a"), [a_movement(minor=1)])
        wrong = stream.send(a_bulk("b", narrative="x" * 3_000), [a_movement(minor=1)])
        also_good = stream.send(a_bulk("c"), [a_movement(minor=1)])
    assert isinstance(wrong.exception(20), Problem)
    assert good.result(20).outcomes == also_good.result(20).outcomes == [MovementOutcome.POSTED]
    assert standing(database)[ESCROW] == 2


@pytest.mark.parametrize("after_commit", [False, True])
def test_when_the_answer_to_a_commit_is_lost_every_sender_is_told(database: Database, after_commit: bool):
    with database.transaction() as conn:
        a_program(conn)
    unlucky = Unlucky(database, after_commit=after_commit, error=Busy(what="database"))
    stream = BulkStream(unlucky, PROGRAM, clock=clock)  # type: ignore[arg-type]
    sent = [(a_bulk(f"b{n}"), [a_movement(minor=1)]) for n in range(3)]
    answers = [stream.send(*one) for one in sent]
    stream.start()
    assert {type(answer.exception(20)) for answer in answers} == {OutcomeUnknown}
    unlucky.transaction = database.transaction  # type: ignore[method-assign]
    assert [stream.send(*one).result(20).existed for one in sent] == [after_commit] * 3
    stream.close()
    assert standing(database)[ESCROW] == 3


def test_a_fault_of_ours_reaches_every_sender_and_the_next_is_written(database: Database, monkeypatch: pytest.MonkeyPatch):
    with database.transaction() as conn:
        a_program(conn)

    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    stream = BulkStream(database, PROGRAM, clock=clock)
    answers = [stream.send(a_bulk(f"b{n}"), [a_movement()]) for n in range(2)]
    with monkeypatch.context() as patched:
        patched.setattr("counterfoil.ledger.bulk_stream.post_bulks", broken)
        stream.start()
        assert {type(answer.exception(20)) for answer in answers} == {ZeroDivisionError}
    assert stream.send(a_bulk("b0"), [a_movement()]).result(20).existed is False
    stream.close()


def test_who_sends_more_than_may_wait_waits_and_is_told_when_there_is_no_room(database: Database):
    with database.transaction() as conn:
        a_program(conn)
    stream = BulkStream(database, PROGRAM, clock=clock, waiting_max=5)
    waiting = stream.send(a_bulk("a"), [a_movement() for _ in range(6)])
    with pytest.raises(Busy):
        stream.send(a_bulk("b"), [a_movement()], timeout_s=0.01)
    with pytest.raises(InvalidInput):
        stream.send(a_bulk(""), [a_movement()])
    assert waiting.cancel()
    stream.start()
    assert stream.send(a_bulk("c"), [a_movement()]).result(20).existed is False
    stream.close()
    with pytest.raises(Busy):
        stream.send(a_bulk("d"), [a_movement()])
    with database.transaction() as conn:
        assert journal_by_key(conn, PROGRAM, "a") is None, "it went away while it waited"


def noted(conn: Connection[Any], posted: BulkPosted) -> None:
    conn.execute("insert into note values (%s)", [posted.journal_id])


@pytest.fixture
def notes(database: Database, stream: BulkStream) -> Callable[[], set[Any]]:
    """A table of what senders write with their bulks; tells what is in it."""
    with psycopg.connect(database.url) as conn:
        conn.execute("create table note (journal uuid primary key)")
        conn.execute("grant all on note to public")

    def found() -> set[Any]:
        with psycopg.connect(database.url) as conn:
            return {row[0] for row in conn.execute("select journal from note limit 100")}

    return found


def test_what_a_sender_writes_with_its_bulk_stands_exactly_when_the_bulk_does(
    stream: BulkStream, notes: Callable[[], set[Any]], database: Database
):
    def broken(conn: Connection[Any], posted: BulkPosted) -> None:
        noted(conn, posted)
        raise InvalidInput("log", "another text")

    with held_up(database):
        good = stream.send(a_bulk("a"), [a_movement(minor=1)], record=noted)
        wrong = stream.send(a_bulk("b"), [a_movement(minor=1)], record=broken)
        also_good = stream.send(a_bulk("c"), [a_movement(minor=1)], record=noted)
        refused = stream.send(a_bulk("d", narrative="x" * 3_000), [a_movement(minor=1)], record=noted)
    assert isinstance(wrong.exception(20), InvalidInput)
    assert isinstance(refused.exception(20), Problem)
    assert notes() == {good.result(20).journal_id, also_good.result(20).journal_id}
    assert standing(database)[ESCROW] == 2
    assert stream.send(a_bulk("b"), [a_movement(minor=1)]).result(20).existed is False


def test_the_database_keeps_a_bulk_to_its_program_where_its_sender_is_kept(stream: BulkStream, database: Database):
    seen: list[Any] = []

    def look(conn: Connection[Any], _: BulkPosted) -> None:
        seen.append(conn.execute("select current_user::text, array(select id from program order by id)").fetchone())

    with database.transaction() as conn:
        a_program(conn, "other")
    with held_up(database):
        answers = [stream.send(a_bulk(f"b{n}"), [a_movement(minor=1)], record=look, kept=n % 2 == 1) for n in range(3)]
    assert [answer.result(20).outcomes for answer in answers] == [[MovementOutcome.POSTED]] * 3
    assert stream.commits == 3, "they do not share a transaction"
    assert [(who == "counterfoil_program", len(programs)) for who, programs in seen] == [(False, 2), (True, 1), (False, 2)]


def test_each_program_has_a_stream_of_its_own_and_only_so_many_are_kept(database: Database):
    programs = [f"p{n}" for n in range(4)]
    with database.transaction() as conn:
        for name in programs:
            a_program(conn, name)
    streams = BulkStreams(database, clock=clock, streams_max=2)

    def send(number: int) -> BulkPosted:
        return streams.send(programs[number % 4], a_bulk(f"b{number}"), [a_movement(minor=1)]).result(30)

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(send, range(40)))
    assert [one.outcomes for one in done] == [[MovementOutcome.POSTED]] * 40
    assert len({one.journal_id for one in done}) == 40
    waiting = streams.send(programs[0], a_bulk("last"), [a_movement(minor=1)])
    streams.close()
    assert waiting.result(0).existed is False, "what waits is written first"
    with pytest.raises(Busy):
        streams.send(programs[0], a_bulk("later"), [a_movement(minor=1)])
    with database.transaction() as conn:
        assert run_invariants(conn, INVARIANTS) == []


def test_two_writers_share_a_line_and_nothing_is_read_again(stream: BulkStream, database: Database, monkeypatch: pytest.MonkeyPatch):
    memories: list[Memory] = []

    def remembered(*most: int) -> Memory:
        memories.append(Memory(*most))
        return memories[-1]

    monkeypatch.setattr("counterfoil.ledger.bulk_stream.Memory", remembered)

    def write(name: str) -> int:
        bulks = [stream.send(a_bulk(f"{name}-{n}"), [a_movement(minor=1) for _ in range(20)]).result(30) for n in range(15)]
        return sum(one.outcomes.count(MovementOutcome.POSTED) for one in bulks)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(write, "ab")) == [300, 300]
    assert sum(memory.readings for memory in memories) == 1, "only the first of all batches reads totals"
    assert standing(database)[ESCROW] == 600


def test_bulks_that_do_not_join_are_not_written_together(conn: Connection[Any]):
    a_program(conn)
    moves = [a_movement()]
    for wrong in ([prepare(a_bulk("a"), moves)] * 2, [prepare(a_bulk("a"), moves), prepare(a_bulk("b"), [a_hold()])]):
        with pytest.raises(InvariantBroken):
            post_bulks(conn, PROGRAM, wrong, now=NOW)


_SENDER = """
import sys
from counterfoil.base.edge import Database, now
from counterfoil.ledger.bulk_stream import BulkStream
from counterfoil.ledger.journals.bulk import Bulk
from tests.ledger.builders import PROGRAM, a_movement
stream = BulkStream(Database(sys.argv[1], connections_max=1).open(), PROGRAM, clock=now, waiting_max=2_000).start()
for number in range(100_000):
    answer = stream.send(Bulk(f"{sys.argv[2]}-{number}", "test", "EUR", "tester"), [a_movement(minor=1) for _ in range(100)])
    answer.add_done_callback(lambda done, number=number: print(number, done.result().outcomes.count("x"), flush=True))
"""


def _sent_until_killed(database: Database, label: str, signals: Sequence[int]) -> int:
    """How many bulks a process was answered before it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SENDER, database.url, label], stdout=subprocess.PIPE, text=True, cwd=os.getcwd(), env=os.environ
    )
    assert process.stdout is not None
    for _ in range(25):
        assert process.stdout.readline()
    for number in signals:
        process.send_signal(number)
        time.sleep(0.3)
    rest, _ = process.communicate(timeout=20)
    return 25 + rest.count("\n")


@pytest.mark.parametrize("signals", [(signal.SIGKILL,), (signal.SIGSTOP, signal.SIGKILL)])
def test_what_was_answered_stands_when_the_sender_is_killed(database: Database, signals: Sequence[int]):
    with database.transaction() as conn:
        a_program(conn)
    answered = _sent_until_killed(database, "s", signals)
    with psycopg.connect(database.url) as conn:  # the program's lock is had: nobody writes any more
        conn.execute("select pg_advisory_xact_lock(program_lock(%s))", [PROGRAM])
        row = conn.execute("select count(*), max(split_part(key, '-', 2)::int) from journal where key like 's-%'").fetchone() or (0, 0)
    assert row[0] >= answered, "answered, and lost"
    assert row[1] == row[0] - 1, "they stand in the order in which they were sent, without a hole"
    assert standing(database)[ESCROW] == row[0] * 100
