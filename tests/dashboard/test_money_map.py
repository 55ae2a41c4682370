"""The money map: both bars say what the books say, to the unit, and no place is green that was not held against the other side."""

from __future__ import annotations

from typing import Any

import httpx2
import psycopg
import pytest

from counterfoil.dashboard.maps.money import HOUSE, OUTSIDE, OWNERS, PLACES
from counterfoil.ledger.accounts.chart import CHART, DEBIT
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.screens import is_whole_on_every_screen

PATH = "/admin/money-map"


@pytest.fixture(scope="module")
def desk(server, tmp_path_factory):
    """A day on which money came, was settled and paid, and some waits."""
    with a_desk(server, tmp_path_factory.mktemp("map")) as made:
        days.a_full_day(made, prices=["100.00"] * 3)
        yield made


def told(desk, path: str = f"{PATH}.json") -> dict[str, Any]:
    with days.served(desk) as url, httpx2.Client(base_url=url, trust_env=False, timeout=20) as client:
        key = days.a_key(desk.database, role="viewer", name=f"vera-{len(path)}")
        found: dict[str, Any] = client.get(path, headers={"Authorization": f"Bearer {key}"}).json()
        return found["readings"]["map"]


def test_both_bars_are_the_books_to_the_unit_and_what_moved_adds_up(desk) -> None:
    reading = told(desk)
    (book,) = [one for one in reading["value"] if one["asset"] == "EUR"]
    places, owners = ({one["kind"]: one for one in book[name]} for name in ("places", "owners"))
    net = dict(
        desk.rows(
            """select case when name like 'clearing:%' then 'clearing:*'
                           when name like 'payable:payee:%' then 'payable:payee:*' else name end,
                      sum(debits - credits)::bigint from account group by 1"""
        )
    )
    assert int(places["clearing:*"]["balance"]["minor"]) == net["clearing:*"]
    assert int(owners["payable:payee:*"]["balance"]["minor"]) == -net["payable:payee:*"]
    assert book["difference"]["minor"] == "0"
    assert sum(int(one["balance"]["minor"]) for one in places.values()) == int(book["held"]["minor"]) > 0
    for one in (*places.values(), *owners.values()):  # all of it is of today
        assert int(one["came"]["minor"]) - int(one["went"]["minor"]) == int(one["balance"]["minor"]), one["kind"]
    assert any(flow["giver"] == OUTSIDE for flow in book["flows"])
    assert all(sum(one["width"] for one in book[name]) <= 1_000 + 4 * len(book[name]) for name in ("places", "owners"))


def test_a_place_that_was_never_compared_is_not_known_and_one_that_agrees_is_proven(desk) -> None:
    before = told(desk)
    (place,) = [one for book in before["value"] for one in book["places"] if one["kind"] == "clearing:*"]
    assert (before["grade"], place["grade"], place["said"]) == ("unknown", "unknown", "never compared")
    days.reconciled(desk)
    after = told(desk, f"{PATH}.json?program=main")
    (place,) = [one for book in after["value"] for one in book["places"] if one["kind"] == "clearing:*"]
    assert (after["grade"], place["grade"]) in (("right", "right"), ("wrong", "wrong"))
    assert place["said"].startswith(("reconciled", "not reconciled"))


def test_a_bar_that_is_longer_than_the_other_is_wrong_whatever_was_compared(desk) -> None:
    _raise_a_total(desk, 7)
    try:
        reading = told(desk)
        assert reading["grade"] == "wrong"
        assert [one["difference"]["minor"] for one in reading["value"] if one["difference"]["minor"] != "0"] == ["7"]
    finally:
        _raise_a_total(desk, -7)


def _raise_a_total(desk, by: int) -> None:
    """What no application could do: an edit past every trigger, by a superuser."""
    with psycopg.connect(desk.database.url) as conn:
        conn.execute("set local session_replication_role = replica")
        conn.execute("alter table account disable trigger user")
        conn.execute("update account set debits = debits + %s where name = 'clearing:simulator'", [by])
        conn.execute("alter table account enable trigger user")


def test_every_kind_of_the_chart_stands_in_one_bar() -> None:
    for rule in CHART:
        if rule.pattern.startswith("carbon:"):
            continue
        assert not (rule.pattern in PLACES and rule.pattern in OWNERS)
        if rule.pattern not in PLACES and rule.pattern not in OWNERS:  # the house's: what it earned, spent, lost and put in
            assert rule.pattern in ("fee:platform", "platform:own_funds") or rule.normal == DEBIT, f"{rule.pattern} is not only {HOUSE}'s"


def test_a_day_that_is_over_and_empty_books_say_so(desk, server, tmp_path_factory) -> None:
    past = told(desk, f"{PATH}.json?day=2020-01-01")
    assert (past["state"], past["said"]) == ("empty", "The map is of this moment: choose today")
    with a_desk(server, tmp_path_factory.mktemp("empty")) as empty:
        days.an_empty_day(empty)
        assert told(empty)["said"] == "No money is in these books yet"


def test_it_is_whole_on_every_screen(browser, desk) -> None:
    with days.served(desk) as url:
        page = browser.new_page()
        page.goto(f"{url}/login")
        page.fill("#key", days.a_key(desk.database, role="viewer", name="vic"))
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/reconciliation")
        is_whole_on_every_screen(page, url + PATH)
