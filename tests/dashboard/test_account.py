"""One's own page over a real socket: second factor, password, sessions; a one-time secret; and what each of them ends."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx2
import pyotp
import pytest

from counterfoil.base.edge import entropy
from counterfoil.operations.access import logins
from counterfoil.operations.access.access import SessionRules
from counterfoil.operations.access.passwords import SALT_BYTES
from counterfoil.operations.access.records import OF_CODE
from counterfoil.operations.access.sessions import close_session_of
from tests.dashboard import days, quiet
from tests.people import log_in_as, past_the_guard

PAGE, ACCOUNT = "/admin/reconciliation", "/account"
PASSWORD, OTHER = "correct horse battery", "another long password"
desk, later, served = quiet.desk, quiet.later, quiet.served


def a_person(desk, name, role="approver"):
    with past_the_guard(desk.database.url) as conn:
        caller, _ = log_in_as(conn, name, role, at=desk.clock.now - timedelta(minutes=1), life=timedelta(seconds=1))
        logins.set_password(conn, caller.principal_id, PASSWORD, entropy(SALT_BYTES), now=desk.clock.now)
    return caller


def a_browser(url, name=None, password=PASSWORD, code="", expected=303):
    client = httpx2.Client(base_url=url, follow_redirects=False, headers={"user-agent": f"browser of {name}"})
    if name:
        answer = client.post("/login", data={"name": name, "key": password, "code": code})
        assert answer.status_code == expected, answer.text
    return client


def csrf_of(client, text=None):
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', text or client.get(ACCOUNT).text)[1]


def sent(client, path, **data):
    return client.post(f"{ACCOUNT}/{path}", data={"csrf": csrf_of(client), **data})


def enrolled(client, desk):
    """A second factor, as its person adds it: the authenticator, the recovery codes, and the page that showed them."""
    begun = sent(client, "factor/begin", password=PASSWORD)
    secret = re.search(r'class="secret">([A-Z2-7]{32})<', begun.text)[1]
    assert "<svg" in begun.text
    factor = re.search(r'name="factor" value="(fac_[0-9A-Z]{26})"', begun.text)[1]
    codes = pyotp.TOTP(secret)
    done = sent(client, "factor/confirm", factor=factor, code=codes.at(desk.clock.now))
    assert done.status_code == 200, done.text
    recovery = re.findall(r"<li><code>([0-9A-Z]{4}-[0-9A-Z-]{14})</code>", done.text)
    assert len(recovery) == 10
    desk.clock.advance(minutes=1)
    return codes, recovery, done.text


def test_where_everybody_needs_a_second_factor_the_account_alone_opens_until_there_is_one(desk):
    a_person(desk, "nora", role="viewer")
    with days.served(desk, session_rules=SessionRules(needs_factor=True)) as url:
        client = a_browser(url, "nora")
        for path in (PAGE, "/admin/payouts", f"{PAGE}.json", "/admin/payouts.csv"):
            refused = client.get(path)
            assert (refused.status_code, "has a second factor" in refused.text) == (403, True), path
        assert 'href="/account"' in client.get(PAGE).text
        assert client.get(ACCOUNT).status_code == 200
        enrolled(client, desk)
        assert client.get(PAGE).status_code == 200
        by_key = {"Authorization": f"Bearer {days.a_key(desk.database, name='a screen on a wall')}"}
        assert httpx2.get(url + PAGE, headers=by_key).status_code == 200, "a key is no login of a person"


def test_a_second_factor_is_added_shown_once_and_asked_for_from_then_on(desk, served):
    a_person(desk, "anna")
    elsewhere, client = a_browser(served, "anna"), a_browser(served, "anna")
    before = dict(client.cookies)
    codes, recovery, page = enrolled(client, desk)
    assert dict(client.cookies) != before, "who may do more has another cookie"
    assert httpx2.get(served + PAGE, cookies=before, follow_redirects=False).status_code == 303
    assert elsewhere.get(PAGE).status_code == 303, "a login without it ended"
    assert csrf_of(client) == csrf_of(client, page), "the forms of the page with the codes are of the new session"
    again = client.get(ACCOUNT).text
    assert codes.secret not in again
    assert recovery[0] not in again
    refused = a_browser(served, "anna", expected=401).post("/login", data={"name": "anna", "key": PASSWORD})
    assert "second factor" in refused.text
    code = codes.at(desk.clock.now)
    a_browser(served, "anna", code=code)
    assert "was used before" in a_browser(served).post("/login", data={"name": "anna", "key": PASSWORD, "code": code}).text
    a_browser(served, "anna", code=recovery[0])
    a_browser(served, "anna", code=recovery[0], expected=401)
    kinds = desk.rows("select kind from access_event where name = 'anna' order by at, id")
    assert {("factor_added",), ("recovery_used",), ("login_failed",), ("login",)} <= set(kinds)


def test_wrong_codes_are_counted_for_the_person_wherever_they_come_from(desk, served):
    a_person(desk, "bert")
    codes, _, _ = enrolled(a_browser(served, "bert"), desk)
    for number in range(OF_CODE):
        a_browser(served, "bert", code=f"00000{number}", expected=401)
    waiting = a_browser(served).post("/login", data={"name": "bert", "key": PASSWORD, "code": codes.at(desk.clock.now)})
    assert (waiting.status_code, "Wait" in waiting.text) == (429, True)
    desk.clock.advance(minutes=5, seconds=1)
    a_browser(served, "bert", code=codes.at(desk.clock.now))


def test_wrong_passwords_with_codes_lock_nobodys_codes(desk, served):
    a_person(desk, "cleo")
    codes, _, _ = enrolled(a_browser(served, "cleo"), desk)
    for _ in range(4):
        a_browser(served, "cleo", password="wrong and long enough", code="000000", expected=401)
    caller = desk.rows("select id from principal where name = 'cleo'")[0][0]
    assert desk.rows("select max(failures) from access_attempt where bucket = %s", f"code:{caller}") == [(0,)]
    a_browser(served, "cleo", code=codes.at(desk.clock.now))


def test_a_code_that_is_given_again_is_fresh_and_the_cookie_is_another(desk, served):
    a_person(desk, "dora")
    client = a_browser(served, "dora")
    codes, _, _ = enrolled(client, desk)
    desk.clock.advance(minutes=10)
    (old,) = desk.rows("select max(factor_until) from session s join principal p on p.id = s.principal_id where p.name = 'dora'")
    assert old[0] < desk.clock.now
    before = dict(client.cookies)
    done = sent(client, "confirm", code=codes.at(desk.clock.now), next=PAGE)
    assert (done.status_code, done.headers["location"]) == (303, PAGE)
    assert dict(client.cookies) != before
    (new,) = desk.rows("select max(factor_until) from session s join principal p on p.id = s.principal_id where p.name = 'dora'")
    assert new[0] == desk.clock.now + timedelta(minutes=5)
    refused = sent(client, "confirm", code=codes.at(desk.clock.now))
    assert (refused.status_code, "was used before" in refused.text) == (403, True)


def test_a_password_is_changed_by_who_knows_it_and_every_other_login_ends(desk, served):
    a_person(desk, "emil")
    elsewhere, client = a_browser(served, "emil"), a_browser(served, "emil")
    for given, words in (
        ({"password": "wrong and long enough", "new": OTHER, "again": OTHER}, "do not belong together"),
        ({"password": PASSWORD, "new": OTHER, "again": OTHER + "x"}, "in two ways"),
        ({"password": PASSWORD, "new": "short", "again": "short"}, "12 to 200"),
    ):
        refused = sent(client, "password", **given)
        assert refused.status_code in (403, 422)
        assert words in refused.text
        assert OTHER not in refused.text
    assert elsewhere.get(PAGE).status_code == 200
    assert sent(client, "password", password=PASSWORD, new=OTHER, again=OTHER).headers["location"] == "/account?done=password_changed"
    assert (client.get(PAGE).status_code, elsewhere.get(PAGE).status_code) == (200, 303)
    a_browser(served, "emil", expected=401)
    a_browser(served, "emil", password=OTHER)


def test_a_second_factor_is_taken_away_by_who_has_it(desk, served):
    a_person(desk, "fred")
    client = a_browser(served, "fred")
    codes, _, _ = enrolled(client, desk)
    assert sent(client, "factor/remove", password=PASSWORD).status_code == 403
    assert sent(client, "factor/remove", password=PASSWORD, code=codes.at(desk.clock.now)).status_code == 303
    a_browser(served, "fred")


def test_sessions_are_shown_and_ended(desk, served):
    a_person(desk, "gina")
    a_person(desk, "hugo")
    elsewhere, client, stranger = a_browser(served, "gina"), a_browser(served, "gina"), a_browser(served, "hugo")
    page = client.get(ACCOUNT).text
    (theirs,) = re.findall(r'name="session_id" value="(ses_[0-9A-Z]{26})"', page)
    assert "browser of gina" in page
    assert sent(stranger, "sessions/end", session_id=theirs, password=PASSWORD).status_code == 404
    for unproven in ({}, {"password": "wrong and long enough"}):
        refused = sent(client, "sessions/end", session_id=theirs, **unproven)
        assert (refused.status_code, "do not belong together" in refused.text) == (403, True), "it is an open browser"
    assert elsewhere.get(PAGE).status_code == 200
    assert "It is ended" not in client.get(f"{ACCOUNT}?done=session_ended").text, "an address alone makes nothing done"
    done = sent(client, "sessions/end", session_id=theirs, password=PASSWORD)
    assert (done.status_code, "It is ended" in client.get(done.headers["location"]).text) == (303, True)
    assert (elsewhere.get(PAGE).status_code, client.get(PAGE).status_code) == (303, 200)
    a_browser(served, "gina")
    sent(client, "sessions/end", password=PASSWORD)
    assert "browser of gina" in client.get(ACCOUNT).text
    assert "session_id" not in client.get(ACCOUNT).text


def test_a_session_that_nobody_uses_ends_and_a_page_that_refreshes_itself_is_not_used_by_that(desk, served):
    a_person(desk, "ines")
    used, left, bare = (a_browser(served, "ines") for _ in range(3))
    for _ in range(3):
        desk.clock.advance(minutes=25)
        assert used.get(PAGE).status_code == 200
        refreshed = left.get(PAGE, headers={"counterfoil-refresh": "1"})
        without = bare.get(f"{PAGE}?day={desk.clock.now:%Y-%m-%d}&refresh=itself")  # as a page without JavaScript does
    assert without.headers["location"].startswith("/login?ended=session")
    assert re.search(r'<noscript><meta http-equiv="refresh" content="30; url=[^"]*[?]refresh=itself">', used.get(PAGE).text)
    assert refreshed.headers["location"].startswith("/login?ended=session")
    assert used.get(PAGE).status_code == 200


def test_a_session_ends_with_the_login_whose_token_opened_it(desk, served):
    with past_the_guard(desk.database.url) as conn:
        caller, token = log_in_as(conn, "nils", "operator", at=desk.clock.now)
    client = a_browser(served)
    assert client.post("/login", data={"key": token}).status_code == 303
    assert client.get(PAGE).status_code == 200
    with desk.database.transaction() as conn:
        close_session_of(conn, caller.session_id, now=desk.clock.now)
    assert client.get(PAGE).headers["location"].startswith("/login?ended=session")


def test_a_password_that_is_chosen_at_a_login_ends_every_other_login_and_a_logout_is_recorded(desk, served):
    caller = a_person(desk, "olga")
    before = a_browser(served, "olga")
    with desk.database.transaction() as conn:
        once = logins.invite(conn, caller.principal_id, entropy(25), now=desk.clock.now)
    client = a_browser(served)
    assert client.post("/password", data={"name": "olga", "once": once, "new": OTHER, "again": OTHER}).status_code == 303
    assert (client.get(PAGE).status_code, before.get(PAGE).status_code) == (200, 303)
    out = client.post("/logout", data={"csrf": csrf_of(client)})
    assert "You are logged out" in client.get(out.headers["location"]).text
    assert desk.rows("select name from access_event where kind = 'logout' and name = 'olga'") == [("olga",)]
    forged = a_browser(served, "olga", password=OTHER)
    assert "You are logged out" not in forged.get(out.headers["location"]).text, "this browser is logged in"
    elsewhere = a_browser(served).get(out.headers["location"], headers={"sec-fetch-site": "cross-site"})
    assert "You are logged out" not in elsewhere.text


def test_a_login_in_a_browser_that_had_one_ends_that(desk, served):
    a_person(desk, "jana")
    client = a_browser(served, "jana")
    before = dict(client.cookies)
    client.post("/login", data={"name": "jana", "key": PASSWORD})
    assert httpx2.get(served + PAGE, cookies=before, follow_redirects=False).status_code == 303
    assert client.get(PAGE).status_code == 200


def test_a_one_time_secret_chooses_a_password_even_while_its_name_waits(desk, served):
    caller = a_person(desk, "karl")
    for _ in range(6):
        httpx2.post(f"{served}/login", data={"name": "karl", "key": "wrong and long enough"})
    a_browser(served, "karl", expected=429)
    with desk.database.transaction() as conn:
        once = logins.reset_person(conn, caller.principal_id, entropy(25), now=desk.clock.now)
    client = a_browser(served)
    assert once in client.get(f"/password?once={once}").text
    wrong = client.post("/password", data={"name": "karla", "once": once, "new": OTHER, "again": OTHER})
    assert (wrong.status_code, "do not belong together" in wrong.text) == (401, True)
    done = client.post("/password", data={"name": "karl", "once": once, "new": OTHER, "again": OTHER})
    assert (done.status_code, done.headers["location"]) == (303, PAGE)
    assert client.get(PAGE).status_code == 200
    again = client.post("/password", data={"name": "karl", "once": once, "new": PASSWORD, "again": PASSWORD})
    assert again.status_code == 401


def test_a_one_time_secret_at_the_form_to_log_in_leads_to_its_own(desk, served):
    caller = a_person(desk, "lena")
    with desk.database.transaction() as conn:
        once = logins.reset_person(conn, caller.principal_id, entropy(25), now=desk.clock.now)
    answer = a_browser(served).post("/login", data={"name": "lena", "key": once})
    assert answer.headers["location"] == "/password"


@pytest.mark.parametrize("path", ["password", "factor/begin", "factor/confirm", "factor/remove", "confirm", "sessions/end"])
def test_forms_of_the_account_are_of_its_own_session(desk, served, path):
    a_person(desk, f"otto {path.replace('/', ' ')}")
    client = a_browser(served, f"otto {path.replace('/', ' ')}")
    assert client.post(f"{ACCOUNT}/{path}", data={"csrf": "0" * 64}).status_code == 403
    assert client.post(f"{ACCOUNT}/{path}", data={"csrf": csrf_of(client)}, headers={"sec-fetch-site": "cross-site"}).status_code == 403
    assert a_browser(served).post(f"{ACCOUNT}/{path}", data={}).headers["location"].startswith("/login")


def test_a_key_has_no_account(desk, served):
    client = httpx2.Client(base_url=served, follow_redirects=False)
    client.post("/login", data={"key": days.a_key(desk.database)})
    assert client.get(ACCOUNT).status_code == 403


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("script", [True, False])
def test_the_account_fits_its_screen_in_both_themes_with_scripts_and_without(browser, desk, served, scheme, script):
    name = f"pia {scheme} {'with' if script else 'without'}"
    a_person(desk, name)
    context = browser.new_context(color_scheme=scheme, java_script_enabled=script)
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)

    def fits():
        for width in (390, 1280, 1920):
            page.set_viewport_size({"width": width, "height": 900})
            if script:
                assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (page.url, width)
                narrow = "[...document.querySelectorAll('main input')].filter((one) => one.type !== 'hidden' && one.offsetWidth < 120)"
                assert page.evaluate(f"{narrow}.map((one) => one.name)") == [], (page.url, width)

    try:
        page.goto(f"{served}/password?once=cf_once_x")
        fits()
        page.goto(f"{served}/login")
        fits()
        page.get_by_label("Your name").fill(name)
        page.get_by_label("Password or API key").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("link", name=name).click()
        fits()
        page.locator("#begin-password").fill(PASSWORD)
        page.get_by_role("button", name="Add a second factor").click()
        fits()
        code = pyotp.TOTP(page.locator(".secret").inner_text()).at(desk.clock.now)
        page.locator("#first-code").fill(code)
        page.get_by_role("button", name="Turn it on").click()
        assert page.locator(".codes li").count() == 10
        fits()
    finally:
        context.close()
    assert complaints == []
