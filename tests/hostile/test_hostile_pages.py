"""Hostile values in the address and the forms of every page of the dashboard: a refusal or an answer, never a failure of ours."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

import httpx2
import pytest

from counterfoil.dashboard.finding.lists import list_pages_of
from counterfoil.dashboard.settings.page_acts import ACTS_ON
from counterfoil.dashboard.web.navigation import PAGES
from counterfoil.wiring import NOUNS
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.hostile.values import TEXTS

OF_A_PAGE: Final = 10
OF_A_FORM: Final = 4
FAKE: Final = "01KA0000000000000000000000"
FORMS: Final = {
    "/login": ("name", "key", "code", "next"),
    "/password": ("name", "once", "new", "again"),
    "/admin/breaks": ("verb", "reason", "owner", "row", "duplicate_of", "confirm", "key"),
    "/admin/approvals": ("proposal", "verb", "sha256", "reason", "confirm", "key"),
    "/admin/queues": ("act", "queue", "provider", "program_id", "job", "reason", "key"),
    "/admin/reconciliation/runs": ("program_id", "run_source", "first_on", "last_on", "reason", "confirm", "key"),
    "/admin/webhooks": ("act", "parked_id", "reason", "confirm", "key"),
    "/admin/drills": ("name", "reason", "confirm", "key"),
    f"/admin/proofs/prf_{FAKE}/disclosure": ("payee_id", "program_id", "before", "with_others", "reason", "confirm", "key"),
    "/account/password": ("password", "code", "new", "again"),
}


@pytest.fixture(scope="module")
def client(server: Any, tmp_path_factory: Any) -> Iterator[httpx2.Client]:
    with a_desk(server, tmp_path_factory.mktemp("hostile")) as desk:
        days.an_empty_day(desk)
        with days.served(desk) as url:
            headers = {"Origin": url, "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
            with httpx2.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as opened:
                assert opened.post("/login", data={"key": days.a_key(desk.database, role="controller")}).status_code == 303
                yield opened


def in_address(text: str) -> str:
    return quote(text[:3_000], safe="", errors="surrogatepass")


def test_no_page_fails_by_what_stands_in_its_address(client: httpx2.Client) -> None:
    names, wrong, asked = itertools.cycle(TEXTS), [], 0
    for page in (*PAGES, *(one for _, one in list_pages_of(NOUNS))):
        places = [*re.findall(r"{(\w+)}", page.path), "day", "program", "receipt", "nobody", *page.wants]
        for place in itertools.islice(itertools.cycle(places), max(OF_A_PAGE, len(places))):
            name = next(names)
            path = page.path.replace(f"{{{place}}}", in_address(TEXTS[name]) or "%20")
            path = re.sub(r"{\w+}", FAKE, path) + ("" if f"{{{place}}}" in page.path else f"?{place}={in_address(TEXTS[name])}")
            status, asked = client.get(path).status_code, asked + 1
            if status >= 500:
                wrong.append((page.path, place, name, status))
    assert wrong == []
    assert asked > 400


def test_no_form_fails_by_what_is_typed_into_it(client: httpx2.Client) -> None:
    names, wrong = itertools.cycle(TEXTS), []
    csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get(PAGES[0].path).text)[1]
    forms = dict(FORMS)
    for noun in NOUNS:
        if noun.begin:
            forms[f"/admin/{noun.plural}"] = ("confirm", "key", *(one.name for one in noun.begin.takes))
        for verb in noun.verbs:
            path = f"/admin/{noun.plural}/{noun.prefix}_{FAKE}/{verb.word}"
            forms[path] = ("reason", "asset", "expected_state", "confirm", "key", *(one.name for one in verb.takes))
    for path, acts in ACTS_ON.items():
        for act in acts:
            fields = ("reason", "confirm", "key", *(one.name for one in act.takes))
            forms[f"{path.format(id=f'prn_{FAKE}')}/{act.name}"] = fields
    for path, fields in forms.items():
        for field in itertools.islice(itertools.cycle(fields), max(OF_A_FORM, len(fields))):
            name = next(names)
            body = f"csrf={csrf}&{field}={in_address(TEXTS[name])}".encode()
            answer = client.post(path, content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
            if answer.status_code >= 500:
                wrong.append((path, field, name, answer.status_code))
    assert wrong == []
