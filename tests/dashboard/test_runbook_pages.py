"""A run of a runbook on its page: what each step answered, and what may be said of it."""

from __future__ import annotations

import re

import httpx2

from counterfoil.base.edge import make_id
from counterfoil.runbooks.answering import Asker
from counterfoil.runbooks.catalogue import catalogue
from counterfoil.runbooks.runs import About, begin
from counterfoil.wiring import CHECKS, TABLES
from tests.builders import Desk
from tests.dashboard import days


def test_a_checklist_that_was_run_has_a_page_with_its_steps_and_what_may_be_said(desk: Desk) -> None:
    days.an_empty_day(desk)
    checks = {one.code: one for one in CHECKS}
    with desk.database.transaction() as conn:
        book = catalogue(checks).named("morning")
        run = begin(conn, Asker(checks, TABLES, {}), book, About(), by="key:o", make_id=make_id, now=desk.clock.now)
    with days.served(desk) as url, httpx2.Client(base_url=url, timeout=20, trust_env=False) as client:
        client.headers["Origin"] = url
        client.headers["Sec-Fetch-Site"] = "same-origin"
        assert client.post("/login", data={"key": days.a_key(desk.database, role="operator", name="o")}).status_code == 303
        page = client.get(f"/admin/runbook-runs/{run.id}").text
    assert "Preview: tick" in page
    assert re.search(
        r'data-l="Outcome" class="short"><span class="graded">\s*<svg class="mark wrong".*?</svg>\s*failed</span></td>', page, re.DOTALL
    ), "told by a shape, too"
    assert "of 8 steps did not pass: 2. A worker is at work (failed)" in page, "why it cannot be signed yet"
