"""The sequencer behind writers that are many, slow, broken off or killed: no gap, nothing twice, nothing skipped."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection, errors

from counterfoil.audit.actions import record_action
from counterfoil.base.edge import Database
from counterfoil.base.formats.canonical import canonical_json
from counterfoil.base.invariant import run_invariants
from counterfoil.base.problems import Problem
from counterfoil.ledger.journals.batch_types import Movement
from counterfoil.ledger.journals.bulk import Bulk, post_many
from counterfoil.ledger.journals.journal import post
from counterfoil.proofs.log.invariants import INVARIANTS
from counterfoil.proofs.log.merkle import Leaves, inclusion_proof, leaf_hash, root_from_inclusion, root_of
from counterfoil.proofs.log.records import LogRecord, moment
from counterfoil.proofs.log.sequencing import Turn, append, sequence, unsequenced_since
from counterfoil.proofs.log.tree import StoredTree
from tests.builders import NOW, PROGRAM, a_program

ACCOUNTS = ("bad_debt", "payable:payee:a", "provider_fee", "payable:payee:b")


@pytest.fixture
def books(database: Database) -> Database:
    """A program whose money can be moved, everything of it in the log."""
    from counterfoil.ledger.accounts.accounts import open_accounts

    a_program(database)
    with database.transaction() as conn:
        open_accounts(conn, PROGRAM, ACCOUNTS, asset="EUR", actor="t", now=NOW)
    drain(database)
    return database


def moved(conn: Connection[Any], key: str, *, apart: bool = False) -> None:
    """A journal; `apart`: on accounts of its own, so that it waits for nobody."""
    lines = [(*(ACCOUNTS[2:] if apart else ACCOUNTS[:2]), 1)]
    post(conn, PROGRAM, key=key, kind="t", lines=lines, asset="EUR", actor="t", now=NOW)


def turn(database: Database, rows_max: int = 5_000) -> Turn:
    with database.transaction() as conn:
        return sequence(conn, make_origin="test/log", now=NOW, rows_max=rows_max)


def drain(database: Database) -> None:
    while turn(database).taken:
        pass


def taken(database: Database, count: int) -> None:
    """So many are numbered in the end, and then no more: a test beside this one may have a transaction open, which is waited for."""
    left, deadline = count, time.monotonic() + 20
    while left and time.monotonic() < deadline:
        left -= turn(database).taken
        time.sleep(0 if left <= 0 else 0.01)
    assert left == 0


def test_a_journals_record_is_canonical_whatever_stands_in_its_texts(books: Database) -> None:
    told = 'wrote "lines":[] and \\"lines":[] and ü\u2028'
    with books.transaction() as conn:
        lines = [(*ACCOUNTS[:2], 7), (*ACCOUNTS[2:], 8)]
        post(conn, PROGRAM, key='"lines":[]', kind="t", lines=lines, asset="EUR", actor="t", now=NOW, narrative=told)
    drain(books)
    with books.transaction() as conn:
        records = [row[0] for row in conn.execute("select record from log_entry where relation = 'journal'").fetchall()]
    assert [one for one in records if canonical_json(json.loads(one)) != one] == []
    [found] = [json.loads(one) for one in records if json.loads(one)["narrative"] == told]
    assert [(one["line"], one["debit"], one["credit"], one["amount"]) for one in found["lines"]] == [
        (1, *ACCOUNTS[:2], "7"),
        (2, *ACCOUNTS[2:], "8"),
    ]


def test_a_line_is_told_in_the_same_words_by_the_database_and_by_canonical_json(books: Database) -> None:
    """Names that nobody may give an account today, days and ids of their own: leaves are never written anew."""
    hard = ['quote " here', "back\\slash", "tab\t line\n feed\f bell\x07 del\x7f", "snow \u2603 \U0001f600 \u2028", "\x1f/'"]
    with books.transaction() as conn:
        texts = conn.execute("select one, to_json(one)::text from unnest(%s::text[]) one", [hard]).fetchall()
        assert [canonical_json(one) for one, _ in texts] == [told for _, told in texts]
        three_days_ago_us = int((NOW - timedelta(days=3)).timestamp()) * 1_000_000 + 7
        own = Movement(uuid4().bytes, *ACCOUNTS[:2], 10**17, effective_us=three_days_ago_us)
        post_many(conn, PROGRAM, Bulk("own", "t", "EUR", "t"), [own, Movement(uuid4().bytes, *ACCOUNTS[2:], 1)], now=NOW)
    drain(books)
    with books.transaction() as conn:
        [[record, journal]] = conn.execute(
            "select e.record, j.id from log_entry e join journal j on j.id::text = e.row_id where j.key = 'own'"
        ).fetchall()
        lines = conn.execute(
            "select line, amount, effective_at, movement from posting where journal_id = %s order by line", [journal]
        ).fetchall()
    assert canonical_json(json.loads(record)) == record
    first, second = json.loads(record)["lines"]
    assert first["effective_at"].endswith(".000007Z")
    assert (first["amount"], first["effective_at"], first["movement"]) == (str(10**17), moment(lines[0][2]), str(lines[0][3]))
    assert second == {"line": 2, "debit": ACCOUNTS[2], "credit": ACCOUNTS[3], "amount": "1", "movement": str(lines[1][3])}


def keys_in_log(database: Database) -> list[str]:
    with database.transaction() as conn:
        rows = conn.execute("select record from log_entry where relation = 'journal' order by index").fetchall()
        return [json.loads(row[0])["key"] for row in rows]


def waits(database: Database) -> bool:
    """Is there a record that has no number yet?"""
    with database.transaction() as conn:
        return unsequenced_since(conn) is not None


def is_whole(database: Database) -> None:
    """Numbered without a gap, each once; and every journal is in it."""
    deadline = time.monotonic() + 20
    while waits(database) and time.monotonic() < deadline:  # a test beside this one may hold it back
        drain(database)
    with database.transaction() as conn:
        indexes = [row[0] for row in conn.execute("select index from log_entry order by index").fetchall()]
        assert indexes == list(range(len(indexes)))
        journals = {row[0] for row in conn.execute("select id::text from journal").fetchall()}
        logged = [row[0] for row in conn.execute("select row_id from log_entry where relation = 'journal'").fetchall()]
        assert (set(logged), len(logged)) == (journals, len(journals))
        assert run_invariants(conn, INVARIANTS) == []


def test_what_is_committed_is_numbered_once(books: Database) -> None:
    with books.transaction() as conn:
        moved(conn, "a")
        moved(conn, "b")
    taken(books, 2)
    assert turn(books) == turn(books)
    assert keys_in_log(books) == ["a", "b"]
    is_whole(books)


def test_every_act_of_a_person_is_in_the_log_and_its_payload_is_not(books: Database) -> None:
    with books.transaction() as conn:
        record_action(
            conn,
            "act_1",
            actor="person:ann",
            role="controller",
            verb="period.close",
            subject_id="main",
            reason="month",
            request_id="req_1",
            payload={"name": "a secret of somebody"},
            at=NOW,
        )
    taken(books, 1)
    with books.transaction() as conn:
        [(record,)] = conn.execute("select record from log_entry where relation = 'action'").fetchall()
    told = json.loads(record)
    assert (told["verb"], told["actor"], told["at"], told["type"]) == (
        "period.close",
        "person:ann",
        "2026-11-20T12:00:00.000000Z",
        "action",
    )
    assert "secret" not in record
    assert record == json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def test_a_transaction_that_is_still_open_is_waited_for_and_never_skipped(books: Database) -> None:
    with psycopg.connect(books.url) as slow:
        moved(slow, "slow", apart=True)
        with books.transaction() as conn:
            conn.execute("select pg_current_xact_id()")
            moved(conn, "quick")
        assert (turn(books).taken, keys_in_log(books)) == (0, []), "it began later than one that is open"
        with books.transaction() as conn:
            assert unsequenced_since(conn) is not None
        slow.commit()
    taken(books, 2)
    assert sorted(keys_in_log(books)) == ["quick", "slow"]
    with books.transaction() as conn:
        assert unsequenced_since(conn) is None
    is_whole(books)


def test_a_transaction_of_another_database_on_the_server_holds_nothing_back(books: Database) -> None:
    elsewhere = psycopg.conninfo.make_conninfo(books.url, dbname="template1")
    with psycopg.connect(elsewhere) as other, other.transaction():
        assert other.execute("select pg_current_xact_id()").fetchone() is not None, "it has a number, as who writes has"
        with books.transaction() as conn:
            moved(conn, "a")
        drained = turn(books)
        with books.transaction() as conn:
            held = conn.execute("select pg_snapshot_xmin(s) < pg_snapshot_xmax(s) from pg_current_snapshot() s").fetchone()
        assert held == (True,), "the server's own horizon stands still"
        assert (drained.taken, waits(books)) == (1, False)
    is_whole(books)


def test_who_sequences_in_a_transaction_that_goes_on_to_write_passes_over_nothing_of_its_own(books: Database) -> None:
    with books.transaction() as conn:
        moved(conn, "own", apart=True)
        with books.transaction() as other:
            moved(other, "later")
        sequence(conn, make_origin="test/log", now=NOW)
        moved(conn, "own again", apart=True)
    drain(books)
    is_whole(books)


def test_what_was_rolled_back_is_not_in_the_log(books: Database) -> None:
    with suppress(ZeroDivisionError), books.transaction() as conn:
        moved(conn, "never")
        _ = 1 // 0
    with books.transaction() as conn:
        moved(conn, "done")
    taken(books, 1)
    assert keys_in_log(books) == ["done"]


def test_small_turns_take_everything_in_the_end(books: Database) -> None:
    with books.transaction() as conn:  # all of one transaction: the place to go on from does not move within it
        for number in range(25):
            moved(conn, f"k{number}")
    deadline, turns = time.monotonic() + 20, list[int]()
    while sum(turns) < 25 and time.monotonic() < deadline:
        turns += [turn(books, rows_max=4).taken]
    assert [one for one in turns if one] == [4, 4, 4, 4, 4, 4, 1]
    is_whole(books)


def test_two_sequencers_do_not_number_at_once(books: Database) -> None:
    with books.transaction() as conn:
        moved(conn, "a")
    with books.transaction() as first:
        sequence(first, make_origin="test/log", now=NOW)
        assert turn(books) == Turn(0, False, turn(books).size)
    drain(books)
    is_whole(books)


def test_a_sequencer_that_is_killed_leaves_nothing_behind(books: Database) -> None:
    with books.transaction() as conn:
        moved(conn, "a")
    killed = psycopg.connect(books.url)
    deadline = time.monotonic() + 20
    while sequence(killed, make_origin="test/log", now=NOW).taken == 0 and time.monotonic() < deadline:
        killed.rollback()
    with psycopg.connect(books.url, autocommit=True) as other:
        other.execute("select pg_terminate_backend(%s)", [killed.info.backend_pid])
    with pytest.raises(psycopg.OperationalError):
        killed.execute("select 1")
    taken(books, 1)
    assert keys_in_log(books) == ["a"]
    is_whole(books)


class Writers:
    """Writers of every kind, until they are told to stop: quick, slow, rolled back, killed in the middle."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.killed = 0
        self.ended = threading.Event()

    def write(self, writer: int) -> None:
        for number in range(25):
            key = f"w{writer}-{number}"
            if self.ended.is_set():
                return
            with suppress(psycopg.Error, Problem, ZeroDivisionError):
                match (writer + number) % 5:
                    case 0:
                        self._slow(key)
                    case 1:
                        self._killed(key)
                    case 2:
                        with self.database.transaction() as conn:
                            moved(conn, key)
                            _ = 1 // 0
                    case _:
                        with self.database.transaction() as conn:
                            moved(conn, key)

    def _slow(self, key: str) -> None:
        with self.database.transaction() as conn:
            conn.execute("select pg_current_xact_id(), pg_sleep(0.02)")
            moved(conn, key)

    def _killed(self, key: str) -> None:
        with psycopg.connect(self.database.url) as conn:
            moved(conn, key)
            with psycopg.connect(self.database.url, autocommit=True) as other:
                other.execute("select pg_terminate_backend(%s)", [conn.info.backend_pid])
            with pytest.raises(psycopg.OperationalError):
                conn.execute("select 1")
            self.killed += 1


def test_behind_many_writers_nothing_is_skipped_and_nothing_comes_twice(books: Database) -> None:
    writers, turns = Writers(books), list[Turn]()

    def number() -> None:
        while not writers.ended.is_set():
            turns.append(turn(books, rows_max=7))

    with ThreadPoolExecutor(7) as pool:
        sequencers = [pool.submit(number) for _ in range(2)]
        writing = [pool.submit(writers.write, writer) for writer in range(4)]
        for one in writing:
            one.result()
        writers.ended.set()
        for one in sequencers:
            one.result()
    assert writers.killed > 0, "none was killed: it shows nothing"
    assert sum(1 for one in turns if one.taken) > 3, "it was numbered while others wrote"
    with books.transaction() as conn:
        ((written, numbered),) = conn.execute(
            "select (select count(*) from journal), (select count(*) from log_entry where relation = 'journal')"
        ).fetchall()
    taken(books, written - numbered)
    is_whole(books)


def test_in_a_restored_database_all_records_are_looked_through_once(books: Database) -> None:
    with books.transaction() as conn:
        moved(conn, "before")
    taken(books, 1)
    with books.transaction() as conn:  # as a dump is in another server: its transactions are counted from the beginning
        moved(conn, "not in the log when it was dumped")
        conn.execute("update log_position set next_xid = '9000000000'::xid8")
    taken(books, 1)
    with books.transaction() as conn:
        moved(conn, "after")
    taken(books, 1)
    is_whole(books)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("update log_entry set record = 'x'", errors.InsufficientPrivilege),
        ("delete from log_entry", errors.InsufficientPrivilege),
        ("insert into log_entry select index + 5, relation, row_id || 'x', recorded_at, leaf_hash, record from log_entry", errors.Error),
        (
            "insert into log_entry select max(index) + 1, 'x', 'x', now(), sha256('x'), 'x' from log_entry",
            errors.CheckViolation,
        ),
    ],
)
def test_the_database_refuses_another_log(books: Database, statement: str, error: type[Exception]) -> None:
    with pytest.raises((error, Problem)), books.transaction() as conn:
        conn.execute(statement.encode())


def test_the_owner_of_a_record_cannot_say_that_another_transaction_wrote_it(books: Database) -> None:
    with books.transaction() as conn:
        conn.execute(
            """insert into action (id, actor, role, verb, subject_id, request_id, payload, at, written_by)
               values ('act_2', 't', 'r', 'v', 's', 'q', '{}', now(), '3'::xid8)"""
        )
    taken(books, 1)


def found(count: int) -> Iterator[LogRecord]:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    for number in range(count):
        yield LogRecord("test", str(number), at + timedelta(milliseconds=number), f'{{"n":{number}}}')


def test_the_stored_tree_is_the_tree_of_its_leaves_beyond_two_levels(database: Database) -> None:
    count = 66_100  # over 256 and over 65,536
    records = list(found(count))
    leaves = Leaves([leaf_hash(one.record.encode()) for one in records])
    with database.transaction() as conn:
        for first in range(0, count, 9_000):
            size = append(conn, records[first : first + 9_000])
        assert size == count
        for at in (1, 255, 256, 257, 65_535, 65_536, 65_537, count):
            assert root_of(at, StoredTree(conn)) == root_of(at, leaves)
        spent = []
        for place in (0, 1, 255, 256, 65_535, 65_536, 66_099, 40_000, 12_345):
            began = time.perf_counter()
            proof = inclusion_proof(place, count, StoredTree(conn))
            spent.append(time.perf_counter() - began)
            assert proof == inclusion_proof(place, count, leaves)
            assert root_from_inclusion(place, count, leaves(0, place), proof) == root_of(count, leaves)
        assert sorted(spent)[len(spent) // 2] < 0.1, "a proof reads some rows, not the log"
