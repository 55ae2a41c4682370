"""Escrows over HTTP: a score that a condition waits for, and a freeze that ends without a ruling."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from counterfoil.base.edge import now
from tests.api.office import PROGRAM, Office, fresh


def say(office: Office, escrow: str, verb: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = office.ask("POST", f"/api/escrows/{escrow}/{verb}", role="operator", key=fresh(), json=body or None)
    return answer.status_code, answer.json()


def shown(office: Office, escrow: str) -> dict[str, Any]:
    found: dict[str, Any] = office.ask("GET", f"/api/escrows/{escrow}").json()
    return found


def funded(office: Office, **more: Any) -> str:
    """An escrow of 100.00 with its money in it."""
    body = {"programId": PROGRAM, "customerId": "ann", "payeeId": "bolt", "asset": "EUR", "amount": "10000", "reference": "order 7"}
    body |= {"expiresAt": (now() + timedelta(days=30)).isoformat(), **more}
    made = office.ask("POST", "/api/escrows", role="operator", key=fresh(), json=body)
    assert made.status_code == 201, made.text
    escrow = str(made.json()["id"])
    assert say(office, escrow, "fund", provider="bank", reference=fresh("B"))[1]["state"] == "active"
    return escrow


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
