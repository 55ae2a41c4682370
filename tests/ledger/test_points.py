"""A writer of bulks that is killed, or frozen and woken, at each of its named points; and a database that dies under its writers.

What was answered stands, what was not answered stands whole or not at all, and no limit is passed by who wakes with an old memory.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from uuid import UUID

import psycopg
import pytest

from benchmarks.harness import fresh_database
from counterfoil.base.edge import Database, now
from counterfoil.base.invariant import run_invariants
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.batch_types import MovementOutcome
from counterfoil.ledger.journals.bulk import Bulk, post_many
from counterfoil.ledger.reads.balances import balances
from tests.ledger.builders import CASH, ESCROW, PAYEE, PROGRAM, a_movement, a_program
from tests.waiting import until

POINTS: Final = ("ledger.locked", "ledger.header_written", "ledger.before_commit", "ledger.after_commit")
FUNDS, TAKEN = 100, 80  # so what two take does not fit
SILENT_MS: Final = 400

_WRITER = """
import sys, time
from counterfoil.base.edge import Database, now
from counterfoil.base.failpoints import on_point
from counterfoil.ledger import write_context
from counterfoil.ledger.bulk_stream import BulkStream
from counterfoil.ledger.journals.bulk import Bulk
from tests.ledger.builders import CASH, ESCROW, PAYEE, PROGRAM, a_movement

url, where, silent_ms = sys.argv[1], sys.argv[2], int(sys.argv[3])
write_context.SILENT_MAX_MS = silent_ms
armed = False

def hook(point):
    global armed
    if armed and point == where:
        armed = False
        print("at", point, flush=True)
        sys.stdin.readline()

def ask(key, *movements):
    try:
        answer = stream.send(Bulk(key, "test", "EUR", "tester"), movements).result(60)
        print("answer", key, *[one.value for one in answer.outcomes], flush=True)
    except Exception as error:
        print("answer", key, type(error).__name__, flush=True)

on_point(hook)
stream = BulkStream(Database(url, connections_max=2).open(), PROGRAM, clock=now).start()
ask("first", a_movement(ESCROW, PAYEE, 1, id=b"1" * 16))
armed = True
ask("second", a_movement(CASH, ESCROW, 1, id=b"2" * 16), a_movement(ESCROW, PAYEE, 80, id=b"3" * 16))
ask("third", a_movement(CASH, ESCROW, 1, id=b"4" * 16), a_movement(ESCROW, PAYEE, 80, id=b"5" * 16))
"""


@contextmanager
def a_writer(database: Database, point: str) -> Iterator[subprocess.Popen[str]]:
    """It has written a bulk, and stands at the point with its second."""
    with database.transaction() as conn:
        a_program(conn)
        post_many(conn, PROGRAM, Bulk("funds", "test", "EUR", "tester"), [a_movement(CASH, ESCROW, FUNDS)], now=now())
    command = [sys.executable, "-c", _WRITER, database.url, point, str(SILENT_MS)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=os.getcwd(), env=os.environ)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().split() == ["answer", "first", "posted"]
        assert process.stdout.readline().split() == ["at", point]
        yield process
    finally:
        process.kill()
        process.wait(20)


def second(database: Database) -> int:
    """How much of the writer's second bulk stands."""
    with database.transaction(read_only=True) as conn:
        row = conn.execute(
            "select count(*) from posting where movement = any(%s)", [[UUID(bytes=one * 16) for one in (b"2", b"3")]]
        ).fetchone()
    return row[0] if row else -1


def take(database: Database, key: str) -> MovementOutcome:
    """Another writer takes most of what there is."""
    with database.transaction() as conn:
        done = post_many(conn, PROGRAM, Bulk(key, "test", "EUR", "other"), [a_movement(ESCROW, PAYEE, TAKEN)], now=now())
    return done.outcomes[0]


def escrow(database: Database) -> int:
    with database.transaction(read_only=True) as conn:
        assert run_invariants(conn, INVARIANTS) == []
        return balances(conn, PROGRAM, [ESCROW], asset="EUR")[ESCROW].minor


@pytest.mark.parametrize("point", POINTS)
def test_what_a_writer_wrote_stands_whole_or_not_at_all_when_it_is_killed_at_a_point(database: Database, point: str):
    with a_writer(database, point) as process:
        process.kill()
        assert process.wait(20) == -signal.SIGKILL
    committed = point == "ledger.after_commit"
    refused = take(database, "other")  # waits for the lock, so the killed one's transaction has ended
    assert second(database) == (2 if committed else 0)
    assert refused is (MovementOutcome.DEBIT_INSUFFICIENT if committed else MovementOutcome.POSTED)
    assert escrow(database) == FUNDS - 1 - TAKEN + (1 if committed else 0)


@pytest.mark.parametrize("point", POINTS)
def test_a_writer_that_is_frozen_at_a_point_and_wakes_passes_no_limit(database: Database, point: str):
    with a_writer(database, point) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.send_signal(signal.SIGSTOP)
        assert until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        other = take(database, "other")  # once the database has ended the silent one's transaction
        process.stdin.write("\n")
        process.stdin.flush()
        process.send_signal(signal.SIGCONT)
        answers = [process.stdout.readline().split()[1:] for _ in range(2)]
        assert process.wait(20) == 0
    insufficient = MovementOutcome.DEBIT_INSUFFICIENT.value
    if point == "ledger.after_commit":
        assert other is MovementOutcome.DEBIT_INSUFFICIENT
        assert answers[0] == ["second", "posted", "posted"], "it stands, and its sender hears of it after all"
        assert escrow(database) == FUNDS - 1 + 1 - TAKEN + 1
    else:
        assert other is MovementOutcome.POSTED
        assert answers[0][1:] not in (["posted", "posted"], ["posted", insufficient]), "its transaction was ended, nothing of it stands"
        assert second(database) == 0
        assert escrow(database) == FUNDS - 1 - TAKEN + 1
    assert answers[1] == ["third", "posted", insufficient], "what it remembered is not believed"


_SENDER = """
import sys
from counterfoil.base.edge import Database, now
from counterfoil.ledger.bulk_stream import BulkStream
from counterfoil.ledger.journals.bulk import Bulk
from tests.ledger.builders import CASH, ESCROW, PROGRAM, a_movement
import uuid
stream = BulkStream(Database(sys.argv[1], connections_max=2).open(), PROGRAM, clock=now).start()
while True:
    ids = [uuid.uuid4().bytes for _ in range(20)]
    try:
        answer = stream.send(Bulk(ids[0].hex(), "test", "EUR", "tester"), [a_movement(CASH, ESCROW, 1, id=one) for one in ids]).result(60)
    except Exception as error:
        print("failed", ids[0].hex(), type(error).__name__, flush=True)
    else:
        print("stands", ids[0].hex(), *{one.value for one in answer.outcomes}, flush=True)
"""


def test_what_was_answered_stands_when_the_database_is_killed_under_its_writers_and_they_go_on(tmp_path: Path):
    folder = Path(tempfile.mkdtemp(prefix="counterfoil-dies-"))
    with PrivatePostgres(folder) as server:
        url = fresh_database(server, "dies")
        database = Database(url).open()
        with database.transaction() as conn:
            a_program(conn)
        notes = [tmp_path / f"sender-{number}" for number in range(2)]
        senders = [
            subprocess.Popen([sys.executable, "-c", _SENDER, url], stdout=note.open("w"), cwd=os.getcwd(), env=os.environ) for note in notes
        ]
        try:
            for _ in range(2):
                before = [_stands(note) for note in notes]
                assert until(lambda before=before: all(_stands(note) > one + 5 for note, one in zip(notes, before, strict=True)), 60)
                pid = server.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                assert until(lambda: server.pid is None)
                server.start()
            before = [_stands(note) for note in notes]
            assert until(lambda: all(_stands(note) > one + 5 for note, one in zip(notes, before, strict=True)), 60), (
                "they go on by themselves"
            )
        finally:
            for sender in senders:
                sender.kill()
                sender.wait(20)
        said = [line.split() for note in notes for line in note.read_text().splitlines()]
        answered = {words[1] for words in said if words[0] == "stands" and words[2:] == ["posted"]}
        assert any(words[0] == "failed" for words in said), "nobody was writing when the database died"
        assert until(lambda: _is_free(url))
        with psycopg.connect(url) as conn:
            standing = {row[0]: row[1] for row in conn.execute("select key, lines from journal where kind = 'test' limit 1000000")}
            twice = conn.execute("select movement from posting group by movement having count(*) > 1 limit 10").fetchall()
            total = conn.execute("select count(*) from posting").fetchone()
        assert answered <= standing.keys(), "answered, and lost"
        assert twice == []
        assert total == (20 * len(standing),), "a bulk stands whole or not at all"
        assert escrow(database) == 20 * len(standing)
        database.close()
    shutil.rmtree(folder, ignore_errors=True)


def _stands(note: Path) -> int:
    return sum(line.startswith("stands ") for line in note.read_text().splitlines())


def _is_free(url: str) -> bool:
    with psycopg.connect(url) as conn:
        row = conn.execute("select pg_try_advisory_xact_lock(program_lock(%s))", [PROGRAM]).fetchone()
    return row == (True,)
