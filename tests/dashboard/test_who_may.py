"""Who may what on the pages: every form with every role, as its declaration says; and nobody acts on another program's things."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest
from fastapi import FastAPI

from counterfoil.base.edge import now
from counterfoil.base.money import Asset
from counterfoil.dashboard.settings.page_acts import ACTS_ON
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.dashboard.web.routes import add_dashboard
from counterfoil.ledger.accounts.accounts import open_program
from counterfoil.operations.access.access import AUDIT, CLOSE_PERIOD, OPERATE, READ, ROLES
from counterfoil.wiring import NOUNS
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.looking import forged_key
from tests.people import log_in_as, past_the_guard

FAKE: Final = "01KA0000000000000000000000"
# Each form's address as it is routed, and what whoever sends it may have to; those that ask by what stands in them have a body for it.
FORMS: Final = {
    **{f"/admin/{noun.plural}/{{id}}/{verb.word}": verb.permission for noun in NOUNS for verb in noun.verbs},
    **{f"/admin/{noun.plural}": noun.begin.permission for noun in NOUNS if noun.begin},
    **{f"{page}/{act.name}": act.permission for page, acts in ACTS_ON.items() for act in acts},
    "/admin/queues": OPERATE,
    "/admin/webhooks": OPERATE,
    "/admin/drills": OPERATE,
    "/admin/proofs/{id}/disclosure": AUDIT,
    "/admin/client-money/{id}/sign": CLOSE_PERIOD,
    **{f"/admin/{noun.plural}/{{id}}/{one.takes.word}": one.takes.permission for noun in NOUNS for one in noun.elsewhere if one.takes},
    "/admin/reconciliation/runs": OPERATE,
}
OTHERWISE: Final = {
    "/admin/approvals": "each proposal says who decides it",
    "/admin/breaks": "each verb of the list says who may",
    "/admin/reconciliation/ask": "whoever sees the whole installation, once in a while",
}


@pytest.fixture(scope="module")
def house(server: Any, tmp_path_factory: Any) -> Iterator[tuple[Any, str, dict[str, httpx2.Client]]]:
    """A day of the program `main`, an empty program `north`, and a person of each role; those of north see it alone."""
    with a_desk(server, tmp_path_factory.mktemp("who")) as desk:
        days.a_full_day(desk, prices=["100.00"] * 2)
        days.reconciled(desk)
        with desk.database.transaction() as conn:
            open_program(conn, "north", name="North", assets=[Asset("EUR", 2)], now=now())
        with past_the_guard(desk.database.url) as conn:
            tokens = {role: log_in_as(conn, role, role)[1] for role in ROLES}
        keys = {
            f"north {role}": days.a_key(desk.database, role=role, name=f"north {role}", program_id="north")
            for role in ("operator", "controller")
        }
        with days.served(desk) as url:
            headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
            people = {name: httpx2.Client(base_url=url, headers=headers, timeout=20, trust_env=False) for name in (tokens | keys)}
            for name, client in people.items():
                assert client.post("/login", data={"key": (tokens | keys)[name]}).status_code == 303
            yield desk, url, people
            for client in people.values():
                client.close()


def csrf_of(client: httpx2.Client) -> str:
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/admin/drills").text)[1]


def test_every_form_of_the_pages_is_walked(house: Any) -> None:
    app = FastAPI()
    add_dashboard(app, house[0].wiring, version="0")
    sent_to = {one.path for one in app.routes if "POST" in one.methods and one.path.startswith("/admin")}
    assert sent_to == {*FORMS, *OTHERWISE}


@pytest.mark.parametrize("role", ROLES)
def test_a_form_is_taken_from_the_roles_that_its_declaration_names_and_from_no_other(house: Any, role: str) -> None:
    desk, _, people = house
    csrf, asked = csrf_of(people[role]), {"csrf": "", "reason": "x", "confirm": "yes", "act": "run", "name": "none", "job": "none"}
    for path in FORMS:
        noun = next((one for one in NOUNS if path.startswith(f"/admin/{one.plural}/")), None)
        address = path.replace("{id}", f"{noun.prefix if noun else 'prn'}_{FAKE}")
        told = people[role].post(address, data={**asked, "csrf": csrf})
        assert told.status_code in (403, 404, 409, 422), (address, told.status_code)
    refused = desk.rows("select path, needs from access_event where kind = 'refused' and name = %s and method = 'POST'", role)
    of_pages = {(path, page.needs) for path in FORMS for page in PAGES if page.needs != READ and path.startswith(page.path)}
    assert set(refused) - of_pages == {(path, needs) for path, needs in FORMS.items() if needs not in ROLES[role]} - of_pages


@pytest.mark.parametrize("role", ROLES)
def test_a_page_is_shown_to_the_roles_that_it_names(house: Any, role: str) -> None:
    for page in PAGES:
        if page.needs != READ and "{" not in page.path:
            assert house[2][role].get(page.path).status_code == (200 if page.needs in ROLES[role] else 403), page.path


@pytest.mark.parametrize("role", ["operator", "controller"])
def test_nobody_acts_on_a_thing_of_another_program(house: Any, role: str) -> None:
    desk, _, people = house
    client, tried = people[f"north {role}"], set()
    csrf, before = csrf_of(client), desk.rows("select count(*) from step")
    for noun in NOUNS:
        kept = desk.rows("select 1 from pg_attribute where attrelid = %s::regclass and attname = 'program_id'", noun.machine.table)
        found = desk.rows(f"select id from {noun.machine.table} where program_id = 'main' limit 1") if kept else []
        for verb in noun.verbs if found else ():
            key = forged_key(f"{noun.name}.{verb.name}", subject=found[0][0])
            data = {"csrf": csrf, "reason": "x", "confirm": "yes", "key": key}
            told = client.post(f"/admin/{noun.plural}/{found[0][0]}/{verb.word}", data=data)
            assert told.status_code in (403, 404), (noun.plural, verb.word, told.status_code)
            tried.add(noun.plural)
        if found:
            assert client.get(f"/admin/{noun.plural}/{found[0][0]}").status_code in (403, 404), noun.plural
    assert tried >= {"invoices", "payouts", "destinations"}
    assert desk.rows("select count(*) from step") == before
