"""A batch is followed at the command line while it is paid: what changed is said, and the end says whether all of it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
    assert payout in given_up.out
    assert f"counterfoil batches watch {batch}" in given_up.out

    with worked_on(office, batch):
        done = cli("batches", "watch", batch, "--wait-s", "30")
    lines = done.err.splitlines()
    assert (done.code, lines[0], lines[-1]) == (0, f"{batch} is executing: 0 of 1 paid, 1 pending", f"{batch} is executed: 1 of 1 paid")
    assert cli("batches", "watch", batch, "-o", "json").json()["state"] == "executed"
    assert cli("batches", "watch", "bat_01KA0000000000000000000000").code == 4
