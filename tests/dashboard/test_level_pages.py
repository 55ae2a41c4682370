"""The page of service levels and trends: drawn by the server; what was not measured is said; in both themes, on every screen."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import httpx2
import pytest

from counterfoil.dashboard.pages.levels import HEIGHT, chart
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.screens import is_whole_on_every_screen
from tests.dashboard.test_in_a_browser import look  # noqa: F401 - a fixture

PATH = "/admin/levels"


@pytest.fixture(scope="module")
def measured(server, tmp_path_factory):
    """Half an hour of minutes, three of them bad, and queues that were deep at one hour."""
    with a_desk(server, tmp_path_factory.mktemp("levels")) as desk:
        days.an_empty_day(desk)
        minute = desk.clock.now.replace(second=0, microsecond=0)
        with days.served(desk) as url:
            key = days.a_key(desk.database, role="operator")
            with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, trust_env=False) as client:
                before = client.get(PATH).text
            with desk.database.transaction() as conn:
                for number in range(1, 31):
                    at = minute - timedelta(minutes=number)
                    bad = number <= 3
                    conn.execute(
                        """insert into minute_sample (minute, available, answered_ms, why_not, measured_by, at)
                           values (%s, %s, 5, %s, 'w', %s)""",
                        [at, not bad, "status 500" if bad else None, at],
                    )
                conn.execute("insert into queue_hour values (%s, 'send', 60, 1200, 90, 30)", [minute.replace(minute=0)])
            yield SimpleNamespace(url=url, key=key, before=before, bad=bad_of_day(minute))


def bad_of_day(minute) -> list[str]:
    """Of each day's minutes among the thirty before this one, how many were bad: midnight may cut them anywhere."""
    days_of = [(minute - timedelta(minutes=number)).date() for number in range(1, 31)]
    shares = {day: 100 * sum(one == day for one in days_of[:3]) / days_of.count(day) for day in sorted(set(days_of))}
    return [f"{round(share, 3):g} %" for share in shares.values()]


def test_a_bar_is_as_high_as_its_value_and_what_was_not_measured_is_no_bar_of_nothing() -> None:
    made = chart("t", "s", ["a", "b", "c", "d"], [10.0, 0.01, None, 0.0], "s")
    assert [(one.height, one.y, one.value) for one in made.bars] == [
        (HEIGHT, 0, "10 s"),
        (2, HEIGHT - 2, "0.01 s"),
        (0, HEIGHT, None),
        (0, HEIGHT, "0 s"),
    ]
    assert (made.top, made.empty) == ("10 s", False)
    assert chart("t", "s", ["a"], [None], "s").empty
    limited = chart("t", "s", ["a"], [1.0], "%", limit=5.0)
    assert (limited.bars[0].height, limited.line, limited.top) == (HEIGHT // 5, 0, "1 %"), "the line is on the picture"


def test_the_page_says_what_was_kept_and_what_nobody_measured(measured) -> None:
    assert "not measured" in measured.before
    assert "No queue held anything" in measured.before
    with httpx2.Client(base_url=measured.url, headers={"Authorization": f"Bearer {measured.key}"}, trust_env=False) as client:
        page, told = client.get(PATH), client.get(f"{PATH}.json").json()
        tile = client.get("/admin/reconciliation.json").json()["readings"]["levels"]
    assert ("missed" in tile["said"], tile["grade"]) == (True, "wrong"), "on Today as on its page"
    assert page.status_code == 200
    assert {one["level"]["name"]: one["level"]["verdict"] for one in told["levels"]}["availability"] == "missed"
    assert "Rows due, on average" in page.text
    assert "90 at the most" in page.text
    assert "How long intents took" in page.text
    assert "Nothing was measured in these 28 days." in page.text
    kept = {one["title"]: one for one in told["kept"]}
    assert set(kept) == {"availability", "intents", "ledger", "payouts"}
    of_day = [one["value"] for one in kept["availability"]["bars"] if one["value"] is not None]
    assert of_day == measured.bad
    assert kept["intents"]["empty"]


def test_it_is_whole_on_every_screen_and_every_word_can_be_read(measured, look) -> None:  # noqa: F811
    page = look(measured.url, measured.key, path=PATH)
    is_whole_on_every_screen(page, measured.url + PATH)
