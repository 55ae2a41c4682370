"""Forged and replayed sessions, forms, codes and keys, over a real socket: what each is told, and that nothing changed by it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import httpx2
import pytest

from counterfoil.base.edge import entropy, make_id
from counterfoil.base.ids import ALPHABET
from counterfoil.dashboard.web.driver import look_digest
from counterfoil.operations.access import access, logins
from counterfoil.operations.access.principals import end_principal
from tests.api.office import PROGRAM, fresh, usage_csv
from tests.conftest import a_database
from tests.hostile.house import COOKIE, PAGE, PASSWORD, House, a_house
from tests.people import log_in_as, past_the_guard

OTHER: Final = "another long password"
LOOKED_AT: Final = look_digest("queue.pause", {"queue": "webhooks", "provider": "", "program_id": ""})
QUEUE: Final = {
    "act": "pause",
    "queue": "webhooks",
    "reason": "because",
    "confirm": "yes",
    "key": f"key_01KA0000000000000000000001.{LOOKED_AT}",
}
ENDED, NOBODY, NOT_OURS = (401, "SessionEnded"), (401, "NotLoggedIn"), (403, "FormNotOurs")


@pytest.fixture(scope="module")
def house(server: Any) -> Iterator[House]:
    with a_database(server) as database, a_house(database) as made:
        made.a_person("mira")
        yield made


@pytest.fixture(autouse=True)
def later(house: House) -> None:
    """Nobody waits for what failed in the test before, and no code of it comes again."""
    house.at.advance(minutes=6)


class Stolen(NamedTuple):
    """What a browser sends: a cookie, and the token of a form. `way`: how the form is sent, if not as a page sends it."""

    cookie: str | None
    csrf: str
    way: Mapping[str, Any] = MappingProxyType({})


def own(house: House, **way: Any) -> Stolen:
    return Stolen(*house.log_in(), way)


def logged_out(house: House) -> Stolen:
    token, csrf = house.log_in()
    assert house.form("/logout", token, csrf).status_code == 303
    return Stolen(token, csrf)


def ended_elsewhere(house: House) -> Stolen:
    one, other = house.log_in(), house.log_in()
    assert house.form("/account/sessions/end", *other, password=PASSWORD).status_code == 303
    return Stolen(*one)


def ended_by_an_administrator(house: House) -> Stolen:
    found = Stolen(*house.log_in())
    with house.database.transaction() as conn:
        conn.execute("update session set expires_at = least(expires_at, %s) where secret_hash = %s", [house.at.now, kept_of(found.cookie)])
    return found


def renewed(house: House) -> Stolen:
    codes = house.with_factor("rosa")
    found = Stolen(*house.log_in("rosa", code=codes.at(house.at.now)))
    house.at.advance(minutes=1)
    assert house.form("/account/confirm", found.cookie or "", found.csrf, code=codes.at(house.at.now)).status_code == 303
    return found


def before_the_password_changed(house: House) -> Stolen:
    one, other = house.log_in("paul"), house.log_in("paul")
    assert house.form("/account/password", *other, password=PASSWORD, new=OTHER, again=OTHER).status_code == 303
    return Stolen(*one)


def the_one_that_changed_the_password(house: House) -> Stolen:
    found = house.log_in("petra")
    assert house.form("/account/password", *found, password=PASSWORD, new=OTHER, again=OTHER).status_code == 303
    return Stolen(*found)


def before_a_second_factor(house: House) -> Stolen:
    found = house.log_in("sven")
    house.with_factor("sven")
    return Stolen(*found)


def before_another_login(house: House) -> Stolen:
    found = house.log_in()
    house.log_in(cookie=found[0])
    return Stolen(*found)


def of_somebody_who_was_ended(house: House) -> Stolen:
    found = Stolen(*house.log_in("gone"))
    with past_the_guard(house.database.url) as conn:
        end_principal(conn, house.people["gone"], now=house.at.now)
    return found


def idle(house: House) -> Stolen:
    found = own(house)
    house.at.advance(hours=1, seconds=1)
    return found


def over(house: House) -> Stolen:
    """Used all the time, and its twelve hours are over."""
    found = own(house)
    for _ in range(15):
        house.at.advance(minutes=50)
        house.ask("GET", PAGE, headers={"Cookie": f"{COOKIE}={found.cookie}"})
    return found


def of_a_key(house: House, end: Callable[[House, str], None], **made: Any) -> Stolen:
    """A session that a key opened, after the key ended."""
    key_id, secret = a_key(house, **made)
    done = house.ask("POST", "/login", data={"key": secret})
    assert done.status_code == 303
    found = Stolen(*house.opened_by(done))
    end(house, key_id)
    return found


def a_key(house: House, role: str = "operator", **made: Any) -> tuple[str, str]:
    key_id, secret = make_id("key"), access.new_secret(entropy(access.SECRET_BYTES), live=False)
    with past_the_guard(house.database.url) as conn:
        access.create_key(conn, key_id, secret, name=key_id, role=role, by="test", now=house.at.now, **made)
    return key_id, secret


def revoke(house: House, key_id: str) -> None:
    with house.database.transaction() as conn:
        access.revoke_key(conn, key_id, now=house.at.now)


def set_before_the_login(house: House) -> Stolen:
    """Somebody else's choice of a cookie, in the browser before its person logged in."""
    chosen = "ab" * 32
    token, csrf = house.log_in(cookie=chosen)
    assert token != chosen
    return Stolen(chosen, csrf)


def changed(change: Callable[[House, str], str]) -> Callable[[House], Stolen]:
    def made(house: House) -> Stolen:
        found = own(house)
        return found._replace(cookie=change(house, found.cookie or ""))

    return made


def of_the_command_line(house: House) -> str:
    with house.database.transaction() as conn:
        return log_in_as(conn, "mira", at=house.at.now, life=timedelta(hours=1))[1]


def kept_of(cookie: str | None) -> bytes:
    return hashlib.sha256((cookie or "").encode()).digest()


# The cookie, by the way it came into the wrong hands; and what whoever has it is told.
COOKIES: Final[dict[str, tuple[Callable[[House], Stolen], tuple[int, str]]]] = {
    "of a session that was logged out": (logged_out, ENDED),
    "of a session that was ended from another": (ended_elsewhere, ENDED),
    "of a session that was ended by somebody else": (ended_by_an_administrator, ENDED),
    "of a session that has another cookie since a second factor was given": (renewed, ENDED),
    "of another session, before the password was changed": (before_the_password_changed, ENDED),
    "of the session that changed the password": (the_one_that_changed_the_password, ENDED),
    "from before a second factor was added": (before_a_second_factor, ENDED),
    "from before another login in the same browser": (before_another_login, ENDED),
    "of somebody who was ended": (of_somebody_who_was_ended, ENDED),
    "of a session that nobody used for an hour": (idle, ENDED),
    "of a session whose time is over, though it was used": (over, ENDED),
    "of a session of a key that was revoked": (lambda house: of_a_key(house, revoke), ENDED),
    "of a session of a key that expired": (
        lambda house: of_a_key(house, lambda house, _: house.at.advance(minutes=11), expires_at=house.at.now + timedelta(minutes=10)),
        ENDED,
    ),
    "chosen by somebody else before the login": (set_before_the_login, ENDED),
    "of another installation": (changed(lambda house, _: entropy(32).hex()), ENDED),
    "cut short": (changed(lambda house, token: token[:-1]), ENDED),
    "with a letter more": (changed(lambda house, token: token + "0"), ENDED),
    "in capitals": (changed(lambda house, token: token.upper() + "A"), ENDED),
    "with another person written behind it": (changed(lambda house, token: f"{token}.{house.a_person('mira')}"), ENDED),
    "the id of the session": (changed(lambda house, token: session_id(house, token)), ENDED),
    "the id of the person": (changed(lambda house, token: house.a_person("mira")), ENDED),
    "what the database keeps of it": (changed(lambda house, token: kept_of(token).hex()), ENDED),
    "the token of its forms": (changed(lambda house, token: csrf_kept(house, token)), ENDED),
    "an API key": (changed(lambda house, _: house.keys["operator"]), ENDED),
    "very long": (changed(lambda house, token: token * 400), ENDED),
    "no text at all": (changed(lambda house, _: ""), NOBODY),
    "under the name that it has over https": (lambda house: own(house, name=f"__Host-{COOKIE}"), NOBODY),
    "none": (lambda house: own(house)._replace(cookie=None), NOBODY),
    "as a key": (lambda house: own(house, bearer=True), (401, "KeyMistyped")),
}


def session_id(house: House, token: str) -> str:
    return kept(house, "id", token)


def csrf_kept(house: House, token: str) -> str:
    return kept(house, "csrf", token)


def kept(house: House, column: str, token: str) -> str:
    with house.database.transaction() as conn:
        row = conn.execute(f"select {column} from session where secret_hash = %s".encode(), [kept_of(token)]).fetchone()
        return str(row[0])  # type: ignore[index]


def sent(house: House, stolen: Stolen, **more: Any) -> httpx2.Response:
    """The form that pauses a queue, as it is sent with this."""
    way = dict(stolen.way)
    name, bearer = way.pop("name", COOKIE), way.pop("bearer", False)
    headers = {"Cookie": f"{name}={stolen.cookie}"} if stolen.cookie is not None else {}
    if bearer:
        headers = {"Authorization": f"Bearer {stolen.cookie}"}
    headers |= way.pop("headers", {})
    body = way or {"data": {"csrf": stolen.csrf, **QUEUE}}
    return house.ask(**({"method": "POST", "path": "/admin/queues", **body} | more), headers=headers)


@pytest.mark.parametrize("name", COOKIES)
def test_a_cookie_in_the_wrong_hands_opens_no_page_and_sends_no_form(house: House, name: str) -> None:
    steal, (status, kind) = COOKIES[name]
    stolen = steal(house)
    house.changed()
    page = sent(house, stolen, method="GET", path=f"{PAGE}.json", data=None)
    assert (page.status_code, page.json()["type"]) == (status, f"/problems/{kind}")
    form = sent(house, stolen)
    assert (form.status_code, form.headers["location"].partition("?")[0]) == (303, "/login")
    assert ("ended=session" in form.headers["location"]) == (kind == "SessionEnded")
    assert house.changed() == set()


def form_of(house: House, csrf: str, **more: str) -> dict[str, Any]:
    return {"data": {"csrf": csrf, **QUEUE, **more}}


def of_the_session_before(house: House) -> Stolen:
    codes = house.with_factor("dina")
    token, csrf = house.log_in("dina", code=codes.at(house.at.now))
    house.at.advance(minutes=1)
    done = house.form("/account/confirm", token, csrf, code=codes.at(house.at.now))
    return Stolen(house.opened_by(done)[0], csrf)


# The right cookie, as a browser adds it by itself, and a form that no page of the session sent.
FORMS: Final[dict[str, Callable[[House], Stolen]]] = {
    "without a token": lambda house: own(house)._replace(csrf=""),
    "with a token that was guessed": lambda house: own(house)._replace(csrf="0" * 64),
    "with the token of another session of the same person": lambda house: own(house)._replace(csrf=house.log_in()[1]),
    "with the token of somebody else's session": lambda house: own(house)._replace(csrf=house.log_in("eve")[1]),
    "with the token that the session had before": of_the_session_before,
    "with the session's own cookie for a token": lambda house: (one := own(house))._replace(csrf=one.cookie or ""),
    "with a token cut short": lambda house: (one := own(house))._replace(csrf=one.csrf[:-1]),
    "with a token beyond ASCII": lambda house: own(house)._replace(csrf="é" * 64),
    "with the token in its address": lambda house: in_another_way(house, lambda csrf: {"data": QUEUE, "params": {"csrf": csrf}}),
    "with the token as a cookie": lambda house: in_another_way(house, lambda csrf: {"data": QUEUE, "headers": {"csrf": csrf}}),
    "as JSON": lambda house: in_another_way(house, lambda csrf: {"json": {"csrf": csrf, **QUEUE}}),
    "as plain text": lambda house: in_another_way(
        house, lambda csrf: {"content": f"csrf={csrf}&act=pause".encode(), "headers": {"Content-Type": "text/plain"}}
    ),
    "from another site": lambda house: from_elsewhere(house, {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}),
    "from another site that says nothing of its kind": lambda house: from_elsewhere(house, {"Origin": "https://evil.example"}),
    "from a neighbour of the same site": lambda house: from_elsewhere(house, {"Sec-Fetch-Site": "same-site"}),
    "from a page without an origin": lambda house: from_elsewhere(house, {"Origin": "null"}),
    "from this host at another port": lambda house: from_elsewhere(house, {"Origin": "http://127.0.0.1:1"}),
    "from a name that begins like ours": lambda house: from_elsewhere(house, {"Origin": f"{house.url}.evil.example"}),
    "with a token of the command line for a cookie": lambda house: Stolen(of_the_command_line(house), ""),
}


def in_another_way(house: House, way: Callable[[str], dict[str, Any]]) -> Stolen:
    token, csrf = house.log_in()
    return Stolen(token, csrf, way(csrf))


def from_elsewhere(house: House, headers: dict[str, str]) -> Stolen:
    token, csrf = house.log_in()
    return Stolen(token, csrf, {"data": {"csrf": csrf, **QUEUE}, "headers": headers})


NO_FORM = ("as JSON", "as plain text")


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_no_page_of_the_session_sent_is_refused_and_the_session_goes_on(house: House, name: str) -> None:
    stolen = FORMS[name](house)
    house.changed()
    form = sent(house, stolen)
    status, told = (
        (400, "application/json" if name == "as JSON" else "text/plain")
        if name in NO_FORM
        else (403, "was not sent from a page of your session")
    )
    assert (form.status_code, told in form.text) == (status, True)
    assert house.changed() == set()
    assert house.ask("GET", PAGE, headers={"Cookie": f"{COOKIE}={stolen.cookie}"}).status_code == 200


# What is given at the form to log in.
def twice(house: House) -> dict[str, str]:
    name = fresh("twice")
    codes = house.with_factor(name)
    given = {"name": name, "key": PASSWORD, "code": codes.at(house.at.now)}
    house.log_in(name, code=given["code"])
    return given


def code_of(house: House, at: Callable[[Any, Any], str]) -> dict[str, str]:
    name = fresh("code")
    codes = house.with_factor(name)
    return {"name": name, "key": PASSWORD, "code": at(codes, house.at.now)}


def older_than_one_that_was_used(house: House) -> dict[str, str]:
    name = fresh("older")
    codes = house.with_factor(name)
    older = codes.at(house.at.now)
    house.at.advance(seconds=30)
    house.log_in(name, code=codes.at(house.at.now))
    return {"name": name, "key": PASSWORD, "code": older}


def once_again(house: House) -> dict[str, str]:
    """A one-time secret, after it was used."""
    caller = house.a_person(fresh("once"))
    with house.database.transaction() as conn:
        once = logins.reset_person(conn, caller, entropy(25), now=house.at.now)
    name = next(one for one, held in house.people.items() if held == caller)
    done = house.ask("POST", "/password", data={"name": name, "once": once, "new": OTHER, "again": OTHER})
    assert done.status_code == 303
    return {"name": name, "key": once}


def expired(house: House) -> str:
    secret = a_key(house, expires_at=house.at.now + timedelta(minutes=1))[1]
    house.at.advance(minutes=2)
    return secret


def revoked(house: House) -> str:
    key_id, secret = a_key(house)
    revoke(house, key_id)
    return secret


LOGINS: Final[dict[str, tuple[Callable[[House], dict[str, str]], int]]] = {
    "a code that was used": (twice, 401),
    "a code older than one that was used": (older_than_one_that_was_used, 401),
    "a code of two minutes ago": (lambda house: code_of(house, lambda codes, at: codes.at(at - timedelta(minutes=2))), 401),
    "a code of two minutes from now": (lambda house: code_of(house, lambda codes, at: codes.at(at + timedelta(minutes=2))), 401),
    "a code of somebody else": (lambda house: code_of(house, lambda _, at: house.with_factor(fresh("else")).at(at)), 401),
    "no code": (lambda house: code_of(house, lambda *_: ""), 401),
    "a one-time secret that was used": (once_again, 401),
    "a wrong password": (lambda _: {"name": "mira", "key": "wrong and long enough"}, 401),
    "a key that was revoked": (lambda house: {"key": revoked(house)}, 401),
    "a key that expired": (lambda house: {"key": expired(house)}, 401),
    "a name and somebody's key": (lambda house: {"name": "mira", "key": house.keys["operator"]}, 401),
}


@pytest.mark.parametrize("name", LOGINS)
def test_what_lets_nobody_in_sets_no_cookie_and_changes_nothing(house: House, name: str) -> None:
    give, status = LOGINS[name]
    given = give(house)
    house.changed()
    answer = house.ask("POST", "/login", data=given)
    assert (answer.status_code, "set-cookie" in answer.headers) == (status, False), answer.text
    assert house.changed() == set()


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}], ids=str)
def test_another_site_logs_nobody_in_though_it_knows_the_password(house: House, headers: dict[str, str]) -> None:
    house.changed()
    answer = house.ask("POST", "/login", data={"name": "mira", "key": PASSWORD}, headers=headers)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert house.changed() == set()


def bearer(secret: str) -> dict[str, Any]:
    return {"headers": {"Authorization": f"Bearer {secret}"}}


def with_another_beginning(secret: str) -> str:
    """The same key as one of a real installation, with a checksum that is right."""
    number = 0
    for letter in secret.removeprefix(access.TEST_PREFIX)[:40]:
        number = number << 5 | ALPHABET.index(letter)
    return access.new_secret(number.to_bytes(access.SECRET_BYTES), live=True)


MISTYPED, REFUSED, NONE = (401, "KeyMistyped"), (401, "KeyRefused"), (401, "NotAuthenticated")
KEYS: Final[dict[str, tuple[Callable[[House], dict[str, Any]], tuple[int, str]]]] = {
    "revoked": (lambda house: bearer(revoked(house)), REFUSED),
    "expired": (lambda house: bearer(expired(house)), REFUSED),
    "of another installation": (lambda _: bearer(access.new_secret(entropy(access.SECRET_BYTES), live=False)), REFUSED),
    "of a test installation as of a real one": (lambda house: bearer(with_another_beginning(house.keys["operator"])), REFUSED),
    "with a checksum that does not fit": (lambda house: bearer(house.keys["operator"].replace("cf_test_", "cf_live_")), MISTYPED),
    "cut short": (lambda house: bearer(house.keys["operator"][:-1]), MISTYPED),
    "in small letters": (lambda house: bearer(house.keys["operator"].lower()), MISTYPED),
    "twice in a row": (lambda house: bearer(house.keys["operator"] * 2), MISTYPED),
    "very long": (lambda house: bearer(house.keys["operator"] + "0" * 20_000), MISTYPED),
    "with letters beyond ASCII": (lambda house: bearer(house.keys["operator"][:-1] + "é"), MISTYPED),
    "what the database keeps of it": (lambda house: bearer(kept_of(house.keys["operator"]).hex()), MISTYPED),
    "by its id": (lambda house: bearer(a_key(house)[0]), MISTYPED),
    "in the query, as key": (lambda house: {"params": {"key": house.keys["operator"]}}, NONE),
    "in the query, as access_token": (lambda house: {"params": {"access_token": house.keys["operator"]}}, NONE),
    "in a cookie": (lambda house: {"headers": {"Cookie": f"{COOKIE}={house.keys['operator']}"}}, NONE),
    "by the Basic scheme": (lambda house: {"headers": {"Authorization": f"Basic {house.keys['operator']}"}}, NONE),
    "without a scheme": (lambda house: {"headers": {"Authorization": house.keys["operator"]}}, NONE),
    "a session's cookie": (lambda house: bearer(own(house).cookie or ""), MISTYPED),
    "a login that was logged out": (lambda house: bearer(logged_out_of_the_api(house)), (401, "SessionOver")),
    "a login of an hour ago": (lambda house: bearer(an_hour_old(house)), (401, "SessionOver")),
    "none": (lambda _: {}, NONE),
    "of a role that may not": (lambda house: bearer(house.keys["viewer"]), (403, "NotAllowed")),
    "narrower than its role": (lambda house: bearer(a_key(house, scopes=["usage:read"])[1]), (403, "OutOfScope")),
}


def logged_out_of_the_api(house: House) -> str:
    token = of_the_command_line(house)
    assert house.ask("POST", "/api/logins/end", headers={"Authorization": f"Bearer {token}", "Idempotency-Key": fresh()}).status_code == 200
    return token


def an_hour_old(house: House) -> str:
    token = of_the_command_line(house)
    house.at.advance(hours=1, seconds=1)
    return token


def usage(house: House, **given: Any) -> httpx2.Response:
    """Import usage as whoever that is."""
    body, params = usage_csv(), {"programId": PROGRAM, "fileName": fresh("file"), **given.pop("params", {})}
    headers = {"Idempotency-Key": fresh(), **given.pop("headers", {})}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return house.ask("POST", "/api/usage", content=body, params=params, headers=raw)


@pytest.mark.parametrize("name", KEYS)
def test_a_key_that_is_none_or_may_not_imports_nothing(house: House, name: str) -> None:
    give, (status, kind) = KEYS[name]
    given = give(house)
    house.changed()
    answer = usage(house, **given)
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}")
    assert house.changed() == set()


def test_the_same_form_and_the_same_key_are_taken_from_whoever_they_are_of(house: House) -> None:
    """Else all the refusals above would prove nothing."""
    form = sent(house, own(house))
    assert (form.status_code, re.match(r"/admin/queues\?receipt=", form.headers["location"]) is not None) == (303, True)
    assert usage(house, **bearer(house.keys["operator"])).status_code == 201
