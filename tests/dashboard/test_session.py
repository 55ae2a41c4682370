"""Logging in and out over a real socket, and what is refused: other sites, wrong keys, too many of them, ended sessions."""

from __future__ import annotations

import re
from datetime import timedelta

import httpx2
import pytest

from counterfoil.base.edge import entropy, make_id, now
from counterfoil.dashboard.web.rendering import Renderer
from counterfoil.operations.access import access
from counterfoil.operations.access.key_list import KEY_LIST
from counterfoil.operations.access.records import OF_NAME_AND_ADDRESS
from counterfoil.operations.access.rotation import rotate_key
from tests.dashboard import days, quiet
from tests.dashboard.conftest import a_desk
from tests.listed import newest
from tests.people import past_the_guard

PAGE = "/admin/reconciliation"
desk, later, served = quiet.desk, quiet.later, quiet.served


def a_browser(url):
    return httpx2.Client(base_url=url, follow_redirects=False)


def logged_in(url, desk, **more):
    client = a_browser(url)
    answer = client.post("/login", data={"key": days.a_key(desk.database, **more)})
    assert answer.status_code == 303
    return client


def csrf_of(client):
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get(PAGE).text)[1]


def a_narrow_key(desk, *scopes):
    secret = access.new_secret(entropy(access.SECRET_BYTES), live=False)
    with desk.database.transaction() as conn:
        key_id = make_id("key")
        access.create_key(conn, key_id, secret, name=key_id, role="operator", by="test", now=now(), scopes=scopes)
    return secret


def test_a_key_with_scopes_sees_the_pages_if_one_of_them_is_the_pages_and_sends_no_form_beyond_them(desk, served):
    refused = a_browser(served).post("/login", data={"key": a_narrow_key(desk, "payouts:read", "payouts:operate")})
    assert refused.status_code == 403
    assert "pages:read" in refused.text
    client = a_browser(served)
    assert client.post("/login", data={"key": a_narrow_key(desk, "pages:read", "drills:operate")}).status_code == 303
    assert client.get(PAGE).status_code == 200
    form = {"csrf": csrf_of(client), "act": "run", "name": "expire-holds", "reason": "x"}
    assert "operations:operate" in client.post("/admin/queues", data=form).text
    verb = {"csrf": csrf_of(client), "verb": "investigate", "reason": "x"}
    assert "breaks:operate" in client.post("/admin/breaks", data=verb).text


def test_a_session_that_the_secret_of_before_a_rotation_opened_ends_with_that_secret(desk, served):
    secret, newer = days.a_key(desk.database, name="a wall"), access.new_secret(entropy(access.SECRET_BYTES), live=False)
    [(key_id,)] = desk.rows("select id from api_key where name = 'a wall'")
    ends = "select expires_at from session where api_key_id = %s order by created_at"
    assert a_browser(served).post("/login", data={"key": secret}).status_code == 303
    with past_the_guard(desk.database.url) as conn:
        until = rotate_key(conn, make_id("ksec"), key_id, newer, overlap="1h", by="test", now=now()).before_until
    for one in (secret, newer):
        assert a_browser(served).post("/login", data={"key": one}).status_code == 303
    before, during, after = [row[0] for row in desk.rows(ends, key_id)]
    assert before == until
    assert abs(during - until) < timedelta(seconds=1)
    assert after > until + timedelta(hours=1)


def test_the_first_address_leads_to_the_page_and_the_page_to_the_form_and_back(desk, served):
    client = a_browser(served)
    assert client.get("/").headers["location"] == PAGE
    assert client.get("/admin").headers["location"] == PAGE
    asked = client.get(f"{PAGE}?day=2026-11-20")
    assert (asked.status_code, asked.headers["location"]) == (303, "/login?next=%2Fadmin%2Freconciliation%3Fday%3D2026-11-20")
    done = client.post("/login", data={"key": days.a_key(desk.database), "next": f"{PAGE}?day=2026-11-20"})
    assert done.headers["location"] == f"{PAGE}?day=2026-11-20"
    assert client.get(PAGE).status_code == 200


def test_the_cookie_is_for_no_script_and_no_other_site_and_over_https_for_this_host_alone(desk, served):
    key = days.a_key(desk.database)
    plain = a_browser(served).post("/login", data={"key": key}).headers["set-cookie"]
    assert plain.startswith("counterfoil_session=")
    assert all(part in plain for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"))
    with days.served(desk, https=True) as url:
        secure = a_browser(url).post("/login", data={"key": key}).headers["set-cookie"]
    assert secure.startswith("__Host-counterfoil_session=")
    assert "Secure" in secure
    assert "Domain" not in secure


@pytest.mark.parametrize("role", ["viewer", "operator", "approver", "controller", "auditor", "administrator"])
def test_every_role_may_read(desk, served, role):
    assert logged_in(served, desk, role=role, name=role).get(PAGE).status_code == 200


@pytest.mark.parametrize("key", ["", "cf_test_", "x" * 5000, "cf_live_" + "0" * 47, "\x00", "é" * 30])
def test_a_key_that_is_none_opens_nothing_and_says_why(served, key):
    answer = a_browser(served).post("/login", data={"key": key})
    assert (answer.status_code, "set-cookie" in answer.headers) == (401, False)
    assert "no API key" in answer.text


def test_a_key_that_was_revoked_opens_nothing_and_ends_its_sessions_which_is_explained(desk, served):
    from counterfoil.operations.access.access import revoke_key

    client, key = a_browser(served), days.a_key(desk.database, name="revoked")
    client.post("/login", data={"key": key})
    assert client.get(PAGE).status_code == 200
    with desk.database.transaction() as conn:
        (revoked,) = [one.id for one in newest(conn, KEY_LIST, 99) if one.name == "revoked"]
        revoke_key(conn, revoked, now=now())
    ended = client.get(PAGE)
    assert ended.headers["location"].startswith("/login?ended=session")
    assert "Your session ended" in client.get(ended.headers["location"]).text
    assert client.get(f"{PAGE}.json").status_code == 401
    assert a_browser(served).post("/login", data={"key": key}).status_code == 401


def test_a_session_ends_after_twelve_hours(desk, served):
    client = logged_in(served, desk)
    desk.clock.now += timedelta(hours=12, seconds=1)
    assert client.get(PAGE).headers["location"].startswith("/login?ended=session")


def test_after_logging_out_the_cookie_opens_nothing_even_if_it_was_kept(desk, served):
    client = logged_in(served, desk)
    kept, token = dict(client.cookies), csrf_of(client)
    out = client.post("/logout", data={"csrf": token})
    assert (out.status_code, out.headers["location"]) == (303, "/login?ended=logout")
    assert out.headers["clear-site-data"] == '"cache", "storage"', "the cookie is this host's own, and deleted by name"
    assert "logged out" in client.get(out.headers["location"]).text
    assert httpx2.get(served + PAGE, cookies=kept, follow_redirects=False).status_code == 303


@pytest.mark.parametrize("path", ["/logout", f"{PAGE}/ask"])
@pytest.mark.parametrize(
    ("token", "headers"),
    [("", {}), ("0" * 64, {}), (None, {"sec-fetch-site": "cross-site"}), (None, {"origin": "http://evil.example"})],
)
def test_a_form_that_is_not_from_a_page_of_the_session_does_nothing(desk, served, path, token, headers):
    client = logged_in(served, desk)
    given = csrf_of(client) if token is None else token
    assert client.post(path, data={"csrf": given}, headers=headers).status_code == 403
    assert client.get(PAGE).status_code == 200


def test_the_token_of_another_session_is_refused(desk, served):
    one, other = logged_in(served, desk, name="one"), logged_in(served, desk, name="other")
    assert one.post("/logout", data={"csrf": csrf_of(other)}).status_code == 403


def test_another_site_cannot_log_somebody_in(desk, served):
    headers = {"sec-fetch-site": "cross-site", "origin": "http://evil.example"}
    answer = a_browser(served).post("/login", data={"key": days.a_key(desk.database)}, headers=headers)
    assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize(
    "next_path",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        f"{PAGE}@evil.example",
        f"{PAGE}?a=\r\nx:y",
        "/logout",
    ],
)
def test_nobody_is_sent_elsewhere_after_logging_in(desk, served, next_path):
    answer = a_browser(served).post("/login", data={"key": days.a_key(desk.database), "next": next_path})
    assert (answer.status_code, answer.headers["location"]) == (303, PAGE)


def test_after_five_failures_an_address_waits_also_with_the_right_key_and_is_told_how_long(desk, served):
    client, key = a_browser(served), days.a_key(desk.database)
    for _ in range(OF_NAME_AND_ADDRESS):
        assert client.post("/login", data={"key": "wrong"}).status_code == 401
    refused = client.post("/login", data={"key": key})
    assert refused.status_code == 429
    assert f"Wait {refused.headers['retry-after']} seconds" in refused.text
    desk.clock.advance(minutes=5, seconds=1)
    assert client.post("/login", data={"key": key}).status_code == 303


def test_the_json_view_takes_a_key_or_a_session_and_refuses_as_problem_json(desk, served):
    refused = httpx2.get(f"{served}{PAGE}.json")
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
    assert logged_in(served, desk).get(f"{PAGE}.json").status_code == 200
    headers = {"Authorization": f"Bearer {days.a_key(desk.database, name='robot')}"}
    assert httpx2.get(f"{served}{PAGE}.json", headers=headers).status_code == 200
    wrong = httpx2.get(f"{served}{PAGE}.json?day=tomorrow", headers=headers)
    assert (wrong.status_code, wrong.json()["field"]) == (422, "day")


@pytest.mark.parametrize("query", ["day=2999-01-01", "day=x", "program=" + "p" * 65])
def test_a_wrong_choice_is_refused_on_a_page_that_names_field_and_limit(desk, served, query):
    answer = logged_in(served, desk).get(f"{PAGE}?{query}")
    assert (answer.status_code, query.partition("=")[0] in answer.text) == (422, True)


@pytest.mark.parametrize("path", ["/", "/login", PAGE, f"{PAGE}.json", "/admin/assets/frame.css", "/admin/assets/none"])
def test_every_answer_tells_the_browser_what_it_may_do(desk, served, path):
    answer = logged_in(served, desk).get(path)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ("no-store" in answer.headers["cache-control"]) != (path == "/admin/assets/frame.css")


@pytest.mark.parametrize("path", [PAGE, f"{PAGE}.json", "/admin/payouts.csv", "/login"])
def test_an_address_answers_to_its_own_methods_and_names_them_to_others(desk, served, path):
    client = logged_in(served, desk)
    assert client.get(path).status_code == 200
    asked = {method: client.request(method, path) for method in ("HEAD", "PUT", "DELETE")}
    assert {(method, told.status_code, told.headers["allow"]) for method, told in asked.items()} == {(one, 405, "GET") for one in asked}


def test_a_page_of_a_database_that_is_away_says_so_and_shows_no_figure(server, tmp_path):
    with a_desk(server, tmp_path) as desk:
        days.an_empty_day(desk)
        with days.served(desk) as served:
            client = logged_in(served, desk)
            desk.database.close()
            answer = client.get(PAGE)
    assert answer.status_code in (500, 503)
    assert "<data" not in answer.text
    assert "nothing is shown" in answer.text


@pytest.mark.parametrize("text", ["\x1b]0;pwned\x07", "\u202enosaer"])
def test_a_form_with_text_that_commands_a_terminal_is_refused_on_its_page(desk, served, text):
    client = logged_in(served, desk, role="operator", name="olga")
    form = {"csrf": csrf_of(client), "verb": "wait", "reason": f"because{text}"}
    answer = client.post("/admin/breaks", data=form)
    assert answer.status_code == 422
    assert "text without control characters" in answer.text


def test_without_a_program_the_page_says_how_to_begin_and_calls_nothing_good(server, tmp_path):
    with a_desk(server, tmp_path) as desk, days.served(desk) as url:
        with desk.database.transaction() as conn:
            assert conn.execute("select count(*) from program").fetchone() == (0,)
        before = logged_in(url, desk).get(PAGE).text
        days.an_empty_day(desk)
        after = logged_in(url, desk, name="later").get(PAGE).text
    assert "There is no program yet" in before
    assert "<code>counterfoil setup</code>" in before
    assert 'class="ticket right"' not in before
    assert "There is no program yet" not in after


def test_a_template_is_compiled_once_in_a_process_however_many_renderers_draw_it():
    one, other = (Renderer(version="0", refresh_s=0, rail=()) for _ in range(2))
    drawn, again = (made._jinja.get_template("login.html").root_render_func for made in (one, other))
    assert drawn is not again
    assert drawn.__code__ is again.__code__
