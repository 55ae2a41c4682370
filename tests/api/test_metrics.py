"""Metrics over HTTP: told to whoever may read, and scraped by a real Prometheus."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from counterfoil.integrity.metrics.rules import RULES, rules_file
from counterfoil.wiring import METRICS
from tests.api.office import Office
from tests.integrity.metrics.test_metrics import samples, value

PROMETHEUS = shutil.which("prometheus")
WAIT_S = 60


def test_prometheus_asks_with_a_key_and_without_one_nothing_is_told(office: Office) -> None:
    assert office.ask("GET", "/metrics", role=None).status_code == 401
    answer = office.ask("GET", "/metrics")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    found = samples(answer.text)
    assert value(found, "counterfoil_worker_status", status="down") == 1
    assert value(found, "counterfoil_queue_depth_total", queue="events") is not None
    assert {number for key, number in found.items() if key[0] == "counterfoil_metrics_failed"} == {0}


@contextmanager
def prometheus(office: Office, folder: Path) -> Iterator[httpx2.Client]:
    """A Prometheus of our own that asks this server each second."""
    assert PROMETHEUS is not None
    (folder / "key").write_text(office.keys["viewer"])
    (folder / "rules.yml").write_text(rules_file("counterfoil"))
    target = office.url.removeprefix("http://")
    (folder / "prometheus.yml").write_text(
        f"""global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: counterfoil
    authorization: {{credentials_file: {folder / "key"}}}
    static_configs: [{{targets: ["{target}"]}}]
"""
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([PROMETHEUS, *given], stdout=log, stderr=log)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client:
            yield client
    finally:
        process.terminate()
        process.wait(20)


def asked(client: httpx2.Client, path: str, **params: str) -> Any:
    try:
        return client.get(path, params=params).json()["data"]
    except (httpx2.HTTPError, ValueError):
        return None


@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed (Debian's package prometheus)")
def test_a_real_prometheus_scrapes_it_and_its_rules_fire(office: Office, tmp_path: Path) -> None:
    with prometheus(office, tmp_path) as client:
        end, up, rules = time.monotonic() + WAIT_S, None, None
        while time.monotonic() < end:
            up = asked(client, "/api/v1/query", query='up{job="counterfoil"}')
            rules = asked(client, "/api/v1/rules")
            told = {rule["name"]: rule for group in (rules or {}).get("groups", []) for rule in group["rules"]}
            waits = told.get("CounterfoilWorkersDown", {}).get("state") == "pending"
            if waits and up and [one["value"][1] for one in up["result"]] == ["1"]:
                break
            time.sleep(0.3)
        assert rules, (tmp_path / "log").read_text()
        assert {rule["health"] for rule in told.values()} == {"ok"}
        assert len(told) == len(RULES)
        assert told["CounterfoilWorkersDown"]["state"] == "pending", "nobody works here, and it has not lasted yet"
        assert told["CounterfoilLedgerImbalance"]["state"] == "inactive"
        names = set(asked(client, "/api/v1/label/__name__/values"))
        # Of the others there is nothing to tell in this office: no break, no checkpoint, no proof, no level that was measured.
        assert {
            f"counterfoil_{one.name}" for one in METRICS if one.name.startswith(("ledger", "worker", "queue", "intent_oldest"))
        } <= names
