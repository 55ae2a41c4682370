"""What a provider says in JSON is money only as a string of whole minor units: a number may have been a float, and is not believed."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from counterfoil.base.problems import InvalidInput
from counterfoil.operations.providers import ChargeFact, Later, PayoutOrder, Sought, Unclear
from counterfoil.operations.providers.simulator import SimulatorProvider

SECRET = "whsec_" + "A" * 32
AT = "2026-11-20T12:00:00Z"
CHARGE: dict[str, Any] = {
    "id": "chg_1",
    "reference": "inv_1",
    "amount": "1200",
    "fee": "30",
    "asset": "EUR",
    "status": "succeeded",
    "account": "acct_main",
    "created_at": AT,
}
PAYOUT: dict[str, Any] = {
    "id": "po_1",
    "idempotency_key": "k",
    "amount": "1200",
    "amount_paid": None,
    "fee": "25",
    "asset": "EUR",
    "status": "pending",
    "failure_code": None,
    "updated_at": AT,
}
NOT_MONEY = [12.7, 1200, True, None, "12.7", "1.2e3", "-1", "", "٣", "1" + "0" * 19]


class Answering(http.server.BaseHTTPRequestHandler):
    """Says whatever it was told to say."""

    said: Any = None

    def do_GET(self) -> None:
        body = json.dumps(self.said).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def provider() -> Iterator[SimulatorProvider]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    found = SimulatorProvider(f"http://127.0.0.1:{server.server_port}", "key", SECRET, timeout_s=5)
    yield found
    found.close()
    server.shutdown()


def test_what_is_as_it_should_be_is_read(provider: SimulatorProvider):
    Answering.said = CHARGE
    found = provider.find_charge("chg_1")
    assert isinstance(found, ChargeFact)
    assert (found.amount, found.fee, found.status, found.account) == (12_00, 30, "succeeded", "acct_main")


@pytest.mark.parametrize("field", ["amount", "fee"])
@pytest.mark.parametrize("given", NOT_MONEY)
def test_an_answer_with_money_that_is_none_is_unclear_and_never_a_whole_number_beside_it(
    provider: SimulatorProvider, field: str, given: Any
):
    Answering.said = CHARGE | {field: given}
    assert isinstance(provider.find_charge("chg_1"), Unclear)
    Answering.said = {"data": [PAYOUT | {field: given}]}
    assert isinstance(provider.find_payout(Sought("k")), Unclear)
    Answering.said = PAYOUT | {field: given}
    connection = provider.connect()
    assert not isinstance(connection, Later)
    assert isinstance(connection.send(PayoutOrder("k", 12_00, "EUR", "acct_1", "pp_1")), Unclear)


def test_what_was_paid_is_read_as_strictly_as_what_was_asked(provider: SimulatorProvider):
    Answering.said = {"data": [PAYOUT | {"status": "paid", "amount_paid": 12.7}]}
    assert isinstance(provider.find_payout(Sought("k")), Unclear)


@pytest.mark.parametrize("given", NOT_MONEY)
def test_a_webhook_with_money_that_is_none_is_refused(provider: SimulatorProvider, given: Any):
    with pytest.raises(InvalidInput):
        provider.charge_of(json.dumps({"data": CHARGE | {"amount": given}}).encode())
    with pytest.raises(InvalidInput):
        provider.payout_of(json.dumps({"data": PAYOUT | {"amount": given}}).encode())


def test_a_moment_without_its_time_zone_is_refused(provider: SimulatorProvider):
    with pytest.raises(InvalidInput):
        provider.charge_of(json.dumps({"data": CHARGE | {"created_at": "2026-11-20T12:00:00"}}).encode())
