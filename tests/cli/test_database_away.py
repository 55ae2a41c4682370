"""A database that is away is said within three seconds, in plain words, with its address and without its password."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from counterfoil.base.postgres.reach import address_of, connected
from counterfoil.base.problems import DatabaseAway
from counterfoil.cli.core.exit_codes import EXIT
from counterfoil.cli.local import installation
from tests.cli.conftest import Cli, runner

PASSWORD = "hunter2hunter2"
LIMIT_S = 3.0
MAP = '[file]\nformat = "csv"\n'
COMMANDS = [
    ("migrate",),
    ("up", "--port", "0"),
    ("people", "first", "mira", "noah"),
    ("setup", "--name", "x", "--asset", "EUR:2", "--platform-bps", "0", "--validator-bps", "0", "--provider", "none", "--yes"),
    ("doctor",),
]


@pytest.fixture(params=["nobody listens", "nobody answers"])
def away(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database that refuses, or that takes the connection and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        if request.param == "nobody answers":
            listening.listen(20)
        yield f"postgresql://deploy:{PASSWORD}@localhost:{port}/books"


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_it_is_said_within_three_seconds(
    away: str,
    words: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", away)
    monkeypatch.setenv("COUNTERFOIL_URL", "http://127.0.0.1:9")
    cli: Cli = runner(capsys)
    cli("doctor", "--help")  # what is imported counts for nobody
    began = time.monotonic()
    ran = cli(*words)
    took = time.monotonic() - began
    told = " ".join((ran.out + ran.err).split())
    assert ran.code == (1 if words == ("doctor",) else EXIT["busy"]), told
    assert "The database does not answer" in told
    assert f"deploy@localhost:{away.rpartition(':')[2]}" in told
    assert PASSWORD not in told
    assert took < LIMIT_S + 1, "a second for this machine's own work"


def test_a_server_that_starts_says_it_and_waits(away: str, tmp_path: Path) -> None:
    began = time.monotonic()
    with capture_logs() as told:
        installation._fit_with_keys(away, installation.settings_now(data_folder=tmp_path))
    assert "this process waits for it" in told[0]["event"]
    assert PASSWORD not in str(told)
    assert time.monotonic() - began < LIMIT_S


def test_a_login_that_is_refused_is_not_said_to_be_a_database_that_is_away(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERFOIL_DATABASE_URL", database_url.replace("postgres@", f"nobody_here:{PASSWORD}@"))
    ran = runner(capsys)("migrate")
    assert (ran.code, "does not let this login in" in ran.err, PASSWORD in ran.err) == (EXIT["conflict"], True, False)


def test_a_connection_that_comes_too_late_is_closed(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from counterfoil.base.postgres import reach

    connect, made = reach.FileConnection.connect, []

    def slow(*given: object, **more: object) -> object:
        time.sleep(0.3)
        made.append(connect(*given, **more))
        return made[0]

    monkeypatch.setattr(reach.FileConnection, "connect", slow)
    monkeypatch.setattr(reach, "REACHED_WITHIN_S", 0.05)
    with pytest.raises(DatabaseAway), connected(database_url):
        pass
    end = time.monotonic() + 10
    while not (made and made[0].closed) and time.monotonic() < end:
        time.sleep(0.02)
    assert made[0].closed


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://deploy:p%40ss@db.example:6432/books", "deploy@db.example:6432/books"),
        ("host=/run/pg dbname=books user=u password=secret", "u@/run/pg/books"),
        ("postgresql:///books", "the local socket/books"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert address_of(url) == shown


def test_a_server_that_is_away_is_said_within_three_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COUNTERFOIL_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("COUNTERFOIL_API_KEY", "cf_test_none")
    cli: Cli = runner(capsys)
    cli("payouts", "--help")
    began = time.monotonic()
    ran = cli("payouts", "list")
    assert (ran.code, "http://127.0.0.1:9 does not answer" in ran.err) == (EXIT["unreachable"], True)
    assert time.monotonic() - began < LIMIT_S
