"""Destinations over HTTP: quarantined by one, released by two, and named where they are refused."""

from __future__ import annotations

from typing import Any

from tests.api.office import PROGRAM, Office, fresh


def _set(office: Office, payee: str, token: str) -> Any:
    body = {"programId": PROGRAM, "payeeId": payee, "token": token}
    return office.by_two("/api/destinations", body, role="administrator")


def test_a_destination_is_quarantined_listed_refused_to_others_and_released_by_two(office: Office):
    account = f"acct_of_the_payee_{fresh()}"
    one = _set(office, "payee-q", account).json()
    address = f"/api/destinations/{one['id']}"
    done = office.ask("POST", f"{address}/quarantine", role="operator", key=fresh(), json={"reason": "a letter"})
    assert (done.status_code, done.json()["state"]) == (200, "quarantined"), done.text
    [listed] = office.ask("GET", "/api/destinations?state=quarantined&payeeId=payee-q").json()["data"]
    assert (listed["id"], listed["quarantineReason"], listed["tokenHint"]) == (one["id"], "a letter", account[-4:])
    shown = office.ask("GET", address)
    assert (shown.json()["allowed"], account in shown.text) == (["release"], False)
    assert [step["verb"] for step in shown.json()["steps"]] == ["create", "quarantine"]
    body = {"programId": PROGRAM, "payeeId": "payee-r", "token": account}
    refused = office.ask("POST", "/api/destinations", role="administrator", key=fresh(), json=body)
    assert (refused.status_code, refused.json()["destination"]) == (409, one["id"]), refused.text
    waits = office.ask("POST", f"{address}/release", role="operator", key=fresh(), json={"reason": "it was ours"}).json()
    assert office.ask("GET", address).json()["state"] == "quarantined"
    decision = {"payloadSha256": waits["payloadSha256"], "reason": "seen"}
    office.ask("POST", f"/api/approvals/{waits['proposal']}/approve", role="approver", key=fresh(), json=decision).raise_for_status()
    assert office.ask("GET", address).json()["state"] == "active"
    wrong = office.ask("GET", "/api/destinations?state=frozen")
    assert (wrong.status_code, wrong.json()["field"]) == (422, "state")


def test_a_quarantined_destination_that_was_replaced_is_cleared_by_two_and_its_account_may_be_set_again(office: Office):
    account = f"acct_of_the_payee_{fresh()}"
    address = f"/api/destinations/{_set(office, 'payee-w', account).json()['id']}"
    why = {"reason": "a letter"}
    office.ask("POST", f"{address}/quarantine", role="operator", key=fresh(), json=why).raise_for_status()
    _set(office, "payee-w", f"acct_of_the_payee_{fresh()}")
    waits = office.ask("POST", f"{address}/clear", role="operator", key=fresh(), json={"reason": "the letter was a mistake"})
    assert waits.status_code == 202, waits.text
    assert office.ask("GET", address).json()["state"] == "quarantined"
    assert office.approve(waits.json()).json()["state"] == "done"
    assert _set(office, "payee-w", account).json()["id"]


def test_a_payees_card_names_the_fact_behind_each_sentence(office: Office):
    one = _set(office, "payee-c", f"acct_of_the_payee_{fresh()}").json()
    assert office.ask("GET", "/api/payees/payee-c/card").json()["lines"] == []
    why = {"reason": "a letter"}
    office.ask("POST", f"/api/destinations/{one['id']}/quarantine", role="operator", key=fresh(), json=why).raise_for_status()
    card = office.ask("GET", "/api/payees/payee-c/card").json()
    [line] = card["lines"]
    assert (line["effect"], line["fact"], line["factId"]) == ("paused", "destination_quarantined", one["id"])
    assert line["sentence"].endswith("a person quarantined it: a letter.")
    assert card["destination"]["state"] == "quarantined"
    assert office.ask("GET", f"/api/payees/{fresh('nobody')}/card").status_code == 404
