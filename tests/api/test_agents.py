"""Agents and their transactions over HTTP: a mandate by two people, money that moves wholly, and what two people force and its mark."""

from __future__ import annotations

from typing import Any

from tests.api.office import PROGRAM, Office, fresh


def say(office: Office, plural: str, subject: str, verb: str, role: str = "operator", **body: Any) -> tuple[int, dict[str, Any]]:
    answer = office.ask("POST", f"/api/{plural}/{subject}/{verb}", role=role, key=fresh(), json=body or None)
    return answer.status_code, answer.json()


def shown(office: Office, path: str) -> dict[str, Any]:
    found: dict[str, Any] = office.ask("GET", path).json()
    return found


def an_agent(office: Office, money: int = 0, **limits: Any) -> str:
    """An agent with so much money, whose mandate two people agreed on."""
    made = office.ask("POST", "/api/agents", role="operator", key=fresh(), json={"programId": PROGRAM, "name": fresh("agent")})
    assert made.status_code == 201, made.text
    agent = str(made.json()["id"])
    if money:
        office.fund(f"treasury:agent:{agent}", money)
        status, proposed = say(office, "agents", agent, "grant", asset="EUR", reason="agreed", **limits)
        assert (status, office.approve(proposed).json()["state"]) == (202, "done")
    return agent


def begin(office: Office, payer: str, payee: str, amount: int, **more: Any) -> str:
    parts = [{"agent": payer, "side": "debit", "asset": "EUR", "amount": str(amount)}]
    parts.append({"agent": payee, "side": "credit", "asset": "EUR", "amount": str(amount)})
    body = {"programId": PROGRAM, "reference": "task 7", "participants": parts, **more}
    made = office.ask("POST", "/api/transactions", role="operator", key=fresh(), json=body)
    assert (made.status_code, made.json().get("state")) == (201, "initiated"), made.text
    return str(made.json()["id"])


def work(office: Office, times: int = 3) -> None:
    for _ in range(times):
        assert office.ask("POST", "/api/admin/ops/run/transactions", role="operator").status_code == 200


def test_a_mandate_is_granted_by_two_and_shown_with_the_money(office: Office):
    agent = an_agent(office, 100_00, perTransaction="5000", perDay="8000")
    found = shown(office, f"/api/agents/{agent}")
    [mandate] = found["mandates"]
    assert (mandate["perTransaction"], mandate["perDay"], mandate["perHour"], mandate["towards"]) == ("5000", "8000", None, "anyone")
    assert {one["asset"]: one["balance"] for one in found["accounts"]} == {"EUR": "10000", "JPY": "0"}
    assert found["allowed"] == ["freeze", "grant", "revoke"]
    assert [one["id"] for one in shown(office, "/api/agents")["data"]] == [agent]
    assert say(office, "agents", agent, "revoke", asset="EUR", reason="it is enough")[0] == 200
    assert shown(office, f"/api/agents/{agent}")["mandates"] == []
    status, told = say(office, "agents", agent, "revoke", asset="EUR", reason="again")
    assert (status, told["field"]) == (422, "asset")
    assert say(office, "agents", agent, "grant", asset="USD", reason="agreed")[1]["field"] == "asset"


def test_a_freeze_is_one_persons_and_its_end_takes_two(office: Office):
    agent = an_agent(office, 100)
    assert say(office, "agents", agent, "freeze", reason="it does strange things")[1]["state"] == "frozen"
    status, proposed = say(office, "agents", agent, "unfreeze", reason="it was a fault of ours")
    assert (status, shown(office, f"/api/agents/{agent}")["state"]) == (202, "frozen")
    assert office.approve(proposed).json()["state"] == "done"
    assert shown(office, f"/api/agents/{agent}")["state"] == "active"
    status, told = say(office, "agents", agent, "close", reason="not needed")
    assert (status, told["why"]) == (409, "its account in EUR holds 1.00 EUR")
    empty = an_agent(office)
    assert say(office, "agents", empty, "close", reason="not needed")[1]["state"] == "closed"


def test_what_is_begun_moves_by_itself_and_is_verified(office: Office):
    payer, payee = an_agent(office, 100_00), an_agent(office)
    one = begin(office, payer, payee, 30_00)
    work(office)
    found = shown(office, f"/api/transactions/{one}")
    assert (found["state"], found["decision"], found["cause"], found["forced"]) == ("committed", "commit", "votes", False)
    assert [part["standing"] for part in found["participants"]] == ["applied", "applied"]
    assert [step["toState"] for step in found["steps"]] == ["initiated", "preparing", "prepared", "committing", "committed"]
    for agent, balance in ((payer, "7000"), (payee, "3000")):
        told = shown(office, f"/api/agents/{agent}/verify")
        [euro] = [each for each in told["assets"] if each["asset"] == "EUR"]
        assert (told["agrees"], euro["balance"], euro["expected"]) == (True, balance, balance)
    told = shown(office, f"/api/agents/{payer}/explain")
    assert (told["findings"], told["notLookedAt"]) == ([], ["carbon since the source was heard last: no source of its figures is set up"])


def test_whoever_began_it_commits_or_cancels_it(office: Office):
    payer, payee = an_agent(office, 100_00), an_agent(office)
    first, second = (begin(office, payer, payee, 10_00, commits="on_request") for _ in range(2))
    assert say(office, "transactions", first, "prepare")[1]["state"] == "prepared"
    status, told = say(office, "transactions", second, "commit")
    assert (status, told["why"]) == (409, "it is initiated, and not every participant has promised")
    assert say(office, "transactions", first, "commit")[1]["state"] == "committing"
    assert say(office, "transactions", second, "cancel", reason="not needed")[1]["state"] == "aborting"
    status, told = say(office, "transactions", second, "prepare")
    assert (status, told["why"]) == (409, "abort was decided: it was cancelled")
    work(office)
    assert [shown(office, f"/api/transactions/{one}")["state"] for one in (first, second)] == ["committed", "aborted"]
    assert [one["id"] for one in shown(office, "/api/transactions?state=aborted")["data"]] == [second]
    assert shown(office, "/api/transactions?state=pending")["data"] == []
    assert shown(office, "/api/transactions?state=gone")["field"] == "state"
    assert shown(office, "/api/transactions?age=old")["field"] == "age"


def test_what_is_forced_takes_two_people_and_keeps_its_mark_and_its_participants_are_verified(office: Office):
    payer, payee = an_agent(office, 100_00), an_agent(office)
    first, second = (begin(office, payer, payee, 10_00, commits="on_request") for _ in range(2))
    given = {"approval": "INC-12345", "reason": "the worker is gone"}
    status, told = say(office, "transactions", first, "force-commit", **given)
    assert (status, "not every participant has promised" in told["why"]) == (409, True)
    assert say(office, "transactions", first, "prepare")[0] == 200
    status, proposed = say(office, "transactions", first, "force-commit", **given)
    assert (status, shown(office, f"/api/transactions/{first}")["state"]) == (202, "prepared")
    assert office.approve(proposed).json()["state"] == "done"
    assert office.approve(say(office, "transactions", second, "force-rollback", **given)[1]).json()["state"] == "done"
    work(office)
    for one, state in ((first, "committed"), (second, "aborted")):
        found = shown(office, f"/api/transactions/{one}")
        assert (found["state"], found["forced"], found["approval"], found["decidedBy"]) == (state, True, "INC-12345", "person:vera")
        assert [(each["agentId"], each["agrees"]) for each in found["checks"]] == [(each, True) for each in sorted((payer, payee))]
    status, told = say(office, "transactions", first, "force-rollback", **given)
    assert (status, told["why"]) == (409, "commit was decided: two people decided it (INC-12345)")
    events = shown(office, "/api/events?name=transaction_forced")["data"]
    assert {(one["subjectId"], one["level"], one["payload"]["agrees"]) for one in events} == {
        (first, "critical", True),
        (second, "critical", True),
    }
    assert shown(office, "/api/admin/invariants")["allHold"] is True


def test_what_is_wrong_is_named_by_its_field_and_nothing_is_written(office: Office):
    payer, payee = an_agent(office, 100_00), an_agent(office)
    body: dict[str, Any] = {
        "programId": PROGRAM,
        "reference": "task",
        "participants": [
            {"agent": payer, "side": "debit", "asset": "EUR", "amount": "10"},
            {"agent": payee, "side": "credit", "asset": "EUR", "amount": "9"},
        ],
    }
    told = office.ask("POST", "/api/transactions", role="operator", key=fresh(), json=body)
    assert (told.status_code, told.json()["field"], told.json()["difference"]) == (422, "participants", "1")
    assert office.ask("POST", "/api/transactions", role="viewer", key=fresh(), json=body).status_code == 403
    key, right = fresh(), {**body, "participants": [body["participants"][0], {**body["participants"][1], "amount": "10"}]}
    first, again = (office.ask("POST", "/api/transactions", role="operator", key=key, json=right) for _ in range(2))
    assert (first.json()["id"], again.headers["Idempotent-Replayed"]) == (again.json()["id"], "true")
    assert office.ask("POST", "/api/transactions", role="operator", key=key, json={**right, "reference": "other"}).status_code == 422
    assert len(shown(office, "/api/transactions")["data"]) == 1
