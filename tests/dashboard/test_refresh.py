"""What becomes of a list and of the page of one thing while they stay open: they follow what happens, and leave alone who works there."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.test_in_a_browser import look  # noqa: F401 - a fixture

LIST = "/admin/payouts"


@pytest.fixture(scope="module")
def open_all_day(server, tmp_path_factory):
    """Two payouts; every page measures again each second."""
    with a_desk(server, tmp_path_factory.mktemp("refresh")) as desk:
        days.two_payouts(desk)
        with days.served(desk, refresh_s=1) as url:
            ids = [row[0] for row in desk.rows("select id from payout order by id desc")]
            yield SimpleNamespace(desk=desk, url=url, key=days.a_key(desk.database, role="operator"), ids=ids)


def said(desk, payout_id, what):
    desk.rows("update payout set last_error = %s where id = %s returning id", what, payout_id)


def test_a_list_follows_what_happens_and_leaves_alone_where_somebody_is(open_all_day, look):  # noqa: F811
    desk, (newest, oldest) = open_all_day.desk, open_all_day.ids
    page = look(open_all_day.url, open_all_day.key, path=LIST)
    page.evaluate("window.stayed = true")
    page.get_by_text("Narrow the list").click()
    page.locator("[name=payeeId]").fill("payee-1")  # begun, and not sent
    row = page.locator(f"#{newest}")
    row.get_by_role("link").first.focus()
    said(desk, newest, "the bank is shut")
    said(desk, oldest, "no such account")
    page.locator(f"#{oldest}", has_text="no such account").wait_for(timeout=10_000)
    assert "the bank is shut" not in row.inner_text()
    assert row.get_attribute("data-changed") is not None
    assert page.evaluate("document.activeElement.textContent") == newest
    assert page.locator("[name=payeeId]").input_value() == "payee-1"
    assert page.locator("#narrow").get_attribute("open") is not None
    page.locator("#list-title").evaluate("one => { document.activeElement.blur(); getSelection().selectAllChildren(one) }")
    page.locator(f"#{newest}:not([data-changed])", has_text="the bank is shut").wait_for(timeout=10_000)
    assert page.evaluate("getSelection().toString()") == "Payouts"
    days.issued(desk, ["70.00"], prefix="r", payee="payee-1")
    desk.pay(desk.rows("select id from invoice order by id desc limit 1")[0][0], 70_00)
    desk.deliver()
    desk.work("webhooks", "verify", "settle", "events")
    page.locator("#list tbody tr >> nth=2").wait_for(timeout=10_000)
    shown = page.locator("#list tbody tr").evaluate_all("all => all.map(one => one.id)")
    assert shown == [row[0] for row in desk.rows("select id from payout order by id desc")], "in their order, whatever was held"
    assert page.evaluate("window.stayed") is True


def test_the_page_of_one_thing_follows_it_and_keeps_a_form_that_was_begun(open_all_day, look):  # noqa: F811
    desk, payout_id = open_all_day.desk, open_all_day.ids[-1]
    page = look(open_all_day.url, open_all_day.key, path=f"{LIST}/{payout_id}")
    form = page.locator("#act-cancel")
    form.locator("[name=reason]").fill("asked for by the payee")
    said(desk, payout_id, "the other bank is shut")
    page.locator("#facts", has_text="the other bank is shut").wait_for(timeout=10_000)
    assert form.locator("[name=reason]").input_value() == "asked for by the payee"
    assert form.get_attribute("data-changed") is None, "what it does is as before"
    desk.rows("update payout set state = 'completed' where id = %s returning id", payout_id)
    page.get_by_role("heading", name="Payout: completed").wait_for(timeout=10_000)
    assert page.locator("#act-cancel[data-changed] [name=reason]").input_value() == "asked for by the payee"
    form.get_by_role("button").click()
    assert "Nothing is changed yet" not in page.locator("main").inner_text()
    assert page.locator("#refused").is_visible()
    assert "held while you decide" in page.locator("#refreshed").inner_text()
    assert page.locator("header, .top").first.bounding_box()["height"] < 60, "the head stays one line, so that nothing below it jumps"
    assert page.get_by_role("link", name="Measure again").get_attribute("href") == f"{LIST}/{payout_id}"
    page.complaints.clear()  # Chromium tells of the refusal's status


def test_old_figures_are_called_unknown_and_commands_stay_what_they_are(open_all_day, look):  # noqa: F811
    page = look(open_all_day.url, open_all_day.key, path=f"{LIST}/{open_all_day.ids[0]}")
    before = page.locator("main code").all_inner_texts()
    assert any(one.startswith("counterfoil ") for one in before)
    page.route("**/*", lambda asked: asked.abort())
    page.locator("html[data-stale]").wait_for(timeout=30_000, state="attached")
    assert page.title().startswith("Not known · ")
    assert page.locator("main code").all_inner_texts() == before
    page.complaints.clear()  # Chromium tells of what was not answered
