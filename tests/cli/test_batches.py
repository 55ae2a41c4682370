"""A batch is followed at the command line while it is paid: what changed is said, and the end says whether all of it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from counterfoil.cli.core import progress
from counterfoil.client.problems import ApiProblem, Unreachable
from tests.api.office import Office
from tests.api.test_batches import approved, gathered, shown
from tests.api.test_one_payment import run
from tests.cli.conftest import Cli


@contextmanager
def worked_on(office: Office, batch: str) -> Iterator[None]:
    """Beside it a worker does what is due, once the batch is being executed."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.1):
            if shown(office, batch)["state"] == "executing":
                for job in ("reserve", "outbox", "batches"):
                    run(office, job)
                return

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_batch_is_followed_until_every_line_is_paid_and_one_that_is_not_ends_with_1(cli: Cli, office: Office):
    payout, batch = gathered(office)
    approved(office, batch)
    assert "executing" in cli("batches", "execute", batch, "--wait-s", "5", "--dry-run").out
    assert shown(office, batch)["state"] == "approved"

    given_up = cli("batches", "execute", batch, "--wait-s", "1")
    assert given_up.code == 1
    assert given_up.err == f"{batch} is executing: 0 of 1 paid, 1 pending\n", "said once, since nothing changed"
    assert payout not in given_up.out, "it is on its way: there is nothing to be done about it"
    assert "go on by themselves" in given_up.out
    assert f"counterfoil batches watch {batch}" in given_up.out

    with worked_on(office, batch):
        done = cli("batches", "watch", batch, "--wait-s", "30")
    lines = done.err.splitlines()
    assert (done.code, lines[0], lines[-1]) == (0, f"{batch} is executing: 0 of 1 paid, 1 pending", f"{batch} is executed: 1 of 1 paid")
    assert cli("batches", "watch", batch, "-o", "json").json()["state"] == "executed"
    assert cli("batches", "watch", "bat_01KA0000000000000000000000").code == 4


def test_who_follows_goes_on_looking_while_the_server_or_its_database_is_away(capsys: pytest.CaptureFixture[str], monkeypatch):
    monkeypatch.setattr(progress, "LOOK_EVERY_S", 0.0)
    busy, gone = ApiProblem({"kind": "busy"}, 503), Unreachable("it does not answer")
    seen: Iterator[Any] = iter([busy, {"paid": 1}, gone, gone, ApiProblem({}, 502), {"paid": 2}])

    def look() -> dict[str, Any]:
        found = next(seen)
        if isinstance(found, Exception):
            raise found
        return dict(found)

    def said(one: dict[str, Any]) -> str:
        return f"{one['paid']} paid"

    assert progress.follow(look, said, lambda one: one["paid"] == 2, wait_s=60, still="x") == {"paid": 2}
    assert capsys.readouterr().err.splitlines() == [progress.AWAY_SAID, "1 paid", progress.AWAY_SAID, "2 paid"], "said once each time"
    monkeypatch.setattr(progress, "STILL_AFTER_S", 0.0)
    seen = iter([{"paid": 1}] * 3 + [{"paid": 2}])
    assert progress.follow(look, said, lambda one: one["paid"] == 2, wait_s=60, still="nothing has changed") == {"paid": 2}
    assert capsys.readouterr().err.splitlines() == ["1 paid", "nothing has changed", "2 paid"], "said once"
    seen = iter([ApiProblem({"kind": "missing"}, 404)])
    with pytest.raises(ApiProblem):
        progress.follow(look, said, lambda _: True, wait_s=60, still="x")
    seen = iter([gone])
    with pytest.raises(Unreachable):
        progress.follow(look, said, lambda _: True, wait_s=0, still="x")
