"""The sentinel, alerts and incidents over HTTP: a run that finds an imbalance, and everything that people may say of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from counterfoil.base.edge import now
from counterfoil.wiring import CHECKS
from tests.api.office import PROGRAM, Office, fresh
from tests.stories.superuser import by_a_superuser

FAULT = "update account set debits = debits + 5, credits = credits + 5 where id = (select min(id) from account)"
MENDED = "update account set debits = debits - 5, credits = credits - 5 where id = (select min(id) from account)"


def ask(office: Office, path: str, **body: Any) -> Any:
    return office.ask("POST", path, role="controller" if path.endswith("/accept") else "operator", key=fresh(), json=body)


def found(office: Office, code: str) -> dict[str, Any]:
    """The open alert of a check, after a full run."""
    run = ask(office, "/api/sentinel-runs", kind="full").json()
    assert (run["checks"], run["failed"], run["verdict"]) == (len(CHECKS), 0, "broken")
    rows = office.ask("GET", "/api/alerts?state=open").json()["data"]
    return next(one for one in rows if one["code"] == code)


def test_an_imbalance_is_found_answered_mended_and_closed(office: Office):
    office.fund("suspense", 500)
    by_a_superuser(office, FAULT)
    alert = found(office, "LEDGER_UNBALANCED")
    [run] = [one for one in office.ask("GET", "/api/sentinel-runs").json()["data"] if one["kind"] == "full"]
    shown = office.ask("GET", f"/api/sentinel-runs/{run['id']}").json()
    assert {one["outcome"] for one in shown["answers"]} == {"holds", "broken"}
    checks = {one["code"]: one for one in office.ask("GET", "/api/admin/checks").json()["data"]}
    assert (checks["LEDGER_UNBALANCED"]["outcome"], checks["LEDGER_UNBALANCED"]["playbook"]["owner"]) == ("broken", "engineering")
    path = f"/api/alerts/{alert['id']}"
    assert office.ask("GET", path).json()["allowed"] == ["ack", "resolve", "accept", "snooze", "assign"]
    until = (now() + timedelta(days=1)).isoformat()
    assert ask(office, f"{path}/snooze", until=until).json()["state"] == "open"
    assert ask(office, f"{path}/assign", owner="olga").json()["state"] == "open"
    assert ask(office, f"{path}/ack").json()["state"] == "acknowledged"
    assert ask(office, f"{path}/reopen", reason="not mine").json()["state"] == "open"
    ops = f"/api/admin/ops/alerts/{alert['id']}"
    assert ask(office, f"{ops}/ack").json()["state"] == "acknowledged"
    refused = ask(office, f"{ops}/resolve")
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/FaultStands")
    [incident] = [one for one in office.ask("GET", "/api/incidents").json()["data"] if one["level"] == "P0"]
    by_a_superuser(office, MENDED)
    assert ask(office, f"{path}/resolve", reason="the edit was taken back").json()["state"] == "resolved"
    closed(office, incident["id"])


def closed(office: Office, incident: str) -> None:
    """From the answer to the end, the brake let go by two people."""
    path = f"/api/incidents/{incident}"
    assert ask(office, f"{path}/respond", reason="on it").json()["state"] == "responding"
    assert ask(office, f"{path}/close", reason="done").json()["type"] == "/problems/IncidentStands"
    asked = ask(office, "/api/admin/queue/settle/resume", programId=PROGRAM, reason="verified")
    assert (asked.status_code, asked.json()["paused"]) == (202, True), "what the machine stopped takes two"
    body = {"payloadSha256": asked.json()["payloadSha256"], "reason": "seen"}
    done = office.ask("POST", f"/api/approvals/{asked.json()['proposalId']}/approve", role="approver", key=fresh(), json=body)
    assert done.json()["state"] == "done"
    assert ask(office, f"{path}/write", text="A superuser edited an account.").json()["state"] == "responding"
    assert office.ask("GET", path).json()["allowed"] == ["write", "close"]
    assert ask(office, f"{path}/close", reason="verified").json()["state"] == "closed"
    document = office.ask("GET", f"{path}/post-mortem")
    assert document.headers["content-type"].startswith("text/markdown")
    assert "A superuser edited an account." in document.text


def test_an_alert_is_accepted_for_a_time_and_resolved_by_the_address_of_the_runbook(office: Office):
    office.fund("suspense", 500)
    by_a_superuser(office, FAULT)
    alert = found(office, "LEDGER_UNBALANCED")
    until = (now() + timedelta(days=30)).isoformat()
    assert ask(office, f"/api/alerts/{alert['id']}/accept", until=until, reason="known").json()["state"] == "accepted"
    by_a_superuser(office, MENDED)
    assert ask(office, f"/api/admin/ops/alerts/{alert['id']}/resolve").json()["state"] == "resolved"


def test_an_outside_cron_runs_the_sentinel_by_its_name(office: Office):
    first = office.ask("POST", "/api/admin/ops/run/sentinel", role="operator", key=fresh()).json()
    assert (first["handled"], first["failed"]) == (len(CHECKS), 0), "of everything, for nobody has yet"
    second = office.ask("POST", "/api/admin/ops/run/sentinel", role="operator", key=fresh()).json()
    assert 0 < second["handled"] < first["handled"], "of what is new"
