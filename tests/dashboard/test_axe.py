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
RUN = """() => axe.run(document, { resultTypes: ["violations"] }).then((found) => found.violations.map(
    (one) => `${one.id}: ${one.help}: ${one.nodes.slice(0, 4).map((node) => node.html.slice(0, 160)).join(" | ")}`))"""


@pytest.fixture(scope="module")
def worked(server, tmp_path_factory):
    """A day of trouble, reconciled with breaks, its only worker silent."""
    with a_desk(server, tmp_path_factory.mktemp("axe")) as desk:
        for fault in ("line_lost", "line_doubled", "line_altered"):
            desk.fault(fault)
        days.a_day_of_trouble(desk)
        days.reconciled(desk)
        days.a_silent_worker(desk)
        with days.served(desk) as url:
            yield SimpleNamespace(desk=desk, url=url, key=days.a_key(desk.database, role="operator"))


def violations(page: Any) -> list[str]:
    page.evaluate(AXE.read_text("utf-8"))
    return page.evaluate(RUN)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("path", LISTED)
def test_a_page_violates_no_rule(worked, look, scheme, path):  # noqa: F811
    page = look(worked.url, worked.key, path=path, scheme=scheme)
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 900})
    assert violations(page) == []


OF_THINGS = {
    "a run": ("reconciliation/runs", "select id from reconciliation_run order by id desc limit 1"),
    "a break": ("breaks", "select id from break order by id limit 1"),
}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("thing", OF_THINGS)
def test_the_page_of_a_thing_violates_no_rule(worked, look, scheme, thing):  # noqa: F811
    folder, query = OF_THINGS[thing]
    page = look(worked.url, worked.key, path=f"/admin/{folder}/{worked.desk.rows(query)[0][0]}", scheme=scheme)
    assert violations(page) == []


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
