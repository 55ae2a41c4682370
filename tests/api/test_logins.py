"""Logins over HTTP: with a second factor, listed and ended; a reset by two administrators; and who is let in after failures."""

from __future__ import annotations

from typing import Any

import pyotp
import pytest

from counterfoil.base.edge import entropy, make_id, now
from counterfoil.operations.access import logins, second_factor
from counterfoil.operations.access.access import SessionRules
from counterfoil.operations.access.passwords import SALT_BYTES
from tests.api.office import Office, fresh
from tests.people import codes_of_two_steps, log_in_as, past_the_guard

PASSWORD = "correct horse battery"


def a_person(office: Office, *roles: str) -> str:
    name = fresh("person")
    with past_the_guard(office.database.url) as conn:
        caller, _ = log_in_as(conn, name, *roles)
        conn.execute("update session set expires_at = created_at where id = %s", [caller.session_id])
        logins.set_password(conn, caller.principal_id, PASSWORD, entropy(SALT_BYTES), now=now())
    return name


def id_of(office: Office, name: str) -> str:
    with office.database.transaction(read_only=True) as conn:
        row = conn.execute("select id from principal where name = %s", [name]).fetchone()
    assert row is not None
    return str(row[0])


def a_factor(office: Office, name: str) -> tuple[pyotp.TOTP, tuple[str, ...]]:
    """Added a while ago, so that the code of this moment was not used."""
    who, factor_id = id_of(office, name), make_id("fac")
    with office.database.transaction() as conn:
        made = second_factor.begin_factor(conn, factor_id, who, name, entropy(20), now=now())
        conn.execute("update second_factor set confirmed_at = made_at where id = %s", [factor_id])
    return pyotp.TOTP(made.secret), ()


def log_in(office: Office, name: str, **more: str) -> dict[str, Any]:
    answer = office.ask("POST", "/api/logins", role=None, json={"name": name, "password": PASSWORD, **more})
    return {"status": answer.status_code, **answer.json()}


def as_token(token: str) -> dict[str, Any]:
    return {"role": None, "headers": {"Authorization": f"Bearer {token}"}}


def test_a_login_with_a_second_factor_needs_its_code(office: Office):
    name = a_person(office, "viewer")
    codes, _ = a_factor(office, name)
    assert log_in(office, name)["type"] == "/problems/CodeNeeded"
    assert log_in(office, name, code="000000")["type"] == "/problems/CodeRefused"
    code = codes.now()
    assert log_in(office, name, code=code)["status"] == 201
    assert log_in(office, name, code=code)["type"] == "/problems/CodeUsed"


def test_a_code_given_again_makes_another_token_and_the_old_one_opens_nothing(office: Office):
    name = a_person(office, "viewer")
    codes, _ = a_factor(office, name)
    code, following = codes_of_two_steps(codes)
    token = log_in(office, name, code=code)["token"]
    done = office.ask("POST", "/api/logins/confirm", json={"code": following}, **as_token(token))
    assert done.status_code == 200, done.text
    assert office.ask("GET", "/api/logins", **as_token(token)).status_code == 401
    (one,) = office.ask("GET", "/api/logins", **as_token(done.json()["token"])).json()["data"]
    assert one["factorUntil"] > now().isoformat()
    refused = office.ask("POST", "/api/logins/confirm", json={"code": "000000"}, role="viewer")
    assert refused.status_code == 422, "a key has no second factor"


def test_where_everybody_needs_a_second_factor_a_login_without_one_ends_itself_and_does_nothing_else(office: Office):
    name, at = a_person(office, "viewer"), now()
    with office.database.transaction() as conn:
        known = logins.check_login(conn, name, PASSWORD, now=at)
        needs = SessionRules(needs_factor=True)
        _, token = logins.log_in(conn, make_id("ses"), entropy(25), known, now=at, rules=needs)
    for method, path in (("GET", "/api/payouts"), ("GET", "/api/logins"), ("POST", "/api/logins/confirm")):
        refused = office.ask(method, path, **as_token(token), **({"json": {"code": "000000"}} if method == "POST" else {}))
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/SecondFactorFirst"), path
    assert office.ask("POST", "/api/logins/end", **as_token(token)).status_code == 200


def test_ones_own_sessions_are_listed_and_ended(office: Office):
    name = a_person(office, "viewer")
    one, other = log_in(office, name)["token"], log_in(office, name)["token"]
    found = office.ask("GET", "/api/logins", **as_token(one)).json()["data"]
    assert len(found) == 2
    done = office.ask("POST", f"/api/logins/{found[0]['id']}/end", **as_token(one))
    assert done.status_code == 200, done.text
    assert office.ask("GET", "/api/logins", **as_token(other)).status_code == 401
    stranger = log_in(office, a_person(office, "viewer"))["token"]
    assert office.ask("POST", f"/api/logins/{found[1]['id']}/end", **as_token(stranger)).status_code == 404


def test_an_administrator_sees_and_ends_the_sessions_of_a_person(office: Office):
    name = a_person(office, "viewer")
    token = log_in(office, name)["token"]
    path = f"/api/people/{id_of(office, name)}/logins"
    assert len(office.ask("GET", path, role="auditor").json()["data"]) == 1
    done = office.ask("POST", f"{path}/end", role="administrator", json={"reason": "left"})
    assert (done.status_code, done.json()["ended"]) == (200, 1)
    assert office.ask("GET", "/api/logins", **as_token(token)).status_code == 401


def test_a_reset_takes_two_administrators_and_ends_what_was(office: Office):
    name = a_person(office, "viewer")
    a_factor(office, name)
    who = id_of(office, name)
    done = office.by_two(f"/api/people/{who}/reset", {"reason": "lost"}, role="administrator", checker="second administrator")
    assert done.status_code == 200, done.text
    assert log_in(office, name)["type"] == "/problems/LoginRefused"
    body = {"name": name, "password": done.json()["once"], "newPassword": "another long password"}
    answer = office.ask("POST", "/api/logins", role=None, json=body)
    assert answer.status_code == 201, answer.text
    kinds = {
        one["kind"] for one in office.ask("GET", "/api/access", role="auditor").json()["data"] if one["name"] in (name, "administrator")
    }
    assert {"password_reset", "password_changed", "login"} <= kinds


@pytest.mark.parametrize("name", ["nobody", "mira"])
def test_what_somebody_who_has_no_login_is_told_is_the_same_for_every_name(office: Office, name: str):
    answer = log_in(office, name)
    assert (answer["status"], answer["type"]) == (401, "/problems/LoginRefused")


def test_a_subject_of_the_provider_is_linked_by_two_administrators_and_unlinked(office: Office):
    name = a_person(office, "viewer")
    path = f"/api/people/{id_of(office, name)}/subjects"
    body = {"issuer": "https://login.example", "subject": fresh("sub"), "reason": "her account there"}
    done = office.by_two(path, body, role="administrator", checker="second administrator")
    assert (done.status_code, done.json()["subject"]) == (201, body["subject"])
    taken = office.ask("POST", path, role="administrator", json=body)
    assert (taken.status_code, taken.json()["type"]) == (409, "/problems/SubjectTaken")
    assert (taken.json()["person"], taken.json()["link"]) == (name, done.json()["id"]), "whose it is"
    token = log_in(office, name)["token"]
    end = f"{path}/{done.json()['id']}/end"
    assert office.ask("POST", end, role="administrator", json={"reason": "left"}).status_code == 200
    assert office.ask("GET", "/api/logins", **as_token(token)).status_code == 401
    (one,) = office.ask("GET", path, role="auditor").json()["data"]
    assert one["endedAt"] is not None
    assert office.ask("POST", end, role="administrator", json={"reason": "left"}).status_code == 404


def test_who_was_announced_as_an_administrator_is_listed_and_stopped_by_whoever_reads_the_records(office: Office):
    with office.database.transaction() as conn:
        conn.execute(
            """insert into second_administrator (id, principal_id, reason, announced_by, announced_at, begins_at, lapses_at)
               values (%(id)s, %(who)s, 'noah left', 'local:anna', now(), now() + interval '72 hours', now() + interval '240 hours')""",
            {"id": (made := make_id("adm")), "who": id_of(office, a_person(office))},
        )
    (one,) = [each for each in office.ask("GET", "/api/people/seconds", role="viewer").json()["data"] if each["id"] == made]
    assert (one["state"], one["announcedBy"], one["stoppedAt"]) == ("announced", "local:anna", None)
    path = f"/api/people/seconds/{made}/stop"
    assert office.ask("POST", path, role="operator", json={"reason": "x"}).status_code == 403
    done = office.ask("POST", path, role="auditor", json={"reason": "nobody knows them"})
    assert (done.status_code, done.json()["state"], done.json()["stopReason"]) == (200, "stopped", "nobody knows them")
    again = office.ask("POST", path, role="auditor", json={"reason": "again"})
    assert (again.status_code, again.json()["type"], again.json()["ended"]) == (409, "/problems/AnnouncementOver", "stopped")
