"""`counterfoil credentials`, with a server and a worker that run: they take the new password by themselves, and no call is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import psycopg
import pytest

from counterfoil.base.edge import Database
from counterfoil.base.postgres.passwords import passwords_of
from counterfoil.cli.local.crash_drill import ARMED, REACHED
from tests.api.office import seed
from tests.cli.test_processes import post_webhook, running, webhooks, within
from tests.passwords import FIRST, Kept, login_with_password

LOADS = 3


@pytest.fixture
def kept(database: Database, database_url: str, tmp_path: Path) -> Iterator[Kept]:
    seed(database)
    with login_with_password(database_url, tmp_path) as made:
        yield made


def credentials(kept: Kept, *words: str, **settings: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    given = {f"COUNTERFOIL_{name.upper()}": value for name, value in settings.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "counterfoil", "credentials", *words],
        env={**environment, **({"COUNTERFOIL_DATABASE_URL": kept.url} if kept.url else {}), **given},
        cwd=kept.file.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def done(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_a_server_and_a_worker_go_on_without_a_refusal_while_the_password_changes_twice(
    kept: Kept, database: Database, tmp_path: Path
) -> None:
    with (
        running(tmp_path, ["serve"], "", database_url=kept.url) as server,
        running(tmp_path, ["worker"], "", database_url=kept.url) as worker,
    ):
        url = server.said("listening")["url"]
        worker.said("worker started")
        ending = threading.Event()
        answers: list[int] = []

        def asks(place: int) -> None:
            number = 0
            while not ending.is_set():
                answers.append(post_webhook(url, f"evt_{place}_{number}").status_code)
                number += 1

        threads = [threading.Thread(target=asks, args=(place,)) for place in range(LOADS)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(2):
                before = len(answers)
                code, out, err = done(credentials(kept, "rotate", "--wait-s", "40", "-o", "json"))
                assert (code, json.loads(out)["olderConnections"]) == (0, []), (err, json.loads(out))
                assert within(20, lambda before=before: len(answers) > before + LOADS)
        finally:
            ending.set()
            for thread in threads:
                thread.join()
        (last,) = passwords_of(kept.url)
        assert set(answers) == {200}
        assert len(answers) > 2 * LOADS
        assert len(webhooks(database)) == len(answers), "each that was answered is kept"
        assert not [line for line in worker.lines() + server.lines() if line.get("level") in ("error", "critical")]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(kept.url, password=FIRST)
        assert last not in server.log.read_text() + worker.log.read_text()


def test_killed_when_the_database_has_the_new_password_and_the_file_both_a_server_starts_and_the_next_run_goes_on(
    kept: Kept, tmp_path: Path
) -> None:
    drill = tmp_path / "drill"
    drill.mkdir()
    (drill / ARMED).write_text("before_password_kept_alone")
    killed = credentials(kept, "rotate", drill_folder=str(drill))
    assert within(60, (drill / REACHED).exists), killed.poll()
    killed.send_signal(signal.SIGKILL)
    assert killed.wait(20) == -signal.SIGKILL
    assert len(passwords_of(kept.url)) == 2
    with running(tmp_path, ["serve"], "", database_url=kept.url) as server:
        url = server.said("listening")["url"]
        assert httpx2.get(f"{url}/healthz", trust_env=False).json()["status"] == "ok"
        code, out, _ = done(credentials(kept, "rotate"))
        assert code == 0
        assert "went on from there" in out
    assert len(passwords_of(kept.url)) == 1


def test_older_connections_are_named_and_the_command_is_not_green(kept: Kept) -> None:
    with closing(psycopg.connect(kept.url, password=FIRST, application_name="an old report")) as held:
        held.execute("select 1")
        code, out, _ = done(credentials(kept, "rotate", "--wait-s", "0"))
        assert (code, "an old report" in out) == (1, True)
        code, out, _ = done(credentials(kept, "show", "-o", "json"))
        told: dict[str, Any] = json.loads(out)
        assert (code, told["login"], [one["application"] for one in told["olderConnections"]]) == (1, kept.login, ["an old report"])
        code, out, _ = done(credentials(kept, "rotate", "--wait-s", "0", "--end-sessions"))
        assert code == 0


def test_the_next_password_is_prepared_and_nothing_changes_yet(kept: Kept) -> None:
    code, out, _ = done(credentials(kept, "prepare"))
    assert (code, str(kept.file) in out) == (0, True)
    assert passwords_of(kept.url)[0] == FIRST
    psycopg.connect(kept.url, password=FIRST).close()


def test_an_address_without_a_password_file_is_refused_with_what_to_do(kept: Kept) -> None:
    bare = kept.url.partition("?passfile=")[0].partition("&passfile=")[0]
    code, _, err = done(credentials(kept, "rotate", database_url=f"{bare}{'&' if '?' in bare else '?'}password={quote(FIRST)}"))
    assert code != 0
    assert "name it in the address (`postgresql://login@host/database?passfile=/path`)" in err
    assert FIRST not in err


def test_a_private_database_has_no_password_and_that_is_said(tmp_path: Path) -> None:
    here = Kept("", tmp_path / "pass", "", "")
    code, _, err = done(credentials(here, "rotate", data_folder=str(tmp_path)))
    assert code != 0
    assert "The private database has no passwords" in err
