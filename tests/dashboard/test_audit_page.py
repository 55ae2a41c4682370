"""The auditor's page: every action, login and refusal with person, key, address and outcome; to those who may, and as a file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from counterfoil.api.nouns.operations.access import Happening
from counterfoil.base.edge import make_id
from counterfoil.operations.access.audit_records import LOGIN_KINDS, REFUSAL_KINDS
from counterfoil.operations.access.records import AccessEvent, record_access
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.looking import forged_key
from tests.dashboard.screens import is_whole_on_every_screen
from tests.dashboard.test_in_a_browser import look  # noqa: F401 - a fixture

PATH = "/admin/audit"


@contextmanager
def entered(url: str, key: str) -> Iterator[httpx2.Client]:
    headers = {"Origin": url, "Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
    with httpx2.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as client:
        assert client.post("/login", data={"key": key}).status_code == 303
        yield client


def csrf_of(client: httpx2.Client) -> str:
    return re.search(r'name="csrf" value="([0-9a-f]{64})"', client.get("/admin/reconciliation").text)[1]


@pytest.fixture(scope="module")
def office(server, tmp_path_factory):
    """Olga cancels a payout, vera is refused the same, somebody guesses a password; and the auditor looks."""
    with a_desk(server, tmp_path_factory.mktemp("audit")) as desk:
        days.two_payouts(desk)
        payout = desk.rows("select id from payout order by id")[0][0]
        with days.served(desk) as url:
            for name, role in (("vera", "viewer"), ("olga", "controller")):
                with entered(url, days.a_key(desk.database, role=role, name=name)) as client:
                    said = {"csrf": csrf_of(client), "expected_state": "pending", "reason": "the payee asked", "confirm": "yes"}
                    said["key"] = forged_key("payout.cancel", subject=payout)
                    client.post(f"/admin/payouts/{payout}/cancel", data=said)
            httpx2.post(f"{url}/login", data={"name": "mallory", "key": "guessed"})
            auditor = days.a_key(desk.database, role="auditor", name="audrey")
            with entered(url, auditor) as client:
                yield desk, url, client, payout, auditor


def rows_of(client: httpx2.Client, **narrowed: str) -> list[dict]:
    return [one["record"] for one in client.get(f"{PATH}.json", params=narrowed).json()["rows"]]


def test_each_is_told_with_person_key_address_and_outcome(office):
    desk, _, client, payout, _ = office
    [(key_id,)] = desk.rows("select id from api_key where name = 'olga'")
    [done] = rows_of(client, about="actions", subject=payout)
    told = {name: done[name] for name in ("actor", "role", "what", "subject", "outcome", "apiKeyId", "address", "reason")}
    assert told == {
        "actor": "key:olga",
        "role": "controller",
        "what": "payout.cancel",
        "subject": payout,
        "outcome": "done",
        "apiKeyId": key_id,
        "address": "127.0.0.1",
        "reason": "the payee asked",
    }
    refusals = rows_of(client, about="refusals")
    assert [(one["actor"], one["what"], one["outcome"], one["needs"]) for one in refusals] == [
        ("mallory", "login_failed", "failed", None),
        ("vera", "refused", "refused", "operate"),
    ]
    assert {one["what"] for one in rows_of(client, about="logins")} == {"login"}
    page = client.get(PATH).text.replace("<wbr>", "")
    for said in ("the payee asked", "127.0.0.1", key_id, f'href="/admin/payouts/{payout}"', "needs operate", "No proof was made yet."):
        assert said in page, said


def test_they_are_narrowed_to_one_person_key_thing_and_day(office):
    desk, _, client, payout, _ = office
    [(key_id,)] = desk.rows("select id from api_key where name = 'olga'")
    assert {one["what"] for one in rows_of(client, who="olga")} == {"login", "payout.cancel"}
    assert rows_of(client, who=key_id) == rows_of(client, who="olga")
    assert [one["subject"] for one in rows_of(client, subject=payout)] == [payout]
    day = desk.clock.now.date().isoformat()
    assert len(rows_of(client, since=day, until=day)) == len(rows_of(client))
    assert rows_of(client, until="2020-01-01") == []
    assert "No record is like that." in client.get(PATH, params={"until": "2020-01-01"}).text
    for wrong in ({"about": "x"}, {"since": "yesterday"}, {"after": "po_1"}, {"program": "p" * 65}):
        assert client.get(PATH, params=wrong).status_code == 422, wrong


def test_every_kind_of_the_door_is_a_login_or_a_refusal():
    assert set(LOGIN_KINDS) | set(REFUSAL_KINDS) == set(Happening.__args__)
    assert not set(LOGIN_KINDS) & set(REFUSAL_KINDS)


def test_the_same_records_are_a_file_with_the_same_filter(office):
    _, _, client, payout, _ = office
    file = client.get(f"{PATH}.csv", params={"who": "olga"})
    rows = list(csv.DictReader(io.StringIO(file.text)))
    assert file.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert [row["id"] for row in rows] == [one["id"] for one in rows_of(client, who="olga")]
    assert payout in [row["subject"] for row in rows]
    assert client.get(f"{PATH}.xlsx").status_code == 200
    oldest = client.get(f"{PATH}.csv", params={"who": "olga", "sort": "at"})
    assert [*csv.DictReader(io.StringIO(oldest.text))] == rows[::-1]
    page = client.get(PATH, params={"who": "olga", "sort": "at"}).text
    assert 'aria-sort="ascending"' in page
    assert f"{PATH}.csv?who=olga&amp;sort=at" in page


@pytest.mark.parametrize("role", ["viewer", "operator", "approver"])
def test_who_may_not_is_told_who_may_and_sees_no_entry_of_it(office, role):
    desk, url, client, _, _ = office
    with entered(url, days.a_key(desk.database, role=role, name=f"nosy-{role}")) as nosy:
        refused = nosy.get(PATH)
        assert refused.status_code == 403
        assert "auditor" in refused.text
        assert f'href="{PATH}"' not in nosy.get("/admin/reconciliation").text
        for suffix in ("json", "csv", "xlsx"):
            assert nosy.get(f"{PATH}.{suffix}").status_code == 403
    assert f'href="{PATH}"' in client.get("/admin/reconciliation").text


def test_who_sees_one_program_is_not_shown_what_was_done_in_others(office):
    desk, url, _, _, _ = office
    with entered(url, days.a_key(desk.database, role="auditor", name="of-main", program_id="main")) as one:
        assert one.get(PATH).status_code == 403
        assert one.get(f"{PATH}.csv").status_code == 403


def test_more_than_a_page_goes_on_and_misses_none(office):
    desk, _, client, _, _ = office
    at = desk.clock.now.replace(year=2025)
    with desk.database.transaction() as conn:
        for _ in range(45):
            record_access(conn, AccessEvent(make_id("acc"), at, "login", "many", None, None, "10.0.0.9", "POST", "/login", None, ""))
    seen: dict[str, list[str]] = {}
    for sort in ("-at", "at"):
        found, after = seen.setdefault(sort, []), {}
        while True:
            told = client.get(f"{PATH}.json", params={"who": "many", "sort": sort} | after).json()
            found += [one["record"]["id"] for one in told["rows"]]
            if told["after"] is None:
                break
            after = {"after": told["after"]}
    assert len(seen["at"]) == len(set(seen["at"])) == 45
    assert seen["at"] == seen["-at"][::-1]


def test_it_is_whole_on_every_screen_and_in_both_themes(office, look):  # noqa: F811
    _, url, _, _, auditor = office
    page = look(url, auditor, path=PATH)
    is_whole_on_every_screen(page, url + PATH, picture="audit")
