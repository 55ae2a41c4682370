"""The page in Chromium over a real socket: what it shows, to whom, on which screen, and what becomes of it while it stays open."""

from __future__ import annotations

import os
import re
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import httpx2
import psycopg
import pytest
from psycopg import sql

from counterfoil.base.edge import make_id, now
from counterfoil.operations.webhooks.inbound import receive
from tests.dashboard import days
from tests.dashboard.conftest import a_desk

PAGE = "/admin/reconciliation"
DAY = "/admin/day"
WIDTHS = (1280, 390, 1920)
SCHEMES = ("light", "dark")
PICTURES = os.environ.get("COUNTERFOIL_TEST_PICTURES")  # a folder to leave screenshots in
EVIL = "<img src=x onerror=\"document.title='taken'\"> & <script>document.title='taken'</script>"


@pytest.fixture(scope="module")
def trouble(server, tmp_path_factory):
    """A day of trouble, reconciled with three breaks, its only worker silent; nothing of it changes."""
    with a_desk(server, tmp_path_factory.mktemp("trouble")) as desk:
        days.a_day_of_trouble_and_breaks(desk)
        desk.rows("update payout set last_error = %s where state = 'failed' returning id", EVIL)
        with days.served(desk) as url:
            yield SimpleNamespace(desk=desk, url=url, key=days.a_key(desk.database))


def logged_in(context, url, key):
    """With a session of its own. By the form and by keyboard it is done in `test_by_keyboard`: here a page less is drawn, each time."""
    site = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    answer = httpx2.post(f"{url}/login", data={"key": key}, headers=site, trust_env=False, timeout=30)
    assert answer.status_code == 303, answer.text
    context.add_cookies([{"name": name, "value": value, "url": url} for name, value in answer.cookies.items()])


@pytest.fixture
def look(browser):
    """Open a page in a fresh profile: `look(url, key)`; every complaint of the console fails the test."""
    complaints, contexts = [], []

    def opened(url, key, *, width=1280, height=900, scheme="light", path=PAGE, **more):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **more)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.complaints = complaints
        if key:
            logged_in(context, url, key)
        page.goto(url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def minors(value):
    """Every amount in a piece of the JSON view."""
    if isinstance(value, dict):
        if set(value) == {"minor", "asset"}:
            return Counter([value["minor"]])
        return sum((minors(one) for one in value.values()), Counter())
    return sum((minors(one) for one in value), Counter()) if isinstance(value, list) else Counter()


def shown(page, key):
    return Counter(page.locator(f"#{key} data.amount").evaluate_all("all => all.map(one => one.value)"))


def test_the_page_shows_the_figures_of_its_json_view(trouble, look):
    page = look(trouble.url, trouble.key, path=DAY)
    view = page.evaluate("path => fetch(path).then(answer => answer.json())", f"{DAY}.json")
    told = {key: minors(reading["value"]) for key, reading in view["readings"].items()}
    told["books"].subtract(minors([book for book in view["readings"]["books"]["value"] if not book["lines"]]))  # "Empty"
    for key in ("invoices", "payments", "settlements", "books", "action_required"):
        assert shown(page, key) == told[key], key
        assert told[key], key  # there was something to compare
    for key in ("payouts", "provider"):
        assert not shown(page, key) - told[key], key
        assert shown(page, key), key
    for key, reading in view["readings"].items():
        assert reading["said"] in page.locator(f"#{key}").inner_text()
    assert page.locator("#verdict-word").inner_text() == view["verdict"]["word"] == "No"


def test_every_reason_leads_to_its_section_and_every_section_says_when_and_from_what(trouble, look):
    page = look(trouble.url, trouble.key, path=DAY)
    reasons = page.locator(".because a")
    assert reasons.count() >= 4
    for address in reasons.evaluate_all("all => all.map(one => one.getAttribute('href'))"):
        assert page.locator(address).count() == 1
    for footer in page.locator("section.sheet > footer").all_inner_texts():
        assert re.match(r"(Measured|Looked|Tried) \d\d:\d\d:\d\d UTC.*, from \w", footer), footer


def test_links_inside_the_page_lead_somewhere(trouble, look):
    page = look(trouble.url, trouble.key, path=DAY)
    addresses = set(page.locator("a[href^='#']").evaluate_all("all => all.map(one => one.getAttribute('href'))"))
    assert {"#action_required-failed", "#action_required-in_doubt", "#provider"} <= addresses
    assert [one for one in addresses if page.locator(one.replace("#", "[id='") + "']").count() != 1] == []


def test_what_a_provider_says_is_text_and_never_markup(trouble, look):
    page = look(trouble.url, trouble.key)
    assert EVIL in page.locator("#action_required").inner_text()
    assert page.locator("main img").count() == 0
    assert page.title() == "No · Is today's money where it should be?"


def test_the_page_keeps_to_its_own_policy(trouble, look):
    page = look(trouble.url, trouble.key)
    assert page.locator("[style], style, script:not([src])").count() == 0
    foreign = page.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
    assert foreign
    assert all(address.startswith(trouble.url) for address in foreign)
    taken = page.evaluate(
        """() => { const script = document.createElement('script'); script.textContent = 'document.title = "taken"';
                   document.head.append(script); return document.title }"""
    )
    assert taken != "taken"
    assert any("Content Security Policy" in one for one in page.complaints)  # it was refused, and not just ignored
    page.complaints.clear()


def test_today_fits_one_screen_and_says_what_to_do_by_cause(trouble, look):
    """At 1280 x 800 on a day of trouble: nobody scrolls to learn what is wrong, and what to do first."""
    page = look(trouble.url, trouble.key, height=800)
    assert page.evaluate("document.documentElement.scrollHeight") <= 800
    view = page.evaluate("path => fetch(path).then(answer => answer.json())", f"{PAGE}.json")
    causes, kinds = view["causes"], view["readings"]["action_required"]["value"]["kinds"]
    assert len(causes) > len(kinds) > 5  # some kinds have several causes
    assert sum(one["number"] for one in causes if one["kind"] != "alert") == sum(kind["total"] for kind in kinds)
    told = sum((minors(kind["rows"]) for kind in kinds if kind["key"] != "conflict"), Counter())
    summed = [minors(one["sums"]) for one in causes if one["kind"] != "conflict"]
    assert sum(int(minor) * n for minor, n in told.items()) == sum(int(minor) * n for one in summed for minor, n in one.items())
    lines = page.locator("#action_required .cause")
    assert lines.count() == len(causes)
    for line in lines.all():
        assert line.locator("a.go").count() == 1  # one way on, beside what opens
        assert line.locator("summary a, summary button").count() == 0
    addresses = set(lines.locator("a.go").evaluate_all("all => all.map(one => one.getAttribute('href').split('#')[0])"))
    headers = {"Authorization": f"Bearer {trouble.key}"}
    assert {httpx2.get(trouble.url + one, headers=headers).status_code for one in addresses} == {200}
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#action_required .others > summary").click()
    assert page.locator("#action_required .others .cause").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("path", [PAGE, DAY, "/login"])
def test_nothing_scrolls_sideways(trouble, look, width, path):
    for scheme in SCHEMES:
        page = look(trouble.url, trouble.key if path != "/login" else None, width=width, scheme=scheme, path=path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        if PICTURES:
            page.screenshot(path=Path(PICTURES) / f"{path.rpartition('/')[2]}-{width}-{scheme}.png", full_page=True)


CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (one) => {
    for (; one; one = one.parentElement) {
      const [r, g, b, a = 1] = numbers(getComputedStyle(one).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const one = walk.currentNode.parentElement;
    if (!walk.currentNode.textContent.trim() || one.closest("[aria-hidden=true], .unseen, .skip, noscript, svg title")) continue;
    const [a, b] = [light(numbers(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), one.textContent.trim().slice(0, 40)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("path", [PAGE, DAY, "/login?ended=session"])
def test_every_word_stands_out_from_its_ground(trouble, look, scheme, path):
    page = look(trouble.url, trouble.key if "login" not in path else None, scheme=scheme, path=path)
    found = page.evaluate(CONTRAST)
    assert len(found) > 5
    assert [one for one in found if one[0] < 4.5] == []


@pytest.mark.parametrize("path", [PAGE, DAY])
def test_a_reader_of_screens_finds_landmarks_headings_names_and_captions(trouble, look, path):
    page = look(trouble.url, trouble.key, path=path)
    assert page.locator("html").get_attribute("lang") == "en"
    for role in ("banner", "main", "contentinfo"):
        assert page.get_by_role(role).count() == 1
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(one => +one.tagName[1])")
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert page.locator("table:not(:has(caption))").count() == 0
    assert page.locator("th:not([scope])").count() == 0
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, section, [role=img], [role=region]")]
             .filter((one) => !(one.getAttribute("aria-label") || one.labels?.length || one.textContent.trim()
                                || document.getElementById(one.getAttribute("aria-labelledby"))))
             .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    assert page.locator("svg:not([aria-hidden]):not([aria-label])").count() == 0
    ids = page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
    assert [one for one, times in Counter(ids).items() if times > 1] == []


def test_a_mark_is_never_only_a_colour(trouble, look):
    page = look(trouble.url, trouble.key)
    shapes = {}
    for grade in ("right", "attention", "wrong", "unknown"):
        marks = page.locator(f"svg.mark.{grade}").evaluate_all("all => all.map(one => one.innerHTML)")
        shapes[grade] = set(marks)
    assert len(set.union(*shapes.values())) == sum(map(len, shapes.values()))


def test_the_keyboard_reaches_everything_and_shows_where_it_is(trouble, look):
    page = look(trouble.url, trouble.key)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    for _ in range(12):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", page.evaluate("document.activeElement.outerHTML")


def test_it_works_without_javascript_and_asks_again_by_itself(trouble, look):
    page = look(trouble.url, trouble.key, java_script_enabled=False)
    assert page.locator("#verdict-word").inner_text() == "No"
    assert 'http-equiv="refresh" content="30; url=' in page.content()
    assert page.locator("#pause").is_hidden()


def test_a_wrong_key_is_refused_in_the_form_and_the_field_says_so(trouble, look):
    page = look(trouble.url, None, path="/login")
    page.get_by_label("Password or API key").fill("cf_live_nonsense")
    page.get_by_role("button", name="Log in").click()
    assert "no API key" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Password or API key").get_attribute("aria-invalid") == "true"
    assert "401" in page.complaints.pop()  # Chromium tells of the status; nothing else


def test_a_session_is_opened_and_ended_by_hand(trouble, look):
    page = look(trouble.url, trouble.key)
    page.get_by_role("button", name="Log out").click()
    assert "logged out" in page.get_by_role("status").inner_text()
    page.goto(trouble.url + PAGE)
    assert page.get_by_label("Password or API key").is_visible()


def test_choosing_another_day_shows_that_day(trouble, look):
    page = look(trouble.url, trouble.key, path=DAY)
    page.get_by_role("link", name="The day before").click()
    page.wait_for_url("**day=*")
    yesterday = (now() - timedelta(days=1)).date()
    assert page.get_by_label("Day", exact=True).input_value() == str(yesterday)
    assert "No invoice was issued" in page.locator("#invoices").inner_text()


@pytest.fixture
def quiet(desk):
    """Empty books, refreshed every second."""
    days.an_empty_day(desk)
    with days.served(desk, refresh_s=1) as url:
        yield SimpleNamespace(desk=desk, url=url, key=days.a_key(desk.database))


def test_figures_refresh_in_place_and_what_was_open_stays_open(quiet, look):
    page = look(quiet.url, quiet.key, path=DAY)
    page.evaluate("window.stayed = true")
    page.locator("#integrity_checks-holding summary").click()
    days.issued(quiet.desk, ["10.00", "20.00"])
    page.locator("#invoices", has_text="2 issued").wait_for(timeout=10_000)
    assert page.evaluate("window.stayed") is True
    assert page.locator("#integrity_checks-holding").get_attribute("open") is not None
    assert shown(page, "invoices")["3000"] == 1


def test_a_cause_that_is_open_stays_open_while_the_screen_refreshes(quiet, look):
    page = look(quiet.url, quiet.key)
    first, second = ({"event_type": "t", "body": b"{}", "now": quiet.desk.clock.now} for _ in range(2))
    with quiet.desk.database.transaction() as conn:
        receive(conn, make_id("whi"), provider="p", event_id="e1", **first)
        conn.execute("update webhook_in set state = 'parked', last_error = 'not ours'")
    page.locator(".cause", has_text="not ours").locator("summary").click(timeout=10_000)
    with quiet.desk.database.transaction() as conn:
        receive(conn, make_id("whi"), provider="p", event_id="e2", **second)
        conn.execute("update webhook_in set state = 'parked', last_error = 'not ours'")
    page.locator("#action_required header", has_text="2 things wait").wait_for(timeout=10_000)
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert page.locator(".cause[data-changed] .next").count() == 1  # somebody is at it: it is left alone, and marked
    page.evaluate("document.activeElement.blur()")
    page.locator(".cause .next >> nth=1").wait_for(timeout=10_000)
    assert page.locator(".cause details").get_attribute("open") is not None


def test_a_refresh_leaves_alone_what_somebody_works_in_and_marks_it(quiet, look):
    page = look(quiet.url, quiet.key)
    page.get_by_label("Day", exact=True).focus()
    page.locator("#morning h2").evaluate("one => getSelection().selectAllChildren(one)")
    page.locator("#gauges a").nth(4).focus()
    tile = page.locator("#gauges li").nth(4)
    before = tile.inner_text()
    with quiet.desk.database.transaction() as conn:
        due = quiet.desk.clock.now - timedelta(seconds=1)
        for number in range(120):
            receive(conn, make_id("whi"), provider="p", event_id=f"e{number}", event_type="t", body=b"{}", now=due)
    page.locator("#verdict", has_text="slow").wait_for(timeout=10_000)  # the rest of the page goes on
    assert page.evaluate("document.activeElement.getAttribute('href')") == "/admin/queues#queues"
    assert tile.inner_text().startswith(before)
    assert tile.get_attribute("data-changed") is not None
    assert page.evaluate("getSelection().toString()") == "Morning checklist"
    page.locator("#main h1").evaluate("one => { document.activeElement.blur(); getSelection().removeAllRanges() }")
    page.locator("#gauges li:not([data-changed])", has_text="slow").wait_for(timeout=10_000)


def test_a_page_that_is_paused_does_not_stay_green_for_ever(quiet, look):
    page = look(quiet.url, quiet.key)
    page.get_by_role("button", name="Pause").click()
    page.evaluate("() => { const then = Date.now; Date.now = () => then() + 100_000 }")
    page.wait_for_selector("html[data-stale]", timeout=15_000)
    assert page.title().startswith("Not known")
    assert page.locator(".right").count() == 0
    page.get_by_role("button", name="Resume").click()
    page.wait_for_selector("html:not([data-stale])", timeout=15_000)


def test_refreshing_can_be_paused(quiet, look):
    page = look(quiet.url, quiet.key)
    page.get_by_role("button", name="Pause").click()
    assert page.locator("#pause").get_attribute("aria-pressed") == "true"
    page.wait_for_timeout(500)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.wait_for_timeout(2500)
    assert requests == []
    page.get_by_role("button", name="Resume").click()
    page.wait_for_timeout(2500)
    assert requests


def test_a_page_left_open_is_led_to_the_form_when_its_session_ends(quiet, look):
    page = look(quiet.url, quiet.key)
    quiet.desk.rows("update session set expires_at = created_at returning csrf")
    page.wait_for_url("**/login?ended=session*", timeout=10_000)
    assert "Your session ended" in page.get_by_role("status").inner_text()


def test_when_the_database_goes_away_the_figures_are_called_old_until_it_is_back(quiet, look):
    page = look(quiet.url, quiet.key)
    name = psycopg.conninfo.conninfo_to_dict(quiet.desk.database.url)["dbname"]
    admin = psycopg.conninfo.make_conninfo(quiet.desk.database.url, dbname="postgres")
    with psycopg.connect(admin, autocommit=True) as conn:
        conn.execute(sql.SQL("alter database {} allow_connections false").format(sql.Identifier(name)))
        conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
        page.wait_for_selector("html[data-stale]", timeout=30_000)
        assert page.locator("#refreshed").inner_text().startswith("Old figures, of ")
        assert "database does not answer" in page.locator("#refreshed").inner_text()
        assert page.title().startswith("Not known")
        assert page.locator("#verdict-word").inner_text() == "Not known"
        assert page.locator(".right, .attention, .wrong").count() == 0  # nothing keeps its colour
        conn.execute(sql.SQL("alter database {} allow_connections true").format(sql.Identifier(name)))
    page.wait_for_selector("html:not([data-stale])", timeout=60_000)
    assert page.locator("#refreshed").inner_text().startswith("Measured ")
    assert not page.title().startswith("Not known · Not known")
    assert page.locator("#verdict-word").inner_text() in page.title()
    assert page.locator("#gauge-books.right").count() == 1
    assert all("503" in one for one in page.complaints)
    page.complaints.clear()


def test_asking_again_asks_and_comes_back_to_the_answers(quiet, look):
    page = look(quiet.url, quiet.key, path=DAY)
    page.locator("#integrity_checks .ask time").wait_for(timeout=30_000)  # asked beside the page: on a busy machine after it
    page.get_by_role("button", name="Pause").click()
    before = page.locator("#integrity_checks .ask time").get_attribute("datetime")
    quiet.desk.clock.advance(seconds=30)
    page.get_by_role("button", name="Ask again").click()
    page.wait_for_url("**#integrity_checks")
    assert page.locator("#integrity_checks .ask time").get_attribute("datetime") > before


def test_an_answer_is_never_kept_by_the_browser(trouble):
    headers = {"Authorization": f"Bearer {trouble.key}"}
    assert httpx2.get(trouble.url + PAGE, headers=headers).headers["cache-control"] == "no-store"
