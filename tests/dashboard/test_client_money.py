"""The pages of client money: is all there, whose it is, where it is; and a second person signs it there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.base.money import Asset
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.reconciliation.client_money import make_client_money
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.looking import confirmed
from tests.dashboard.test_session import a_browser, logged_in
from tests.people import log_in_as, past_the_guard

PLACE = "/admin/client-money"


@pytest.fixture(scope="module")
def money(server: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two customers paid 140.00 that nobody else confirms, and olga drew up the day's statement."""
    with a_desk(server, tmp_path_factory.mktemp("client")) as desk:
        days.two_payouts(desk)
        with desk.database.transaction() as conn:
            open_program(conn, "north", name="North", assets=[Asset("EUR", 2)], now=now())
            given = {"on": now().date(), "make_id": make_id, "actor": "person:olga"}
            first, *_ = make_client_money(conn, "main", **given, now=now())
        with days.served(desk) as url:
            people = {name: a_browser(url) for name in ("olga", "carl")}
            with past_the_guard(desk.database.url) as conn:
                tokens = {name: log_in_as(conn, name, "controller")[1] for name in people}
            for name, client in people.items():
                assert client.post("/login", data={"key": tokens[name]}).status_code == 303
            yield SimpleNamespace(desk=desk, url=url, people=people, one=first, path=f"{PLACE}/{first.id}")


def csrf_of(page: str) -> str:
    return page.partition('name="csrf" value="')[2][:64]


def test_the_list_and_the_page_tell_what_is_missing_and_what_nobody_confirms(money: SimpleNamespace) -> None:
    carl = money.people["carl"]
    listed = carl.get(f"{PLACE}.json").json()["rows"]
    assert [(one["id"], one["difference"]["minor"], one["grade"]) for one in listed] == [(money.one.id, str(money.one.difference), "wrong")]
    assert money.one.difference < 0
    assert f'href="{money.path}"' in carl.get(PLACE).text
    told = carl.get(f"{money.path}.json").json()
    assert told["line"]["owed"] == {"minor": str(money.one.owed), "asset": "EUR"}
    assert sum(int(one["owed"]["minor"]) for one in told["owners"]) == money.one.owed > 0
    assert [one["proven"] for one in told["places"]] == [False] * len(money.one.detail["not_checked"])
    page = carl.get(money.path).text
    assert "is missing: own funds must make it up" in page
    assert "nothing of it counts" in page or "counted by our books" in page


def test_its_files_have_every_statement_and_every_owner(money: SimpleNamespace) -> None:
    carl = money.people["carl"]
    header, *lines = carl.get(f"{PLACE}.csv").text.replace('"', "").splitlines()
    assert header.startswith("id,program_id,on_day,owed,owed_asset,held,held_asset,in_transit")
    assert [line.partition(",")[0] for line in lines] == [money.one.id]
    header, *lines = carl.get(f"{money.path}.csv").text.replace('"', "").splitlines()
    assert header == "owner,balance,balance_asset,owed,owed_asset,accounts"
    assert len(lines) == len(money.one.detail["owners"])


def test_it_is_another_programs_for_whoever_sees_one(money: SimpleNamespace) -> None:
    north = logged_in(money.url, money.desk, name="nora", role="controller", program_id="north")
    assert north.get(money.path).status_code == 404
    assert north.get(f"{PLACE}.json").json()["rows"] == []
    form = {"csrf": csrf_of(north.get("/admin/queues").text), "sha256": money.one.sha256.hex(), "reason": "x"}
    assert north.post(f"{money.path}/sign", data=form).status_code == 404


def test_whoever_made_it_does_not_sign_it_and_a_second_person_does_once_with_what_was_done(money: SimpleNamespace) -> None:
    olga, carl = money.people["olga"], money.people["carl"]
    page = olga.get(money.path).text
    assert "another controller signs it" in page
    assert 'id="act-sign"' not in page
    sha256 = money.one.sha256.hex()
    refused = olga.post(f"{money.path}/sign", data={"csrf": csrf_of(page), "sha256": sha256})
    assert (refused.status_code, "a second person does" in refused.text) == (403, True)
    form = {"csrf": csrf_of(carl.get(money.path).text), "sha256": sha256}
    changed = carl.post(f"{money.path}/sign", data={**form, "sha256": "5a" * 32})
    assert (changed.status_code, "look at it again" in changed.text) == (409, True)
    looked = carl.post(f"{money.path}/sign", data=form)
    assert f"{-money.one.difference // 100}." in looked.text.partition("You stand for these figures: ")[2][:200]
    assert money.desk.rows("select count(*) from client_money_signature") == [(0,)], "nothing is changed yet"
    done = confirmed(carl, f"{money.path}/sign", {**form, "reason": "Own funds made it up, transfer 4711."})
    assert done.status_code == 303
    page = carl.get(done.headers["location"]).text
    assert "It is signed by person:carl." in page
    assert "Own funds made it up, transfer 4711." in page
    assert money.desk.rows("select signed_by, action_taken from client_money_signature") == [
        ("person:carl", "Own funds made it up, transfer 4711.")
    ]
    kept = money.desk.rows("select verb, payload->>'sha256', reason from action where subject_id = %s", money.one.id)
    assert kept == [("client_money.sign", sha256, "Own funds made it up, transfer 4711.")]


def test_the_search_and_what_needs_action_lead_to_its_page(money: SimpleNamespace) -> None:
    carl = money.people["carl"]
    hits = carl.get("/admin/search.json", params={"q": money.one.id}).json()["hits"]
    assert [hit["path"] for hit in hits] == [money.path]
    assert carl.get(hits[0]["path"]).status_code == 200
