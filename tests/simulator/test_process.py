"""The simulator as a process, over real sockets: its interface and its faults."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator

import httpx2
import pytest

from counterfoil.simulator.process import SimulatorProcess, spawn_simulator
from tests.simulator.callers import Caller, eventually


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
    missing = caller.http.post("/v1/payouts", json={"reference": "r", "amount": "1", "asset": "USD", "destination": "d"})
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
    assert caller.payout("on-the-statement").status_code == 201
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
    assert {"/v1/payouts", "/v1/charges", "/v1/events", "/v1/statement", "/v1/faults", "/v1/journal"} <= set(described["paths"])
