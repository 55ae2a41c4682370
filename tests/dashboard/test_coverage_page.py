"""The coverage calendar: a day is green only when it was compared after its end and nothing came since; every other says why."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_accounts, open_program
from counterfoil.ledger.journals.journal import post
from tests.builders import PROGRAM
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.screens import is_whole_on_every_screen
from tests.dashboard.test_in_a_browser import EVIL, SCHEMES, WIDTHS, look  # noqa: F401 - a fixture
from tests.dashboard.test_noun_pages import logged_in

PATH = "/admin/coverage"
PICTURES = os.environ.get("COUNTERFOIL_TEST_PICTURES")


def a_run(desk, source, first, last, *, program=PROGRAM, state="finished", verdict="reconciled", read=None, breaks=0, error=None):
    """A run of some days before today, that read at a moment."""
    today = desk.clock.now.date()
    at = read or desk.clock.now
    run_id = make_id("rec")
    with desk.database.transaction() as conn:
        conn.execute(
            """insert into reconciliation_run (id, program_id, source, first_on, last_on, state, verdict, actor, started_at, beat_at,
                      finished_at, read_until, matched, breaks, expected, report, error, number, complete)
               values (%s, %s, %s, %s, %s, %s, %s, 't', %s, %s, %s, %s, 1, %s, 0, null, %s, nextval('reconciliation_run_number'), true)""",
            [
                run_id,
                program,
                source,
                today - timedelta(days=first),
                today - timedelta(days=last),
                state,
                verdict if state == "finished" else None,
                at,
                at,
                None if state == "running" else at,
                at if state == "finished" else None,
                breaks,
                error,
            ],
        )
    return run_id


def a_finding(desk, run_id, ago, number):
    """Something that a run found on a day."""
    day = desk.clock.now.date() - timedelta(days=ago)
    identity = f"x:{run_id}:{number}"
    with desk.database.transaction() as conn:
        conn.execute(
            """insert into run_finding (run_id, number, identity, kind, severity, asset, at_stake, cause, day, detail)
               select %s, count(*) + 1, %s, 'missing_right', 'warning', 'EUR', 100, 'x', %s, '{}' from run_finding where run_id = %s""",
            [run_id, identity, day, run_id],
        )


@pytest.fixture(scope="module")
def covered(server, tmp_path_factory):
    """Three weeks of two programs: compared, with breaks, in part, failed, with holes."""
    with a_desk(server, tmp_path_factory.mktemp("covered")) as desk:
        days.an_empty_day(desk)
        desk.clock.now = now().replace(hour=10, minute=42)
        with desk.database.transaction() as conn:
            long_ago = desk.clock.now - timedelta(days=60)
            open_program(conn, "north", name="North", assets=[Asset("EUR", 2)], now=long_ago)
            for program, accounts in ((PROGRAM, ["clearing:simulator", "cash:bank:client"]), ("north", ["clearing:simulator"])):
                open_accounts(conn, program, [*accounts, "payable:payee:a"], asset="EUR", actor="t", now=long_ago)
                for account in accounts:
                    lines = [(account, "payable:payee:a", 100)]
                    post(conn, program, key=f"k{account}", kind="t", lines=lines, asset="EUR", actor="t", now=long_ago)
        midnight = desk.clock.now.replace(hour=0, minute=0)
        a_run(desk, "simulator", 13, 1, read=midnight + timedelta(hours=2))
        a_run(desk, "simulator", 0, 0, read=midnight + timedelta(hours=2))
        broken = a_run(desk, "simulator", 4, 3, verdict="not reconciled", breaks=7, read=midnight + timedelta(hours=2))
        for number in range(7):
            a_finding(desk, broken, 3, number)
        a_run(desk, "simulator:payouts", 13, 2, read=midnight + timedelta(hours=3))
        a_run(desk, "simulator:payouts", 1, 1, state="failed", error=f"the provider is away {EVIL}")
        a_run(desk, "simulator:charges", 9, 0, read=midnight + timedelta(hours=3))
        a_run(desk, "simulator", 13, 6, program="north", read=midnight + timedelta(hours=2))
        a_run(desk, "simulator", 2, 1, program="north", read=midnight + timedelta(hours=2))
        with days.served(desk) as url:
            yield SimpleNamespace(desk=desk, url=url, key=days.a_key(desk.database))


def cells(told, program, source):
    [rows] = [one["rows"] for one in told["readings"]["coverage"]["value"]["programs"] if one["programId"] == program]
    [row] = [one for one in rows if one["source"] == source]
    return row["days"]


def words(told, program, source):
    return [one["word"] for one in cells(told, program, source)]


def test_each_day_says_what_is_known_of_it(covered):
    with logged_in(covered.desk, covered.url, "viewer") as client:
        told = client.get(f"{PATH}.json").json()
        page = client.get(PATH).text
    simulator = cells(told, PROGRAM, "simulator")
    assert [one["word"] for one in simulator] == [*["reconciled"] * 10, "breaks", *["reconciled"] * 2, "partly"]
    assert (simulator[10]["breaks"], simulator[10]["said"]) == (7, "7 breaks")
    assert simulator[13]["said"] == "compared through 02:00 UTC"
    assert words(told, PROGRAM, "simulator:payouts") == [*["reconciled"] * 12, "no_conclusion", "not_compared"]
    assert words(told, PROGRAM, "simulator:charges") == [*["not_compared"] * 4, *["reconciled"] * 9, "partly"]
    assert words(told, PROGRAM, "bank:client") == ["no_statement"] * 14
    assert words(told, "north", "simulator") == [*["reconciled"] * 8, *["not_compared"] * 3, *["reconciled"] * 2, "not_compared"]
    assert [one.partition("<")[0] for one in page.split('<td class="agreed">')[1:]][:4] == ["0 of 14", "12 of 14", "9 of 14", "12 of 14"]
    assert page.count('class="reconciled from on') > 20, "days of one word in a row are one band"
    own = told["readings"]["coverage"]["value"]["own"]["days"]
    assert {one["word"] for one in own} == {"not_compared"}
    begun = (covered.desk.clock.now - timedelta(days=60)).date()
    with logged_in(covered.desk, covered.url, "viewer") as client:
        early = client.get(f"{PATH}.json", params={"day": str(begun + timedelta(days=3))}).json()
    before = early["readings"]["coverage"]["value"]["own"]["days"]
    assert [one["word"] for one in before] == [*["not_yet"] * 10, *["not_compared"] * 4], "nobody asks books that were not there"
    assert told["readings"]["coverage"]["grade"] == "wrong"
    assert "--source" in page.partition('id="gaps"')[2], "and how it is compared"
    assert "<script>document" not in page


def test_a_day_that_changed_since_it_was_compared_is_not_green(desk):
    """Booked into a day that is over: the run has not seen it."""
    days.an_empty_day(desk)
    long_ago = desk.clock.now - timedelta(days=30)
    with desk.database.transaction() as conn:
        open_accounts(conn, PROGRAM, ["clearing:simulator", "payable:payee:a"], asset="EUR", actor="t", now=long_ago)
        lines = [("clearing:simulator", "payable:payee:a", 100)]
        post(conn, PROGRAM, key="1", kind="t", lines=lines, asset="EUR", actor="t", now=long_ago)
    a_run(desk, "simulator", 5, 1, read=desk.clock.now - timedelta(minutes=5))
    with days.served(desk) as url, logged_in(desk, url, "viewer") as client:
        assert words(client.get(f"{PATH}.json").json(), PROGRAM, "simulator")[-4:-1] == ["reconciled"] * 3
        with desk.database.transaction() as conn:
            effective = desk.clock.now - timedelta(days=2)
            post(conn, PROGRAM, key="2", kind="t", lines=lines, asset="EUR", actor="t", now=now(), effective_at=effective)
        told = client.get(f"{PATH}.json").json()
    assert words(told, PROGRAM, "simulator")[-4:-1] == ["reconciled", "partly", "reconciled"]
    assert "booked into it after" in cells(told, PROGRAM, "simulator")[-3]["said"]


def test_without_any_money_there_is_nothing_to_compare_and_that_is_said(desk):
    days.an_empty_day(desk)
    with days.served(desk) as url, logged_in(desk, url, "viewer") as client:
        told = client.get(f"{PATH}.json").json()["readings"]["coverage"]
        assert (told["state"], told["grade"]) == ("empty", "plain")
        assert "No money went through" in client.get(PATH).text
        assert client.get(f"{PATH}?span=7").status_code == 422


def test_who_is_of_one_program_sees_no_other(covered):
    key = days.a_key(covered.desk.database, program_id="north", name="nora")
    import httpx2

    headers = {"Origin": covered.url, "Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=covered.url, headers=headers, timeout=20, trust_env=False) as client:
        client.post("/login", data={"key": key})
        found = client.get(f"{PATH}.json").json()["readings"]["coverage"]["value"]
    assert [one["programId"] for one in found["programs"]] == ["north"]
    assert found["own"] is None


def test_what_cannot_be_measured_is_not_known(covered, monkeypatch):
    from counterfoil.base.problems import Busy

    def away(*_, **__):
        raise Busy(what="the calendar")

    monkeypatch.setattr("counterfoil.dashboard.maps.coverage.coverage", away)
    with logged_in(covered.desk, covered.url, "viewer") as client:
        told = client.get(f"{PATH}.json").json()["readings"]["coverage"]
        assert (told["state"], told["grade"]) == ("failed", "unknown")
        assert "could not be measured" in client.get(PATH).text


def test_it_is_whole_on_every_screen_and_every_word_can_be_read(covered, look):  # noqa: F811
    page = look(covered.url, covered.key, path=PATH)
    is_whole_on_every_screen(page, covered.url + PATH)
    is_whole_on_every_screen(page, f"{covered.url}{PATH}?span=35")
    for scheme in SCHEMES if PICTURES else ():
        page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            for span in ("14", "35"):
                page.set_viewport_size({"width": width, "height": 900})
                page.goto(f"{covered.url}{PATH}?span={span}")
                page.screenshot(path=Path(str(PICTURES)) / f"coverage-{span}-{width}-{scheme}.png", full_page=True)


def test_by_keyboard_alone_one_reaches_a_break_and_its_list(covered, look):  # noqa: F811
    page = look(covered.url, covered.key, path=PATH)
    page.get_by_role("region", name="Coverage calendar").focus()
    for _ in range(200):
        page.keyboard.press("Tab")
        if "7 breaks" in (page.evaluate("document.activeElement.getAttribute('aria-label')") or ""):
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/breaks?source=simulator")
