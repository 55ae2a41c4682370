"""Two people over HTTP and on the command line: one logs in and proposes, another logs in and approves."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.base.edge import now
from tests.api.office import Office, fresh
from tests.reconciliation.breaks.builders import NOW, a_break, a_run, an_open_program, still_true, the_cases

WHY = {"reason": "because the bank says so"}
PASSWORD = "a password of many words"


@pytest.fixture
def break_id(office: Office) -> str:
    today = now()
    with office.database.transaction() as conn:
        an_open_program(conn)
        a_run(conn, [a_break(theirs=995_00)], at=today, first=NOW.date(), last=today.date())
        found = the_cases(conn)[0].id
    for verb in ("investigate", "write-off"):
        assert say(office, f"/api/breaks/{found}/{verb}", role="controller").status_code < 300
    return found


def say(office: Office, path: str, body: dict[str, Any] | None = None, **more: Any) -> Any:
    return office.ask("POST", path, key=fresh(), json={**WHY, **(body or {})}, **more)


def waiting(office: Office) -> list[dict[str, Any]]:
    return office.ask("GET", "/api/approvals").json()["data"]


def test_a_proposal_is_listed_and_approving_it_does_it(office: Office, break_id: str):
    (one,) = waiting(office)
    assert (one["machine"], one["verb"], one["subjectId"], one["state"]) == ("break", "write_off", break_id, "proposed")
    path, body = f"/api/approvals/{one['id']}/approve", {"payloadSha256": one["payloadSha256"]}
    for role in ("controller", "second administrator", "viewer"):
        assert say(office, path, body, role=role).status_code == 403
    assert say(office, path, {"payloadSha256": "0" * 64}, role="approver").status_code == 409
    dry = say(office, path, body, role="approver", headers={"Dry-Run": "true"}).json()
    assert (dry["state"], dry["dryRun"], len(waiting(office))) == ("done", True, 1)
    done = say(office, path, body, role="approver").json()
    assert (done["state"], done["checker"]) == ("done", "person:vera")
    assert office.ask("GET", f"/api/journals/{done['resultId']}").json()["sourceId"] == break_id
    assert office.ask("GET", f"/api/breaks/{break_id}").json()["state"] == "written_off"
    assert waiting(office) == []
    with office.database.transaction() as conn:
        still_true(conn)


def test_a_rejection_puts_the_break_back(office: Office, break_id: str):
    (one,) = waiting(office)
    assert say(office, f"/api/approvals/{one['id']}/reject", role="approver").json()["state"] == "rejected"
    assert office.ask("GET", f"/api/breaks/{break_id}").json()["state"] == "investigating"
    assert office.ask("GET", f"/api/approvals/{one['id']}").json()["decisionReason"] == WHY["reason"]
    with office.database.transaction() as conn:
        still_true(conn)


def test_a_person_is_added_chooses_a_password_logs_in_and_out(office: Office):
    added = say(office, "/api/people", {"name": "anna"}, role="administrator").json()
    assert say(office, "/api/people", {"name": "аnnа"}, role="administrator").json()["type"] == "/problems/NameTaken"
    granted = say(office, f"/api/people/{added['id']}/roles", {"role": "operator"}, role="administrator")
    assert granted.json()["roles"] == ["operator"]
    conflict = say(office, f"/api/people/{added['id']}/roles", {"role": "approver"}, role="administrator")
    assert (conflict.status_code, conflict.json()["type"]) == (409, "/problems/RoleConflict")
    first = {"name": "anna", "password": added["once"]}
    refused = office.ask("POST", "/api/logins", role=None, json=first)
    assert (refused.status_code, refused.json()["type"]) == (401, "/problems/PasswordNeeded")
    chosen = office.ask("POST", "/api/logins", role=None, json={**first, "newPassword": PASSWORD})
    assert (chosen.status_code, chosen.json()["roles"]) == (201, ["operator"])
    office.keys["anna"] = office.ask(
        "POST", "/api/logins", role=None, json={"name": "anna", "password": PASSWORD}
    ).json()["token"]
    assert office.ask("GET", "/api/payouts", role="anna").status_code == 200
    assert office.ask("POST", "/api/logins/end", role="anna", key=fresh()).status_code == 200
    assert office.ask("GET", "/api/payouts", role="anna").json()["type"] == "/problems/SessionOver"
    for name, password in (("anna", "x" * 12), ("nobody", PASSWORD)):
        wrong = office.ask("POST", "/api/logins", role=None, json={"name": name, "password": password})
        assert (wrong.status_code, wrong.json()["type"]) == (401, "/problems/LoginRefused")


def test_a_password_is_stored_and_shown_nowhere(office: Office):
    added = say(office, "/api/people", {"name": "anna"}, role="administrator").json()
    body = {"name": "anna", "password": added["once"], "newPassword": PASSWORD}
    token = office.ask("POST", "/api/logins", role=None, json=body).json()["token"]
    with office.database.transaction() as conn:
        for table in ("action", "idempotency", "password", "session", "principal"):
            for secret in (PASSWORD, added["once"], token):
                assert not conn.execute(f"select 1 from {table} t where t::text like %s", [f"%{secret}%"]).fetchone()


def test_whoever_is_ended_opens_nothing_and_the_last_administrator_stays(office: Office):
    people = office.ask("GET", "/api/people", role="auditor").json()["data"]
    vera = next(one for one in people if one["name"] == "vera")
    assert say(office, f"/api/people/{vera['id']}/end", role="administrator").json()["disabledAt"]
    assert office.ask("GET", "/api/payouts", role="approver").status_code == 401
    ends = [one for one in people if one["name"] in ("karl", "administrator")]
    assert say(office, f"/api/people/{ends[0]['id']}/end", role="administrator").status_code == 200
    last = say(office, f"/api/people/{ends[1]['id']}/end", role="administrator")
    assert last.status_code in (401, 409)  # whoever ended themself may no more; the other may not be the last
