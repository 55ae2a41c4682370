"""The pages of notices and silences: whom was told, whether it reached them, what is kept back; in a browser, in both themes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import httpx2
import pytest

from counterfoil.base.edge import make_id
from counterfoil.integrity.silences import silence_alerts
from counterfoil.operations.notices.channels import parse_channels
from counterfoil.operations.notices.notices import Telling, tell
from counterfoil.wiring import ticks
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.test_in_a_browser import CONTRAST, EVIL, SCHEMES, WIDTHS, look  # noqa: F401 - a fixture
from tests.receiver import received

PATHS = ("/admin/notices", "/admin/silences")
CHANNELS = "hook=json://127.0.0.1:{port}/secret-token pager:critical=json://127.0.0.1:9/other-token spare=json://127.0.0.1:9/"


@pytest.fixture(scope="module")
def told(server, tmp_path_factory):
    """A channel that works, one that does not, one that was never given anything, and a silence."""
    with a_desk(server, tmp_path_factory.mktemp("notices")) as desk, received() as receiver:
        days.an_empty_day(desk)
        at = desk.clock.now
        channels = parse_channels(CHANNELS.format(port=receiver.port))
        wiring = replace(desk.wiring, channels=channels)
        with desk.database.transaction() as conn:
            for number in range(22):
                tell(conn, Telling(f"g{number}", "critical", f"Alert {number} {EVIL}", "line"), ["hook"], make_id=make_id, now=at)
            [failing] = tell(conn, Telling("g", "critical", "Books of main", "line"), ["pager"], make_id=make_id, now=at)
            silence = silence_alerts(
                conn, make_id("sil"), code="HELD_AGED", program_id="", until=at + timedelta(hours=2), reason=EVIL, actor="olga", now=at
            )
        ticks(wiring, "w")["notices"]()
        served = SimpleNamespace(rows=desk.rows, database=desk.database, clock=desk.clock, wiring=wiring)
        with days.served(served) as url:
            yield SimpleNamespace(url=url, key=days.a_key(desk.database, role="operator"), failing=failing, silence=silence.id, desk=desk)


def test_the_pages_say_which_channel_works_what_waits_and_what_is_kept_back(told):
    headers = {"Authorization": f"Bearer {told.key}"}
    with httpx2.Client(base_url=told.url, headers=headers) as client:
        pages = [client.get(path) for path in (*PATHS, f"/admin/notices/{told.failing}", f"/admin/silences/{told.silence}")]
        found = client.get("/admin/notices.json?state=waiting").json()
        older = client.get("/admin/notices.json").json()["after"]
        second = client.get(f"/admin/notices.json?after={older}").json()
        wrong = client.get("/admin/notices?state=lost")
    assert [page.status_code for page in (*pages, wrong)] == [200, 200, 200, 200, 422]
    for page in pages:
        assert ("token" in page.text, "<script>document" in page.text) == (False, False), "no secret, and no markup of others"
    assert {one["name"]: (one["least"], one["waiting"], one["failed"]) for one in found["channels"]} == {
        "hook": ("info", 0, 0),
        "pager": ("critical", 1, 0),
        "spare": ("info", 0, 0),
    }
    for said in ("2 of 3 need a look", "never tried", "1 silence keeps notices back"):
        assert said in pages[0].text, said
    assert [row["id"] for row in found["rows"]] == [told.failing]
    assert (len(second["rows"]), second["after"]) == (3, None)
    assert "every program" in pages[1].text
    assert "attempts" in pages[2].text.lower(), "each try is shown"
    assert "active" in pages[3].text


def test_they_are_whole_on_every_screen_and_every_word_can_be_read(told, look):  # noqa: F811
    page = look(told.url, told.key, path=PATHS[0])
    for path in PATHS:
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                page.goto(told.url + path)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
            found = page.evaluate(CONTRAST)
            assert len(found) > 5
            assert [one for one in found if one[0] < 4.5] == [], (path, scheme)
        assert page.locator("table:not(:has(caption))").count() == 0
        assert page.locator("th:not([scope])").count() == 0
        assert page.locator("svg:not([aria-hidden]):not([aria-label])").count() == 0
        assert page.title() != "taken"
