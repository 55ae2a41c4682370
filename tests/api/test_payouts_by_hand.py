"""A payout by hand over HTTP and at the command line's client: issued anew, done now, stopped; and the true reason of each refusal."""

from __future__ import annotations

from typing import Any

from tests.api.office import PROGRAM, Office, charge_event, signed
from tests.api.test_one_payment import Books, run


def a_payout(office: Office, *, destination: bool = True) -> str:
    """A payout that waits to be set aside."""
    invoice = office.invoice()
    office.wiring.providers["simulator"] = Books(office.wiring.providers["simulator"], invoice)  # type: ignore[index]
    if destination:
        body = {"programId": PROGRAM, "payeeId": "bolt", "token": "acct_bolt_0001"}
        office.by_two("/api/destinations", body, role="administrator")
    charge = charge_event(invoice, "ch_1")
    office.ask("POST", "/webhooks/simulator", role=None, content=charge, headers=signed(charge, "evt_1"))
    for job in ("webhooks", "verify", "settle", "events"):
        run(office, job)
    (payout,) = office.ask("GET", "/api/payouts?state=pending").json()["data"]
    return str(payout["id"])


def said(office: Office, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = office.ask("POST", path, role="operator", json=body or None)
    return answer.status_code, answer.json()


def test_a_cancelled_payout_is_issued_anew_under_its_own_key(office: Office):
    payout = a_payout(office)
    assert said(office, f"/api/payouts/{payout}/cancel", reason="the payee asked")[0] == 200
    status, new = said(office, f"/api/payouts/{payout}/reissue", reason="and asked again")
    assert (status, new["id"], new["state"]) == (200, payout, "cancelled")
    made = new["made"]
    assert office.ask("GET", f"/api/payouts/{made}").json()["key"].endswith("-r1")
    status, refused = said(office, f"/api/payouts/{payout}/reissue", reason="twice")
    assert (status, refused["type"]) == (409, "/problems/NotNow")
    assert "a later payout" in refused["why"]
    for job in ("reserve", "outbox"):
        run(office, job)
    shown = office.ask("GET", f"/api/payouts/{made}").json()
    assert (shown["state"], shown["reissue"], shown["allowed"]) == ("completed", 1, [])


def test_a_queued_attempt_is_stopped_and_let_go_and_given_up(office: Office):
    payout = a_payout(office)
    run(office, "reserve")
    assert said(office, f"/api/admin/ops/payouts/{payout}/rerun-outbox") == (
        200,
        {"id": payout, "state": "queued", "made": None, "told": None, "dryRun": False},
    )
    assert said(office, f"/api/admin/ops/payouts/{payout}/quarantine", reason="a tip")[1]["state"] == "quarantined"
    assert run(office, "outbox")["handled"] == 0
    status, refused = said(office, f"/api/admin/ops/payouts/{payout}/release", reason="x")
    assert (status, refused["why"]) == (409, "none of its calls began: there is nothing to look up")
    shown = office.ask("GET", f"/api/payouts/{payout}").json()
    assert shown["allowed"] == ["force-reconcile", "release-to-queue", "release-cancelled", "force-finalize"]


def test_an_attempt_that_never_began_is_cancelled_and_the_payout_retried(office: Office):
    payout = a_payout(office)
    run(office, "reserve")
    status, done = said(office, f"/api/payouts/{payout}/cancel-attempt", reason="wrong day")
    assert (status, done["state"]) == (200, "cancelled")
    assert office.ask("GET", f"/api/payouts/{payout}").json()["allowed"] == ["retry", "cancel"]
    status, refused = said(office, f"/api/payouts/{payout}/close", reason="x")
    assert (status, refused["why"]) == (409, "it is failed")
