"""A writer that is frozen with a program's lock: the program's others wait for it only so long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg import Connection, errors

from counterfoil.base import edge
from counterfoil.base.edge import Database, now
from counterfoil.base.invariant import run_invariants
from counterfoil.base.money import Asset
from counterfoil.base.postgres.logins import SERVER
from counterfoil.base.problems import Busy
from counterfoil.ledger import frozen_writers, write_context
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.ledger.bulk_stream import BulkStream
from counterfoil.ledger.group_commit import Gatherer
from counterfoil.ledger.invariants import INVARIANTS
from counterfoil.ledger.journals.bulk import Bulk, post_many
from counterfoil.ledger.write_context import enter, enter_for_bulks, enter_for_one
from counterfoil.wiring import ticks
from tests.api.office import wiring_for
from tests.ledger.builders import PROGRAM, a_journal, a_movement, a_program
from tests.waiting import until

WAYS: dict[str, Callable[[Connection[Any]], object]] = {
    "alone": lambda conn: enter(conn, "main", alone=True),
    "beside others": lambda conn: enter(conn, "main", alone=False),
    "for one journal": lambda conn: enter_for_one(conn, "main", "EUR", "key", ["cash"]),
    "for bulks": lambda conn: enter_for_bulks(conn, "main", ["key"], bytes(16), None, postings=1),
}


@pytest.mark.parametrize("way", WAYS)
def test_who_is_silent_with_the_lock_of_a_program_loses_its_transaction_and_the_others_go_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, way: str
):
    with database.transaction() as conn:
        open_program(conn, "main", name="Main", assets=[Asset("EUR", 2)], now=now())
    monkeypatch.setattr(write_context, "SILENT_MAX_MS", 300)
    with pytest.raises(errors.IdleInTransactionSessionTimeout):
        _freeze(database, WAYS[way])


def _freeze(database: Database, way: Callable[[Connection[Any]], object]) -> None:
    with database.transaction() as frozen:
        way(frozen)
        began = time.monotonic()
        with database.transaction() as other:
            enter(other, "main", alone=True)
        assert time.monotonic() - began < 4  # nobody waits longer than 5 s for a lock
        frozen.execute("select 1")


def test_it_is_ended_before_the_others_have_given_up_for_a_minute(database: Database):
    with database.transaction() as conn:
        open_program(conn, "main", name="Main", assets=[Asset("EUR", 2)], now=now())
        enter(conn, "main", alone=True)
        assert conn.execute("select current_setting('idle_in_transaction_session_timeout')").fetchone() == ("20s",)


SENT: Final = 300  # the first part of their rows is sent, the rest is not

_FREEZES = """
import os, signal, sys, time
from counterfoil.base.edge import Database, now
from counterfoil.base.failpoints import on_point
from counterfoil.ledger.bulk_stream import BulkStream
from counterfoil.ledger.journals.bulk import Bulk
from tests.ledger.builders import CASH, ESCROW, PROGRAM, a_movement, an_id

armed = [True]

def hook(point):
    if point == "ledger.copying" and armed:
        armed.clear()
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.2)  # another thread may be the first that stops

on_point(hook)
stream = BulkStream(Database(sys.argv[1], connections_max=2).open(), PROGRAM, clock=now).start()
movements = [a_movement(CASH, ESCROW, 1, id=an_id(10_000 + number)) for number in range(int(sys.argv[2]))]
for _ in range(2):
    try:
        answer = stream.send(Bulk("frozen", "test", "EUR", "tester"), movements).result(60)
        print(*{one.value for one in answer.outcomes}, flush=True)
    except Exception as error:
        print(type(error).__name__, flush=True)
"""


@pytest.fixture
def as_server(database_url: str) -> Iterator[Database]:
    """By the login of server and worker, which is no superuser."""
    opened = Database(database_url.replace("//postgres@", f"//{SERVER}@")).open()
    yield opened
    opened.close()


@contextmanager
def _frozen_in_copy(database: Database) -> Iterator[subprocess.Popen[str]]:
    """A process that stopped itself in the middle of its rows."""
    with database.transaction() as conn:
        a_program(conn)
    command = [sys.executable, "-c", _FREEZES, database.url, str(SENT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=os.getcwd(), env=os.environ)
    try:
        assert until(lambda: Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        yield process
    finally:
        process.kill()
        process.wait(20)


def _by_worker(database: Database) -> None:
    with pytest.raises(Busy), database.transaction() as conn:
        post_many(conn, PROGRAM, Bulk("other", "test", "EUR", "other"), [a_movement()], now=now())
    assert ticks(wiring_for(database), "test")[frozen_writers.JOB]().handled == 1


def _by_stream(database: Database) -> None:
    stream = BulkStream(database, PROGRAM, clock=now).start()
    with pytest.raises(Busy):
        stream.send(Bulk("other", "test", "EUR", "other"), [a_movement()]).result(10)
    stream.close()


def _by_gatherer(database: Database) -> None:
    gatherer = Gatherer(database, clock=now, make_key=lambda: "key").start()
    with pytest.raises(Busy):
        gatherer.post(PROGRAM, a_journal(), timeout_s=10)
    gatherer.close()


@pytest.mark.parametrize("heal", [_by_worker, _by_stream, _by_gatherer])
def test_who_is_frozen_in_the_middle_of_its_rows_is_disconnected_and_may_send_the_same_again(
    as_server: Database, monkeypatch: pytest.MonkeyPatch, heal: Callable[[Database], None]
):
    database = as_server
    assert SERVER in database.url
    monkeypatch.setattr(edge, "LOCK_TIMEOUT_MS", 200)
    with _frozen_in_copy(database) as process, psycopg.connect(database.url) as awake:
        with awake.cursor().copy("copy work_mishap (kind, queue, number, worker, at) from stdin") as copy:
            assert ticks(wiring_for(database), "test")[frozen_writers.JOB]().handled == 0, "it may be silent for 20 s"
            monkeypatch.setattr(frozen_writers, "SILENT_MAX_MS", 50)
            heal(database)
            with database.transaction() as conn:
                assert conn.execute("select queue, number from work_mishap").fetchall() == [(frozen_writers.JOB, 1)]
                assert conn.execute("select current_setting('role')").fetchone() == ("counterfoil_app",)
                post_many(conn, PROGRAM, Bulk("another", "test", "EUR", "other"), [a_movement()], now=now())
            copy.write_row(["stale_write", "q", 1, "w", now()])  # who copies something else keeps no program's lock
        awake.rollback()
        process.send_signal(signal.SIGCONT)
        told, _ = process.communicate(timeout=20)
    assert told.split() == ["DatabaseAway", "posted"], "nothing of it stood, and all of it does now"
    with database.transaction(read_only=True) as conn:
        counted = "select count(*) from posting join journal j on j.id = journal_id where j.key = 'frozen'"
        assert conn.execute(counted).fetchone() == (SENT,)
        assert run_invariants(conn, INVARIANTS) == []


@pytest.mark.parametrize("table", frozen_writers.COPIED)
def test_whoever_is_silent_amid_rows_for_whose_lock_others_wait_is_disconnected(
    as_server: Database, monkeypatch: pytest.MonkeyPatch, table: str
):
    monkeypatch.setattr(frozen_writers, "SILENT_MAX_MS", 50)
    end = ticks(wiring_for(as_server), "test")[frozen_writers.JOB]
    with psycopg.connect(as_server.url, autocommit=True) as silent:
        silent.pgconn.exec_(f"copy {table} from stdin (format binary)".encode())
        assert until(lambda: end().handled == 1)
        with as_server.transaction(read_only=True) as conn:
            assert conn.execute("select from pg_stat_activity where pid = %s", [silent.info.backend_pid]).fetchone() is None
        silent.pgconn.finish()
