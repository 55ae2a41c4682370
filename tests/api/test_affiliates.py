"""Affiliates over HTTP: placed, deactivated by one person, and active again."""

from __future__ import annotations

from tests.api.office import PROGRAM, Office, fresh


def test_an_affiliate_is_deactivated_and_activated_and_its_steps_say_who_and_why(office: Office):
    body = {"programId": PROGRAM, "name": fresh("ann"), "reason": "signed the contract"}
    made = office.ask("POST", "/api/affiliates", role="operator", key=fresh(), json=body)
    assert made.status_code == 201, made.text
    address = f"/api/affiliates/{made.json()['id']}"
    for verb, state, why in (("deactivate", "inactive", "left us"), ("activate", "active", "came back")):
        done = office.ask("POST", f"{address}/{verb}", role="operator", key=fresh(), json={"reason": why})
        assert (done.status_code, done.json()["state"]) == (200, state), done.text
    shown = office.ask("GET", address).json()
    assert shown["allowed"] == ["refer", "deactivate"]
    assert [(one["verb"], one["reason"]) for one in shown["steps"]][-2:] == [("deactivate", "left us"), ("activate", "came back")]
