"""A morning in the browser: log in, see on Today what is wrong, follow it to its cause, do what the page offers, see Today green."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.base.postgres_programs import wait_for
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.test_in_a_browser import PAGE, look  # noqa: F401 - a fixture


@pytest.fixture
def morning(server, tmp_path):
    """A day that agrees with the provider's statement, and a payout that the bank refused."""
    with a_desk(server, tmp_path) as desk:
        days.a_full_day(desk, prices=["120.00", "77.30"])
        one = days.issued(desk, ["812.40"], prefix="t", payee="payee-1")[0]
        desk.fault("payout_failed", params={"code": "bank_not_available"})
        desk.pay(one, 81240)
        days.through(desk)
        days.reconciled(desk)
        days.everything_asked(desk)
        with days.working(desk), days.served(desk) as url:
            yield SimpleNamespace(desk=desk, url=url, key=days.a_key(desk.database, role="operator"))


def today(page, url):
    """The verdict, once all of it was measured in time: on a busy machine a section may take longer than it is given."""

    def measured():
        page.goto(url + PAGE)
        return page.locator("#verdict-word").inner_text() != "Not known"

    wait_for(measured, "a verdict on today")
    return page.locator("#verdict-word").inner_text()


def test_a_payout_that_the_bank_refused_is_seen_looked_at_tried_again_and_today_is_green(morning, look):  # noqa: F811
    page = look(morning.url, morning.key)
    assert today(page, morning.url) == "Yes, but"
    page.get_by_role("link", name="1 thing waits for a person").click()
    cause = page.locator("#action_required .cause", has_text="payee-1: bank not available")
    assert cause.locator(".sum").inner_text().endswith("723.04 EUR")
    cause.get_by_role("link", name="Try again").click()
    assert page.get_by_role("heading", level=1).inner_text().strip() == "Payout: failed"
    assert "the provider says failed: bank_not_available" in page.locator("main").inner_text()
    form = page.locator("form", has=page.get_by_role("button", name="Preview: retry"))
    form.get_by_label("reason").fill("the bank is back")
    form.get_by_role("button", name="Preview: retry").click()
    assert morning.desk.rows("select count(*) from payout where state = 'failed'") == [(1,)], "a preview changes nothing"
    page.get_by_role("button", name="Confirm: retry").click()
    assert page.get_by_role("heading", level=1).inner_text().strip() == "Payout: pending"
    assert "Done: retry." in page.locator("main").inner_text()

    def arrived():
        morning.desk.deliver()  # the provider's own doing
        return morning.desk.rows("select count(*) from payout where state <> 'completed'") == [(0,)]

    wait_for(arrived, "the payout")
    page.reload()
    assert page.get_by_role("heading", level=1).inner_text().strip() == "Payout: completed"
    assert "“the bank is back”" in page.locator("main").inner_text()
    assert today(page, morning.url).startswith("Not verified since"), "money moved since the statement was held against the books"
    assert "2 movements, 723.29 EUR since then unverified" in page.locator("#verdict .because").inner_text()
    days.reconciled(morning.desk)
    assert today(page, morning.url) == "Yes"
    assert "Nothing waits for a person" in page.locator("#action_required").inner_text()
