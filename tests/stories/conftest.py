"""Books, a real simulator, and a server that runs over both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from counterfoil.api.http.app import make_app
from counterfoil.base.edge import entropy, make_id, now
from counterfoil.dashboard.web.routes import add_dashboard
from counterfoil.operations.access import access
from counterfoil.operations.notices.channels import parse_channels
from counterfoil.operations.webhooks_out.addresses import networks_of
from tests.api.office import served
from tests.builders import Clock, Desk, a_program
from tests.people import log_in_as
from tests.receiver import Receiver, received
from tests.simulators import spawn_simulator
from tests.stories.terminal import Terminal


@pytest.fixture
def desk(database: Any, tmp_path: Path) -> Iterator[Desk]:
    """Books and a real simulator."""
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=25) as simulator:
        a_program(database)
        yield Desk(database, simulator, Clock(now()))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Whoever is on call."""
    with received() as made:
        yield made


@pytest.fixture
def terminal(
    desk: Desk, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Terminal]:
    """A server over these books, whose clock is the desk's."""
    keys = {}
    with desk.database.transaction() as conn:
        for role in access.ROLES:
            keys[role] = access.new_secret(entropy(access.SECRET_BYTES), live=False)
            access.create_key(conn, make_id("key"), keys[role], name=role, role=role, by="test", now=desk.clock.now)
        keys["approver"] = log_in_as(conn, "vera", "approver", at=desk.clock.now)[1]  # keys never approve
        keys["second administrator"] = log_in_as(conn, "karl", "administrator", at=desk.clock.now)[1]
    wiring = replace(
        desk.wiring,
        run_folder=tmp_path / "runs",
        proof_folder=tmp_path / "proofs",
        webhook_networks=networks_of("127.0.0.1"),
        channels=parse_channels(f"oncall=json://127.0.0.1:{receiver.port}/"),
    )
    app = make_app(wiring, owner="story", log_requests=False)
    add_dashboard(app, wiring, version="story")
    with served(app) as url:
        (tmp_path / "client.json").write_text(json.dumps({"url": url, "keys": keys}))
        monkeypatch.setenv("COUNTERFOIL_DATA_FOLDER", str(tmp_path))
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("TERM", "dumb")
        monkeypatch.chdir(tmp_path)
        for name in ("COUNTERFOIL_URL", "COUNTERFOIL_API_KEY"):
            monkeypatch.delenv(name, raising=False)
        yield Terminal(url, keys, capsys, tmp_path, receiver)
