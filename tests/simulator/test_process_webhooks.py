"""Webhooks of the running simulator, as a receiver gets them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from counterfoil.simulator.process import SimulatorProcess, spawn_simulator
from tests.simulator.builders import SECRET, Receiver
from tests.simulator.callers import Caller, eventually


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    yield (receiver := Receiver())
    receiver.close()


@pytest.fixture
def told(tmp_path, receiver) -> Iterator[tuple[SimulatorProcess, Caller]]:
    with spawn_simulator(tmp_path, webhook_url=receiver.url, webhook_secret=SECRET, settle_ms=20, webhook_backoff_ms=50) as process:
        yield process, Caller(process)


def test_webhooks_are_signed_and_tell_what_the_events_tell(told, receiver):
    _, caller = told
    caller.charge("c1")
    caller.payout("k1", destination="returning")
    eventually(lambda: len(receiver.got) == 3)
    bodies = [Webhook(SECRET).verify(body, headers) for headers, body in receiver.got]
    events = caller.http.get("/v1/events").json()
    assert bodies == events["data"]
    assert [event["type"] for event in bodies] == ["charge.succeeded", "payout.paid", "payout.returned"]
    assert len({event["id"] for event in bodies}) == 3
    page = caller.http.get("/v1/events", params={"after": bodies[0]["id"], "limit": 1}).json()
    assert (page["data"], page["has_more"]) == (bodies[1:2], True)
    assert caller.http.get("/v1/events", params={"after": "evt_none"}).status_code == 400


def test_a_webhook_is_sent_again_until_it_is_taken(told, receiver):
    process, caller = told
    receiver.answers = [500, 404, 200]
    caller.charge("c1")
    eventually(lambda: [attempt.outcome for attempt in process.oracle().attempts] == ["retry", "retry", "delivered"])
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert [attempt.status for attempt in process.oracle().attempts] == [500, 404, 200]


def test_a_receiver_that_never_answers_delays_no_answer_of_ours(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with spawn_simulator(tmp_path, webhook_url=url, webhook_secret=SECRET, settle_ms=0) as process:
            caller = Caller(process)
            begun = time.monotonic()
            caller.charge("fund")
            for number in range(100):
                assert caller.payout(f"k{number}").status_code == 201
            assert time.monotonic() - begun < 8, "one time-out of the receiver is 10 s"
            assert silent.accept()[0].recv(4), "it was told something, and kept us waiting"


def test_webhooks_are_lost_doubled_and_badly_signed_as_planted(told, receiver):
    process, caller = told
    rules = [
        caller.plant("webhook_lost", match="inv-lost"),
        caller.plant("webhook_doubled", match="inv-doubled"),
        caller.plant("webhook_bad_signature", match="inv-bad"),
    ]
    receiver.answers = [200, 200, 401]
    for key in ("lost", "doubled", "bad"):
        caller.charge(key)
        eventually(lambda: len(process.oracle().attempts) >= {"lost": 0, "doubled": 2, "bad": 4}[key])  # noqa: B023
    assert [caller.hits(rule) for rule in rules] == [["lost"], ["doubled"], ["bad"]]
    references = [json.loads(body)["data"]["reference"] for _, body in receiver.got]
    assert references == ["inv-doubled", "inv-doubled", "inv-bad", "inv-bad"]
    assert receiver.got[0][0]["webhook-id"] == receiver.got[1][0]["webhook-id"]
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(receiver.got[2][1], receiver.got[2][0])
    Webhook(SECRET).verify(receiver.got[3][1], receiver.got[3][0])
    assert caller.http.get("/v1/events").json()["data"][0]["data"]["reference"] == "inv-lost"


def test_a_late_webhook_comes_when_the_clock_says_so_and_a_reordered_one_after_the_next(told, receiver):
    _, caller = told
    caller.plant("webhook_late", match="inv-late", params={"delay_ms": 3_600_000})
    caller.plant("webhook_reordered", match="inv-first", params={"delay_ms": 3_600_000})
    for key in ("late", "first", "second"):
        caller.charge(key)
    eventually(lambda: len(receiver.got) == 2)
    caller.advance(3_600_000)
    eventually(lambda: len(receiver.got) == 3)
    references = [json.loads(body)["data"]["reference"] for _, body in receiver.got]
    assert references == ["inv-second", "inv-first", "inv-late"]
    age_s = abs(int(receiver.got[2][0]["webhook-timestamp"]) - time.time())
    assert age_s < 60, "the signature's time is the real one, wherever the simulator's clock was moved to"


def test_a_webhook_that_was_not_taken_before_a_kill_is_sent_after_the_restart(told, receiver):
    process, caller = told
    receiver.answers = [500] * 3
    caller.charge("c1")
    eventually(lambda: len(receiver.got) >= 1)
    process.kill()
    assert "delivered" not in [attempt.outcome for attempt in process.oracle().attempts], "the kill came too late"
    process.start()
    eventually(lambda: "delivered" in [attempt.outcome for attempt in process.oracle().attempts])
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1


def test_the_endpoint_can_be_set_while_it_runs_and_is_kept_over_a_restart(tmp_path, receiver):
    with spawn_simulator(tmp_path) as process:
        caller = Caller(process)
        bad = caller.http.put("/v1/webhook-endpoint", json={"url": receiver.url, "secret": "whsec_x"})
        assert bad.json()["error"]["field"] == "secret"
        assert caller.http.put("/v1/webhook-endpoint", json={"url": receiver.url, "secret": SECRET}).status_code == 200
        process.restart()
        Caller(process).charge("c1")
        eventually(lambda: receiver.types() == ["charge.succeeded"])
