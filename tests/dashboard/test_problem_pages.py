"""What a person is shown who asked for what is not there, is not theirs, or broke: a page within the frame, with one way on."""

from __future__ import annotations

import re

import httpx2
import psycopg
import pytest

from counterfoil.api.http.problems import add_handlers
from counterfoil.base.ids import ALPHABET
from tests.dashboard import days, quiet
from tests.dashboard.screens import is_whole_on_every_screen
from tests.dashboard.test_in_a_browser import look  # noqa: F401 - a fixture

PEOPLE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
UNKNOWN_ID = f"po_01{ALPHABET[:24]}"
desk = quiet.desk


@pytest.fixture(scope="module")
def url(desk):
    with days.served(desk, also=add_handlers) as found:
        yield found


@pytest.fixture
def client(desk, url):
    headers = PEOPLE | {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as opened:
        assert opened.post("/login", data={"key": days.a_key(desk.database)}).status_code == 303
        yield opened


@pytest.fixture
def broken(desk):
    """The table of drills is away, as after half a migration."""
    with psycopg.connect(desk.database.url, autocommit=True) as owner:
        owner.execute("alter table drill rename to drill_away")
        yield
        owner.execute("alter table drill_away rename to drill")


def ways_on(page: str) -> list[str]:
    return re.findall(r'class="go" href="([^"]+)"', page)


def is_framed(page: str) -> bool:
    return 'id="rail"' in page and 'href="/admin/money-map"' in page and "Log out" in page


@pytest.mark.parametrize(
    ("path", "status", "on"),
    [
        ("/admin/nothing-here", 404, "/admin/reconciliation"),
        ("/admin/a/b/c/d/e", 404, "/admin/reconciliation"),
        ("/admin/%00%1b[31m", 404, "/admin/reconciliation"),
        (f"/admin/payouts/{UNKNOWN_ID}", 404, f"/admin/search?q={UNKNOWN_ID}"),
        ("/admin/payouts?state=nonsense", 422, "/admin/payouts"),
    ],
)
def test_what_is_not_there_is_a_page_in_the_frame_with_one_way_on(client, path, status, on):
    answer = client.get(path)
    assert (answer.status_code, ways_on(answer.text)) == (status, [on])
    assert is_framed(answer.text)
    assert client.get(on).status_code == 200
    assert "\x1b" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_a_stranger_learns_of_no_address_behind_the_login(url):
    for path in ("/admin/nothing-here", "/admin/payouts"):
        answer = httpx2.get(url + path, headers=PEOPLE)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/login")
    outside = httpx2.get(f"{url}/nothing-here", headers=PEOPLE)
    assert (outside.status_code, ways_on(outside.text)) == (404, ["/login"])
    assert 'id="rail"' not in outside.text


def test_a_program_that_asks_for_what_is_not_there_is_told_in_json(client):
    for path, headers in (("/admin/nothing-here", {"Accept": "application/json"}), ("/api/nothing-here", PEOPLE)):
        answer = client.get(path, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_what_breaks_shows_no_insides_and_asks_again(client, broken):
    answer = client.get("/admin/drills")
    assert (answer.status_code, ways_on(answer.text)) == (500, ["/admin/drills"])
    assert is_framed(answer.text)
    assert "nothing is shown" in answer.text
    assert "relation" not in answer.text
    assert "Traceback" not in answer.text


def test_a_form_that_none_of_ours_sends_is_refused_on_a_page_that_leads_back(client, url):
    answer = client.post("/admin/breaks", files={"verb": ("a.txt", b"x")}, headers={"Referer": f"{url}/admin/breaks"})
    assert (answer.status_code, ways_on(answer.text)) == (422, ["/admin/breaks"])
    elsewhere = client.post("/admin/breaks", data={"csrf": "wrong"}, headers={"Referer": "https://elsewhere.example/admin/breaks"})
    assert (elsewhere.status_code, ways_on(elsewhere.text)) == (403, ["/admin/reconciliation"])


def test_who_may_not_is_told_who_may_and_the_auditor_reads_of_it(desk, client):
    payout = f"/admin/payouts/{UNKNOWN_ID}"
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/admin/reconciliation").text)[1]
    client.post(f"{payout}/cancel", data={"csrf": csrf, "reason": "x", "confirm": "yes"})
    told = desk.rows("select name, kind, method, path, needs, address from access_event where kind = 'refused'")
    assert [row[1:] for row in told] == [("refused", "POST", "/admin/payouts/{id}/cancel", "operate", "127.0.0.1")]


def test_they_are_whole_on_every_screen_and_in_both_themes(desk, url, look, broken):  # noqa: F811
    page = look(url, days.a_key(desk.database))
    for name, path in (("missing", "/admin/nothing-here"), ("broken", "/admin/drills")):
        is_whole_on_every_screen(page, url + path, picture=f"problem-{name}")
    page.complaints.clear()  # the browser says of each that the answer was no 200
