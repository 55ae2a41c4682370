"""What the front page says under "Run it for real", on an empty folder: from nothing to two administrators, a program and an operator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from counterfoil.cli.local.local_stack import free_port

WAIT_S = 60


class Machine:
    """A folder, a server that runs there, and people who type commands, each with logins of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def environment(self, who: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERFOIL_")}
        return kept | {
            "COUNTERFOIL_DATA_FOLDER": str(self.folder / "data"),
            "COUNTERFOIL_PORT": str(self.port),
            "COUNTERFOIL_URL": self.url,
            "XDG_CONFIG_HOME": str(self.folder / who),
        }

    def says(self, who: str, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "counterfoil", *words],
            env=self.environment(who), cwd=self.folder, input=typed, capture_output=True, text=True, timeout=WAIT_S, check=False,
        )  # fmt: skip

    def tells(self, who: str, *words: str) -> Any:
        said = self.says(who, *words, "--output", "json")
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """`counterfoil up` on an empty folder."""
    found = Machine(tmp_path)
    up = subprocess.Popen(
        [sys.executable, "-m", "counterfoil", "up"],
        env=found.environment("up"),
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            try:
                if httpx2.get(f"{found.url}/healthz", timeout=2, trust_env=False).is_success:
                    break
            except httpx2.HTTPError:
                time.sleep(0.2)
        yield found
    finally:
        up.send_signal(signal.SIGTERM)
        assert up.wait(WAIT_S) == 0


def test_from_nothing_to_an_operator_who_may_work(machine: Machine):
    first = {one["name"]: one["once"] for one in machine.tells("root", "people", "first", "mira", "noah")}
    assert machine.says("root", "people", "first", "eve", "adam").returncode == 3, "once"
    for name, once in first.items():
        said = machine.says(name, "login", name, "--password-stdin", typed=f"{once}\n{name} horse battery staple\n")
        assert f"{name} (administrator) is logged in" in said.stdout, said.stderr
    assert machine.says("mira", "programs", "create", "main", "--name", "Main", "--asset", "EUR:2").returncode == 0
    assert (
        machine.says("mira", "rates", "set", "main", "--platform-bps", "500", "--validator-bps", "100").returncode == 0
    )

    olga = machine.tells("mira", "people", "add", "olga", "--reason", "operates")
    grant = ("people", "grant", olga["id"], "--role", "operator", "--reason", "operates")
    assert "It takes two people" in machine.says("mira", *grant).stdout
    (waits,) = machine.tells("noah", "approvals", "list")
    approve = ("approvals", "approve", waits["id"], "--sha256", waits["payloadSha256"], "--reason", "yes")
    assert machine.says("mira", *approve).returncode == 6, "not by whoever proposed it"
    assert machine.says("noah", *approve).returncode == 0
    assert machine.says("mira", *grant).stdout == "olga: operator.\n"

    said = machine.says(
        "olga", "login", "olga", "--password-stdin", typed=f"{olga['once']}\nolga horse battery staple\n"
    )
    assert "olga (operator)" in said.stdout, said.stderr
    usage = machine.folder / "usage.csv"
    usage.write_text(
        "record_id,customer_id,payee_id,asset,quantity,unit_price,occurred_at,description\n"
        "r-1,cust-1,bolt,EUR,2,10.00,2026-01-05T10:00:00Z,hours\n"
    )
    assert machine.says("olga", "usage", "import", str(usage)).stdout == "usage.csv: 1 of 1 are new.\n"
    refused = machine.says("olga", "invoices", "issue")
    assert (refused.returncode, "COUNTERFOIL_PROVIDER_URL" in refused.stderr) == (3, True), "no provider is set up yet"
    assert machine.says("olga", "health").returncode == 0
    assert machine.says("olga", "doctor").returncode == 0
