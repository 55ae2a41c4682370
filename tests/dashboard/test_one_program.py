"""Logins of one program on the pages: they see their program, and are told what is of the whole installation."""

from __future__ import annotations

import re

import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.base.money import Asset
from counterfoil.dashboard.finding.lists import list_pages_of
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.access.access import READ
from counterfoil.operations.access.logins import grant_role
from counterfoil.wiring import NOUNS
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.looking import forged_key
from tests.dashboard.test_session import PAGE, a_browser, csrf_of, logged_in
from tests.people import log_in_as, past_the_guard


@pytest.fixture(scope="module")
def desk(server, tmp_path_factory):
    """One desk for the file: no test changes what another reads."""
    with a_desk(server, tmp_path_factory.mktemp("programs")) as made:
        yield made


@pytest.fixture(scope="module")
def others(desk):
    """A second program; and of the first one the ids of what must not be seen."""
    days.a_full_day(desk, prices=["100.00"] * 3)
    days.reconciled(desk)
    with desk.database.transaction() as conn:
        open_program(conn, "north", name="North", assets=[Asset("EUR", 2)], now=now())
        return [row[0] for row in conn.execute("select id from invoice union all select id from reconciliation_run").fetchall()]


def test_a_login_of_one_program_sees_the_pages_with_its_program_and_nothing_of_another(desk, others):
    assert len(others) > 3
    with days.served(desk) as url:
        client = logged_in(url, desk, name="nora", program_id="north")
        everyone = logged_in(url, desk, name="mira")
        shown = [page.path for page in PAGES if "{" not in page.path and page.needs == READ]
        assert {client.get(page.path).status_code for page in PAGES if page.needs != READ} == {403}
        for path in shown:
            for address in (path, f"{path}.json", f"{path}?program=north"):
                page = client.get(address)
                assert page.status_code == 200, (address, page.text[:300])
                assert [one for one in (*others, "Main") if one in page.text] == [], address
            assert client.get(f"{path}?program=main").status_code == 404
        assert any(one in everyone.get(f"{path}.json").text for path in shown for one in others)
        run = next(one for one in others if one.startswith("rec_"))
        assert client.get(f"/admin/reconciliation/runs/{run}").status_code == 404
        assert everyone.get(f"/admin/reconciliation/runs/{run}").status_code == 200


def test_whoever_has_roles_in_two_programs_looks_at_one_of_them_and_acts_there_as_they_may(desk, others):
    with past_the_guard(desk.database.url) as conn:
        caller, token = log_in_as(conn, "iris")
        for program, role in (("main", "viewer"), ("north", "operator")):
            grant_role(conn, make_id("grant"), caller.principal_id, role, by="t", now=now(), program_id=program)
    with days.served(desk) as url:
        client = a_browser(url)
        assert client.post("/login", data={"key": token}).status_code == 303
        in_north = client.get("/admin/breaks?program=north")
        assert 'href="?program=main"' in in_north.text
        again = client.get("/admin/customers")
        assert [one for one in others if one in again.text] == [], "the next page is of the program that was chosen"
        invoice = next(one for one in others if one.startswith("inv_"))
        page = client.get(f"/admin/invoices/{invoice}")
        assert (page.status_code, "Your role does not allow this." in page.text) == (200, True), "a thing is looked at where it is"
        csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', page.text)[1]
        refused = client.post(f"/admin/invoices/{invoice}/cancel", data={"csrf": csrf, "reason": "x"})
        assert refused.status_code == 403
        assert client.get("/admin/breaks?program=nowhere").status_code == 404
        assert client.get("/admin/breaks?program=main").status_code == 200
    with days.served(desk, https=True) as url:
        cookie = a_browser(url).post("/login", data={"key": token}).headers["set-cookie"].partition(";")[0]
        kept = a_browser(url).get("/admin/breaks?program=north", headers={"Cookie": cookie}).headers["set-cookie"]
        assert kept.startswith("__Host-counterfoil_program=north;"), "over https this host alone chooses"
        assert all(part in kept for part in ("Secure", "Path=/;"))


def test_lists_files_and_the_search_hold_nothing_of_another_program(desk, others):
    with days.served(desk) as url:
        client, everyone = logged_in(url, desk, name="nils", program_id="north"), logged_in(url, desk, name="milan")
        refused: list[str] = []
        for noun, page in list_pages_of(NOUNS):
            for address in (page.path, f"{page.path}.json", f"{page.path}.csv"):
                told = client.get(address)
                assert told.status_code in (200, 403), (address, told.text[-400:])
                assert [one for one in (*others, "Main") if one in told.text] == [], address
            assert everyone.get(page.path).status_code == 200
            assert everyone.get(f"{page.path}?program=north").status_code == told.status_code, noun.plural
            refused.append(noun.plural) if told.status_code == 403 else None
        assert set(refused) == {"backups", "circuits", "copies", "sentinel-runs"}
        assert all(one not in everyone.get("/admin/invoices?program=north").text for one in others), "who sees all narrows it, too"
        mine, seen = (one.get("/admin/search.json", params={"q": " ".join(others)}).json() for one in (client, everyone))
        assert (mine["hits"], set(mine["missing"]), len(seen["hits"])) == ([], set(others), len(others))


@pytest.mark.usefixtures("others")
def test_no_form_of_what_is_of_the_whole_installation_is_open_to_a_login_of_one_program(desk):
    def whole() -> list:
        with desk.database.transaction() as conn:
            kept = conn.execute("select relname from pg_class where relrowsecurity").fetchall()
        return [noun for noun in NOUNS if (noun.machine.table,) not in kept and noun.verbs]

    with days.served(desk) as url:
        client = logged_in(url, desk, name="nora", role="administrator", program_id="north")
        csrf, tried = csrf_of(client), set[str]()
        for noun in whole():
            for verb in noun.verbs:
                address = f"/admin/{noun.plural}/{make_id(noun.prefix)}/{verb.word}"
                key = forged_key(f"{noun.name}.{verb.name}", subject=address.split("/")[3])
                for sure in ({}, {"confirm": "yes", "key": key}):
                    told = client.post(address, data={"csrf": csrf, "reason": "we look", **sure})
                    assert told.status_code == 403, (address, sure, told.text[-300:])
                tried.add(noun.plural)
        assert tried >= {"circuits", "copies"}
        assert client.post("/admin/drills", data={"csrf": csrf, "name": "restore"}).status_code == 403
        assert desk.rows("select count(*) from drill") == [(0,)]
        operator = logged_in(url, desk, name="olaf", role="operator", program_id="north")
        sure = {"csrf": csrf_of(operator), "reason": "x", "confirm": "yes"}
        told = operator.post("/admin/drills", data={**sure, "key": make_id("key"), "name": "restore"})
        assert (told.status_code, "whole installation" in told.text) == (403, True)
        assert desk.rows("select count(*) from drill") == [(0,)]
        circuit = make_id("cir")
        told = operator.post(f"/admin/circuits/{circuit}/probe", data={**sure, "key": forged_key("circuit.probe", subject=circuit)})
        assert (told.status_code, "whole installation" in told.text) == (403, True)


@pytest.mark.usefixtures("others")
def test_what_is_of_the_whole_installation_is_said_to_be_so_and_is_not_green(desk):
    with days.served(desk) as url:
        client = logged_in(url, desk, name="nora", program_id="north")
        found = client.get(f"{PAGE}.json").json()
        for key in ("integrity_checks", "workers", "queues"):
            reading = found["readings"][key]
            assert (reading["state"], reading["value"]) == ("not_checked", None), key
            assert reading["said"] == "This is about the whole installation, and you see program north only."
        assert found["verdict"]["grade"] == "unknown"
        assert client.post(f"{PAGE}/ask", data={"csrf": csrf_of(client), "back": PAGE}).status_code == 403
