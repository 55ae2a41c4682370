"""Payout batches over HTTP: the runbook's two calls to the letter, a policy that two people set, and the page with lines and approvals."""

from __future__ import annotations

import pytest

from tests.api.office import PROGRAM, Office, fresh
from tests.api.test_one_payment import run
from tests.api.test_payouts_by_hand import a_payout

POLICY = {
    "programId": PROGRAM,
    "asset": "EUR",
    "byRuleMax": "0",
    "tiers": [{"above": "0", "approvers": 1}],
    "reason": "agreed with the bank",
}
WANTED = {"programId": PROGRAM, "asset": "EUR"}


def said(office: Office, path: str, role: str = "operator") -> tuple[int, dict[str, object]]:
    answer = office.ask("POST", path, role=role, key=fresh())
    return answer.status_code, answer.json()


def test_the_runbook_approves_and_executes_a_batch_and_its_payouts_are_paid(office: Office):
    payout = a_payout(office)
    assert office.by_two("/api/payout-policies", POLICY, role="administrator").status_code == 200
    run(office, "reserve")
    waiting = office.ask("GET", f"/api/payouts/{payout}").json()
    assert (waiting["state"], "it needs an approved batch" in waiting["lastError"]) == ("pending", True)

    made = office.ask("POST", "/api/batches", role="operator", key=fresh(), json=WANTED).json()
    batch = made["id"]
    assert (made["lines"], made["skippedTotal"]) == (1, 0)
    assert said(office, f"/api/batches/{batch}/submit")[1]["state"] == "pending_approval"
    assert said(office, f"/api/admin/payouts/batch/{batch}/approve", "operator")[0] == 403
    status, done = said(office, f"/api/admin/payouts/batch/{batch}/approve", "approver")
    assert (status, done["state"]) == (200, "approved")
    status, done = said(office, f"/api/admin/payouts/batch/{batch}/execute")
    assert (status, done["state"]) == (200, "executing")
    for job in ("reserve", "outbox", "batches"):
        run(office, job)

    shown = office.ask("GET", f"/api/batches/{batch}").json()
    assert (shown["state"], shown["linesPaid"], shown["amount"]) == ("executed", 1, shown["payouts"][0]["amount"])
    assert [(one["payoutId"], one["status"]) for one in shown["payouts"]] == [(payout, "paid")]
    assert [one["counts"] for one in shown["approvedBy"]] == [True]
    assert office.ask("GET", "/api/batches?state=executed").json()["data"][0]["id"] == batch
    status, refused = said(office, f"/api/admin/payouts/batch/{batch}/execute")
    assert (status, refused["why"]) == (409, "it is executed")
    assert office.ask("GET", "/api/payout-policies").json()["data"][0]["tiers"] == [{"above": "0", "approvers": 1}]


@pytest.mark.parametrize(
    ("field", "value"),
    [("tiers", [{"above": "5", "approvers": 2}, {"above": "1", "approvers": 2}]), ("coolingHours", -1)],
)
def test_a_policy_that_cannot_be_names_the_field(office: Office, field: str, value: object):
    body = POLICY | {field: value}
    refused = office.ask("POST", "/api/payout-policies", role="administrator", key=fresh(), json=body)
    assert refused.status_code in (400, 422)
    assert field.lower() in refused.text.lower().replace("_", "")
