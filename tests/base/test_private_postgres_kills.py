"""The private PostgreSQL when initdb, the server or its parent is killed. Each test shows that its kill landed where it should."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from counterfoil.base.postgres.launcher import PostgresNotStarted, PrivatePostgres
from tests.base.postgres_programs import (
    NAMES,
    PROGRAMS,
    SMALL,
    is_alive,
    parent_process,
    short_folder,
    wait_for,
)

each_version = pytest.mark.parametrize("programs", PROGRAMS, ids=NAMES)


@pytest.fixture
def folder() -> Iterator[Path]:
    with short_folder() as made:
        yield made


def processes_of(folder: Path, name: str) -> list[int]:
    """Processes of the program `name` that work on `folder`."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    found = [line.split(None, 1) for line in listed.splitlines()]
    return [int(pid) for pid, args in found if f"/{name} -D {folder}" in args and "postgres_stage" not in args]


def wait_for_initdb(folder: Path) -> int:
    making = folder / "postgres" / "data.making"
    wait_for(lambda: (making / "PG_VERSION").exists() and processes_of(folder, "initdb"), "initdb at work")
    return processes_of(folder, "initdb")[0]


@each_version
def test_a_killed_initdb_is_an_error_and_the_next_start_begins_anew(folder: Path, programs: str) -> None:
    server = PrivatePostgres(folder, settings=SMALL, binaries=programs)
    failures: list[Exception] = []

    def start() -> None:
        try:
            server.start()
        except PostgresNotStarted as error:
            failures.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    os.kill(wait_for_initdb(folder), signal.SIGKILL)
    thread.join(30)
    assert len(failures) == 1
    assert (folder / "postgres" / "data.making").exists()
    assert not (folder / "postgres" / "data").exists()
    with server:
        assert psycopg.connect(server.url).execute("select 1").fetchone() == (1,)


@each_version
def test_a_parent_killed_during_initdb_leaves_a_folder_that_the_next_can_use(folder: Path, programs: str) -> None:
    with parent_process(folder, die=True, programs=programs) as parent:
        wait_for_initdb(folder)
        parent.kill()
        parent.wait()
        assert not (folder / "postgres" / "data").exists()
    with PrivatePostgres(folder, settings=SMALL, binaries=programs) as server:
        assert psycopg.connect(server.url).execute("select 1").fetchone() == (1,)


def sleep_until_cut_off(conn: psycopg.Connection[tuple[object, ...]]) -> None:
    with pytest.raises(psycopg.OperationalError):
        conn.execute("select pg_sleep(60)")


@each_version
def test_a_killed_server_recovers_what_was_committed(folder: Path, programs: str) -> None:
    server = PrivatePostgres(folder, settings=SMALL, binaries=programs).start()
    busy = psycopg.connect(server.url, autocommit=True)
    busy.execute("create table kept as select 7 as n")
    sleeper = threading.Thread(target=sleep_until_cut_off, args=[busy])
    sleeper.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    wait_for(lambda: server.pid is None, "the server's end")
    assert (folder / "postgres" / "data" / "postmaster.pid").exists()
    server.start()
    try:
        assert psycopg.connect(server.url).execute("select n from kept").fetchone() == (7,)
        assert "automatic recovery in progress" in (folder / "postgres" / "postgres.log").read_text()
    finally:
        server.stop()
        sleeper.join(30)


@each_version
def test_a_pid_file_whose_number_belongs_to_another_program_by_now_is_no_obstacle(folder: Path, programs: str) -> None:
    server = PrivatePostgres(folder, settings=SMALL, binaries=programs).start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    wait_for(lambda: server.pid is None, "the server's end")
    pid_file = folder / "postgres" / "data" / "postmaster.pid"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        lines = pid_file.read_text().split("\n")
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        assert server.pid is None
        server.start()
        assert server.pid != stranger.pid
        server.stop()
        assert stranger.poll() is None
        stranger.communicate(b"\n")


@each_version
def test_a_server_that_dies_with_its_parent_is_gone_when_the_parent_is_killed(folder: Path, programs: str) -> None:
    with parent_process(folder, die=True, programs=programs) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
        wait_for(lambda: not is_alive(pid), "the server's end after its parent's")
    assert "received fast shutdown request" in (folder / "postgres" / "postgres.log").read_text()


def test_without_help_from_the_kernel_a_watcher_ends_the_server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COUNTERFOIL_WATCH_PARENT", "1")
    with parent_process(folder, die=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        wait_for(lambda: not is_alive(pid), "the server's end after its parent's")
    with PrivatePostgres(folder, settings=SMALL) as server:
        assert psycopg.connect(server.url).execute("select 1").fetchone() == (1,)
    assert server.pid is None


@each_version
def test_a_server_that_outlives_its_parent_is_taken_over_by_the_next(folder: Path, programs: str) -> None:
    with parent_process(folder, die=False, programs=programs) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    assert is_alive(pid)
    with PrivatePostgres(folder, settings=SMALL, binaries=programs) as server:
        assert server.pid == pid
    wait_for(lambda: not is_alive(pid), "the server's end")  # it takes its file away a moment before it ends


def test_a_start_waits_for_a_server_that_is_just_stopping(folder: Path) -> None:
    with parent_process(folder, die=False) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
        parent.wait()
    os.kill(pid, signal.SIGINT)
    with PrivatePostgres(folder, settings=SMALL) as server:
        assert server.pid not in (None, pid)
