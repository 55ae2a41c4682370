"""The money map: both bars say what the books say, to the unit, and no place is green that was not held against the other side."""

from __future__ import annotations

import csv
import html
import io
import re
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import httpx2
import psycopg
import pytest
from psycopg import Connection

from counterfoil.base.edge import now
from counterfoil.dashboard.maps import oldest
from counterfoil.dashboard.maps.drawing import OUTSIDE
from counterfoil.dashboard.maps.lanes import BOX, GAP_X, HEIGHT, THICK_MAX, Course, Spot, laid_out
from counterfoil.dashboard.maps.money import HOUSE, OWNERS, PLACES, hue_of
from counterfoil.dashboard.maps.oldest import oldest_of_parts
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.accounts.chart import CHART, DEBIT
from counterfoil.ledger.clock import recorded_at
from counterfoil.ledger.journals.journal import post
from tests.builders import PROGRAM
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


def parts(reading: dict[str, Any], name: str) -> dict[str, Any]:
    (book,) = [one for one in reading["value"] if one["asset"] == "EUR"]
    return {one["kind"]: one for one in book[name]}


def test_both_bars_are_the_books_to_the_unit_and_what_moved_adds_up(desk) -> None:
    reading = told(desk)
    (book,) = [one for one in reading["value"] if one["asset"] == "EUR"]
    places, owners = parts(reading, "places"), parts(reading, "owners")
    net = dict(
        desk.rows(
            """select case when name like 'payable:payee:%' then 'payable:payee:*' else name end, sum(debits - credits)::bigint
               from account group by 1"""
        )
    )
    assert int(places["clearing:simulator"]["balance"]["minor"]) == net["clearing:simulator"]
    assert int(owners["payable:payee:*"]["balance"]["minor"]) == -net["payable:payee:*"]
    assert book["difference"]["minor"] == "0"
    assert sum(int(one["balance"]["minor"]) for one in places.values()) == int(book["held"]["minor"]) > 0
    for one in (*places.values(), *owners.values()):  # all of it is of today
        assert int(one["came"]["minor"]) - int(one["went"]["minor"]) == int(one["balance"]["minor"]), one["kind"]
    assert any(flow["giver"] == OUTSIDE for flow in book["flows"])
    assert all(sum(one["width"] for one in book[name]) <= 1_000 + 4 * len(book[name]) for name in ("places", "owners"))


def test_every_figure_leads_to_its_entries_and_they_add_up_to_it(desk) -> None:
    with days.served(desk) as url, httpx2.Client(base_url=url, trust_env=False, timeout=20) as client:
        client.headers["Authorization"] = f"Bearer {days.a_key(desk.database, role='viewer', name='enno')}"
        page = client.get(PATH).text
        (book,) = [one for one in client.get(f"{PATH}.json").json()["readings"]["map"]["value"] if one["asset"] == "EUR"]
        led = {
            html.unescape(one) for one in re.findall(r'href="(/admin/entries[?][^"]+)"', page) if "asset=EUR" in one and "way=" not in one
        }
        assert len(led) == len(book["places"]) + len(book["owners"]) > 4
        for part in (*book["places"], *book["owners"]):
            (address,) = [one for one in led if f"account={quote(part['kind'], safe='')}&" in one]
            assert client.get(address).status_code == 200
            came, went, query = 0, 0, address.partition("?")[2]
            while query is not None:
                told = client.get(f"/admin/entries.json?{query}").json()
                assert told["came"]["minor"] == part["came"]["minor"], part["kind"]
                for row in told["rows"]:
                    within = row["came"] and row["went"]
                    came += 0 if within or not row["came"] else int(row["came"]["minor"])
                    went += 0 if within or not row["went"] else int(row["went"]["minor"])
                query = f"{address.partition('?')[2]}&after={told['after']}" if told["after"] else None
            assert (str(came), str(went)) == (part["came"]["minor"], part["went"]["minor"]), part["kind"]
            file = [*csv.DictReader(io.StringIO(client.get(address.replace("/entries?", "/entries.csv?")).text))]
            for name, of in (("came", came), ("went", went)):
                moved = [one for one in file if one[name] and not (one["came"] and one["went"])]
                assert sum(Decimal(one[name]) * 100 for one in moved) == of, part["kind"]
                assert {one[f"{name}_asset"] for one in moved} <= {"EUR"}
        assert client.get("/admin/entries.xlsx?account=suspense&asset=EUR").status_code == 200
        assert client.get("/admin/entries.csv?asset=EUR").status_code == 422
        for wrong in (
            "account=suspense",
            "account=suspense&asset=XYZ",
            *(f"account=suspense&asset=EUR&{one}=x" for one in ("after", "way")),
        ):
            assert client.get(f"/admin/entries?{wrong}").status_code == 422, wrong


def test_what_came_what_went_and_each_way_lead_to_just_what_they_are_made_of(desk) -> None:
    with days.served(desk) as url, httpx2.Client(base_url=url, trust_env=False, timeout=20) as client:
        client.headers["Authorization"] = f"Bearer {days.a_key(desk.database, role='viewer', name='ewa')}"
        page = html.unescape(client.get(PATH).text)
        (book,) = [one for one in client.get(f"{PATH}.json").json()["readings"]["map"]["value"] if one["asset"] == "EUR"]
        asked = [(one["kind"], way, "", one[way]["minor"]) for one in (*book["places"], *book["owners"]) for way in ("came", "went")]
        asked += [(one["account"], one["way"], one["with"], one["amount"]["minor"]) for one in book["flows"]]
        for account, way, other, minor in asked:
            where = f"account={quote(account, safe='')}&asset=EUR&program={book['programId']}&day={desk.clock.now.date()}&way={way}"
            where += f"&with={quote(other, safe='')}" if other else ""
            assert (f'href="/admin/entries?{where}"' in page) is (minor != "0"), (account, way, other)
            told = client.get(f"/admin/entries.json?{where}").json()
            turned = {"came": "went", "went": "came"}[way]
            assert (told[way]["minor"], told[turned]["minor"]) == (minor, "0"), (account, way, other)
            assert {row[turned] for row in told["rows"]} <= {None}
            file = [*csv.DictReader(io.StringIO(client.get(f"/admin/entries.csv?{where}").text))]
            assert sum(Decimal(one[way]) * 100 for one in file) == int(minor)
        assert len(book["flows"]) > 3


def test_the_drawing_has_a_box_for_each_part_and_a_line_for_what_moved(desk) -> None:
    (book,) = [one for one in told(desk)["value"] if one["asset"] == "EUR"]
    boxes = {one["kind"]: one for one in book["drawing"]["boxes"]}
    assert set(boxes) - {"", "out"} == {one["kind"] for one in (*book["places"], *book["owners"])}
    assert boxes["clearing:simulator"]["came"] == parts({"value": [book]}, "places")["clearing:simulator"]["came"]
    paid = sum(int(one["amount"]["minor"]) for one in book["drawing"]["lines"] if one["giver"] == OUTSIDE)
    assert (boxes[""]["came"]["minor"], boxes[""]["went"]) == (str(paid), None), "the world outside says what it paid"
    assert boxes["clearing:simulator"]["x"] < boxes["escrow:*"]["x"] < boxes["payable:payee:*"]["x"] < boxes["out"]["x"]
    spots = [(one["x"], one["y"]) for one in boxes.values()]
    assert len(spots) == len(set(spots)), "none lies on another"
    lines = {(one["giver"], one["taker"]): int(one["amount"]["minor"]) for one in book["drawing"]["lines"]}
    came = sum(int(one["amount"]["minor"]) for one in book["flows"] if one["giver"] == OUTSIDE)
    assert lines[OUTSIDE, "At simulator"] == came > 0, "what came goes through the place that it came to"


def test_a_line_passes_behind_no_box_and_lines_lie_side_by_side() -> None:
    step, column = BOX + GAP_X, [Spot(2 * (BOX + GAP_X), y) for y in (0, 78, 156)]
    boxes = {"a": Spot(0, 78), "b": Spot(step, 0), "c": Spot(step, 78), "far": Spot(3 * step, 78), **dict(zip("xyz", column, strict=True))}
    courses = [Course("a", "far", 900), Course("b", "far", 500), Course("c", "far", 40), Course("a", "b", 300), Course("x", "b", 9)]
    lines = dict(zip(courses, laid_out(boxes, courses, 216), strict=True))
    far = [(one, lines[one]) for one in courses[:3]]
    for one, line in far:
        assert line.lane is not None
        passed = [box for box in boxes.values() if boxes[one.giver].x < box.x < boxes["far"].x]
        assert not any(box.y - line.thick // 2 < line.lane < box.y + HEIGHT + line.thick // 2 for box in passed), one
        assert line.lowest >= line.lane
    ends = sorted((line.to_y - line.thick // 2, line.to_y + (line.thick + 1) // 2) for _, line in far)
    assert all(before[1] <= after[0] for before, after in pairwise(ends)), "none lies on another at the box"
    assert sum(line.thick for _, line in far) <= THICK_MAX + len(far)
    assert lines[courses[3]].lane is None
    back = lines[courses[4]]
    assert (back.from_x, back.to_x) == (2 * step, step + BOX), "what goes back leaves by the left"


def test_a_place_and_what_nobody_knows_say_how_old_the_oldest_of_it_is(server, tmp_path_factory) -> None:
    with a_desk(server, tmp_path_factory.mktemp("oldest")) as desk:
        days.an_empty_day(desk)
        for minor in (500, 300, 400):  # 1,200 came; when 600 of it left, 200 of the second and all of the third lie there
            with desk.database.transaction() as conn:
                _booked(conn, desk, debit="clearing:simulator", credit="suspense", minor=minor)
        assert _oldest(desk, "clearing:simulator") == _came(desk)[0]
        with desk.database.transaction() as conn:
            _booked(conn, desk, debit="suspense", credit="clearing:simulator", minor=600)
        assert _oldest(desk, "clearing:simulator") == _came(desk)[1], "what came first left first"
        assert _oldest(desk, "suspense") is None, "no payment is behind it"
        desk.pay("inv_of_nobody", 700)
        desk.deliver()
        desk.work("webhooks")
        [(at,)] = desk.rows("select recorded_at from payment where invoice_id is null")
        assert _oldest(desk, "suspense") == at


def test_payments_of_nobody_are_read_no_further_back_than_what_lies_in_suspense(server, tmp_path_factory, monkeypatch) -> None:
    with a_desk(server, tmp_path_factory.mktemp("suspense")) as desk:
        days.an_empty_day(desk)
        for minor in (700, 800, 900):
            desk.clock.advance(seconds=1)
            desk.pay(f"of_nobody_{minor}", minor)
            desk.deliver()
            desk.work("webhooks")
        first, second, third = (at for (at,) in desk.rows("select recorded_at from payment order by recorded_at, id"))
        monkeypatch.setattr(oldest, "BY_TURNS_MAX", 2)
        assert _oldest(desk, "suspense") is None, "two are read, and more lies there"
        for left, since in ((700, second), (800, third)):
            with desk.database.transaction() as conn:
                _booked(conn, desk, debit="suspense", credit="clearing:simulator", minor=left)
            assert _oldest(desk, "suspense") == since
        monkeypatch.setattr(oldest, "BY_TURNS_MAX", 1)
        assert _oldest(desk, "suspense") == third, "one is enough where one makes it up"
        assert first < second < third


def _oldest(desk, part: str) -> Any:
    with desk.database.transaction() as conn:
        return oldest_of_parts(conn).get((PROGRAM, "EUR", part))


def _came(desk) -> list[Any]:
    found = desk.rows("select p.seq from posting p join account a on a.id = p.debit where a.name = 'clearing:simulator' order by p.seq")
    return [recorded_at(seq) for (seq,) in found]


def test_a_part_has_one_colour_in_the_bars_and_in_the_table(desk) -> None:
    with days.served(desk) as url, httpx2.Client(base_url=url, trust_env=False, timeout=20) as client:
        page = client.get(PATH, headers={"Authorization": f"Bearer {days.a_key(desk.database, role='viewer', name='ida')}"}).text
    (book,) = [one for one in told(desk)["value"] if one["asset"] == "EUR"]
    drawn = [one for one in (*book["places"], *book["owners"]) if one["width"]]
    assert len(drawn) > 2
    for one in drawn:
        words, hue = one["words"], hue_of(one["kind"])
        assert re.search(rf'class="part p{hue} [^>]*><title>{words}: ', page), words
        assert re.search(rf'class="part p{hue}"><rect [^>]*/></g></svg><a [^>]*>{words}</a>', page), words
    assert len({hue_of(one) for one in list(OWNERS)[:7]} | {hue_of(HOUSE)}) == 8


def test_a_place_is_proven_while_nothing_moved_since_it_was_compared_and_each_provider_by_itself(server, tmp_path_factory) -> None:
    with a_desk(server, tmp_path_factory.mktemp("proofs")) as desk:
        days.a_full_day(desk, prices=["100.00"] * 3)
        before = told(desk)
        place = parts(before, "places")["clearing:simulator"]
        assert (before["grade"], place["grade"], place["said"]) == ("unknown", "unknown", "never compared")
        days.reconciled(desk)
        after = told(desk)
        assert (after["grade"], parts(after, "places")["clearing:simulator"]["grade"]) == ("right", "right")
        with desk.database.transaction() as conn:
            _booked(conn, desk, debit="clearing:other", credit="suspense", minor=500)
        other = told(desk)
        unproven = parts(other, "places")["clearing:other"]["said"]
        assert (other["grade"], unproven) == ("unknown", "never compared"), "one does not prove another"
        assert parts(other, "places")["clearing:simulator"]["grade"] == "right"
        with desk.database.transaction() as conn:
            _booked(conn, desk, debit="clearing:simulator", credit="suspense", minor=300)
        since = parts(told(desk), "places")["clearing:simulator"]
        assert (since["grade"], "it moved since" in since["said"]) == ("unknown", True)


def test_a_house_below_nothing_is_wrong_although_both_bars_are_as_long(server, tmp_path_factory) -> None:
    with a_desk(server, tmp_path_factory.mktemp("deficit")) as desk:
        days.a_full_day(desk, prices=["100.00"])
        days.reconciled(desk)
        with desk.database.transaction() as conn:
            _booked(conn, desk, debit="bad_debt", credit="payable:payee:payee-1", minor=900_00)
        reading = told(desk)
        assert (reading["grade"], "the house is below nothing" in reading["said"]) == ("wrong", True)
        assert all(one["difference"]["minor"] == "0" for one in reading["value"])


def _booked(conn: Connection[Any], desk, *, debit: str, credit: str, minor: int) -> None:
    open_accounts(conn, PROGRAM, [debit, credit], asset="EUR", actor="t", now=now())
    post(conn, PROGRAM, key=f"map-{debit}-{minor}", kind="t", lines=[(debit, credit, minor)], asset="EUR", actor="t", now=now())


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


def test_a_day_that_is_over_is_shown_as_it_ended_and_one_before_all_money_is_empty(desk) -> None:
    past = told(desk, f"{PATH}.json?day=2020-01-01")
    assert (past["state"], past["said"]) == ("empty", "No money was in these books")


def test_it_is_whole_on_every_screen(browser, desk) -> None:
    with days.served(desk) as url:
        page = browser.new_page()
        page.goto(f"{url}/login")
        page.fill("#key", days.a_key(desk.database, role="viewer", name="vic"))
        page.keyboard.press("Enter")
        page.wait_for_url("**/admin/reconciliation")
        is_whole_on_every_screen(page, url + PATH)
