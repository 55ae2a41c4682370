"""No list on a page is longer than 20 rows: what there is beyond is on the next page, each row once."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.base.money import Asset
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.access.access import SECRET_BYTES, create_key, new_secret
from counterfoil.operations.access.principals import create_principal
from counterfoil.operations.approvals import propose
from counterfoil.payouts.batches.policies import Tier, set_policy
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.people import log_in_as, past_the_guard
from tests.reconciliation.breaks.builders import a_break, a_run

ROWS_MAX = 20
MANY = 23
PLACES = ("breaks", "reconciliation/runs", "people", "keys")


@pytest.fixture(scope="module")
def client(server, tmp_path_factory) -> Iterator[httpx2.Client]:
    with a_desk(server, tmp_path_factory.mktemp("long")) as desk:
        days.an_empty_day(desk)
        with desk.database.transaction() as conn:  # before anybody administers: afterwards it takes two people
            for number in range(MANY):
                program = f"shop-{number:02}"
                open_program(conn, program, name="Shop", assets=[Asset("EUR", 2)], now=now())
                how = {"by_rule_max": 0, "tiers": [Tier(0, 1)], "cooling_hours": 0, "reason": "agreed", "actor": "test", "now": now()}
                set_policy(conn, program, "EUR", **how)
        with past_the_guard(desk.database.url) as conn:
            for number in range(MANY):
                a_run(conn, [a_break() for _ in range(MANY)] if number == MANY - 1 else (), at=now())
                create_principal(conn, make_id("prn"), kind="person", name=f"helper number {number:03}", by="test", now=now())
                secret = new_secret(SECRET_BYTES * bytes([number]), live=False)
                create_key(conn, make_id("key"), secret, name=f"service {number:03}", role="viewer", by="test", now=now())
            caller, token = log_in_as(conn, "mira", "administrator")
            for _ in range(MANY):
                log_in_as(conn, "mira", at=now() - timedelta(minutes=1))
            for number in range(MANY):
                what = {"machine": "payout_policy", "subject_id": f"shop-{number:02}:EUR", "verb": "set", "payload": {"n": number}}
                propose(conn, make_id("prop"), **what, reason="agreed", by=caller, now=now())
        with days.served(desk) as url, httpx2.Client(base_url=url, headers={"Origin": url}, timeout=20, trust_env=False) as opened:
            assert opened.post("/login", data={"key": token}).status_code == 303
            yield opened


@pytest.mark.parametrize("place", PLACES)
def test_a_long_list_goes_on_page_by_page(client, place: str) -> None:
    seen: list[str] = []
    address: str | None = f"/admin/{place}"
    while address is not None:
        page = client.get(address).text
        lengths = [len(re.findall("<tr", body)) for body in re.findall("<tbody>(.*?)</tbody>", page, re.S)]
        assert max(lengths, default=0) <= ROWS_MAX, (address, lengths)
        ids = re.findall(
            r'href="/admin/(?:breaks|reconciliation/runs)/((?:break|rec)_\w{26})"|<tr id="(\w+)"', page[page.rindex("<tbody>") :]
        )
        seen += dict.fromkeys(a or b for a, b in ids)
        found = re.search(rf'href="(/admin/{place}\?[^"]*after=[^"#]+)', page)
        address = found[1].replace("&amp;", "&") if found else None
    assert len(seen) == len(set(seen)) >= MANY


@pytest.mark.parametrize(
    ("place", "one"),
    [
        ("approvals", r'<article class="proposal" id="(prop_\w{26})"'),
        ("limits", r'<tr id="(policy-[^"]+)"'),
        ("people/mira", r'<tr id="(ses_\w{26})"'),
    ],
)
def test_a_long_list_beside_others_on_its_page_goes_on_page_by_page(client, place: str, one: str) -> None:
    seen: list[str] = []
    if place == "people/mira":
        place = re.search(r'href="/admin/(people/prn_\w{26})">mira<', client.get("/admin/people").text)[1]
    address: str | None = f"/admin/{place}"
    while address is not None:
        page = client.get(address).text
        found = re.findall(one, page)
        assert 0 < len(found) <= ROWS_MAX, (address, len(found))
        seen += found
        on = re.search(rf'href="(/admin/{place}\?[^"]*after=[^"#]+)', page)
        address = on[1].replace("&amp;", "&") if on else None
    assert len(seen) == len(set(seen)) >= MANY


def test_a_sorted_list_of_breaks_goes_on_among_equals_and_stays_narrowed(client) -> None:
    first = client.get("/admin/breaks?state=open&sort=-atStake").text
    assert "Sorted by at stake within each asset, the greatest first. Ticked" in first
    assert 'aria-sort="descending"><a href="/admin/breaks?sort=atStake&amp;state=open#list">At stake' in first
    address = re.search(r'href="(/admin/breaks\?[^"]*after=[^"#]+)', first)[1].replace("&amp;", "&")
    ids = [re.findall(r'href="/admin/breaks/(break_\w{26})"', one) for one in (first, client.get(address).text)]
    assert (len(ids[0]), len({*ids[0], *ids[1]})) == (ROWS_MAX, MANY), "every break once"
    assert client.get("/admin/breaks?sort=colour").status_code == 422


@pytest.mark.parametrize(("place", "sort"), [("people", "-name"), ("keys", "name"), ("reconciliation/runs", "startedAt")])
def test_a_sorted_list_of_no_noun_goes_on_page_by_page_and_is_a_file(client, place: str, sort: str) -> None:
    seen: list[str] = []
    address: str | None = f"/admin/{place}?sort={sort}"
    while address is not None:
        page = client.get(address).text
        body = page[page.rindex("<tbody>") :]
        seen += dict.fromkeys(a or b for a, b in re.findall(r'href="/admin/reconciliation/runs/(rec_\w{26})"|<tr id="(\w+)"', body))
        found = re.search(rf'href="(/admin/{place}\?[^"]*after=[^"#]+)', page)
        address = found[1].replace("&amp;", "&") if found else None
    lines = list(csv.DictReader(io.StringIO(client.get(f"/admin/{place}.csv?sort={sort}").text)))
    assert seen == [one["id"] for one in lines]
    key = {"-name": "name", "name": "name", "startedAt": "started_at"}[sort]
    assert [one[key] for one in lines] == sorted((one[key] for one in lines), reverse=sort.startswith("-"))
    assert len(set(seen)) >= MANY
    assert client.get(f"/admin/{place}?sort=colour").status_code == 422


def test_a_list_of_breaks_is_a_file_of_those_that_the_page_lists(client) -> None:
    lines = list(csv.DictReader(io.StringIO(client.get("/admin/breaks.csv?state=open&sort=-atStake&source=simulator").text)))
    assert (len(lines), {one["state"] for one in lines}) == (MANY, {"open"})
    assert all(re.fullmatch(r"\d+\.\d\d", one["at_stake"]) and one["at_stake_asset"] == "EUR" for one in lines)
    assert list(csv.DictReader(io.StringIO(client.get("/admin/breaks.csv?state=matched").text))) == []
    assert client.get("/admin/breaks.xlsx?sort=colour").status_code == 422


# The entries are those of an account, and no file before one is chosen: test_money_map reads theirs.
FILED = [page.path for page in PAGES if page.files is not None and "{" not in page.path and page.path != "/admin/entries"]


@pytest.mark.parametrize("path", FILED)
def test_a_page_that_is_a_file_leads_to_it_and_it_has_the_columns_of_its_rows(client, path: str) -> None:
    page = client.get(path)
    assert (page.status_code, f'{path}.csv">CSV</a>' in page.text or f"{path}.csv?" in page.text) == (200, True)
    for suffix in ("csv", "xlsx"):
        file = client.get(f"{path}.{suffix}")
        assert (file.status_code, file.headers["content-disposition"]) == (
            200,
            f'attachment; filename="{path.rpartition("/")[2]}.{suffix}"',
        )
    assert len(client.get(f"{path}.csv").text.splitlines()[0].split(",")) > 4


def test_each_break_of_the_day_leads_to_its_own_page(client) -> None:
    page = client.get("/admin/day").text
    shown = re.findall(r'<li id="break-(.*?)</li>', page, re.S)
    led = [re.search(r'href="/admin/breaks/(break_\w{26})"', one) for one in shown]
    assert shown
    assert all(led)
    assert client.get(f"/admin/breaks/{led[0][1]}").status_code == 200
