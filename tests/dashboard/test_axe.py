"""Every page by axe-core, in both themes: no violation of any of its rules.

axe comes from npm, as anvil does: `npm install --no-save axe-core@4.10.3` puts it below this folder. It is read from there and run in the
page by the browser's own door, past the page's policy, which lets nothing in: what is served is what is looked at.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from counterfoil.dashboard.web.navigation import PAGES
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.test_in_a_browser import SCHEMES, look  # noqa: F401 - a fixture
from tests.people import log_in_as, past_the_guard

AXE = next(iter(sorted(Path("node_modules/axe-core").glob("axe.min.js"))), None)
if AXE is None:
    pytest.skip("axe-core is not here: npm install --no-save axe-core@4.10.3", allow_module_level=True)
LISTED = [one.path for one in PAGES if "{" not in one.path]
LISTED += ["/admin/payouts?state=failed", "/admin/batches", "/admin/disputes", "/admin/alerts", "/admin/search?q=payee-1", "/account"]
LISTED += ["/admin/entries?account=payable:payee:*&asset=EUR", "/admin/nothing-here", "/admin/payouts?state=nonsense"]
WIDTHS = {"light": (390, 1920), "dark": (1280,)}  # colours count in both themes, what is narrow or wide in one of them
RUN = """() => axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations.map(
    (one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 4).map((node) => node.html.slice(0, 160)).join(" | ")}`))"""


@pytest.fixture(scope="module")
def worked(server, tmp_path_factory):
    """A day of trouble, reconciled with breaks, its only worker silent."""
    with a_desk(server, tmp_path_factory.mktemp("axe")) as desk:
        days.a_day_of_trouble_and_breaks(desk)
        with days.served(desk) as url:
            with past_the_guard(desk.database.url) as conn:
                key = log_in_as(conn, "vera", "controller")[1]
            yield SimpleNamespace(desk=desk, url=url, key=key)


def violations(page: Any) -> list[str]:
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE.read_text("utf-8"))
    return page.evaluate(RUN)


PENDING = "select id from payout where state in ('pending', 'held') order by id limit 1"
OF_THINGS = {
    "reconciliation/runs": "select id from reconciliation_run order by id desc limit 1",
    "payouts": "select id from payout order by id limit 1",
    "payees": "select payee_id from payout order by id limit 1",
    "customers": "select customer_id from invoice order by id limit 1",
    "breaks": "select id from break order by id limit 1",
    "people": "select id from principal order by id limit 1",
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_page_violates_a_rule(worked, look, scheme):  # noqa: F811
    """One login for all, and a form that is looked at before it is confirmed."""
    things = [f"/admin/{folder}/{worked.desk.rows(query)[0][0]}" for folder, query in OF_THINGS.items()]
    page, found = look(worked.url, worked.key, path=LISTED[0], scheme=scheme), {}
    for path in (*LISTED, *things):
        page.set_viewport_size({"width": WIDTHS[scheme][0], "height": 900})
        page.goto(worked.url + path)
        for width in WIDTHS[scheme]:
            page.set_viewport_size({"width": width, "height": 900})
            if broken := violations(page):
                found[path, width] = broken
    page.goto(f"{worked.url}/admin/payouts/{worked.desk.rows(PENDING)[0][0]}")
    page.locator("#act-cancel [name=reason]").fill("asked for by the payee")
    page.locator("#act-cancel button").click()
    for width in WIDTHS[scheme]:
        page.set_viewport_size({"width": width, "height": 900})
        assert "Nothing is changed yet" in page.locator("main").inner_text()
        if broken := violations(page):
            found["a look at what would happen", width] = broken
    assert found == {}
    page.complaints.clear()  # Chromium tells of the pages that are not there


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("path", ["/login", "/password"])
def test_a_page_before_the_door_violates_no_rule(worked, look, scheme, path):  # noqa: F811
    page = look(worked.url, None, path=path, scheme=scheme)
    assert violations(page) == []


def test_axe_finds_what_is_wrong(worked, look):  # noqa: F811
    page = look(worked.url, worked.key, path=LISTED[0])
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"x\">')")
    found = violations(page)
    page.complaints.clear()
    assert [one.partition(":")[0] for one in found] == ["image-alt"]
