"""The page of drills: what is practised, how it went, when it is due; asked for there by who may; readable in both themes."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from counterfoil.base.edge import make_id
from counterfoil.drills.drills import KINDS, DrillCheck, DrillMeasures, ask_for_drill, end_drill, note_check, start_drill
from counterfoil.drills.evidence import DrillResult
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.screens import is_whole_on_every_screen
from tests.dashboard.test_in_a_browser import EVIL, look  # noqa: F401 - a fixture
from tests.dashboard.test_noun_pages import logged_in

PATH = "/admin/drills"


@pytest.fixture(scope="module")
def drilled(server, tmp_path_factory):
    """A drill that passed, one that failed, one that waits; the others were never run."""
    with a_desk(server, tmp_path_factory.mktemp("drills")) as desk:
        days.an_empty_day(desk)
        now = desk.clock.now
        for name, error in (("workers", None), ("webhooks", f"it broke {EVIL}, and " + "why it broke is a long story; " * 7)):
            with desk.database.transaction() as conn:
                made = ask_for_drill(conn, make_id("drl"), name, backup_id=None, actor="t", now=now)
                start_drill(conn, made.id, now=now)
                note_check(conn, made.id, DrillCheck(1, "x", "failed" if error else "passed", "told", now))
                end_drill(conn, made.id, measures=DrillMeasures(), evidence="signed", error=error, now=now)
        with desk.database.transaction() as conn:
            waiting = ask_for_drill(conn, make_id("drl"), "database", backup_id=None, actor="t", now=now)
        with days.served(desk) as url:
            yield SimpleNamespace(url=url, desk=desk, key=days.a_key(desk.database, role="operator"), waiting=waiting.id)


def test_the_page_says_how_each_went_and_when_it_is_due(drilled):
    with logged_in(drilled.desk, drilled.url, "viewer") as client:
        page, told = client.get(PATH).text, client.get(f"{PATH}.json").json()
    words = {row["standing"]["kind"]["name"]: row["word"] for row in told["rows"]}
    assert set(words) == {one.name for one in KINDS}
    assert (words["workers"], words["webhooks"], words["restore"]) == ("passed", "failed", "never run")
    assert all(row["standing"]["dueAt"] for row in told["rows"])
    assert "<script>document" not in page
    assert drilled.waiting in page
    assert "Run it" not in page, "who only reads asks for none"


def test_what_was_run_is_narrowed_sorted_and_a_file(drilled):
    with logged_in(drilled.desk, drilled.url, "viewer") as client:
        told = {
            state: [one["name"] for one in client.get(f"{PATH}.json?state={state}").json()["newest"]] for state in ("failed", "waiting")
        }
        assert told == {"failed": ["webhooks"], "waiting": ["database"]}
        assert "None is withdrawn." in client.get(f"{PATH}?state=withdrawn").text
        assert [one["name"] for one in client.get(f"{PATH}.json?sort=askedAt").json()["newest"]][-1] == "database"
        assert client.get(f"{PATH}.csv?state=failed").text.count("webhooks") == 1
        assert client.get(f"{PATH}?state=lost").status_code == 422


def test_it_is_asked_for_there_once_and_by_who_may(drilled):
    with logged_in(drilled.desk, drilled.url, "operator") as client:
        page = client.get(PATH).text
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
        assert 'value="database"' not in page, "one of a kind at a time"
        looked = client.post(PATH, data={"csrf": csrf, "name": "restore"})
        assert (looked.status_code, "Nothing is asked for yet" in looked.text) == (200, True)
        assert drilled.desk.rows("select count(*) from drill where name = 'restore'") == [(0,)], "a preview is a dry run"
        sure = {"csrf": csrf, "name": "restore", "confirm": "yes", "key": re.search(r'name="key" value="([^"]+)"', looked.text)[1]}
        refused = client.post(PATH, data=sure)
        assert refused.status_code == 422, "no drill without a reason"
        assert "Nothing is asked for yet" in refused.text, "its form is still there"
        sure["key"] = re.search(r'name="key" value="([^"]+)"', refused.text)[1]
        unclean = client.post(PATH, data={**sure, "reason": "x\x1b[2J"})
        assert (unclean.status_code, "Nothing is asked for yet" in unclean.text) == (422, True), "nor for a reason that is none"
        sure["reason"] = "the yearly one"
        done, twice = client.post(PATH, data=sure), client.post(PATH, data=sure)
        assert (done.status_code, done.headers["location"][:17]) == (303, f"{PATH}/drl")
        assert twice.headers["location"] == done.headers["location"]
        assert "It was asked for just now: Restore a backup." in client.get(done.headers["location"]).text
        again = client.post(PATH, data={"csrf": csrf, "name": "restore"})
        assert (again.status_code, "asked for already" in again.text) == (409, True)
        assert client.post(PATH, data={"csrf": csrf, "name": "fire"}).status_code == 422
        assert client.post(PATH, data={"csrf": "guess", "name": "recovery"}).status_code == 403
    with logged_in(drilled.desk, drilled.url, "viewer") as client:
        csrf = re.search(r'name="csrf" value="([^"]+)"', client.get(PATH).text)[1]
        assert client.post(PATH, data={"csrf": csrf, "name": "recovery"}).status_code == 403
    rows = drilled.desk.rows("select reason, subject_id from action where verb = 'drill.ask'")
    asked = done.headers["location"].partition("?")[0].rsplit("/", 1)[1]
    assert rows == [("the yearly one", asked)], "it is in the action log, once"


def test_the_page_of_a_drill_says_what_was_signed_and_folds_the_note(drilled):
    ((ended,),) = drilled.desk.rows("select id from drill where name = 'workers'")
    now = drilled.desk.clock.now
    with drilled.desk.database.transaction() as conn:
        made = ask_for_drill(conn, make_id("drl"), "recovery", backup_id=None, actor="t", now=now)
        start_drill(conn, made.id, now=now)
        checks = [("the backup", "failed", f"it broke {EVIL}")]
        note = DrillResult(made.id, "recovery", "t", now, "failed", {"lostEntries": 3}, checks).signed(conn, make_id, now=now)
        end_drill(conn, made.id, measures=DrillMeasures(), evidence=note, error="it broke", now=now)
    with logged_in(drilled.desk, drilled.url, "viewer") as client:
        page, short = client.get(f"{PATH}/{made.id}").text, client.get(f"{PATH}/{ended}").text
    shown, folded = page.replace("<wbr>", "").split('<details id="fact-evidence">')
    assert f"<summary>as it was signed, {note.strip().count(chr(10)) + 1} lines</summary>" in folded
    assert re.search(r"<dt>format</dt><dd>counterfoil-drill/1</dd>", shown)
    assert re.search(r"<dt>what</dt><dd>[^{]*the backup[^{]*</dd>", shown)
    assert "&#34;format&#34;" not in shown, "no raw JSON before it is unfolded"
    assert "&#34;format&#34;" in folded
    assert EVIL not in page
    assert "fact-evidence" not in short


def test_on_a_phone_each_drill_is_a_card_with_its_verdict_and_its_button_in_sight(drilled, look):  # noqa: F811
    page = look(drilled.url, drilled.key, path=PATH, width=390)
    for table in ("#drills", "#newest"):
        hidden = page.locator(f"{table} [data-scroll]").evaluate("one => one.scrollWidth - one.clientWidth")
        assert hidden <= 0, f"{table}: something is out of sight"


def test_it_is_whole_on_every_screen_and_every_word_can_be_read(drilled, look):  # noqa: F811
    page = look(drilled.url, drilled.key, path=PATH)
    is_whole_on_every_screen(page, drilled.url + PATH)
    page.set_viewport_size({"width": 1280, "height": 900})
    page.goto(drilled.url + PATH)
    hidden = "(one => one.scrollWidth - one.clientWidth)(document.querySelector('#drills [data-scroll]'))"
    assert page.evaluate(hidden) == 0, "a button is out of sight"
