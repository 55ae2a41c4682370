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

AXE = next(iter(sorted(Path("node_modules/axe-core").glob("axe.min.js"))), None)
if AXE is None:
    pytest.skip("axe-core is not here: npm install --no-save axe-core@4.10.3", allow_module_level=True)
LISTED = [one.path for one in PAGES if "{" not in one.path]
LISTED += ["/admin/payouts?state=failed", "/admin/batches", "/admin/alerts", "/admin/search?q=payee-1"]
RUN = """() => axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations.map(
    (one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 4).map((node) => node.html.slice(0, 160)).join(" | ")}`))"""


@pytest.fixture(scope="module")
def worked(server, tmp_path_factory):
    """A day of trouble, reconciled with breaks, its only worker silent."""
    with a_desk(server, tmp_path_factory.mktemp("axe")) as desk:
        days.a_day_of_trouble_and_breaks(desk)
        with days.served(desk) as url:
            yield SimpleNamespace(desk=desk, url=url, key=days.a_key(desk.database, role="controller"))


def violations(page: Any) -> list[str]:
    page.evaluate(AXE.read_text("utf-8"))
    return page.evaluate(RUN)


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
    """One login for all: colours count in both themes, what is narrow in one of them."""
    things = [f"/admin/{folder}/{worked.desk.rows(query)[0][0]}" for folder, query in OF_THINGS.items()]
    page, found = look(worked.url, worked.key, path=LISTED[0], scheme=scheme), {}
    for path in (*LISTED, *things):
        for width in (1280, 390) if scheme == SCHEMES[0] else (1280,):
            page.set_viewport_size({"width": width, "height": 900})
            page.goto(worked.url + path)
            if broken := violations(page):
                found[path, width] = broken
    assert found == {}


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
