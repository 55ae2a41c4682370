"""Rights that end while they are used: in the middle of a body, between two clicks, in two places at once. Each is a race that was won
against us once, or could be; here the other side is always the faster one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx2
import psycopg
import pyotp
import pytest

from counterfoil.api.http import calls, doorman
from counterfoil.base.edge import Database, entropy, make_id, now
from counterfoil.operations.access import access, logins, principals, second_factor, sessions
from counterfoil.operations.access.passwords import SALT_BYTES
from tests.api.office import PROGRAM, Office, fresh, opened, usage_csv
from tests.people import log_in_as, past_the_guard

PASSWORD: Final = "correct horse battery"
AT_ONCE: Final = 8
REMEMBERED_S: Final = 0.05
End = Callable[[Office, "Holder"], None]


@pytest.fixture
def office(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Office]:
    """Who holds a key is remembered for a fortieth of the time."""
    for module in (calls, doorman):
        monkeypatch.setattr(module, "KEY_REMEMBERED_S", REMEMBERED_S)
    with opened(database) as found:
        yield found


class Holder:
    """Somebody with a login, and what opens it."""

    def __init__(self, office: Office, *roles: str) -> None:
        self.name = fresh("person")
        with past_the_guard(office.database.url) as conn:
            caller, self.token = log_in_as(conn, self.name, *roles)
            logins.set_password(conn, caller.principal_id, PASSWORD, entropy(SALT_BYTES), now=now())
        self.id, self.session_id = caller.principal_id, caller.session_id or ""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Idempotency-Key": fresh()}


def role_taken(office: Office, holder: Holder) -> None:
    with office.database.transaction() as conn:
        logins.revoke_role(conn, holder.id, "operator", by="test", now=now())


def login_ended(office: Office, holder: Holder) -> None:
    with office.database.transaction() as conn:
        sessions.end_session(conn, holder.id, holder.session_id, now=now())


def person_ended(office: Office, holder: Holder) -> None:
    with office.database.transaction() as conn:
        principals.end_principal(conn, holder.id, now=now())


def nothing(_: Office, __: Holder) -> None:
    """Else the refusals would prove nothing."""


ENDS: Final[dict[str, tuple[End, int, str]]] = {
    "their role is taken": (role_taken, 403, "RightsChanged"),
    "their login is ended": (login_ended, 401, "SessionOver"),
    "they are ended": (person_ended, 401, "SessionOver"),
    "nothing happens": (nothing, 201, ""),
}
BODIES: Final[dict[str, tuple[str, dict[str, str], bytes]]] = {
    "a file": ("/api/usage", {"programId": PROGRAM, "fileName": "u.csv"}, usage_csv(2)),
    "a form in JSON": ("/api/invoices/issue", {}, b'{"programId": "main"}'),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("ended", ENDS)
def test_whoever_may_not_any_more_when_the_body_is_whole_did_nothing(office: Office, ended: str, body: str) -> None:
    """They send the first half while they may, and the other half when they know that they are found out."""
    end, status, kind = ENDS[ended]
    path, params, sent = BODIES[body]
    if body != "a file":
        office.ask("POST", "/api/usage", role="operator", key=fresh(), content=usage_csv(1), params=BODIES["a file"][1])
    holder = Holder(office, "operator")
    before = state_of(office)

    def halves() -> Iterator[bytes]:
        yield sent[:5]
        threading.Event().wait(REMEMBERED_S * 4)  # the beginning is read, and they are let in
        end(office, holder)
        yield sent[5:]

    headers = {**holder.headers, "Content-Type": "application/json" if body != "a file" else "application/octet-stream"}
    answer = office.ask("POST", path, role=None, headers=headers, content=halves(), params=params)
    assert (answer.status_code, answer.json().get("type", "").removeprefix("/problems/")) == (status, kind), answer.text
    assert (state_of(office) == before) == (status != 201)


def test_a_key_that_is_revoked_while_its_body_comes_is_refused_and_the_refusal_is_recorded(office: Office) -> None:
    def halves() -> Iterator[bytes]:
        yield usage_csv(1)[:9]
        threading.Event().wait(REMEMBERED_S * 4)
        with office.database.transaction() as conn:
            access.revoke_key(conn, office.key_ids["operator"], now=now())
        yield usage_csv(1)[9:]

    params = BODIES["a file"][1]
    answer = office.ask("POST", "/api/usage", role="operator", key=fresh(), content=halves(), params=params)
    assert (answer.status_code, answer.json()["type"]) == (401, "/problems/KeyRefused")
    with office.database.transaction(read_only=True) as conn:
        assert conn.execute("select count(*) from usage_record").fetchone() == (0,)
        assert conn.execute("select count(*) from access_event where kind = 'key_refused'").fetchone() == (1,)


def state_of(office: Office) -> tuple[Any, ...]:
    with office.database.transaction(read_only=True) as conn:
        return tuple(conn.execute("select (select count(*) from usage_record), (select count(*) from invoice)").fetchone() or ())


def test_an_approval_by_somebody_whose_role_was_just_taken_approves_nothing(office: Office) -> None:
    """The process remembers them as an approver, for it has just let them in; the database does not."""
    holder = Holder(office, "approver")
    for verb in ("pause", "resume"):
        proposed = office.ask("POST", f"/api/admin/queue/send/{verb}", role="operator", key=fresh(), json={"reason": "the bank"})
    assert proposed.status_code == 202, proposed.text
    one = proposed.json()
    assert office.ask("GET", f"/api/approvals/{one['proposalId']}", role=None, headers=holder.headers).status_code == 200
    with office.database.transaction() as conn:
        logins.revoke_role(conn, holder.id, "approver", by="test", now=now())
    decision = {"payloadSha256": one["payloadSha256"], "reason": "seen"}
    refused = office.ask("POST", f"/api/approvals/{one['proposalId']}/approve", role=None, headers=holder.headers, json=decision)
    assert refused.status_code == 403, refused.text
    assert refused.json()["type"].removeprefix("/problems/") in ("ApproverNeeded", "NotAllowed")
    assert office.ask("GET", f"/api/approvals/{one['proposalId']}").json()["state"] == "proposed"


def test_a_password_that_is_reset_while_somebody_logs_in_with_it_opens_nothing(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stole it tries all the time, so one of their tries is under way when it is reset."""
    holder = Holder(office, "viewer")
    judge = logins.judge_password

    def judged(*given: Any, **more: Any) -> logins.PersonKnown:
        known = judge(*given, **more)
        with office.database.transaction() as conn:
            logins.reset_person(conn, holder.id, entropy(access.SECRET_BYTES), now=now())
        return known

    monkeypatch.setattr(logins, "judge_password", judged)
    told = office.ask("POST", "/api/logins", role=None, json={"name": holder.name, "password": PASSWORD})
    assert (told.status_code, told.json()["type"]) == (401, "/problems/LoginRefused")
    with office.database.transaction(read_only=True) as conn:
        assert sessions.open_sessions(conn, holder.id, now=now()) == []


def test_a_login_that_is_renewed_while_all_of_them_are_ended_ends_with_them(office: Office) -> None:
    holder = Holder(office, "viewer")
    caller = access.Caller("", holder.name, "viewer", holder.id, holder.session_id, is_person=True)
    ended = threading.Event()

    def end_all() -> None:
        with psycopg.connect(office.database.url) as conn:
            sessions.end_other_sessions(conn, holder.id, but=None, now=now())
        ended.set()

    with psycopg.connect(office.database.url) as conn:
        rules = access.DEFAULT_RULES
        sessions.renew_session(conn, caller, make_id("ses"), "another", None, now=now(), rules=rules)
        other = threading.Thread(target=end_all)
        other.start()
        assert not ended.wait(0.3), "it waits for what is under way"
        conn.commit()
        other.join(10)
    with office.database.transaction(read_only=True) as conn:
        assert sessions.open_sessions(conn, holder.id, now=now()) == []


def test_one_code_given_in_eight_places_at_once_opens_one(office: Office) -> None:
    holder = Holder(office, "approver")
    with office.database.transaction() as conn:
        made = second_factor.begin_factor(conn, factor := make_id("fac"), holder.id, holder.name, entropy(20), now=now())
        conn.execute("update second_factor set confirmed_at = made_at where id = %s", [factor])
    code = pyotp.TOTP(made.secret).now()

    def log_in(_: int) -> httpx2.Response:
        return office.ask("POST", "/api/logins", role=None, json={"name": holder.name, "password": PASSWORD, "code": code})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        told = [one.status_code for one in pool.map(log_in, range(AT_ONCE))]
    assert told.count(201) == 1, told


def test_of_two_administrators_who_take_each_others_role_at_once_one_stays(database: Database) -> None:
    with past_the_guard(database.url) as conn:
        two = [log_in_as(conn, name, "administrator")[0].principal_id for name in ("mira", "noah")]
    start = threading.Barrier(2)

    def take(principal_id: str) -> str:
        with psycopg.connect(database.url) as conn:
            start.wait(10)
            try:
                logins.revoke_role(conn, principal_id, "administrator", by="test", now=now())
                conn.commit()
            except psycopg.Error as refused:
                return refused.sqlstate or ""
        return "done"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(take, two)) == ["CF352", "done"]
