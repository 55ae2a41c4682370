"""The page of queues: workers, queues, schedules and jobs as they stand; paused, resumed and run there, by who may."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest
from psycopg.types.json import Jsonb

from counterfoil.base.edge import make_id
from counterfoil.operations.listing import keyset_of, order_of
from counterfoil.operations.work.pauses import QueuePart, pause, paused_now
from counterfoil.reconciliation.runs.schedule import take_slot
from counterfoil.reconciliation.runs.slot_ends import MOMENT_LIST, end_slot
from counterfoil.wiring import JOBS, QUEUES
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.looking import confirmed, key_of
from tests.dashboard.screens import is_whole_on_every_screen
from tests.dashboard.test_in_a_browser import EVIL, look  # noqa: F401 - a fixture
from tests.dashboard.test_noun_pages import logged_in

PATH = "/admin/queues"
RUNS_PATH = "/admin/schedules"
PICTURES = os.environ.get("COUNTERFOIL_TEST_PICTURES")


@pytest.fixture
def shop(server, tmp_path):
    """A worker at work of which one job fails, one that is silent; a money queue and one other paused; a schedule with missed moments."""
    with a_desk(server, tmp_path) as desk:
        days.an_empty_day(desk)
        days.a_silent_worker(desk)
        now = desk.clock.now
        note = {"last_at": now.isoformat(), "last_ms": 12, "handled": 3, "failed": 0, "last_error": None}
        notes = {one.name: note for one in JOBS} | {"outbox:simulator": {**note, "last_error": f"Timeout {EVIL}"}}
        desk.rows(
            """insert into worker (id, host, pid, version, started_at, beat_at, jobs)
               values ('busy:1', 'busy', 1, '0.1.0', %s, %s, %s) returning id""",
            now - timedelta(hours=2),
            now,
            Jsonb(notes),
        )
        with desk.database.transaction() as conn:
            pause(conn, QueuePart("send"), reason=f"the bank called {EVIL}", actor="person:gita", now=now)
            for hours in (30, 26, 3):
                slot = take_slot(conn, "recent", "0 * * * *", by="busy:1", now=now - timedelta(hours=hours))
                if slot is not None:
                    end_slot(conn, slot, now=now - timedelta(hours=hours), error=f"no statement {EVIL}" if hours == 3 else None)
        with days.served(desk) as url:
            yield SimpleNamespace(desk=desk, url=url)


def paused(shop) -> set[str]:
    with shop.desk.database.transaction() as conn:
        return {one.queue for one in paused_now(conn)}


def actions(shop) -> list[tuple]:
    return shop.desk.rows("select verb, subject_id, reason from action where verb like any (array['queue.%%', 'job.%%']) order by at, id")


def form_of(page: str, **given: str) -> dict[str, str]:
    return {"csrf": re.search(r'name="csrf" value="([^"]+)"', page)[1], **given}


def test_the_page_says_who_works_what_waits_what_failed_and_what_was_missed(shop):
    with logged_in(shop.desk, shop.url, "viewer") as client:
        page, told = client.get(PATH).text, client.get(f"{PATH}.json").json()["readings"]
    workers = {one["id"]: one for one in told["workers"]["value"]["rows"]}
    assert {name: one["health"] for name, one in workers.items()} == {"busy:1": "failing", "house:1": "down"}
    assert told["workers"]["grade"] == "attention"
    queues = {one["name"]: one for one in told["queues"]["value"]}
    assert set(queues) == {one.name for one in QUEUES}
    assert (queues["send"]["word"], queues["send"]["money"], queues["send"]["pauses"][0]["actor"]) == ("paused", True, "person:gita")
    jobs = {one["name"]: one for one in told["jobs"]["value"]}
    assert set(jobs) == {one.name for one in JOBS}
    assert jobs["outbox"]["error"].startswith("Timeout")
    assert jobs["settle"]["grade"] == "right"
    [schedule] = told["schedules"]["value"]["rows"]
    assert (schedule["state"]["name"], schedule["word"]) == ("recent", "overdue")
    assert told["schedules"]["value"]["missed"][0]["missed"] >= 20
    assert (schedule["state"]["outcome"], schedule["state"]["error"][:12]) == ("failed", "no statement")
    assert told["schedules"]["grade"] == "wrong"
    assert "<script>document" not in page
    assert "People of the role operator or controller" in page
    assert "Pause …" not in page


def test_every_moment_of_a_schedule_is_listed_with_its_end(shop):
    with logged_in(shop.desk, shop.url, "viewer") as client:
        page, told = client.get(RUNS_PATH).text, client.get(f"{RUNS_PATH}.json").json()
        runs = told["readings"]["runs"]
        assert [row["run"]["outcome"] for row in runs["value"]["rows"]] == ["failed", "missed", "done", "missed"]
        assert (runs["grade"], runs["said"]) == ("wrong", "3 of these 4 were not done")
        assert "no statement" in page
        assert "<script>document" not in page
        assert "22 moments from" in page
        narrowed = client.get(f"{RUNS_PATH}?schedule=recent&outcome=missed").text
        assert f"{RUNS_PATH}.csv?schedule=recent&amp;outcome=missed" in narrowed
        missed = client.get(f"{RUNS_PATH}.json?schedule=recent&outcome=missed").json()["readings"]["runs"]
        assert [row["run"]["outcome"] for row in missed["value"]["rows"]] == ["missed", "missed"]
        assert client.get(f"{RUNS_PATH}.json?schedule=full").json()["readings"]["runs"]["said"] == "No such moment came"
        first = runs["value"]["rows"][0]["run"]
        place = keyset_of(MOMENT_LIST, order_of(MOMENT_LIST, "-at")).cursor(datetime.fromisoformat(first["at"]), first["id"])
        oldest = client.get(f"{RUNS_PATH}.json?sort=takenAt").json()["readings"]["runs"]["value"]["rows"]
        assert oldest[-1]["run"] == first
        older = client.get(f"{RUNS_PATH}.json?after={place}").json()["readings"]["runs"]
        assert [row["run"]["outcome"] for row in older["value"]["rows"]] == ["missed", "done", "missed"]
        assert client.get(f"{RUNS_PATH}?outcome=lost").status_code == 422
        assert client.get(f"{RUNS_PATH}?after=x").status_code == 422


def test_a_queue_is_paused_after_a_preview_with_a_reason_and_its_receipt_is_read(shop):
    with logged_in(shop.desk, shop.url, "operator") as client:
        said = form_of(client.get(PATH).text, act="pause", queue="settle")
        looked = client.post(PATH, data=said)
        assert "Nothing is changed yet" in looked.text
        assert "To resume it takes one person." in looked.text
        said["key"] = key_of(looked.text)
        assert paused(shop) == {"send"}, "a preview is a dry run"
        assert client.post(PATH, data={**said, "confirm": "yes"}).status_code == 422, "no pause without a reason"
        done = client.post(PATH, data={**said, "confirm": "yes", "reason": "we look at it"})
        assert done.status_code == 303
        assert "settle paused" in client.get(done.headers["location"]).text
        assert paused(shop) == {"send", "settle"}
        twice = client.post(PATH, data={**said, "confirm": "yes", "reason": "we look at it"})
        assert twice.headers["location"] == done.headers["location"]
        changed = client.post(PATH, data={**said, "act": "resume", "confirm": "yes", "reason": "seen"})
        assert (changed.status_code, "not what was looked at" in changed.text) == (422, True)
        back = confirmed(client, PATH, {**said, "act": "resume", "reason": "seen"})
        assert "settle resumed" in client.get(back.headers["location"]).text
        assert paused(shop) == {"send"}
        drained = {**said, "act": "drain"}
        assert "go on until they are done" in client.post(PATH, data=drained).text
        done = confirmed(client, PATH, {**drained, "reason": "a new version"})
        assert "settle drains" in client.get(done.headers["location"]).text
    told = [("queue.pause", "settle", "we look at it"), ("queue.resume", "settle", "seen"), ("queue.drain", "settle", "a new version")]
    assert actions(shop) == told


def test_a_queue_that_sends_money_is_resumed_by_two(shop):
    with logged_in(shop.desk, shop.url, "operator") as client:
        said = form_of(client.get(PATH).text, act="resume", queue="send")
        assert "another person approves it" in client.post(PATH, data=said).text
        done = confirmed(client, PATH, {**said, "reason": "it answers again"})
        receipt = client.get(done.headers["location"]).text
        assert "It takes a second person: proposed." in receipt
        assert paused(shop) == {"send"}
        assert "Resume a queue" in client.get("/admin/approvals").text
        again = client.post(PATH, data={**said, "reason": "again"})
        assert (again.status_code, "proposed already" in again.text) == (409, True)


def test_a_job_is_run_once_by_who_may(shop):
    with logged_in(shop.desk, shop.url, "operator") as client:
        said = form_of(client.get(PATH).text, act="run", job="settle")
        looked = client.post(PATH, data=said).text
        assert "cannot be undone" in looked
        assert actions(shop) == []
        sure = {**said, "confirm": "yes", "key": key_of(looked)}
        assert client.post(PATH, data=sure).status_code == 422, "no run without a reason"
        sure["reason"] = "we wait for it"
        assert client.post(PATH, data={**sure, "key": ""}).status_code == 422, "what was not previewed has no key"
        assert client.post(PATH, data={**sure, "key": make_id("key")}).status_code == 422, "nor one that is made up"
        done, again = client.post(PATH, data=sure), client.post(PATH, data=sure)
        assert "settle ran once: 0 handled, 0 failed." in client.get(done.headers["location"]).text
        assert again.headers["location"] == done.headers["location"]
        assert actions(shop) == [("job.run", "settle", "we wait for it")], "once"
        assert client.post(PATH, data={**sure, "job": "reserve"}).status_code == 422, "the key is of another form"
        assert client.post(PATH, data={**sure, "job": "make money"}).status_code == 404
        assert client.post(PATH, data={**said, "act": "burn"}).status_code == 422
        assert client.post(PATH, data=form_of(client.get(PATH).text, act="pause", queue="nothing")).status_code == 422
        assert client.post(PATH, data={**said, "csrf": "guess"}).status_code == 403
    with logged_in(shop.desk, shop.url, "viewer") as client:
        said = form_of(client.get(PATH).text, act="run", job="settle", confirm="yes")
        assert client.post(PATH, data=said).status_code == 403
    assert len(actions(shop)) == 1


def test_who_sees_one_program_is_told_that_this_is_of_the_whole_installation(shop):
    key = days.a_key(shop.desk.database, role="operator", name="one", program_id="main")
    page = httpx2.get(shop.url + PATH, headers={"Authorization": f"Bearer {key}"})
    assert page.status_code == 200
    assert "This is about the whole installation" in page.text
    assert "person:gita" not in page.text


def test_nobody_works_on_an_empty_installation_and_that_is_not_green(desk):
    days.an_empty_day(desk)
    with days.served(desk) as url:
        told = httpx2.get(f"{url}{PATH}.json", headers={"Authorization": f"Bearer {days.a_key(desk.database)}"}).json()["readings"]
    assert {name: one["grade"] for name, one in told.items()} == {
        "workers": "wrong",
        "queues": "right",
        "schedules": "unknown",
        "jobs": "unknown",
    }


def test_jobs_that_went_well_are_not_green_once_their_workers_are_silent(shop):
    shop.desk.rows("update worker set beat_at = beat_at - interval '7 minutes', jobs = jobs - 'outbox:simulator' returning id")
    with logged_in(shop.desk, shop.url, "viewer") as client:
        told = client.get(f"{PATH}.json").json()["readings"]["jobs"]
    assert (told["grade"], told["said"]) == ("unknown", "No worker is running: nobody does them now")


def test_it_works_without_javascript_and_by_keyboard(shop, look):  # noqa: F811
    key = days.a_key(shop.desk.database, role="operator")
    page = look(shop.url, key, path=PATH, java_script_enabled=False)
    page.get_by_role("button", name="Preview: pause settle").focus()
    page.keyboard.press("Enter")
    page.get_by_label("reason").fill("we look at it")
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / "queues-preview.png", full_page=True)
    page.keyboard.press("Enter")
    assert "settle paused" in page.locator("#receipt").inner_text()


def test_it_is_whole_on_every_screen_and_every_word_can_be_read(shop, look):  # noqa: F811
    page = look(shop.url, days.a_key(shop.desk.database, role="operator"), path=PATH)
    is_whole_on_every_screen(page, shop.url + PATH, picture="queues")
    is_whole_on_every_screen(page, shop.url + RUNS_PATH, picture="schedules")
