"""The simulator as a process, over real sockets: interface, faults, webhooks, and real kills."""

from __future__ import annotations

import csv
import json
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from counterfoil.simulator.journal import FILE_NAME
from counterfoil.simulator.process import SimulatorDidNotStart, SimulatorProcess, spawn_simulator
from tests.simulator.builders import SECRET, Receiver


class Caller:
    """A client of the simulator."""

    def __init__(self, simulator: SimulatorProcess) -> None:
        self.http = httpx2.Client(base_url=simulator.url, headers=simulator.headers, timeout=10)

    def charge(self, key: str, amount: str = "1000000", **body: str) -> httpx2.Response:
        body = {"reference": f"inv-{key}", "amount": amount, "asset": "USD", **body}
        return self.http.post("/v1/charges", json=body, headers={"Idempotency-Key": key})

    def payout(self, key: str, **body: object) -> httpx2.Response:
        body = {"reference": f"po-{key}", "amount": "100", "asset": "USD", "destination": "acct", **body}
        return self.http.post("/v1/payouts", json=body, headers={"Idempotency-Key": key})

    def look_up(self, key: str) -> dict:
        return self.http.get("/v1/payouts", params={"idempotency_key": key}).json()

    def plant(self, fault: str, **rule: object) -> dict:
        answer = self.http.post("/v1/faults", json={"fault": fault, **rule})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def hits(self, rule: dict) -> list[str]:
        return [hit["subject"] for hit in self.http.get(f"/v1/faults/{rule['id']}").json()["hits"]]

    def advance(self, ms: int) -> str:
        return self.http.post("/v1/clock/advance", json={"ms": ms}).json()["now"]


def eventually(holds: Callable[[], bool], seconds: int = 10) -> None:
    for _ in range(seconds * 100):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come true in time")


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with spawn_simulator(tmp_path_factory.mktemp("simulator"), settle_ms=20) as process:
        Caller(process).charge("fund", "1000000000")
        yield process


@pytest.fixture
def caller(simulator: SimulatorProcess) -> Iterator[Caller]:
    yield (caller := Caller(simulator))
    caller.http.delete("/v1/faults")


def test_a_payout_goes_from_pending_to_paid_by_itself(caller):
    made = caller.payout("p1").json()
    assert made["status"] == "pending"
    eventually(lambda: caller.http.get(f"/v1/payouts/{made['id']}").json()["status"] == "paid")
    assert [payout["id"] for payout in caller.look_up("p1")["data"]] == [made["id"]]


def test_a_look_up_tells_landed_from_refused_from_never_landed(caller):
    assert caller.payout("r1", destination="unknown-1").status_code == 400
    refused, never = caller.look_up("r1"), caller.look_up("never")
    assert (refused["data"], refused["refusal"]["code"]) == ([], "destination_unknown")
    assert (never["data"], never["refusal"]) == ([], None)


def test_the_same_key_again_gets_the_same_bytes(caller):
    first = caller.payout("s1")
    again = caller.payout("s1")
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert caller.payout("s1", amount="101").status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"amount": 100}, "amount"),
        ({"amount": "1.5"}, "amount"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "0"}, "amount"),
        ({"amount": "1" + "0" * 18}, "amount"),
        ({"asset": "usd"}, "asset"),
        ({"destination": ""}, "destination"),
        ({"reference": "x" * 201}, "reference"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_input_is_refused_by_field_and_limit_and_leaves_the_key_free(caller, body, field):
    error = caller.payout("bad", **body)
    assert error.status_code == 400
    assert (error.json()["error"]["code"], error.json()["error"]["field"]) == ("invalid_request", field)
    assert error.json()["error"]["limit"]
    assert caller.look_up("bad") == {"object": "payouts", "data": [], "refusal": None}


def test_who_has_no_key_too_large_a_body_or_no_length_stays_outside(simulator, caller):
    assert httpx2.get(simulator.url + "/v1/balances").status_code == 401
    assert httpx2.get(simulator.url + "/v1/balances", headers={"Authorization": "Bearer sk"}).status_code == 401
    assert caller.payout("large", reference="x" * 70_000).status_code == 413
    assert caller.http.post("/v1/payouts", content=iter([b"{}"])).status_code == 411
    assert caller.http.post("/v1/payouts", json={}, headers={"Idempotency-Key": "k"}).status_code == 400
    missing = caller.http.post(
        "/v1/payouts", json={"reference": "r", "amount": "1", "asset": "USD", "destination": "d"}
    )
    assert missing.json()["error"]["code"] == "idempotency_key_missing"
    assert caller.http.get("/v1/nothing").json()["error"]["code"] == "not_found"
    assert caller.http.get("/v1/payouts/pout_none").status_code == 404


@pytest.mark.parametrize("hold_ms", [0, 300])
def test_a_time_out_after_accepting_says_nothing_but_the_money_moved(caller, hold_ms):
    key = f"t{hold_ms}"
    rule = caller.plant("timeout_after_accepting", match=key, params={"hold_ms": hold_ms})
    begun = time.monotonic()
    with pytest.raises(httpx2.RemoteProtocolError):
        caller.payout(key)
    assert time.monotonic() - begun >= hold_ms / 1_000
    assert caller.hits(rule) == [key]
    assert len(caller.look_up(key)["data"]) == 1


def test_a_caller_that_gives_up_first_finds_the_money_moved(caller):
    rule = caller.plant("timeout_after_accepting", match="impatient")
    caller.http.timeout = 0.2
    with pytest.raises(httpx2.ReadTimeout):
        caller.payout("impatient")
    assert caller.hits(rule) == ["impatient"]
    assert len(caller.look_up("impatient")["data"]) == 1


def test_a_time_out_before_accepting_moves_nothing(caller):
    rule = caller.plant("timeout_before_accepting", params={"hold_ms": 0})
    with pytest.raises(httpx2.RemoteProtocolError):
        caller.payout("tb")
    assert caller.hits(rule) == ["tb"]
    assert caller.look_up("tb")["data"] == []


def test_errors_and_rate_limits_come_as_asked_on_any_operation(caller):
    caller.plant("error_after_accepting", match="e1")
    caller.plant("rate_limit", on="payout.find", match="e1", params={"retry_after_s": 3})
    assert caller.payout("e1").status_code == 500
    limited = caller.http.get("/v1/payouts", params={"idempotency_key": "e1"})
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "3")
    assert len(caller.look_up("e1")["data"]) == 1


@pytest.mark.parametrize(("mode", "error"), [("closed", httpx2.RemoteProtocolError), ("refused", httpx2.ConnectError)])
def test_an_outage_answers_nobody_and_ends_by_itself(caller, simulator, mode, error):
    caller.plant("outage", params={"ms": 600, "mode": mode})
    fresh = Caller(simulator)
    time.sleep(0.2)
    with pytest.raises(error):
        fresh.payout(f"o-{mode}")
    eventually(lambda: _answers(fresh))
    assert fresh.look_up(f"o-{mode}")["data"] == []


def test_an_outage_with_503_spares_the_controls_and_ends_when_cleared(caller):
    caller.plant("outage", params={"ms": 3_600_000})
    assert caller.payout("o-503").status_code == 503
    assert caller.http.delete("/v1/faults").status_code == 200
    assert caller.payout("o-503").status_code == 201


def _answers(caller: Caller) -> bool:
    try:
        return caller.http.get("/v1/balances").status_code == 200
    except httpx2.TransportError:
        return False


def test_the_statement_adds_up_over_http_and_names_its_planted_lies(caller):
    rule = caller.plant("line_altered", on="payout", params={"delta": "5"})
    day = caller.http.get("/v1/clock").json()["now"][:10]
    eventually(lambda: all(row["status"] != "pending" for row in _truth(caller, day)["lines"]))
    truth = _truth(caller, day)
    answer = caller.http.get("/v1/statement", params={"date": day})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(answer.text.splitlines()))
    lies = [row for row in rows if row["id"] and row not in truth["lines"]]
    assert [row["id"] for row in lies] == [rule["hits"][0]["line"]]
    assert lies[0]["gross"] == rule["hits"][0]["gross_told"]
    opening, closing = (int(truth[name][0]["amount"]) for name in ("opening", "closing"))
    assert opening + sum(int(row["net"]) for row in truth["lines"]) == closing
    assert caller.http.get("/v1/statement").json()["error"]["field"] == "date"


def _truth(caller: Caller, day: str) -> dict:
    return caller.http.get("/v1/statement", params={"from": day, "to": day, "format": "json"}).json()


def test_the_journal_over_http_is_the_oracle_on_disk(caller, simulator):
    told, oracle = caller.http.get("/v1/journal").json(), simulator.oracle()
    assert told["moved_twice"] == oracle.moved_twice() == []
    assert {entry["idempotency_key"] for entry in told["keys"]} == set(oracle.by_key())


def test_the_interface_describes_itself(caller):
    described = caller.http.get("/openapi.json").json()
    assert {"/v1/payouts", "/v1/charges", "/v1/events", "/v1/statement", "/v1/faults", "/v1/journal"} <= set(
        described["paths"]
    )


# ---- webhooks


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    yield (receiver := Receiver())
    receiver.close()


@pytest.fixture
def told(tmp_path, receiver) -> Iterator[tuple[SimulatorProcess, Caller]]:
    with spawn_simulator(
        tmp_path, webhook_url=receiver.url, webhook_secret=SECRET, settle_ms=20, webhook_backoff_ms=50
    ) as process:
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


# ---- kills


def test_what_was_answered_before_a_kill_is_there_after_it_and_asking_again_moves_nothing_twice(tmp_path):
    with spawn_simulator(tmp_path, settle_ms=0) as process:
        Caller(process).charge("fund", "1000000000")
        answered: dict[str, bytes] = {}
        unanswered: list[str] = []
        for round_ in range(3):
            enough = threading.Event()

            def pay(worker: int, round_: int = round_, enough: threading.Event = enough) -> None:
                caller = Caller(process)
                for number in range(10_000):
                    key = f"k-{round_}-{worker}-{number}"
                    try:
                        answered[key] = caller.payout(key).content
                    except httpx2.TransportError:
                        unanswered.append(key)
                        return
                    if number == 20:
                        enough.set()

            with ThreadPoolExecutor(8) as pool:
                paying = [pool.submit(pay, worker) for worker in range(8)]
                assert enough.wait(30)
                process.kill()
                for each in paying:
                    each.result()
            oracle = process.oracle()
            assert answered.keys() <= oracle.by_key().keys(), "an answer was given for what is not on disk"
            process.start()
        assert len(unanswered) == 3 * 8, "every worker was in the middle of a payout when the kill came"
        caller = Caller(process)
        for key in [*answered, *unanswered]:
            again = caller.payout(key)
            assert again.status_code == 201
            assert again.content == answered.get(key, again.content)
        oracle = process.oracle()
        assert oracle.moved_twice() == []
        assert set(oracle.by_key()) == {*answered, *unanswered}
        held = caller.http.get("/v1/balances").json()["data"][0]["amount"]
        assert int(held) == oracle.balances["USD"] == 1_000_000_000 - 125 * len(oracle.payouts)


def test_a_torn_last_line_is_cut_at_the_start_and_said_so(tmp_path):
    with spawn_simulator(tmp_path) as process:
        Caller(process).charge("c1")
        process.kill()
        with (tmp_path / FILE_NAME).open("ab") as file:
            file.write(b'01234567 {"number":')
        assert process.oracle().torn_bytes == 19
        process.start()
        assert process.started["cut_bytes"] == 19
        assert Caller(process).charge("c1").headers["idempotent-replayed"] == "true"
        assert process.oracle().torn_bytes == 0


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux can limit the files of another process")
def test_a_disk_that_takes_no_more_ends_the_simulator_instead_of_a_promise(tmp_path):
    with spawn_simulator(tmp_path) as process:
        caller = Caller(process)
        caller.charge("fund")
        size = (tmp_path / FILE_NAME).stat().st_size
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size + 100, size + 100))
        with pytest.raises(httpx2.TransportError):
            caller.payout("k1")
        eventually(lambda: not process.alive())
        assert process.oracle().torn_bytes == 100
        process.restart()
        assert Caller(process).look_up("k1")["data"] == []


def test_it_ends_with_whoever_started_it(tmp_path):
    story = (
        "import pathlib, sys, time; from counterfoil.simulator.process import spawn_simulator;"
        "print(spawn_simulator(pathlib.Path(sys.argv[1])).port, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", story, str(tmp_path)], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        address = ("127.0.0.1", int(starter.stdout.readline()))
        socket.create_connection(address).close()
        starter.kill()
    eventually(lambda: socket.socket().connect_ex(address) != 0)


def test_a_damaged_journal_refuses_the_start_and_says_why(tmp_path):
    with spawn_simulator(tmp_path) as process:
        Caller(process).charge("c1")
    data = bytearray((tmp_path / FILE_NAME).read_bytes())
    data[30] ^= 1
    (tmp_path / FILE_NAME).write_bytes(bytes(data))
    with pytest.raises(SimulatorDidNotStart, match="JournalDamaged"):
        spawn_simulator(tmp_path)


def test_a_second_simulator_on_the_same_folder_is_refused(tmp_path):
    with spawn_simulator(tmp_path), pytest.raises(SimulatorDidNotStart, match="JournalInUse"):
        spawn_simulator(tmp_path)


def test_a_restart_keeps_address_clock_faults_and_what_is_due(tmp_path):
    with spawn_simulator(tmp_path, settle_ms=3_600_000) as process:
        caller, url = Caller(process), process.url
        caller.charge("fund")
        made = caller.payout("k1").json()
        rule = caller.plant("payout_failed", match="k2", count=3)
        now = caller.advance(1_800_000)
        process.restart()
        caller = Caller(process)
        assert process.url == url
        assert caller.http.get("/v1/clock").json()["now"] >= now
        assert caller.http.get(f"/v1/faults/{rule['id']}").json() == rule
        assert caller.http.get(f"/v1/payouts/{made['id']}").json()["status"] == "pending"
        caller.advance(1_800_000)
        assert caller.http.get(f"/v1/payouts/{made['id']}").json()["status"] == "paid"
