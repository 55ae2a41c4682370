"""What a silence, or something graver, kept back is told once it ends, if it still stands and nobody has answered it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from counterfoil.base.edge import make_id
from counterfoil.base.invariant import Invariant
from counterfoil.integrity.silences import silence_alerts
from counterfoil.operations.notices.channels import parse_channels
from counterfoil.wiring import CHECKS, ticks
from tests.integrity.conftest import Watch
from tests.integrity.test_alerts import CODE, found, limits
from tests.integrity.test_monitor_rounds import BEAT, wiring
from tests.receiver import Receiver, received

JOBS = ("silences", "untold", "events", "notices")


def work(watch: Watch, receiver: Receiver) -> list[str]:
    """One tick of all that tells; what was heard, by title."""
    known = ticks(wiring(watch, channels=parse_channels(f"ops=json://127.0.0.1:{receiver.port}/ops")), "w")
    for name in JOBS:
        known[name]()
    return [str(told["title"]) for told in receiver.heard]


def silenced(watch: Watch, hours: int) -> None:
    with watch.database.transaction() as conn:
        until = watch.clock.now + timedelta(hours=hours)
        silence_alerts(conn, make_id("sil"), code=CODE, program_id="", until=until, reason="known", actor="olga", now=watch.clock.now)


@pytest.mark.parametrize("answered", [False, True], ids=["nobody answered", "somebody did"])
def test_what_went_up_inside_a_silence_is_told_once_when_that_ends_unless_somebody_answered(watch: Watch, answered: bool) -> None:
    with received() as receiver:
        silenced(watch, 5)
        alert = found(watch)
        watch.clock.advance(hours=4, seconds=1)
        limits(watch)
        assert watch.alerts(CODE)[0].escalated_to == "treasury_lead"
        assert [title for title in work(watch, receiver) if CODE in title and "Incident" not in title] == []
        if answered:
            watch.say("ack", alert)
        watch.clock.advance(hours=1)
        for _ in range(2):
            work(watch, receiver)
        told = [one for one in receiver.heard if CODE in str(one["title"]) and "Incident" not in str(one["title"])]
    assert [str(one["title"]).strip() for one in told] == ([] if answered else [f"Alert critical: {CODE} in main"])
    assert all("asked now: treasury lead" in str(one["message"]) for one in told)


def test_what_followed_from_something_graver_is_told_when_that_is_over_and_it_still_stands(watch: Watch) -> None:
    [down] = [one for one in CHECKS if one.code == "WORKER_DOWN"]
    deep = Invariant(
        "QUEUE_DEPTH", "Is it short?", "select 'send' where %(now)s is not null", "critical", "It is not.", "P19", monitor=True
    )
    sentinel = replace(watch.sentinel, checks=(down, deep))
    with watch.database.transaction() as conn:
        conn.execute(BEAT, [watch.clock.now - timedelta(minutes=5)] * 2)
    with received() as receiver:
        sentinel.round()
        assert {one.code for one in watch.alerts()} == {"WORKER_DOWN", "QUEUE_DEPTH"}
        heard = work(watch, receiver)
        assert (any("WORKER_DOWN" in title for title in heard), any("QUEUE_DEPTH" in title for title in heard)) == (True, False)
        with watch.database.transaction() as conn:
            conn.execute(BEAT, [watch.clock.now] * 2)
        sentinel.round()
        for _ in range(2):
            heard = work(watch, receiver)
    assert sum("QUEUE_DEPTH" in title for title in heard) == 1
