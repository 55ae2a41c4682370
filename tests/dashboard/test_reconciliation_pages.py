"""Runs and breaks in a real browser: what each page shows, what its buttons do, and that two people are needed where two are."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.reconciliation.breaks.queries import Filter, list_breaks
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.test_in_a_browser import CONTRAST, PICTURES, SCHEMES, WIDTHS
from tests.dashboard.test_in_a_browser import look as look  # the fixture

RUNS, BREAKS = "/admin/reconciliation/runs", "/admin/breaks"
INK = CONTRAST.replace("[aria-hidden=true]", "title, [aria-hidden=true]")  # a title in a drawing is not written anywhere
EVIL = "<img src=x onerror=\"document.title='taken'\">"


@pytest.fixture(scope="module")
def world(server, tmp_path_factory):
    """A day whose statement lost, doubled and altered a line; a run that found it, one that failed, one that is at work."""
    with a_desk(server, tmp_path_factory.mktemp("world")) as desk:
        desk.spoil_the_statement()
        days.a_full_day(desk, prices=days.PRICES[:12])
        days.reconciled(desk)
        today = now().date()
        for number, (state, error) in enumerate((("failed", "StatementUnavailable: the provider is away"), ("running", None))):
            desk.rows(
                """insert into reconciliation_run (id, program_id, source, first_on, last_on, state, actor, started_at, beat_at,
                          finished_at, error) values (%s, 'main', 'simulator', %s, %s, %s, 'test', %s, %s, %s, %s) returning id""",
                make_id("rec"),
                today - timedelta(days=5),
                today - timedelta(days=5),
                state,
                now() - timedelta(minutes=9 - number),
                now(),
                now() if error else None,
                error,
            )
        keys = {role: days.a_key(desk.database, role=role, name=role) for role in ("viewer", "controller", "approver")}
        with days.served(desk, refresh_s=0) as url:
            yield SimpleNamespace(desk=desk, url=url, keys=keys, key=keys["controller"])


def cases(world, **by):
    with world.desk.database.transaction() as conn:
        return list_breaks(conn, Filter(**by), rows_max=100)


def a_case(world, kind):
    found = [one for one in cases(world, state="open") if one.kind == kind]
    if not found:
        pytest.fail(f"no open break of kind {kind} is left for this test")
    return found[0]


def json_view(page, path):
    return page.evaluate("path => fetch(path).then(answer => answer.json())", f"{path}.json")


def act(page, verb, reason):
    """Fill in the form of this verb, look at what would happen, and confirm it."""
    form = page.locator(f"#act-{verb}")
    form.get_by_label("because").fill(reason)
    form.get_by_role("button", name="Preview:").click()
    if page.get_by_role("alert").count():
        return  # it would be refused
    assert "Nothing is changed yet" in form.inner_text()
    form.get_by_role("button", name="Confirm:").click()


def run_id(world, state):
    return world.desk.rows("select id from reconciliation_run where state = %s order by id limit 1", state)[0][0]


def paths(world):
    """Both lists, a run of each outcome, a closed break and a live one."""
    closed, *_, live = [one.id for one in sorted(cases(world), key=lambda one: one.live)]
    runs = [f"{RUNS}/{run_id(world, state)}" for state in ("finished", "failed", "running")]
    return [RUNS, *runs, BREAKS, f"{BREAKS}/{closed}", f"{BREAKS}/{live}"]


def test_a_break_shows_both_records_the_difference_the_tests_and_the_timeline(world, look):
    case = a_case(world, "AMOUNT_MISMATCH")
    page = look(world.url, world.key, path=f"{BREAKS}/{case.id}")
    differing = page.locator("#both tr.differs")
    assert differing.count() >= 1
    assert page.locator("#both tr.differs data.amount").nth(2).get_attribute("value") == str(case.difference)
    assert page.locator("#why .tests li").count() >= 3
    assert page.locator("#why .tests li.excluded .finding").first.inner_text()
    assert page.locator("#timeline > ol > li").count() <= 20, "the rest stands behind a line that opens"
    stations = page.locator("#timeline .where").all_text_contents()
    assert {"invoice", "payment", "journal", "webhook", "our books", "statement", "break"} <= set(stations)
    told = json_view(page, f"{BREAKS}/{case.id}")
    assert told["readings"]["why"]["value"]["action"]["sentence"] in page.locator("#verdict").inner_text()
    assert told["case"]["atStake"] == case.at_stake
    lines = sorted((one["id"], one["minor"]) for one in told["readings"]["timeline"]["value"] if one["where"] == "journal")
    with world.desk.database.transaction() as conn:
        posted = conn.execute(
            "select journal_id::text, amount from posting where journal_id = any(%s::uuid[])", [[one for one, _ in lines]]
        )
        assert lines == sorted(posted.fetchall()), "each line of a journal is told with its own amount, and none with their sum"


def test_the_page_of_breaks_groups_ages_and_lists_them(world, look):
    page = look(world.url, world.key, path=BREAKS)
    live = len(cases(world, state="live"))
    assert page.locator("#totals-word").inner_text() == str(live)
    assert page.locator("#list tbody tr").count() == live
    told = json_view(page, BREAKS)
    assert sum(one["number"] for one in told["readings"]["groups"]["value"]["groups"]) == live
    page.get_by_label("State").select_option("closed")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**state=closed*")
    assert "No such break" in page.locator("#list").inner_text() or page.locator("#list tbody tr").count()


def test_a_run_shows_its_footing_and_what_is_open_and_leads_to_the_breaks(world, look):
    page = look(world.url, world.key, path=RUNS)
    assert "Could not conclude" in page.locator("#runs").inner_text()
    assert "Still running" in page.locator("#runs").inner_text()
    page.goto(f"{world.url}{RUNS}/{run_id(world, 'finished')}")
    told = json_view(page, f"{RUNS}/{run_id(world, 'finished')}")
    for line in told["readings"]["footing"]["value"]:
        parts = [int(line[name]["amount"]["minor"]) for name in ("matched", "breaks", "expected")]
        assert sum(parts) == int(line["source"]["amount"]["minor"])
    assert page.locator("#footing tbody tr").count() == len(told["readings"]["footing"]["value"]) == 2
    page.locator("#open tbody a").first.click()
    page.wait_for_url(f"**{BREAKS}/break_*")


@pytest.mark.parametrize(("state", "says"), [("failed", "It could not conclude, so nothing is known"), ("running", "It is still at work")])
def test_a_run_without_a_verdict_says_that_nothing_is_known(world, look, state, says):
    page = look(world.url, world.key, path=f"{RUNS}/{run_id(world, state)}")
    assert says in page.locator("#verdict").inner_text()
    assert page.locator("#footing .state").inner_text() == "not checked"
    assert page.locator(".sheet.right").count() == 0


def test_an_adjustment_takes_two_people_and_the_page_says_so(world, look):
    case = a_case(world, "AMOUNT_MISMATCH")
    path = f"{BREAKS}/{case.id}"
    page = look(world.url, world.keys["controller"], path=path)
    act(page, "investigate", "I look at it")
    page.wait_for_url("**receipt=key_**")
    form = page.locator("#act-adjust")
    form.get_by_label("debit").first.fill("provider_fee") if case.difference < 0 else form.get_by_label("credit").first.fill("suspense")
    before = world.desk.rows("select count(*) from approval_proposal")
    form.get_by_label("because").fill("the provider kept more")
    form.get_by_role("button", name="Preview:").click()
    ours = {"provider_fee", "suspense"} & set(page.locator("#act-adjust .books tbody tr > *").all_inner_texts())
    assert page.locator("#act-adjust .books caption").inner_text() == "Once approved, it books"
    assert len(ours) == 1, "which accounts it moves"
    page.locator("#act-adjust").get_by_role("button", name="Confirm:").click()
    page.wait_for_url("**receipt=key_**")
    assert "Another person approves it within 24 hours" in page.locator("#receipt").inner_text()
    assert world.desk.rows("select count(*) from approval_proposal") == [(before[0][0] + 1,)], "a look at it proposes nothing"
    assert "You made it" in page.locator("#act-approve").inner_text() or "approver" in page.locator("#act-approve").inner_text()
    assert page.locator("#act-approve button").count() == 0
    second = look(world.url, world.keys["approver"], path=path)
    act(second, "approve", "checked with the statement")
    second.wait_for_url("**receipt=key_**")
    assert "adjusted" in second.locator("#verdict").inner_text()
    (told,) = world.desk.rows("select actor, source_id from journal where source_type = 'break' and source_id = %s", case.id)
    assert told[0].startswith("person:approver")
    actions = world.desk.rows("select verb, reason from action where subject_id = %s order by at", case.id)
    assert [verb for verb, _ in actions] == ["break.investigate", "break.adjust", "break.approve"]
    assert actions[1][1] == "the provider kept more"
    page.reload()


def test_somebody_who_was_faster_is_told_and_what_was_typed_stays(world, look):
    case = a_case(world, "DUPLICATE_RIGHT")
    path = f"{BREAKS}/{case.id}"
    slow, fast = look(world.url, world.key, path=path), look(world.url, world.keys["controller"], path=path)
    act(fast, "investigate", "mine")
    fast.wait_for_url("**receipt=key_**")
    act(slow, "wait", "I would rather wait for them")
    assert "Somebody else moved it first" in slow.get_by_role("alert").inner_text()
    assert "409" in slow.complaints.pop()  # Chromium tells of the status
    assert [one.state for one in cases(world) if one.id == case.id] == ["investigating"]
    other = next(one.id for one in cases(world, state="live") if one.id != case.id)
    fast.locator("#act-mark_duplicate input[name=duplicate_of]").fill(other)
    act(fast, "mark_duplicate", EVIL)
    fast.wait_for_url("**receipt=key_**")
    assert EVIL in fast.locator("#history").inner_text()
    assert fast.locator("main img").count() == 0


def test_many_are_given_away_at_once(world, look):
    page = look(world.url, world.key, path=BREAKS)
    boxes = page.locator("#list input[type=checkbox]")
    for at in range(boxes.count()):
        boxes.nth(at).check()
    page.locator(".bulk select[name=verb]").select_option("assign")
    page.locator(".bulk input[name=owner]").fill("olga")
    page.locator(".bulk input[name=reason]").fill("she knows them")
    page.get_by_role("button", name="Preview: with the ticked ones").click()
    assert "that you ticked: assign." in page.locator("#act").inner_text()
    assert "olga" not in {one.owner for one in cases(world, state="live")}, "a preview is a dry run"
    page.get_by_role("button", name="Confirm: assign").click()
    page.wait_for_url("**receipt=key_**")
    assert page.locator("#receipt").inner_text().startswith("Done: assign, ")
    assert {one.owner for one in cases(world, state="live")} == {"olga"}


def test_a_reader_sees_everything_and_can_do_nothing(world, look):
    case = cases(world, state="live")[0]
    page = look(world.url, world.keys["viewer"], path=f"{BREAKS}/{case.id}")
    assert page.locator("#acts button").count() == 0
    assert "Your role does not allow this" in page.locator("#acts").inner_text()
    csrf = page.locator("input[name=csrf]").first.get_attribute("value")
    answer = page.request.post(f"{world.url}{BREAKS}/{case.id}/wait", form={"csrf": csrf, "confirm": "yes", "reason": "x"})
    assert answer.status == 403


def test_a_form_from_elsewhere_is_refused(world):
    case = cases(world, state="live")[0]
    answer = httpx2.post(f"{world.url}/login", data={"key": world.key})
    cookie = answer.headers["set-cookie"].partition(";")[0]
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        form = {"csrf": "guess", "confirm": "yes", "reason": "x"}
        refused = httpx2.post(f"{world.url}{BREAKS}/{case.id}/wait", data=form, headers={"Cookie": cookie, **headers})
        assert refused.status_code == 403
    assert httpx2.post(f"{world.url}{BREAKS}/{case.id}/wait", data={"reason": "x"}).headers["location"].startswith("/login")


@pytest.mark.parametrize("path", [f"{BREAKS}/break_01KA0000000000000000000000", f"{RUNS}/rec_01KA0000000000000000000000", f"{BREAKS}/x"])
def test_what_is_not_there_is_missing_on_the_page_and_in_its_json_view(world, path):
    headers = {"Authorization": f"Bearer {world.key}"}
    for address in (path, f"{path}.json"):
        assert httpx2.get(world.url + address, headers=headers).status_code == 404
    assert httpx2.get(f"{world.url}{BREAKS}?colour=red", headers=headers).status_code == 422


def test_the_first_days_pages_say_that_nothing_was_checked(desk, look):
    days.an_empty_day(desk)
    with days.served(desk, refresh_s=0) as url:
        page = look(url, days.a_key(desk.database), path=RUNS)
        assert "Nothing was ever reconciled" in page.locator("#latest").inner_text()
        page.goto(url + BREAKS)
        assert page.locator("#totals-word").inner_text() == "Not known"  # an empty list of what nobody looked for is no good news
        assert "nothing was ever reconciled" in page.locator("#totals").inner_text()
        assert page.locator(".ticket.right, .sheet.right").count() == 0


def test_every_page_keeps_its_policy_and_fits_its_screen(world, look):
    page = look(world.url, world.key, path=RUNS)
    for number, path in enumerate(paths(world)):
        page.goto(world.url + path)  # once: a screen that is turned or darkened lays the same page out again
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, path
                assert page.locator("[style], style, script:not([src])").count() == 0
                assert [one for one in page.evaluate(INK) if one[0] < 4.5] == [], (path, scheme)
                if PICTURES:
                    page.screenshot(path=Path(PICTURES) / f"{number}-{width}-{scheme}.png", full_page=True)


def test_a_reader_of_screens_finds_names_captions_and_one_heading(world, look):
    page = look(world.url, world.key, path=RUNS)
    for path in paths(world):
        page.goto(world.url + path)
        assert page.locator("h1").count() == 1
        assert page.locator("table:not(:has(caption))").count() == 0, path
        assert page.locator("th:not([scope])").count() == 0, path
        ids = page.locator("[id]").evaluate_all("all => all.map(one => one.id)")
        assert len(ids) == len(set(ids)), path
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("a, button, input:not([type=hidden]), select, section, [role=img], [role=region]")]
                 .filter((one) => !(one.getAttribute("aria-label") || [...(one.labels ?? [])].some((l) => l.textContent.trim())
                     || one.textContent.trim() || document.getElementById(one.getAttribute("aria-labelledby"))))
                 .map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert nameless == [], path
