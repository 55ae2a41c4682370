"""By keyboard alone: from a list to one thing, to its action, the look at what would happen, the reason, the confirmation, the receipt."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.test_in_a_browser import look  # noqa: F401 - a fixture

STEPS_MAX = 60
STANDS = """([selector]) => { const one = document.activeElement;
             return [one.matches(selector), getComputedStyle(one).outlineStyle, one.outerHTML.slice(0, 120)] }"""


@pytest.fixture(scope="module")
def two(server, tmp_path_factory):
    """Two payouts that nobody has reserved yet."""
    with a_desk(server, tmp_path_factory.mktemp("keyboard")) as desk:
        days.two_payouts(desk)
        with days.served(desk) as url:
            yield SimpleNamespace(desk=desk, url=url, key=days.a_key(desk.database, role="operator"))


def go_to(page, selector):
    """Press Tab until the focus is there; wherever it stands on the way, it is seen."""
    for _ in range(STEPS_MAX):
        page.keyboard.press("Tab")
        there, outline, what = page.evaluate(STANDS, [selector])
        assert outline != "none", what
        if there:
            return
    raise AssertionError(f"{selector} is not reached in {STEPS_MAX} steps")


def past_the_rail(page):
    """The first step leads past the rail, as on every page."""
    go_to(page, ".skip")
    page.keyboard.press("Enter")


@pytest.mark.parametrize("script", [True, False])
def test_a_payout_is_cancelled_by_keyboard_alone(two, look, script):  # noqa: F811
    desk = two.desk
    page = look(two.url, None, path="/login?next=/admin/reconciliation", java_script_enabled=script)
    go_to(page, "#key")
    page.keyboard.type(two.key)
    page.keyboard.press("Enter")
    page.locator("#verdict-word").wait_for()
    go_to(page, "#rail a[href='/admin/payouts']")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/payouts")
    payout_id = desk.rows("select id from payout where state = 'pending' order by id limit 1")[0][0]
    if script:
        page.keyboard.press("/")
        assert page.locator("#q:focus").count() == 1
    page.reload()
    past_the_rail(page)
    go_to(page, f"a[href='/admin/payouts/{payout_id}']")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{payout_id}")
    past_the_rail(page)
    go_to(page, "#act-cancel [name=reason]")
    page.keyboard.type("the payee asked")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/{payout_id}/cancel*")
    assert "Nothing is changed yet" in page.locator(":focus").inner_text(), "what would happen is where one stands"
    assert desk.rows("select state from payout where id = %s", payout_id) == [("pending",)]
    go_to(page, "#act-cancel button")
    assert page.locator("#act-cancel [name=reason]").input_value() == "the payee asked"
    page.keyboard.press("Enter")
    page.wait_for_url("**receipt=*")
    assert "Done: cancel." in page.locator(":focus").inner_text(), "the receipt is where one stands"
    assert desk.rows("select state from payout where id = %s", payout_id) == [("cancelled",)]
    assert desk.rows("select reason from action where subject_id = %s", payout_id) == [("the payee asked",)]
