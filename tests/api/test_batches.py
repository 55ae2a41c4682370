"""Payout batches over HTTP: the runbook's two calls to the letter, a policy that two people set, and the page with lines and approvals."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.base.edge import now
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
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


def said(office: Office, path: str, role: str = "operator", **body: object) -> tuple[int, dict[str, Any]]:
    answer = office.ask("POST", path, role=role, key=fresh(), json=body or None)
    return answer.status_code, answer.json()


def gathered(office: Office) -> tuple[str, str]:
    """A payout and the draft that it was gathered into."""
    payout = a_payout(office)
    made = office.ask("POST", "/api/batches", role="operator", key=fresh(), json=WANTED)
    assert made.status_code == 201, made.text
    return payout, str(made.json()["id"])


def shown(office: Office, batch: str) -> dict[str, Any]:
    found: dict[str, Any] = office.ask("GET", f"/api/batches/{batch}").json()
    return found


def approved(office: Office, batch: str) -> None:
    assert said(office, f"/api/batches/{batch}/submit")[1]["state"] == "pending_approval"
    assert said(office, f"/api/batches/{batch}/approve", "approver")[1]["state"] == "approved"


def is_free(office: Office, payout: str) -> bool:
    """Can it be gathered into a new batch?"""
    made = office.ask("POST", "/api/batches", role="operator", key=fresh(), json=WANTED)
    return made.status_code == 201 and [one["payoutId"] for one in shown(office, made.json()["id"])["payouts"]] == [payout]


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
    seen = office.ask("GET", f"/api/batches/{batch}").json()["sha256"]
    status, done = said(office, f"/api/admin/payouts/batch/{batch}/approve", "approver", sha256=seen)
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


def test_policies_of_every_program_are_listed_in_any_order_page_by_page(office: Office):
    def asked(**params: object) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        cursor = None
        while True:
            page = office.ask("GET", "/api/payout-policies", params={"limit": 1, **params} | ({"cursor": cursor} if cursor else {})).json()
            found += [(one["programId"], one["asset"], one["byRuleMax"]) for one in page["data"]]
            cursor = page["nextCursor"]
            if cursor is None:
                return found

    with office.database.transaction() as conn:
        open_program(conn, "other", name="Other", assets=[Asset("EUR", 2), Asset("USD", 2)], now=now())
    for program, asset, most in ((PROGRAM, "EUR", "9"), (PROGRAM, "EUR", "500"), ("other", "USD", "7"), ("other", "EUR", "900")):
        body = {"programId": program, "asset": asset, "byRuleMax": most, "reason": "agreed"}
        assert office.by_two("/api/payout-policies", body, role="administrator").status_code == 200
    main, euro, dollar = (PROGRAM, "EUR", "500"), ("other", "EUR", "900"), ("other", "USD", "7")
    assert asked() == [main, euro, dollar], "the newest of each"
    assert asked(sort="-byRuleMax") == [dollar, euro, main], "within each asset"
    assert asked(sort="at") == [main, dollar, euro]
    assert asked(programId="other", asset="USD") == [dollar]
    told = office.ask("GET", "/api/payout-policies", params={"sort": "colour"})
    assert (told.status_code, told.json()["field"]) == (422, "sort")
    file = office.ask("GET", "/api/payout-policies", headers={"Accept": "text/csv"}).text.splitlines()
    assert [line.split(",")[:2] for line in file[1:]] == [['"main"', '"EUR"'], ['"other"', '"EUR"'], ['"other"', '"USD"']]


def test_a_payout_leaves_a_draft_and_is_put_into_it_again(office: Office):
    payout, batch = gathered(office)
    amount = shown(office, batch)["amount"]
    status, done = said(office, f"/api/batches/{batch}/remove", payoutId=payout)
    assert (status, done["state"], shown(office, batch)["lines"], shown(office, batch)["amount"]) == (200, "draft", 0, "0")
    assert said(office, f"/api/batches/{batch}/submit")[0] == 409, "a batch of nothing is not submitted"
    status, done = said(office, f"/api/batches/{batch}/add", payoutId=payout)
    assert (status, done["state"], shown(office, batch)["lines"], shown(office, batch)["amount"]) == (200, "draft", 1, amount)
    assert said(office, f"/api/batches/{batch}/add", payoutId=payout)[0] == 409, "it is in it already"


def test_a_submitted_batch_is_edited_and_what_was_frozen_is_void(office: Office):
    payout, batch = gathered(office)
    assert said(office, f"/api/batches/{batch}/submit")[1]["state"] == "pending_approval"
    assert said(office, f"/api/batches/{batch}/remove", payoutId=payout)[0] == 409
    status, done = said(office, f"/api/batches/{batch}/edit", reason="one line too many")
    assert (status, done["state"], shown(office, batch)["sha256"]) == (200, "draft", None)
    assert said(office, f"/api/batches/{batch}/remove", payoutId=payout)[0] == 200


def test_a_rejected_batch_is_over_and_its_payouts_are_gathered_anew(office: Office):
    payout, batch = gathered(office)
    said(office, f"/api/batches/{batch}/submit")
    assert said(office, f"/api/batches/{batch}/reject", reason="mine")[0] == 403, "who made it does not decide on it"
    status, refused = said(office, f"/api/batches/{batch}/approve", "approver", sha256="0" * 64)
    assert (status, refused["why"]) == (409, "its lines are others than those that were looked at")
    status, done = said(office, f"/api/batches/{batch}/reject", "approver", reason="not this week")
    assert (status, done["state"], shown(office, batch)["allowed"]) == (200, "rejected", [])
    assert is_free(office, payout)


def test_a_cancelled_batch_is_over_and_its_payouts_are_gathered_anew(office: Office):
    payout, batch = gathered(office)
    assert not is_free(office, payout)
    status, done = said(office, f"/api/batches/{batch}/cancel", reason="wrong week")
    assert (status, done["state"]) == (200, "cancelled")
    assert shown(office, batch)["steps"][-1]["reason"] == "wrong week"
    assert is_free(office, payout)


def test_an_approval_that_was_taken_back_is_given_anew(office: Office):
    _, batch = gathered(office)
    approved(office, batch)
    status, done = said(office, f"/api/batches/{batch}/take-back", reason="its payee moved")
    assert (status, done["state"]) == (200, "pending_approval")
    assert [one["counts"] for one in shown(office, batch)["approvedBy"]] == [False]
    assert said(office, f"/api/batches/{batch}/execute")[0] == 409
    assert said(office, f"/api/batches/{batch}/approve", "approver")[1]["state"] == "approved"


def test_a_stopped_batch_pays_nothing_more_and_is_closed(office: Office):
    payout, batch = gathered(office)
    approved(office, batch)
    assert said(office, f"/api/batches/{batch}/execute")[1]["state"] == "executing"
    assert said(office, f"/api/batches/{batch}/close", reason="too soon")[1]["why"] == "it is executing"
    status, done = said(office, f"/api/batches/{batch}/stop", reason="the bank called")
    assert (status, done["state"]) == (200, "partially_executed")
    assert [one["status"] for one in shown(office, batch)["payouts"]] == ["left"]
    status, done = said(office, f"/api/batches/{batch}/close", reason="nothing more of it is paid")
    assert (status, done["state"], shown(office, batch)["linesPaid"]) == (200, "closed", 0)
    assert office.ask("GET", f"/api/payouts/{payout}").json()["state"] == "pending"
    assert is_free(office, payout)
