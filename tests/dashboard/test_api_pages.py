"""What whoever writes a program looks at: `/api/docs` in Chromium, and a page for every type of problem."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from types import SimpleNamespace

import httpx2
import pytest

from counterfoil.api.document.problem_types import problem_types
from counterfoil.api.http.app import make_app
from counterfoil.dashboard.web.api_pages import SWAGGER, _file
from counterfoil.dashboard.web.routes import add_dashboard
from tests.api.office import served as listening
from tests.dashboard import days
from tests.dashboard.conftest import a_desk

# Of swagger-ui-dist 5.34.0, as its publisher ships it. When the lock file moves, compare the new files with theirs before these move.
PUBLISHED = {
    "swagger-ui-bundle.js": "3f6abf70480db7e07914df4c98a77385f22ea585eaf457a3e6415ba0eae2d167",
    "swagger-ui.css": "c3cfe8248c4b0b89673600fb829924eafbac6de4bc4b2b06f5f5243483074d0a",
}


@pytest.fixture(scope="module")
def served(server, tmp_path_factory):
    """A server with nothing in its books."""
    with a_desk(server, tmp_path_factory.mktemp("api_pages")) as desk:
        days.an_empty_day(desk)
        app = make_app(desk.wiring, owner="test", log_requests=False)
        add_dashboard(app, desk.wiring, version="0.1.0")
        with listening(app) as url:
            yield SimpleNamespace(url=url, key=days.a_key(desk.database))


@pytest.fixture(scope="module")
def client(served):
    with httpx2.Client(base_url=served.url, trust_env=False, timeout=20) as found:
        yield found


@pytest.mark.skipif(version("fastapi-swagger") != "0.4.64", reason="another version than the one that was compared")
def test_the_files_of_swagger_ui_are_those_that_its_publisher_ships():
    assert {name: hashlib.sha256(_file(name)).hexdigest() for name in SWAGGER} == PUBLISHED


@pytest.mark.parametrize("width", [1280, 390])
def test_a_program_can_be_tried_out_with_a_key_and_nothing_breaks_the_policy(served, browser, width):
    context = browser.new_context(viewport={"width": width, "height": 900})
    page, asked, said = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda one: said.append(one.text) if one.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.add_init_script("addEventListener('securitypolicyviolation', one => (window.broken ??= []).push(one.violatedDirective))")
    page.goto(f"{served.url}/api/docs")
    page.locator("#operations-tag-Programs").wait_for()
    page.get_by_role("button", name="Authorize").first.click()
    page.locator(".auth-container input").fill(served.key)
    page.locator(".auth-btn-wrapper").get_by_role("button", name="Apply credentials").click()
    page.locator(".auth-btn-wrapper").get_by_role("button", name="Close").click()
    page.locator("#operations-tag-Programs").click()
    page.locator("#operations-Programs-program_list .opblock-summary-control").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table .response-col_status", has_text="200").first.wait_for()
    assert json.loads(page.locator(".live-responses-table .highlight-code code").first.inner_text())["data"]
    assert page.evaluate("window.broken ?? []") == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "it does not fit its screen"
    assert {url.split("/")[2] for url in asked if not url.startswith("data:")} == {served.url.split("/")[2]}
    assert page.evaluate("Object.keys(localStorage).concat(Object.keys(sessionStorage))") == [], "the key is kept nowhere"
    context.close()
    assert said == []


def test_the_page_of_the_api_says_what_a_browser_may_load(client):
    policy = client.get("/api/docs").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert client.get("/api/docs/fastapi_swagger.py").status_code == 404


def test_every_type_of_problem_has_its_page_for_people_and_for_programs(client):
    types = problem_types()
    assert len(types) > 80
    listed = client.get("/problems", headers={"Accept": "application/json"}).json()["data"]
    assert [one["type"] for one in listed] == [one.uri for one in types]
    page = client.get("/problems").text
    for one in types:
        told = client.get(one.uri, headers={"Accept": "application/json"})
        assert (told.status_code, told.json()["type"], told.json()["title"]) == (200, one.uri, one.title)
        assert told.json()["whatToDo"], one.name
        shown = client.get(one.uri, headers={"Accept": "text/html,*/*;q=0.8"})
        assert (shown.status_code, shown.headers["vary"]) == (200, "Accept")
        assert f">{one.name}</h1>" in shown.text
        assert all(f"<code>{member.name}</code>" in shown.text for member in one.members), one.name
        assert f'href="{one.uri}"' in page


def test_a_problem_that_is_answered_carries_what_its_page_says_and_no_more(client, served):
    """Those that a client meets first, over the wire."""
    key = {"Authorization": f"Bearer {served.key}"}
    answers = [
        client.get("/api/payouts"),
        client.get("/api/payouts", headers={"Authorization": "Bearer cf_live_wrong"}),
        client.get("/api/payouts/po_01KA0000000000000000000000", headers=key),
        client.get("/api/payouts?limit=0", headers=key),
        client.get("/api/payouts?colour=red", headers=key),
        client.get("/api/nothing", headers=key),
        client.delete("/api/payouts", headers=key),
        client.post("/api/invoices/issue", headers=key, json={"programId": "main"}),
    ]
    common = {"type", "title", "status", "kind", "whatToDo", "requestId"}
    for answer in answers:
        told = answer.json()
        about = client.get(told["type"], headers={"Accept": "application/json"}).json()
        assert (about["status"], about["kind"]) == (answer.status_code, told["kind"]), told
        assert about["whatToDo"] == told["whatToDo"]
        assert set(told) - common <= {member["name"] for member in about["members"]}, told
    assert len({answer.json()["type"] for answer in answers}) >= 5


def test_a_type_that_is_not_there_is_not_found(client):
    assert client.get("/problems/Nonsense").status_code == 404
    refused = client.get("/problems/Nonsense", headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json()["type"]) == (404, "/problems/NotFound")
    assert "<script" not in client.get("/problems/<script>alert(1)").text.lower().split("</head>")[1]
