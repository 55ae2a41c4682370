"""The edge: transactions that end as they should, as the right role, within limits, and that come back after the database does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, timedelta
from pathlib import Path

import psycopg
import pytest

from counterfoil.base import database as refusals
from counterfoil.base import edge
from counterfoil.base.database import AppendOnly, DatabaseRefused, PlanForgotten, name_refusals, problem_of
from counterfoil.base.edge import Database
from counterfoil.base.ids import valid_id
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.base.problems import Busy, Problem
from counterfoil.operations.work.clocks import database_now
from tests.base.postgres_programs import SMALL, short_folder, wait_for

KEY = "insert into idempotency (scope, key, sha256, at) values ('s', %s, decode(repeat('00', 32), 'hex'), now())"


class TillEmpty(Problem):
    """The till is empty."""


def keys(database: Database) -> list[str]:
    with database.transaction(read_only=True) as conn:
        return [key for (key,) in conn.execute("select key from idempotency order by key").fetchall()]


def test_a_transaction_commits_when_its_block_ends(database: Database) -> None:
    with database.transaction() as conn:
        conn.execute(KEY, ["kept"])
    assert keys(database) == ["kept"]


def test_a_transaction_rolls_back_when_its_block_raises(database: Database) -> None:
    def write_and_raise() -> None:
        with database.transaction() as conn:
            conn.execute(KEY, ["lost"])
            raise TillEmpty

    with pytest.raises(TillEmpty):
        write_and_raise()
    assert keys(database) == []


def test_a_dry_run_does_everything_and_keeps_nothing(database: Database) -> None:
    with database.transaction(commit=False) as conn:
        conn.execute(KEY, ["tried"])
        assert conn.execute("select count(*) from idempotency").fetchone() == (1,)
    assert keys(database) == []


def test_a_reading_transaction_cannot_write(database: Database) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), database.transaction(read_only=True) as conn:
        conn.execute(KEY, ["written"])


@pytest.mark.parametrize("how", [{"read_only": True}, {"snapshot": True}])
def test_all_that_is_read_on_one_snapshot_is_of_one_moment(database: Database, how: dict[str, bool]) -> None:
    count = "select count(*) from idempotency"
    with database.transaction(**how) as conn:
        before = conn.execute(count).fetchone()
        with database.transaction() as other:
            other.execute(KEY, ["written meanwhile"])
        assert conn.execute(count).fetchone() == before == (0,)
    with database.transaction() as conn:  # the same connection again, perhaps: it sees what was committed before each query
        with database.transaction() as other:
            other.execute(KEY, ["and more"])
        assert conn.execute(count).fetchone() == (2,)
        assert conn.execute("show transaction_isolation").fetchone() == ("read committed",)


def test_who_writes_down_what_it_saw_on_one_snapshot_may_write(database: Database) -> None:
    with database.transaction(snapshot=True) as conn:
        conn.execute(KEY, ["kept"])
    assert keys(database) == ["kept"]


def test_a_transaction_acts_as_the_application_in_utc_with_limits(database: Database) -> None:
    with database.transaction() as conn:
        told = conn.execute("""
            select current_user::text, current_setting('timezone'), current_setting('lock_timeout'),
                   current_setting('statement_timeout'), current_setting('idle_in_transaction_session_timeout')""").fetchone()
    assert told == ("counterfoil_app", "UTC", "5s", "1min", "40s")
    with database.transaction(read_only=True) as conn:
        assert conn.execute("select current_setting('idle_in_transaction_session_timeout')").fetchone() == ("1min",)


def test_nothing_of_a_transaction_stays_on_its_connection(database_url: str) -> None:
    """A pooler may give the next transaction another connection, or this one to somebody else."""
    database = Database(database_url, connections_max=1).open()
    try:
        with database.transaction() as conn:
            first = conn.info.backend_pid
        with database._pool.connection() as conn:
            assert conn.info.backend_pid == first
            assert conn.execute("select current_user::text, current_setting('lock_timeout')").fetchone() == (
                "postgres",
                "0",
            )
    finally:
        database.close()


def test_a_refusal_of_the_database_comes_in_our_words(database: Database) -> None:
    with pytest.raises(DatabaseRefused) as caught, database.transaction() as conn:
        conn.execute(KEY, [""])
    assert caught.value.facts["constraint"] == "idempotency_key_is_short"


def test_a_part_names_its_own_constraints_and_codes(database: Database) -> None:
    name_refusals(codes={"CFX99": TillEmpty})
    with pytest.raises(TillEmpty, match="nothing left"), database.transaction() as conn:
        conn.execute("do $$ begin raise exception 'nothing left' using errcode = 'CFX99'; end $$")


def test_a_constraint_of_a_part_is_told_in_the_words_of_its_problem_alone(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(refusals._BY_CONSTRAINT, "idempotency_key_is_short", TillEmpty)
    with pytest.raises(TillEmpty) as caught, database.transaction() as conn:
        conn.execute(KEY, [""])
    assert caught.value.facts == {}, "no name of a constraint, and no words of PostgreSQL"


def test_what_is_append_only_is_refused_in_our_words(database_url: str) -> None:
    database = Database(database_url, role="counterfoil_owner").open()
    try:
        with pytest.raises(AppendOnly, match="step is append-only"), database.transaction() as conn:
            conn.execute("delete from step")
    finally:
        database.close()


def test_a_lock_that_is_not_had_in_time_is_busy(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "LOCK_TIMEOUT_MS", 50)
    with database.transaction() as conn:
        conn.execute(KEY, ["mine"])
    with database.transaction() as holder:
        holder.execute("select from idempotency for update")
        with pytest.raises(Busy), database.transaction() as conn:
            conn.execute("select from idempotency for update")


def test_a_statement_that_takes_too_long_is_busy(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "STATEMENT_TIMEOUT_MS", 50)
    with pytest.raises(Busy), database.transaction() as conn:
        conn.execute("select pg_sleep(30)")


def test_a_bug_in_a_statement_is_no_problem_of_the_caller(database: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable) as caught, database.transaction() as conn:
        conn.execute("select from nowhere")
    assert problem_of(caught.value) is None


def test_a_role_that_is_no_name_is_refused(database_url: str) -> None:
    database = Database(database_url, role="x'; drop table step; --").open()
    try:
        with pytest.raises(ValueError, match="not a role"), database.transaction():
            pass
    finally:
        database.close()


@pytest.fixture
def killable() -> Iterator[PrivatePostgres]:
    with short_folder() as folder, PrivatePostgres(folder, settings=SMALL) as started:
        yield started


def test_a_database_that_cannot_be_reached_is_busy(tmp_path: Path) -> None:
    database = Database(f"postgresql:///x?host={tmp_path}").open()
    database._pool.timeout = 0.3
    try:
        with pytest.raises(Busy), database.transaction():
            pass
    finally:
        database.close()


def test_a_killed_database_is_busy_and_serves_again_when_it_is_back(killable: PrivatePostgres) -> None:
    database = Database(killable.url, role=None).open()
    try:
        with database.transaction() as conn:
            before = conn.info.backend_pid
        with pytest.raises(Busy):
            be_killed_within_a_transaction(database, killable)
        assert killable.pid is None
        killable.start()
        with database.transaction() as conn:
            assert conn.info.backend_pid != before
            assert conn.execute("select 1").fetchone() == (1,)
    finally:
        database.close()


def be_killed_within_a_transaction(database: Database, killable: PrivatePostgres) -> None:
    with database.transaction() as conn:
        assert killable.pid is not None
        os.kill(killable.pid, signal.SIGKILL)
        wait_for(lambda: killable.pid is None, "the server's end")
        conn.execute("select pg_sleep(30)")


def test_ids_and_moments_of_the_edge_are_fresh() -> None:
    first, second = edge.make_id("po"), edge.make_id("po")
    assert valid_id(first, "po", "id") != valid_id(second, "po", "id")
    assert edge.now().tzinfo is UTC
    assert len(edge.entropy(16)) == 16


@pytest.mark.parametrize("elsewhere", [True, False], ids=["its table got another shape", "a pooler swapped connections"])
def test_a_connection_that_forgot_a_prepared_statement_is_given_up_and_the_next_one_works(database_url: str, elsewhere: bool):
    database = Database(database_url, role=None, connections_max=1).open()
    try:
        with database.transaction() as conn:
            conn.execute("create table shape_changes (one int)")
        for _ in range(edge.PREPARE_AFTER + 3):
            with database.transaction() as conn:
                conn.execute("select * from shape_changes")
        if elsewhere:
            with psycopg.connect(database_url) as other:
                other.execute("alter table shape_changes add column more int")
        else:
            with database.transaction() as conn:
                conn.execute("do $$ begin execute 'deallocate all'; end $$")
        with pytest.raises(PlanForgotten, match="database_prepares"), database.transaction() as conn:
            conn.execute("select * from shape_changes")
        with database.transaction() as conn:
            assert conn.execute("select * from shape_changes").fetchall() == []
    finally:
        database.close()


@pytest.mark.parametrize("ahead_s", [61, -3600])
def test_a_clock_that_is_wrong_is_corrected_by_the_databases(database: Database, monkeypatch: pytest.MonkeyPatch, ahead_s: int):
    real = edge.now
    monkeypatch.setattr(edge, "now", lambda: real() + timedelta(seconds=ahead_s))
    clock = edge.SharedClock(database)
    assert abs((clock() - real()).total_seconds() - ahead_s) < 1  # nobody was asked yet
    clock.correct()
    assert abs((clock() - real()).total_seconds()) < 1


@pytest.mark.parametrize("ahead_s", [830, -3600])
def test_a_clock_that_is_set_while_we_run_changes_nothing(database: Database, monkeypatch: pytest.MonkeyPatch, ahead_s: int):
    clock, real = edge.SharedClock(database), edge.now
    clock.correct()
    monkeypatch.setattr(edge, "now", lambda: real() + timedelta(seconds=ahead_s))
    assert abs((edge.now() - real()).total_seconds() - ahead_s) < 1
    assert abs((clock() - real()).total_seconds()) < 1


def test_a_database_that_is_away_leaves_the_last_correction(database: Database):
    clock = edge.SharedClock(database)
    clock.correct()
    known = clock._known
    database.close()
    clock.correct()
    assert known is not None
    assert clock._known == known


def test_a_connection_that_the_server_ended_while_nobody_used_it_is_replaced(database_url: str) -> None:
    with (
        closing(Database(database_url, role=None, connections_max=1).open()) as database,
        psycopg.connect(database_url, autocommit=True) as other,
    ):
        with database.transaction() as conn:
            before = conn.info.backend_pid
        other.execute("select pg_terminate_backend(%s)", [before])
        wait_for(lambda: other.execute("select from pg_stat_activity where pid = %s", [before]).fetchone() is None, "its end")
        with database.transaction() as conn:
            assert conn.info.backend_pid != before


def test_when_all_its_connections_were_ended_whoever_asks_first_waits_for_none_of_them(database_url: str) -> None:
    """As after a restart of the database. The pool by itself would sleep for a second after the second that is gone, then for two."""
    one = Database(database_url, role=None, connections_max=6).open()
    with closing(one) as database, psycopg.connect(database_url, autocommit=True) as other:
        with ExitStack() as open_at_once:
            pids = [open_at_once.enter_context(database.transaction()).info.backend_pid for _ in range(6)]
        wait_for(lambda: len(database._pool._pool) == 6, "all of them to lie ready")
        other.execute("select pg_terminate_backend(pid, 5000) from unnest(%s::int[]) as gone (pid)", [pids])
        slept: list[float] = []
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("psycopg_pool.pool.sleep", slept.append)
            with database.transaction() as conn:
                assert conn.info.backend_pid not in pids
        assert slept == []


@pytest.mark.parametrize("broken", [1, 2])
def test_a_connection_that_is_gone_with_its_first_word_is_replaced_however_many_are(
    database_url: str, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    monkeypatch.setattr(edge, "check_alive", lambda _: None)  # as if it went right after it was looked at
    one = Database(database_url, role=None, connections_max=2).open()
    with closing(one) as database, psycopg.connect(database_url, autocommit=True) as other:
        with ExitStack() as open_at_once:
            pids = [open_at_once.enter_context(database.transaction()).info.backend_pid for _ in range(broken)]
        for pid in pids:
            other.execute("select pg_terminate_backend(%s)", [pid])
            wait_for(lambda pid=pid: other.execute("select from pg_stat_activity where pid = %s", [pid]).fetchone() is None, "its end")
        with database.transaction() as conn:
            assert conn.info.backend_pid not in pids
            conn.execute(KEY, ["kept"])
        assert keys(database) == ["kept"]


def test_a_transaction_begins_by_the_databases_clock_in_utc(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("set timezone = 'Asia/Tokyo'")
        with conn.transaction():
            began = edge.set_up(conn, None)
            told = database_now(conn)
            assert began.tzinfo is UTC
            assert timedelta() <= told - began < timedelta(seconds=5)


def test_whoever_asks_first_after_a_long_outage_of_the_database_is_answered() -> None:
    """The pool's own pauses double: 1 s, 2, 4, 8. After nine seconds it would come back in six more."""
    with short_folder() as folder, PrivatePostgres(folder, settings=SMALL) as server:
        database = Database(server.url, role=None).open()
        database._pool.timeout = 3.0  # what an asker waits, so that the outage need not last for minutes
        with closing(database):

            def asked() -> object:
                with database.transaction(read_only=True) as conn:
                    return conn.execute("select 1").fetchone()

            assert asked() == (1,)
            server.stop()
            for _ in range(3):
                with pytest.raises(Busy):
                    asked()
            server.start()
            assert asked() == (1,)
