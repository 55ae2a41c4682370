"""One invoice through every address that shows it, jobs run by request; the provider is the test."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.base.edge import now
from counterfoil.operations.providers import Accepted, PayoutFact, PayoutOrder
from tests.api.office import PROGRAM, Office, charge_event, signed
from tests.base.dumps import dumped, in_clear


class Books:
    """What the provider says: every charge was made, every payout was paid."""

    def __init__(self, provider: Any, invoice: dict[str, Any]) -> None:
        self._provider, self._invoice = provider, invoice
        self.sent: list[PayoutOrder] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    def find_charge(self, charge_id: str) -> Any:
        return self._provider.charge_of(charge_event(self._invoice, charge_id))

    def connect(self) -> Books:
        return self

    def close(self) -> None:
        """Nothing is open."""

    def send(self, order: PayoutOrder) -> Accepted:
        self.sent.append(order)
        fact = PayoutFact("pout_1", order.key, order.amount, 25, order.asset, "paid", None, now())
        return Accepted(fact)


def run(office: Office, job: str) -> dict[str, Any]:
    answer = office.ask("POST", f"/api/admin/ops/run/{job}", role="operator")
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


def test_from_usage_to_a_payout_that_shows_everything(office: Office):
    invoice = office.invoice(price="100.37")
    office.wiring.providers["simulator"] = Books(office.wiring.providers["simulator"], invoice)  # type: ignore[index]
    destination = {"programId": PROGRAM, "payeeId": "bolt", "token": "acct_bolt_0001"}
    office.by_two("/api/destinations", destination, role="administrator")
    body = charge_event(invoice, "ch_1").replace(b"{", b'{"note": "ch_1 is told by a webhook", ', 1)
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_1"))
    for job in ("webhooks", "verify", "settle", "events", "reserve", "outbox"):
        assert run(office, job)["handled"] > 0, job

    (row,) = office.ask("GET", f"/api/payouts?invoiceId={invoice['id']}").json()["data"]
    payout = office.ask("GET", f"/api/payouts/{row['id']}").json()
    assert (payout["state"], payout["allowed"]) == ("completed", [])
    cut = payout["breakdown"]
    assert [cut[part] for part in ("gross", "platformFee", "validatorFee", "holdback", "net")] == [
        "10037",
        "501",
        "100",
        "0",
        "9436",
    ]
    assert payout["key"] == f"payout-{invoice['id']}-{payout['settlementId']}"
    assert office.ask("GET", "/api/payouts", params={"key": payout["key"]}).json()["data"] == [row]
    assert [step["toState"] for step in payout["steps"]] == ["pending", "processing", "completed"]
    (one_try,) = payout["providerPayouts"]
    assert [step["toState"] for step in one_try["steps"]] == ["queued", "sending", "sent", "succeeded"]
    assert {one["kind"] for one in payout["journals"]} == {"settlement", "payout_reserve", "payout_finalize"}
    assert "acct_bolt_0001" not in office.ask("GET", f"/api/payouts/{row['id']}").text

    settlement = office.ask("GET", f"/api/settlements/{payout['settlementId']}").json()
    assert (settlement["payoutId"], settlement["net"]) == (payout["id"], "9436")
    shown = office.ask("GET", f"/api/invoices/{invoice['id']}").json()
    assert (shown["state"], shown["settlementId"]) == ("paid", settlement["id"])
    assert office.ask("GET", "/api/admin/invariants").json()["allHold"] is True
    status = office.ask("GET", "/api/admin/reconciliation/status").json()
    assert [(book["difference"], book["balanced"]) for book in status["books"]] == [("0", True)] * 2
    assert office.ask("GET", "/api/intents/stats").json()["measured"] == 1
    dump = dumped(office.wiring.database.url)
    assert (in_clear(dump, "acct_bolt_0001", "ch_1 is told by a webhook"), in_clear(dump, "pout_1")) == ([], ["pout_1"])


def test_a_payout_without_a_destination_waits_and_is_told(office: Office):
    invoice = office.invoice()
    office.wiring.providers["simulator"] = Books(office.wiring.providers["simulator"], invoice)  # type: ignore[index]
    body = charge_event(invoice, "ch_1")
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_1"))
    for job in ("webhooks", "verify", "settle", "events", "reserve"):
        run(office, job)
    health = office.ask("GET", "/api/admin/ops/health").json()
    (event,) = office.ask("GET", "/api/events?name=payout_waiting").json()["data"]
    (payout,) = office.ask("GET", "/api/payouts?state=pending").json()["data"]
    assert (health["payoutsWaiting"], event["subjectId"]) == (1, payout["id"])
    nothing = office.ask("POST", f"/api/payouts/{payout['id']}/force-reconcile", role="operator")
    assert (nothing.status_code, nothing.json()["type"]) == (409, "/problems/NotNow")
    assert nothing.json()["why"] == "it has no attempt"
    not_failed = office.ask("POST", f"/api/payouts/{payout['id']}/retry", role="operator", json={"reason": "x"})
    assert (not_failed.status_code, not_failed.json()["allowed"]) == (409, ["cancel", "rerun"])
    cancelled = office.ask("POST", f"/api/payouts/{payout['id']}/cancel", role="operator", json={"reason": "closed"})
    assert cancelled.json()["state"] == "cancelled"


def test_an_intent_that_the_provider_contradicts_fails_and_is_retried(office: Office):
    invoice = office.invoice()
    books = Books(office.wiring.providers["simulator"], {**invoice, "total": "1"})
    office.wiring.providers["simulator"] = books  # type: ignore[index]
    body = charge_event(invoice, "ch_1")
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_1"))
    for job in ("webhooks", "verify"):
        run(office, job)
    (intent,) = office.ask("GET", "/api/intents?state=failed").json()["data"]
    assert "amount: recorded 10.00 EUR, the provider has 0.01 EUR" in intent["lastError"]
    again = {"intentId": intent["id"], "reason": "asked the provider"}
    answer = office.ask("POST", "/api/admin/reconciliation/retry-intent", role="operator", json=again)
    assert (answer.status_code, answer.json()["state"]) == (200, "verifying")
    shown = office.ask("GET", f"/api/intents/{intent['id']}").json()
    assert (shown["steps"][-1]["verb"], shown["actions"][0]["reason"]) == ("retry", "asked the provider")


def test_a_dry_run_of_a_job_runs_nothing(office: Office):
    invoice = office.invoice()
    body = charge_event(invoice, "ch_1")
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_1"))
    answer = office.ask("POST", "/api/admin/ops/run/webhooks?dryRun=true", role="operator").json()
    assert (answer["dryRun"], answer["handled"]) == (True, 0)
    (queue,) = [one for one in office.ask("GET", "/api/admin/queue/status").json()["data"] if one["name"] == "webhooks"]
    assert (queue["due"], queue["depth"]) == (1, "fine")


def test_a_history_that_is_longer_than_what_is_shown_says_so(office: Office, monkeypatch: pytest.MonkeyPatch):
    invoice = office.invoice()
    path = f"/api/invoices/{invoice['id']}"
    whole = office.ask("GET", path).json()
    assert (len(whole["steps"]), whole["cut"]) == (2, [])
    monkeypatch.setattr("counterfoil.api.http.history.SHOWN_MAX", 0)
    assert office.ask("GET", path).json()["cut"] == ["steps", "lines"]
