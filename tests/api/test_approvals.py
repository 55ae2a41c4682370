"""Two people over HTTP and on the command line: one logs in and proposes, another logs in and approves."""

from __future__ import annotations

from typing import Any

import pytest

from counterfoil.base.edge import entropy, now
from counterfoil.base.encryption.key_file import new_key
from counterfoil.base.encryption.keys import EncryptionKeys, parse_keys
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import NewPosting, post
from tests.api.office import Office, fresh
from tests.base.dumps import dumped, in_clear
from tests.conftest import ENCRYPTION_KEY
from tests.operations.providers.how import NEEDS_BANK_FILES
from tests.people import log_in_as, past_the_guard
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
    role = {"role": "operator", **WHY}
    granted = office.by_two(f"/api/people/{added['id']}/roles", role, role="administrator", checker="second administrator")
    assert granted.json()["roles"] == ["operator"]
    conflict = say(office, f"/api/people/{added['id']}/roles", {"role": "approver"}, role="administrator")
    assert (conflict.status_code, conflict.json()["type"]) == (409, "/problems/RoleConflict")
    first = {"name": "anna", "password": added["once"]}
    refused = office.ask("POST", "/api/logins", role=None, json=first)
    assert (refused.status_code, refused.json()["type"]) == (401, "/problems/PasswordNeeded")
    chosen = office.ask("POST", "/api/logins", role=None, json={**first, "newPassword": PASSWORD})
    assert (chosen.status_code, chosen.json()["roles"]) == (201, ["operator"])
    office.keys["anna"] = office.ask("POST", "/api/logins", role=None, json={"name": "anna", "password": PASSWORD}).json()["token"]
    assert office.ask("GET", "/api/payouts", role="anna").status_code == 200
    assert office.ask("POST", "/api/logins/end", role="anna", key=fresh()).status_code == 200
    assert office.ask("GET", "/api/payouts", role="anna").json()["type"] == "/problems/SessionOver"
    for name, password in (("anna", "x" * 12), ("nobody", PASSWORD)):
        wrong = office.ask("POST", "/api/logins", role=None, json={"name": name, "password": password})
        assert (wrong.status_code, wrong.json()["type"]) == (401, "/problems/LoginRefused")


def test_a_role_that_is_revoked_ends_at_once_and_is_not_taken_twice(office: Office):
    people = {one["name"]: one["id"] for one in office.ask("GET", "/api/people", role="auditor").json()["data"]}
    assert office.ask("GET", "/api/payouts", role="approver").status_code == 200
    revoke = f"/api/people/{people['vera']}/roles/revoke"
    done = say(office, revoke, {"role": "approver", "reason": "she left the desk"}, role="administrator")
    assert (done.status_code, done.json()["roles"], done.json()["disabledAt"]) == (200, [], None)
    assert office.ask("GET", "/api/payouts", role="approver").status_code == 403
    assert say(office, revoke, {"role": "approver"}, role="administrator").status_code == 404


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


DESTINATION = {"programId": "main", "payeeId": "bolt", "token": "acct_bolt_0001"}


def test_a_destination_takes_two_people_and_its_token_lies_in_no_proposal(office: Office):
    first = office.ask("POST", "/api/destinations", role="administrator", key=fresh(), json=DESTINATION)
    assert first.status_code == 202
    assert office.ask("GET", "/api/destinations").json()["data"] == []
    (one,) = waiting(office)
    assert DESTINATION["token"] not in str(one)
    assert say(office, "/api/destinations", DESTINATION, role="administrator").status_code in (409, 422)
    body = {"payloadSha256": one["payloadSha256"]}
    assert say(office, f"/api/approvals/{one['id']}/approve", body, role="approver").json()["state"] == "approved"
    other = {**DESTINATION, "token": "acct_evil_0001"}
    assert office.ask("POST", "/api/destinations", role="administrator", key=fresh(), json=other).status_code == 202
    done = office.ask("POST", "/api/destinations", role="administrator", key=fresh(), json=DESTINATION)
    assert (done.status_code, done.json()["tokenHint"]) == (201, "0001")
    again = office.ask("POST", "/api/destinations", role="administrator", key=fresh(), json=DESTINATION)
    assert again.status_code == 202, "an approval is used once"


def test_the_same_request_is_known_again_by_a_process_that_encrypts_with_another_key(office: Office):
    key = fresh()
    first = office.ask("POST", "/api/destinations", role="administrator", key=key, json=DESTINATION)
    office.wiring.database.keys = EncryptionKeys(parse_keys(f"{new_key(entropy)},{ENCRYPTION_KEY}"), entropy)
    again = office.ask("POST", "/api/destinations", role="administrator", key=key, json=DESTINATION)
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    other = office.ask("POST", "/api/destinations", role="administrator", key=key, json={**DESTINATION, "token": "acct_evil_0001"})
    assert other.json()["type"] == "/problems/KeyReused"


def test_a_bank_account_is_checked_field_by_field_before_anybody_approves_it(office: Office):
    pytest.importorskip("schwifty", reason=NEEDS_BANK_FILES)
    account = {"holder": "Bolt GmbH", "iban": "DE89370400440532013000", "bic": "COBADEFFXX"}
    body = {"programId": "main", "payeeId": "bolt", "bankAccount": account}
    refused = office.ask("POST", "/api/destinations", role="administrator", key=fresh(), json=body)
    assert (refused.status_code, refused.json()["field"]) == (422, "bic")
    right = {**body, "bankAccount": {**account, "bic": "COBADEFFXXX"}}
    done = office.by_two("/api/destinations", right, role="administrator")
    assert (done.status_code, done.json()["tokenHint"]) == (201, "3000")
    assert in_clear(dumped(office.wiring.database.url), account["iban"], "Bolt GmbH", "COBADEFFXXX") == []


def test_what_gives_power_takes_two_administrators(office: Office):
    key = {"name": "billing", "role": "operator"}
    assert office.ask("POST", "/api/keys", role="administrator", key=fresh(), json=key).status_code == 202
    (one,) = waiting(office)
    path, body = f"/api/approvals/{one['id']}/approve", {"payloadSha256": one["payloadSha256"]}
    assert say(office, path, body, role="approver").status_code == 403, "an approver is no administrator"
    assert say(office, path, body, role="second administrator").json()["state"] == "approved"
    stolen = office.ask("POST", "/api/keys", role="second administrator", key=fresh(), json=key)
    assert stolen.json()["type"] == "/problems/ProposalStands", "the key is for whoever proposed it"
    made = office.ask("POST", "/api/keys", role="administrator", key=fresh(), json=key)
    assert (made.status_code, bool(made.json()["secret"])) == (201, True)


def test_a_journal_by_hand_takes_two_people_and_a_service_posts_alone(office: Office):
    office.fund("suspense", 100)
    body = {
        "programId": "main",
        "asset": "EUR",
        "key": fresh("k"),
        "reason": "a correction",
        "lines": [{"debit": "suspense", "credit": "cash:bank:own", "amount": "1"}],
    }
    with past_the_guard(office.database.url) as conn:
        office.keys["ruth"] = log_in_as(conn, "ruth", "controller")[1]
    done = office.by_two("/api/finance/journal", body, role="ruth")
    assert done.status_code == 201, done.text
    service = office.ask("POST", "/api/finance/journal", role="controller", key=fresh(), json={**body, "key": fresh("k")})
    assert service.status_code == 201


def test_a_journal_of_the_product_is_reversed_by_two_people_whoever_asks(office: Office):
    with office.database.transaction() as conn:
        open_accounts(conn, "main", ["cash:bank:own", "suspense"], asset="EUR", actor="t", now=now())
        lines = [NewPosting("cash:bank:own", "suspense", 5)]
        made = post(conn, "main", key="k", kind="t", lines=lines, asset="EUR", actor="system:worker", now=now()).journal_id
    body = {"reason": "it was wrong"}
    done = office.by_two(f"/api/journals/{made}/reverse", body, role="controller")
    assert done.status_code == 201, done.text


def test_people_and_keys_are_listed_page_by_page_to_the_last(office: Office):
    for number in range(6):
        assert say(office, "/api/people", {"name": f"helper number {number:03}"}, role="administrator").status_code == 201
    for path in ("/api/people", "/api/keys"):
        seen: list[str] = []
        cursor = None
        while cursor is not None or not seen:
            params = {"limit": 2, **({"cursor": cursor} if cursor else {})}
            page = office.ask("GET", path, role="administrator", params=params).json()
            seen += [one["id"] for one in page["data"]]
            cursor = page["nextCursor"]
        whole = [one["id"] for one in office.ask("GET", path, role="administrator", params={"limit": 500}).json()["data"]]
        assert (seen, len(seen) > 4, seen) == (whole, True, sorted(seen, reverse=True))
