"""Escrows over HTTP: a score that a condition waits for, and a freeze that ends without a ruling."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from counterfoil.base.edge import now
from tests.api.office import PROGRAM, Office, charge_event, fresh, signed


def say(office: Office, escrow: str, verb: str, role: str = "operator", **body: Any) -> tuple[int, dict[str, Any]]:
    answer = office.ask("POST", f"/api/escrows/{escrow}/{verb}", role=role, key=fresh(), json=body or None)
    return answer.status_code, answer.json()


def shown(office: Office, escrow: str) -> dict[str, Any]:
    found: dict[str, Any] = office.ask("GET", f"/api/escrows/{escrow}").json()
    return found


def an_escrow(office: Office, **more: Any) -> str:
    """An escrow of 100.00 that waits for its money."""
    body = {"programId": PROGRAM, "customerId": "ann", "payeeId": "bolt", "asset": "EUR", "amount": "10000", "reference": "order 7"}
    body |= {"expiresAt": (now() + timedelta(days=30)).isoformat(), **more}
    made = office.ask("POST", "/api/escrows", role="operator", key=fresh(), json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def funded(office: Office, **more: Any) -> str:
    """With its money in it, which two people saw on the bank account."""
    escrow = an_escrow(office, **more)
    status, proposed = say(office, escrow, "fund-from-bank", reference=fresh("B"), reason="statement 12")
    assert (status, office.approve(proposed).json()["state"], shown(office, escrow)["state"]) == (202, "done", "active")
    return escrow


def test_money_of_the_bank_is_booked_once_two_people_saw_it(office: Office):
    escrow = an_escrow(office)
    status, told = say(office, escrow, "fund", provider="bank", reference="B-1")
    assert (status, told["field"], "fund-from-bank" in told["limit"]) == (422, "provider", True)
    given = {"reference": " 2026-11-26/81 ", "reason": "statement 12"}
    assert say(office, escrow, "fund-from-bank", **given, amount="10001")[1]["field"] == "amount"
    status, proposed = say(office, escrow, "fund-from-bank", **given, amount="4000")
    assert (status, shown(office, escrow)["funded"]) == (202, "0")
    assert say(office, escrow, "fund-from-bank", **given, amount="4000")[0] == 409, "it waits already"
    assert office.approve(proposed).json()["state"] == "done"
    found = shown(office, escrow)
    assert (found["state"], found["funded"]) == ("pending", "4000")
    [movement] = found["movements"]
    assert (movement["reference"], movement["reason"], movement["actor"]) == ("2026-11-26/81", "statement 12", "person:vera")
    assert say(office, escrow, "fund-from-bank", **given)[1]["field"] == "reference", "each counts once"


def test_a_payment_that_lies_in_suspense_funds_it(office: Office):
    escrow = an_escrow(office)
    body = charge_event({"id": "order 7", "total": "6000", "asset": "EUR"}, "ch_7")
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, "evt_7"))
    assert office.ask("POST", "/api/admin/ops/run/webhooks", role="operator").status_code == 200
    assert say(office, escrow, "fund", provider="simulator", reference="ch_7", amount="6000")[1]["state"] == "pending"
    assert say(office, escrow, "fund", provider="simulator", reference="ch_7")[1]["field"] == "reference", "nothing of it is left"
    assert shown(office, escrow)["funded"] == "6000"


def test_a_dispute_is_ruled_on_by_who_approves_and_not_by_who_works(office: Office):
    escrow = funded(office)
    assert say(office, escrow, "freeze", reason="not what was agreed")[0] == 200
    assert say(office, escrow, "rule", refund="0", reason="it is mine")[0] == 403
    status, done = say(office, escrow, "rule", "approver", refund="2500", reason="a quarter was missing")
    assert (status, done["state"]) == (200, "split")


def test_a_score_that_is_reached_lets_the_payee_have_it_and_the_last_word_counts(office: Office):
    escrow = funded(office, conditions=[{"kind": "score", "least": "4.5"}])
    status, done = say(office, escrow, "report-score", score="4.4", reason="survey 31")
    assert (status, done["state"], shown(office, escrow)["conditions"][0]["holds"]) == (200, "active", False)
    assert "condition 1 does not hold" in say(office, escrow, "release")[1]["why"]
    assert say(office, escrow, "report-score", score="4.5", reason="survey 32")[0] == 200
    found = shown(office, escrow)
    assert (found["conditions"][0]["holds"], [one["source"] for one in found["evidence"]]) == (True, ["survey 31", "survey 32"])
    status, done = say(office, escrow, "release")
    assert (status, done["state"], shown(office, escrow)["remaining"]) == (200, "released", "0")


def test_a_dispute_that_is_withdrawn_lets_it_go_on(office: Office):
    escrow = funded(office)
    assert say(office, escrow, "freeze", reason="not what was agreed")[1]["state"] == "disputed"
    assert say(office, escrow, "release")[0] == 409
    status, done = say(office, escrow, "unfreeze", reason="they agreed after all")
    assert (status, done["state"]) == (200, "active")
    (event,) = office.ask("GET", "/api/events?name=escrow_unfrozen").json()["data"]
    assert (event["subjectId"], event["payload"]["reason"]) == (escrow, "they agreed after all")
    assert say(office, escrow, "unfreeze", reason="again")[0] == 409
    assert say(office, escrow, "release")[1]["state"] == "released"
