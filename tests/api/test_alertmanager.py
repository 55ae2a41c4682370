"""Open alerts as Alertmanager takes them: what it is told, what is left out, and a real one that takes them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from counterfoil.base.edge import make_id
from counterfoil.integrity.alerts import alertmanager
from counterfoil.integrity.silences import silence_alerts
from tests.api.office import Office
from tests.integrity.conftest import Watch

ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
AMTOOL = shutil.which("amtool")
WAIT_S = 30


@pytest.fixture
def watch(office: Office) -> Watch:
    """A worker fell silent, and the sentinel has seen it."""
    found = Watch(office.database)
    with office.database.transaction() as conn:
        conn.execute(
            "insert into worker (id, host, pid, version, started_at, beat_at) values ('w:1', 'w', 1, 'v', %(at)s, %(at)s)",
            {"at": found.clock.now - timedelta(hours=1)},
        )
    found.run("recent")
    return found


def exported(office: Office) -> list[dict[str, Any]]:
    answer = office.ask("GET", "/api/alertmanager/alerts")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def test_an_open_alert_says_what_it_is_of_in_labels_and_the_rest_in_annotations(office: Office, watch: Watch) -> None:
    [alert] = watch.alerts("WORKER_DOWN")
    [told] = [one for one in exported(office) if one["labels"]["alertname"] == "WORKER_DOWN"]
    assert told["labels"] | {"period": ""} == {
        "alertname": "WORKER_DOWN",
        "severity": alert.severity,
        "service": "counterfoil",
        "subject": alert.subject,
        "playbook": alert.playbook,
        "period": "",
    }
    assert (told["annotations"]["alert"], told["annotations"]["state"]) == (alert.id, "open")
    assert told["generatorURL"] == f"{office.url}/admin/alerts/{alert.id}"
    assert told["startsAt"] < told["endsAt"]
    assert "" not in {*told["labels"].values(), *told["annotations"].values()}, "an empty label is none"


def test_what_is_silenced_snoozed_or_over_is_not_told(office: Office, watch: Watch) -> None:
    [alert] = watch.alerts("WORKER_DOWN")

    def names() -> set[str]:
        return {one["labels"]["alertname"] for one in exported(office)}

    assert "WORKER_DOWN" in names()
    watch.say("snooze", alert.id, until=watch.clock.now + timedelta(hours=1))
    assert "WORKER_DOWN" not in names()
    watch.past_the_rules("update alert set snoozed_until = null")
    with office.database.transaction() as conn:
        until = watch.clock.now + timedelta(hours=1)
        silence_alerts(conn, make_id("sil"), code="WORKER_DOWN", program_id="", until=until, reason="r", actor="t", now=watch.clock.now)
    assert "WORKER_DOWN" not in names()
    watch.past_the_rules("update silence set until = created_at + interval '1 millisecond'")
    assert "WORKER_DOWN" in names()


def test_more_than_can_be_told_is_an_alert_of_its_own(office: Office, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alertmanager, "EXPORTED_MAX", 0)
    assert [one["labels"]["alertname"] for one in exported(office)] == ["ALERTS_CUT"]


@contextmanager
def an_alertmanager(folder: Path) -> Iterator[str]:
    assert ALERTMANAGER is not None
    (folder / "am.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = [f"--config.file={folder / 'am.yml'}", f"--storage.path={folder / 'am'}", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "am.log").open("wb") as log:
        process = subprocess.Popen([ALERTMANAGER, *given, "--cluster.listen-address="], stdout=log, stderr=log)
    try:
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def counterfoil(office: Office, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
    settings = {"COUNTERFOIL_URL": office.url, "COUNTERFOIL_API_KEY": office.keys["viewer"]}
    command = [sys.executable, "-m", "counterfoil", *words]
    return subprocess.run(command, env=given | settings, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.skipif(ALERTMANAGER is None or AMTOOL is None, reason="no Alertmanager is installed (Debian's prometheus-alertmanager)")
def test_a_real_alertmanager_takes_what_the_command_sends_and_its_own_tool_shows_it(office: Office, watch: Watch, tmp_path: Path) -> None:
    with an_alertmanager(tmp_path) as address:
        sent = counterfoil(office, tmp_path, "alerts", "export", "--to", address)
        assert sent.returncode == 0, sent.stderr + (tmp_path / "am.log").read_text()
        assert AMTOOL is not None
        shown = subprocess.run(
            [AMTOOL, "--alertmanager.url", address, "alert", "query", "-o", "json"], capture_output=True, text=True, timeout=30, check=True
        )
        told = {one["labels"]["alertname"]: one for one in json.loads(shown.stdout)}
        assert told["WORKER_DOWN"]["annotations"]["alert"] == watch.alerts("WORKER_DOWN")[0].id


def test_an_alertmanager_that_does_not_answer_is_said_and_the_command_fails(office: Office, watch: Watch, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    failed = counterfoil(office, tmp_path, "alerts", "export", "--to", f"http://127.0.0.1:{port}")
    assert (failed.returncode != 0, "did not take the alerts" in failed.stderr) == (True, True)
    printed = counterfoil(office, tmp_path, "alerts", "export")
    assert printed.returncode == 0
    assert {one["labels"]["alertname"] for one in json.loads(printed.stdout)} >= {"WORKER_DOWN"}
