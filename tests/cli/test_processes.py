"""The processes themselves: they start, listen, wake, drain, wait where a drill wants them, and leave nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import psycopg
import pytest

from counterfoil.base.edge import Database, make_id, now
from counterfoil.base.postgres.launcher import PrivatePostgres
from counterfoil.cli.main import run
from counterfoil.operations.webhooks.inbound import receive
from tests.api.office import NOWHERE, PROGRAM, PROVIDER_KEY, SECRET, charge_event, seed, signed
from tests.conftest import ENCRYPTION_KEY, as_server
from tests.dashboard.days import a_key

START_S, STOP_S = 40, 40
INVOICE = {"id": "inv_x", "total": "100", "asset": "EUR"}


class Process:
    """`counterfoil …` as a process of its own."""

    begins = ("-m", "counterfoil")

    def __init__(self, folder: Path, arguments: list[str], **settings: str) -> None:
        self.log = folder / f"{arguments[0]}.log"
        given = {f"COUNTERFOIL_{name.upper()}": value for name, value in settings.items()}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.begins, *arguments],
                env={**environment, **given},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def said(self, event: str) -> dict[str, Any]:
        """The log line with this event, once it is there."""
        found = within(START_S, lambda: next((one for one in self.lines() if one.get("event") == event), None), self.ended)
        assert found, self.log.read_text()
        return found

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def ended(self) -> bool:
        return self.process.poll() is not None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if not self.ended():
            self.process.send_signal(how)
        return self.process.wait(STOP_S)


SLOWER: Final = 4  # a busy machine is that much slower than the one whose seconds a test names; what is found ends the wait at once


def within(seconds: float, found: Callable[[], Any], given_up: Callable[[], bool] = lambda: False) -> Any:
    end = time.monotonic() + SLOWER * seconds
    while time.monotonic() < end:
        if value := found():
            return value
        if given_up():
            return found()
        time.sleep(0.05)
    return None


@contextmanager
def running(folder: Path, arguments: list[str], database: str, kind: type[Process] = Process, /, **settings: str) -> Iterator[Process]:
    defaults = {
        "database_url": as_server(database),
        "program": PROGRAM,
        "provider_url": NOWHERE,
        "provider_api_key": PROVIDER_KEY,
        "provider_webhook_secret": SECRET,
        "port": "0",
        "encryption_keys": ENCRYPTION_KEY,
    }
    process = kind(folder, arguments, **{**defaults, **settings})
    try:
        yield process
    finally:
        process.stop(signal.SIGKILL)


@pytest.fixture
def seeded(database: Database) -> Database:
    seed(database)
    return database


def post_webhook(url: str, event_id: str) -> httpx2.Response:
    body = charge_event(INVOICE, "ch_1")
    return httpx2.post(f"{url}/webhooks/simulator", content=body, headers=signed(body, event_id), timeout=60, trust_env=False)


def webhooks(database: Database) -> list[tuple[str, str]]:
    with database.transaction() as conn:
        return conn.execute("select event_id, state from webhook_in order by event_id").fetchall()


def test_a_server_says_where_it_listens_and_answers_what_it_has_begun(seeded: Database, database_url: str, tmp_path: Path):
    with running(tmp_path, ["serve"], database_url) as server:
        url = server.said("listening")["url"]
        assert httpx2.get(f"{url}/healthz", trust_env=False).json()["status"] == "ok"
        answers: list[httpx2.Response] = []
        with psycopg.connect(database_url, autocommit=True) as conn, conn.transaction():
            conn.execute("lock table webhook_in in exclusive mode")
            asking = threading.Thread(target=lambda: answers.append(post_webhook(url, "evt_1")))
            asking.start()
            waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            with psycopg.connect(database_url, autocommit=True) as watching:
                assert within(20, lambda: watching.execute(waits).fetchone() == (1,)), "the request is not under way"
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.5)
            assert not server.ended(), "it left a request behind"
        asking.join(20)
        assert (answers[0].status_code, server.process.wait(STOP_S)) == (200, 0)
    assert webhooks(seeded) == [("evt_1", "received")]
    (line,) = [one for one in server.lines() if one.get("path") == "/webhooks/{provider}"]
    assert (line["status"], line["method"], bool(line["request_id"])) == (200, "POST", True)


def test_a_server_holds_no_more_connections_than_it_is_told_and_says_so_to_the_next(seeded: Database, database_url: str, tmp_path: Path):
    with running(tmp_path, ["serve"], database_url, server_connections_max="10") as server:
        url = server.said("listening")["url"]
        host, port = url.removeprefix("http://").split(":")
        held = [socket.create_connection((host, int(port)), timeout=5) for _ in range(10)]
        refused = within(10, lambda: httpx2.get(f"{url}/healthz", trust_env=False).status_code == 503)
        for one in held:
            one.close()
        assert refused
        assert within(10, lambda: httpx2.get(f"{url}/healthz", trust_env=False).status_code == 200), "it does not serve again"


def test_behind_https_the_dashboards_cookie_travels_by_nothing_else(seeded: Database, database_url: str, tmp_path: Path):
    with running(tmp_path, ["serve"], database_url, dashboard_https="true") as server:
        url = server.said("listening")["url"]
        cookie = httpx2.post(f"{url}/login", data={"key": a_key(seeded)}, trust_env=False).headers["set-cookie"]
    assert cookie.startswith("__Host-")
    assert "; Secure" in cookie


def an_unheard_of_webhook(conn: Any) -> None:
    receive(conn, make_id("whi"), provider="simulator", event_id="evt_1", event_type="unheard.of", body=b"{}", now=now())


def test_a_worker_beats_wakes_at_once_and_says_goodbye(seeded: Database, database_url: str, tmp_path: Path):
    with running(tmp_path, ["worker"], database_url, worker_poll_ms="60000") as worker:
        worker.said("worker started")
        with seeded.transaction() as conn:
            beat = within(20, lambda: conn.execute("select stopped_at from worker").fetchone())
        assert beat == (None,)
        time.sleep(1)  # every job rests by now, for a minute unless it is woken
        with seeded.transaction() as conn:
            an_unheard_of_webhook(conn)
        began = time.monotonic()
        assert within(10, lambda: webhooks(seeded) == [("evt_1", "ignored")]), worker.log.read_text()
        assert time.monotonic() - began < 10
        assert worker.stop() == 0
    with seeded.transaction() as conn:
        assert conn.execute("select stopped_at is not null from worker").fetchall() == [(True,)]


def test_a_worker_comes_back_by_itself_after_its_database_did(seeded: Database, database_url: str, tmp_path: Path):
    with running(tmp_path, ["worker"], database_url, worker_poll_ms="200") as worker:
        worker.said("worker started")
        with psycopg.connect(database_url, autocommit=True) as conn:
            cut = """select count(pg_terminate_backend(pid)) from pg_stat_activity
                     where datname = current_database() and pid <> pg_backend_pid()"""
            assert within(20, lambda: conn.execute(cut).fetchone() > (2,))
        with seeded.transaction() as conn:
            an_unheard_of_webhook(conn)
        assert within(30, lambda: webhooks(seeded) == [("evt_1", "ignored")]), worker.log.read_text()
        assert not worker.ended()


def test_a_drill_holds_the_server_inside_its_window(seeded: Database, database_url: str, tmp_path: Path):
    drill = tmp_path / "drill"
    drill.mkdir()
    (drill / "armed").write_text("webhook_in.before_commit\n")
    with running(tmp_path, ["serve"], database_url, drill_folder=str(drill)) as server:
        url = server.said("listening")["url"]
        failed: list[Exception] = []

        def ask() -> None:
            try:
                post_webhook(url, "evt_1")
            except httpx2.HTTPError as error:
                failed.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        assert within(20, (drill / "reached").exists)
        told = json.loads((drill / "reached").read_text())
        assert told == {"pid": server.process.pid, "point": "webhook_in.before_commit"}
        assert (webhooks(seeded), failed) == ([], [])
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
        asking.join(20)
    assert (webhooks(seeded), len(failed)) == ([], 1)


def test_without_a_drill_setting_an_armed_file_does_nothing(seeded: Database, database_url: str, tmp_path: Path):
    (tmp_path / "armed").write_text("webhook_in.before_commit")
    with running(tmp_path, ["serve"], database_url) as server:
        url = server.said("listening")["url"]
        assert post_webhook(url, "evt_1").status_code == 200
    assert not (tmp_path / "reached").exists()


def test_a_drill_at_another_point_lets_this_one_pass(seeded: Database, database_url: str, tmp_path: Path):
    (tmp_path / "armed").write_text("webhook_in.before_commit.not")
    with running(tmp_path, ["serve"], database_url, drill_folder=str(tmp_path)) as server:
        assert post_webhook(server.said("listening")["url"], "evt_1").status_code == 200


def test_a_database_that_lacks_migrations_is_refused_and_migrate_mends_it(make_database_url: Any, tmp_path: Path):
    url = make_database_url(empty=True)
    with running(tmp_path, ["serve"], url) as server:
        assert server.process.wait(START_S) == 5
        assert "counterfoil migrate" in server.log.read_text()
    for expected in ("applied 0001", "Nothing to do"):
        with running(tmp_path, ["migrate"], url, database_url=url) as migrating:
            assert migrating.process.wait(START_S) == 0
            assert expected in migrating.log.read_text()


def test_a_misspelt_setting_starts_nothing(database_url: str, tmp_path: Path):
    with running(tmp_path, ["worker"], database_url, wroker_poll_ms="1") as worker:
        assert worker.process.wait(START_S) == 3
        assert "COUNTERFOIL_WORKER_POLL_MS" in worker.log.read_text()


WEAK: dict[str, tuple[str | None, ...]] = {
    "provider_webhook_secret": ("", "whsec_" + "A" * 32, None),
    "provider_api_key": ("", "changeme", None),
}


@pytest.fixture
def their_handlers() -> Iterator[None]:
    """Whatever is told to this process's signals is taken back."""
    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)


@pytest.mark.parametrize("command", ["serve", "worker", "up"])
def test_without_a_secret_that_proves_something_nothing_starts(
    command: str,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    their_handlers: None,
):
    """An empty webhook secret let anybody sign that a payout came back. An empty one of each is given to a process of its own, what else is
    weak to this one: a start takes two seconds."""
    good = {"database_url": database_url, "provider_url": NOWHERE, "port": "0"}
    good |= {"provider_webhook_secret": SECRET, "provider_api_key": PROVIDER_KEY}
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.startswith("COUNTERFOIL_")]:
        monkeypatch.delenv(name)
    for weak, values in WEAK.items():
        for value in values:
            given = {name: one for name, one in {**good, weak: value}.items() if one is not None}
            if value == "":
                process = Process(tmp_path, [command], **given)
                try:
                    ended, told = process.process.wait(START_S), process.log.read_text()
                finally:
                    process.stop(signal.SIGKILL)
            else:
                with monkeypatch.context() as environment:
                    for name, one in given.items():
                        environment.setenv(f"COUNTERFOIL_{name.upper()}", one)
                    ended, told = run([command]), "".join(capsys.readouterr())
            assert (ended, f"COUNTERFOIL_{weak.upper()}" in told) == (3, True), told


def test_a_server_waits_for_a_database_that_is_not_there_yet(tmp_path: Path):
    with running(tmp_path, ["serve"], "postgresql://nobody@127.0.0.1:9/none") as server:
        url = server.said("listening")["url"]
        answer = httpx2.get(f"{url}/healthz", timeout=30, trust_env=False)
        assert (answer.status_code, answer.json()["kind"]) == (503, "busy")
        assert server.stop() == 0


def everything(folder: Path) -> Process:
    """All in one process, with a private database in this folder."""
    provider = {"provider_url": NOWHERE, "provider_api_key": PROVIDER_KEY, "provider_webhook_secret": SECRET}
    return Process(folder, ["up", "--port", "0"], program=PROGRAM, data_folder=str(folder / "data"), **provider)


def test_up_runs_everything_in_one_process_and_stops_its_database(tmp_path: Path):
    process = everything(tmp_path)
    try:
        url = process.said("listening")["url"]
        process.said("worker started")
        assert httpx2.get(f"{url}/healthz", timeout=30, trust_env=False).status_code == 200
        postmaster = int(re.split(r"\s", (tmp_path / "data/postgres/data/postmaster.pid").read_text())[0])
        os.kill(postmaster, 0)
        assert process.stop() == 0, process.log.read_text()
        assert within(10, lambda: not alive(postmaster))
    finally:
        process.stop(signal.SIGKILL)


def test_a_command_that_started_the_private_database_does_not_take_it_from_the_server(tmp_path: Path):
    """`people first` and `up` typed in the same second: whichever came first, the server serves on when the command has ended."""
    command = PrivatePostgres(tmp_path / "data").start()
    process = everything(tmp_path)
    try:
        url = process.said("listening")["url"]
        before = command.pid
        command.stop()
        assert before is not None
        assert not alive(before), "the fault happened"
        healthy = lambda: httpx2.get(f"{url}/healthz", timeout=30, trust_env=False).is_success  # noqa: E731
        assert within(30, healthy, process.ended), process.log.read_text()
        assert process.stop() == 0, process.log.read_text()
        assert PrivatePostgres(tmp_path / "data").pid is None
    finally:
        process.stop(signal.SIGKILL)
        command.stop()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_program_that_loaded_everything_ends_without_a_word_of_its_libraries():
    asked = [sys.executable, "-m", "counterfoil", "demo", "--help"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == ""
