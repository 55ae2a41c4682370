"""The frame of every page: of which program and which day it speaks, and how much waits for a person."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx2
import psycopg
import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.operations.approvals import propose
from tests.dashboard import days, quiet
from tests.dashboard.test_session import logged_in
from tests.people import log_in_as, past_the_guard

desk, served = quiet.desk, quiet.served


@pytest.fixture(scope="module")
def client(desk: Any, served: str) -> httpx2.Client:
    days.issued(desk, ["10.00"])
    return logged_in(served, desk)


def scope_of(page: str) -> str:
    bar = re.search(r'<p class="scope" id="scope" data-live>(.*?)</p>', page, re.DOTALL)
    assert bar is not None
    return " ".join(re.sub("<[^>]+>", " ", bar[1]).split())


def waiting(client: httpx2.Client, place: str) -> str:
    rail = client.get("/admin/payouts").text
    found = re.search(rf'<span class="waits" id="waits-{place}" data-live>(.*?)</span></span>|id="waits-{place}" data-live></span>', rail)
    assert found is not None, place
    return re.sub("<[^>]+>", "", found[1] or "").strip()


def test_the_bar_says_program_and_day(desk: Any, client: httpx2.Client) -> None:
    today, before = now().date(), now().date() - timedelta(days=2)
    assert scope_of(client.get("/admin/payouts").text) == f"Program all programs {today}"
    assert scope_of(client.get("/admin/payouts?program=main").text) == f"Program main {today}"
    page = client.get(f"/admin/day?day={before}").text
    assert scope_of(page) == f"Program all programs {before}"
    assert 'class="past" title="Not today"' in page
    [(invoice,)] = desk.rows("select id from invoice")
    assert scope_of(client.get(f"/admin/invoices/{invoice}").text) == f"Program main {today}", "that of the thing"
    assert scope_of(client.get("/admin/customers").text) == f"Program main {today}", "a page of one program names it"


def test_the_rail_says_how_much_waits_and_that_it_could_not_be_counted(desk: Any, client: httpx2.Client) -> None:
    places = ("approvals", "batches", "disputes", "alerts", "incidents")
    assert [waiting(client, place) for place in places] == [""] * 5
    with past_the_guard(desk.database.url) as conn:
        caller, _ = log_in_as(conn, "rosa", "administrator")
        what = {"machine": "payout_policy", "subject_id": "main:EUR", "verb": "set", "payload": {"n": 1}}
        propose(conn, make_id("prop"), **what, reason="agreed", by=caller, now=now())
    assert [waiting(client, place) for place in places] == ["1 wait", "", "", "", ""]
    with psycopg.connect(desk.database.url, autocommit=True) as owner:
        owner.execute("alter table incident rename to incident_away")
        try:
            assert [waiting(client, place) for place in places] == ["? could not be counted"] * 5, "and the page is there"
        finally:
            owner.execute("alter table incident_away rename to incident")
