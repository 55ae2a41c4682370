"""Logging in by a real provider in a process of its own; and logins that are forged, replayed or mixed up, each refused for its reason."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from counterfoil.base.edge import make_id
from counterfoil.operations.access.oidc import attempts, tokens
from counterfoil.operations.access.oidc import refusals as why
from counterfoil.operations.access.oidc.attempts import SubjectTaken
from counterfoil.operations.access.oidc.provider import LoginProvider, parse_provider
from counterfoil.operations.access.oidc.refusals import ProviderLoginRefused
from counterfoil.operations.access.principals import end_principal
from tests.dashboard import days, quiet
from tests.openid.provider import CLIENT, SECRET
from tests.people import log_in_as, past_the_guard

pytest.importorskip("authlib", reason="the extra `oidc` is not installed")
PAGE = "/admin/reconciliation"
desk = quiet.desk


@pytest.fixture(scope="module")
def provider():
    """Its address, and how it is told what to say."""
    process = subprocess.Popen([sys.executable, "-m", "tests.openid.provider"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http://127.0.0.1:")
        yield SimpleNamespace(issuer=issuer, tell=lambda **told: httpx2.post(f"{issuer}/control", json=told, trust_env=False))
    finally:
        process.stdin.close()
        process.wait(10)


@pytest.fixture(scope="module")
def served(desk, provider):
    """The pages, which people log in to by this provider."""
    known = LoginProvider(provider.issuer, CLIENT, SECRET)
    with days.served(desk, login_provider=known, public_url="http://127.0.0.1:1") as url:
        yield url


@pytest.fixture(autouse=True)
def honest(desk, provider):
    """It tells the truth, and what failed in the test before is over."""
    desk.clock.now = days.now()
    with desk.database.transaction() as conn:
        conn.execute("delete from access_attempt")
    provider.tell(subject="alice")


@pytest.fixture(scope="module")
def alice(desk, provider):
    return linked(desk, provider, "alice")


def linked(desk, provider, name, subject=None):
    with past_the_guard(desk.database.url) as conn:
        caller, _ = log_in_as(conn, name, "viewer", at=desk.clock.now, life=timedelta(seconds=1))
    with desk.database.transaction() as conn:
        of = {"issuer": provider.issuer, "subject": subject or name, "by": "test", "now": desk.clock.now}
        attempts.link_subject(conn, make_id("lnk"), caller.principal_id, **of)
    return caller


def a_browser(url):
    return httpx2.Client(base_url=url, follow_redirects=False, trust_env=False)


def begun(client, next_path=PAGE):
    """As far as the provider's answer: the query with which it sends the browser back."""
    asked = client.get("/login/provider", params={"next": next_path})
    assert asked.status_code == 303, asked.text
    sent_back = httpx2.get(asked.headers["location"], follow_redirects=False, trust_env=False)
    assert sent_back.status_code == 302, sent_back.text
    assert sent_back.headers["location"].startswith("http://127.0.0.1:1/login/provider/back?")
    return {name: values[0] for name, values in parse_qs(urlsplit(sent_back.headers["location"]).query).items()}


def back(client, query):
    return client.get(f"/login/provider/back?{urlencode(query)}")


def refused_for(answer, reason, status=401):
    assert answer.status_code == status, answer.text
    assert f"{reason[0].upper()}{reason[1:]}." in answer.text
    assert "counterfoil_session" not in answer.headers.get("set-cookie", "")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_somebody_logs_in_by_the_provider_also_with_a_key_that_it_has_since_a_moment_ago(desk, served, provider, alice, algorithm):
    provider.tell(rotate=algorithm)
    for _ in range(50):
        if httpx2.get(f"{provider.issuer}/keys", trust_env=False).json():
            break
    desk_keys_are_old(served)
    client = a_browser(served)
    done = back(client, begun(client, f"{PAGE}?day=2026-11-20"))
    assert done.status_code == 200, done.text
    assert f'url={PAGE}?day=2026-11-20"' in done.text
    assert client.get(PAGE).status_code == 200
    assert "alice" in client.get(PAGE).text


def desk_keys_are_old(_: str) -> None:
    """Keys are asked for anew at most every ten seconds: let them be older."""
    import counterfoil.operations.access.oidc.provider as module

    module.KEYS_AGAIN_S = 0


LIES = {
    "no signature": why.ALGORITHM,
    "public key as secret": why.ALGORITHM,
    "another key": why.SIGNATURE,
    "unknown key": why.SIGNATURE,
    "changed claims": why.SIGNATURE,
    "garbage": why.FORM,
    "no identity": why.FORM,
    "another issuer": why.ISSUER,
    "another audience": why.AUDIENCE,
    "several audiences": why.AUDIENCE,
    "expired": why.EXPIRED,
    "not yet": why.FUTURE,
    "another nonce": why.NONCE,
    "no nonce": why.LACKS,
    "no subject": why.LACKS,
    "no end": why.LACKS,
    "another access token": why.ACCESS_TOKEN,
}


WEAK = {
    "weaker": why.WEAK,
    "no strength": why.WEAK,
    "long ago": why.LONG_AGO,
    "no time": why.LACKS,
    "time in words": why.LACKS,
}


@pytest.fixture(scope="module")
def strict(desk, provider):
    """The pages where a login at the provider takes two factors, and was made in the last ten minutes."""
    known = parse_provider(f"{provider.issuer} {CLIENT}", acr="phrh mfa", minutes=10)._replace(secret=SECRET)
    with days.served(desk, login_provider=known, public_url="http://127.0.0.1:1") as url:
        yield url


def test_where_a_strong_login_at_the_provider_is_asked_for_one_is_taken(strict, provider, alice):
    client = a_browser(strict)
    asked = parse_qs(urlsplit(client.get("/login/provider").headers["location"]).query)
    assert (asked["acr_values"], asked["max_age"]) == (["phrh mfa"], ["600"])
    assert back(client, begun(client)).status_code == 200


@pytest.mark.parametrize("lie", WEAK)
def test_a_login_at_the_provider_that_is_weak_or_long_ago_opens_nothing(strict, provider, alice, lie):
    """Where nothing is asked of it, the same login is taken, as one factor."""
    client = a_browser(strict)
    provider.tell(lie=lie)
    refused_for(back(client, begun(client)), WEAK[lie])


def test_where_keys_of_128_bits_are_asked_for_a_shorter_one_of_rsa_signs_nobody_in(desk, provider, alice):
    known = parse_provider(f"{provider.issuer} {CLIENT}", rsa_bits=3_072)._replace(secret=SECRET)
    desk_keys_are_old("")
    with days.served(desk, login_provider=known, public_url="http://127.0.0.1:1") as url:
        client = a_browser(url)
        provider.tell(rotate="ES256")  # a curve of 256 bits is 128 of security
        assert back(client, begun(client)).status_code == 200
        provider.tell(rotate="RS256")
        refused_for(back(client, begun(client)), why.SHORT_KEY)


def test_where_nothing_is_asked_of_a_login_at_the_provider_it_is_one_factor(desk, served, provider, alice):
    client = a_browser(served)
    asked = parse_qs(urlsplit(client.get("/login/provider").headers["location"]).query)
    assert {"acr_values", "max_age"} & set(asked) == set()
    provider.tell(lie="weaker")
    assert back(client, begun(client)).status_code == 200
    [(fresh,)] = desk.rows("select factor_until from session where principal_id = %s order by created_at desc limit 1", alice.principal_id)
    assert fresh is None, "it is no second factor of ours, which an approval asks for"


@pytest.mark.parametrize("lie", LIES)
def test_an_identity_that_is_not_true_is_refused_for_its_reason(served, provider, alice, lie):
    provider.tell(lie=lie)
    client = a_browser(served)
    refused_for(back(client, begun(client)), LIES[lie])
    assert client.get(PAGE).status_code == 303


def test_two_clocks_may_be_a_minute_apart(served, provider, alice):
    provider.tell(lie="just expired")
    client = a_browser(served)
    assert back(client, begun(client)).status_code == 200


@pytest.mark.parametrize("state", ["", "x", "0" * 43])
def test_a_state_that_nobody_began_is_refused(served, alice, state):
    client = a_browser(served)
    refused_for(back(client, begun(client) | {"state": state}), why.STATE)


def test_the_answer_to_another_browsers_login_is_refused_and_does_not_end_it(served, alice):
    victim, attacker = a_browser(served), a_browser(served)
    query = begun(attacker)
    begun(victim)
    refused_for(back(victim, query), why.BROWSER)
    refused_for(back(a_browser(served), query), why.BROWSER)
    assert back(attacker, query).status_code == 200


def test_an_answer_is_taken_once(served, alice):
    client = a_browser(served)
    kept = dict(client.cookies)
    query = begun(client)
    kept = dict(client.cookies)
    assert back(client, query).status_code == 200
    again = httpx2.get(f"{served}/login/provider/back", params=query, cookies=kept, follow_redirects=False, trust_env=False)
    refused_for(again, why.REPLAYED)


def test_a_code_of_another_login_is_refused_by_the_provider_for_it_does_not_fit(served, alice):
    one, other = a_browser(served), a_browser(served)
    stolen = begun(one)["code"]
    answer = back(other, begun(other) | {"code": stolen})
    assert (answer.status_code, "did not let you in" in answer.text) == (401, True)


def test_a_login_that_was_begun_long_ago_is_refused(desk, served, alice):
    client = a_browser(served)
    query = begun(client)
    desk.clock.advance(minutes=11)
    refused_for(back(client, query), why.LATE)


@pytest.mark.parametrize("issuer", ["https://evil.example", None])
def test_an_answer_of_another_provider_is_refused_before_the_code_goes_anywhere(served, provider, alice, issuer):
    client = a_browser(served)
    query = begun(client)
    before = asked_of(provider)
    refused_for(
        back(client, {**{name: value for name, value in query.items() if name != "iss"}, **({"iss": issuer} if issuer else {})}),
        why.MIXED_UP,
    )
    assert "/token" not in asked_of(provider)[len(before) :]


def asked_of(provider):
    return httpx2.get(f"{provider.issuer}/asked", trust_env=False).json()["asked"]


def test_what_the_provider_denies_is_told(served, provider, alice):
    provider.tell(lie="access denied")
    client = a_browser(served)
    answer = back(client, begun(client))
    assert (answer.status_code, "did not let you in" in answer.text) == (401, True)


def test_an_answer_without_a_code_is_refused(served, alice):
    client = a_browser(served)
    query = begun(client)
    refused_for(back(client, {"state": query["state"], "iss": query["iss"]}), why.CODE)


def test_nobody_is_let_in_whom_no_administrator_linked(desk, served, provider):
    provider.tell(subject="stranger")
    client = a_browser(served)
    answer = back(client, begun(client))
    assert (answer.status_code, "nobody here said who you are" in answer.text, "Your subject: stranger." in answer.text) == (
        401,
        True,
        True,
    )


def test_a_link_that_ended_and_a_person_who_was_ended_open_nothing(desk, served, provider):
    for name in ("bob", "carl"):
        caller = linked(desk, provider, name)
        provider.tell(subject=name)
        client = a_browser(served)
        assert back(client, begun(client)).status_code == 200
        with desk.database.transaction() as conn:
            if name == "bob":
                (one,) = attempts.subjects_of(conn, caller.principal_id)
                attempts.unlink_subject(conn, one.id, caller.principal_id, now=desk.clock.now)
            else:
                end_principal(conn, caller.principal_id, now=desk.clock.now)
        again = a_browser(served)
        assert back(again, begun(again)).status_code in (401, 403)


@pytest.mark.parametrize("next_path", ["https://evil.example/", "//evil.example", "/\\evil.example", "/logout"])
def test_nobody_is_sent_elsewhere_by_a_login(served, alice, next_path):
    client = a_browser(served)
    done = back(client, begun(client, next_path))
    assert f'url={PAGE}"' in done.text
    assert "evil" not in done.text


@pytest.mark.parametrize("lie", ["broken", "endless"])
def test_a_provider_that_does_not_answer_as_it_should_is_said_to_be_away(served, provider, alice, lie):
    provider.tell(lie=lie)
    client = a_browser(served)
    answer = back(client, begun(client))
    assert (answer.status_code, "does not answer" in answer.text) == (503, True)


@pytest.mark.parametrize("lie", ["metadata of another issuer", "endpoint in clear"])
def test_a_provider_that_is_not_what_was_set_is_not_gone_to(desk, provider, lie):
    provider.tell(lie=lie)
    known = LoginProvider(provider.issuer, CLIENT, SECRET)
    with days.served(desk, login_provider=known, public_url="http://127.0.0.1:1") as url:
        assert a_browser(url).get("/login/provider").status_code == 503


def test_without_a_provider_there_is_no_such_login(desk):
    with days.served(desk) as url:
        assert a_browser(url).get("/login/provider").status_code == 404
        assert "provider" not in a_browser(url).get("/login").text


@pytest.mark.parametrize("given", ["", "https://a.example", "http://a.example id", "ftp://a id", "https://a.example id secret more"])
def test_a_setting_that_is_no_provider_is_refused(given):
    with pytest.raises(ValueError, match="must be ISSUER"):
        parse_provider(given)


def test_a_subject_is_one_person_here(conn):
    mira, noah = (log_in_as(conn, name)[0] for name in ("mira", "noah"))
    of = {"issuer": "https://a.example", "subject": "s", "by": "t", "now": days.now()}
    attempts.link_subject(conn, "lnk_1", mira.principal_id, **of)
    with pytest.raises(SubjectTaken, match=r"linked to somebody already. .*person mira"), conn.transaction():
        attempts.link_subject(conn, "lnk_2", noah.principal_id, **of)


def test_a_token_says_nothing_about_keys_it_names_itself():
    """A key inside the token, or an address of one, is not looked at."""
    from joserfc import jwt
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(2048, {"kid": "mine"})
    header = {"alg": "RS256", "kid": "mine", "jwk": key.as_dict(private=False), "jku": "https://evil.example/keys"}
    token = jwt.encode(header, {"iss": "i", "aud": "c", "sub": "s", "exp": 1, "iat": 0, "nonce": "n"}, key)
    with pytest.raises((tokens.KeyUnknown, ProviderLoginRefused)):
        tokens.subject_of(token, {"keys": []}, tokens.Expected("i", "c", "n", None), now=days.now())
