"""The pages of settings: people, keys and limits as they stand, and what administrators do with them, by two where it gives power."""

from __future__ import annotations

import csv
import io
import os
import re
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx2
import psycopg
import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.dashboard.settings.page_acts import ACTS_ON
from counterfoil.operations.access.access import SECRET_BYTES, create_key, new_secret
from counterfoil.operations.access.principals import create_principal
from counterfoil.settlement.commissions.rates import set_terms
from counterfoil.settlement.commissions.rules import CommissionTerms
from counterfoil.settlement.fees.fees import set_rates
from counterfoil.settlement.fees.rules import FeeLimit
from counterfoil.wiring import NOUNS
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.looking import confirmed
from tests.dashboard.screens import is_whole_on_every_screen
from tests.dashboard.test_in_a_browser import EVIL, SCHEMES, WIDTHS, look  # noqa: F401 - a fixture
from tests.people import log_in_as, past_the_guard

PICTURES = os.environ.get("COUNTERFOIL_TEST_PICTURES")


@pytest.fixture(scope="module")
def office(server, tmp_path_factory):
    """Two administrators, an auditor, a person without a role, and a service with a key."""
    with a_desk(server, tmp_path_factory.mktemp("settings")) as desk:
        days.an_empty_day(desk)
        people = {"mira": "administrator", "karl": "administrator", "otto": "auditor", "vera": "approver"}
        with past_the_guard(desk.database.url) as conn:
            made = {name: log_in_as(conn, name, role) for name, role in people.items()}
            nils, _ = log_in_as(conn, "nils")
            secret = new_secret(bytes(SECRET_BYTES), live=False)
            create_key(conn, make_id("key"), secret, name=f"billing {EVIL}"[:60], role="viewer", by="test", now=now())
        tokens = {name: token for name, (_, token) in made.items()}
        with days.served(desk) as url:
            yield SimpleNamespace(desk=desk, url=url, tokens=tokens, nils=nils.principal_id, mira=made["mira"][0].principal_id)


@pytest.fixture(scope="module")
def person(office):
    """`person(name)`: a client that this person logged in with."""
    clients: dict[str, httpx2.Client] = {}

    def logged_in(name: str) -> httpx2.Client:
        if name not in clients:
            headers = {"Origin": office.url, "Sec-Fetch-Site": "same-origin"}
            clients[name] = httpx2.Client(base_url=office.url, headers=headers, timeout=20, trust_env=False)
            assert clients[name].post("/login", data={"key": office.tokens[name]}).status_code == 303
        return clients[name]

    yield logged_in
    for one in clients.values():
        one.close()


def sent(client: httpx2.Client, page: str, act: str, *, reason: str = "agreed", **given: str) -> str:
    """Look at an act and confirm it: the page that says what came of it."""
    csrf = re.search(r'name="csrf" value="([^"]+)"', client.get(page).text)[1]
    looked = client.post(f"{page}/{act}", data={"csrf": csrf, **given}).text
    assert "Nothing is changed yet" in looked, looked
    key = re.search(r'name="key" value="([^"]+)"', looked)[1]
    form = {"csrf": csrf, **given, "key": key, "confirm": "yes"}
    assert client.post(f"{page}/{act}", data=form).status_code == 422, "nothing without a reason"
    done = client.post(f"{page}/{act}", data=form | {"reason": reason})
    assert done.status_code == 200, done.text
    return done.text


def approved(client: httpx2.Client, page: str) -> None:
    """What was just proposed on this page is approved by another."""
    proposal = re.search(r"/admin/approvals#(prop_[0-9A-Z]{26})", page)[1]
    shown = client.get("/admin/approvals").text
    one = shown[shown.index(f'id="{proposal}"') :]
    csrf, sha256 = (re.search(rf'name="{name}" value="([^"]+)"', one)[1] for name in ("csrf", "sha256"))
    data = {"csrf": csrf, "proposal": proposal, "verb": "approve", "sha256": sha256, "reason": "seen"}
    assert confirmed(client, "/admin/approvals", data).status_code == 303


def fields_of_approved(client: httpx2.Client, page: str, act: str) -> dict[str, str]:
    """What the form of the page says that was approved."""
    shown = client.get(page).text
    form = re.search(rf'<form method="post" action="{page}/{act}#act">(?!\s*<h3>)(.*?)</form>', shown, re.S)[1]
    assert "Do it now" in form
    found = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    return {name: value for name, value in found.items() if name not in ("csrf", "reason")}


def test_no_field_of_an_act_or_of_a_begin_is_called_as_what_every_form_carries() -> None:
    """A key to revoke that is read as the key of the form revokes nothing."""
    fields = [one.name for acts in ACTS_ON.values() for act in acts for one in act.takes]
    fields += [one.name for noun in NOUNS if noun.begin for one in noun.begin.takes]
    assert set(fields) & {"csrf", "confirm", "key", "reason", "act"} == set()


def test_a_person_is_added_and_their_secret_is_told_once(office, person):
    mira = person("mira")
    done = sent(mira, "/admin/people", "add", name="lena")
    secret = re.search(r'id="secret">(cf_once_[^<]+)<', done)[1]
    assert secret not in mira.get("/admin/people").text
    rows = {one["name"]: one for one in mira.get("/admin/people.json").json()["rows"]}
    assert (rows["lena"]["roles"], rows["lena"]["hasPassword"], rows["lena"]["grade"]) == ([], False, "plain")
    assert rows["otto"]["roles"] == ["auditor"]
    assert rows["otto"]["grade"] == "plain", "no second factor, and no password that it would stand beside: nothing to praise"
    assert office.desk.rows("select subject_id from action where verb = 'person.add'") == [(rows["lena"]["id"],)]
    assert office.desk.rows("select count(*) from action where payload::text like %s", f"%{secret}%") == [(0,)]


def test_a_form_that_is_sent_twice_acts_once_and_tells_no_secret_again(office, person):
    mira = person("mira")
    csrf = re.search(r'name="csrf" value="([^"]+)"', mira.get("/admin/people").text)[1]
    looked = mira.post("/admin/people/add", data={"csrf": csrf, "name": "twice"}).text
    form = {"csrf": csrf, "name": "twice", "reason": "new", "confirm": "yes", "key": re.search(r'name="key" value="([^"]+)"', looked)[1]}
    assert "cf_once_" in mira.post("/admin/people/add", data=form).text
    again = mira.post("/admin/people/add", data=form).text
    assert "This form was sent before" in again
    assert "cf_once_" not in again
    assert office.desk.rows("select count(*) from principal where name = 'twice'") == [(1,)]


def test_a_role_is_granted_once_a_second_administrator_approved_it(office, person):
    page, mira = f"/admin/people/{office.nils}", person("mira")
    proposed = sent(mira, page, "grant", role="operator", program_id="main")
    assert "It takes a second person" in proposed
    assert mira.get(f"{page}.json").json()["row"]["roles"] == []
    approved(person("karl"), proposed)
    assert "mira, who proposed it, does it now" in re.sub(r"person:", "", person("karl").get(page).text)
    given = fields_of_approved(mira, page, "grant")
    assert given == {"role": "operator", "program_id": "main"}
    assert "nils is operator from now on, in main only" in sent(mira, page, "grant", **given)
    assert mira.get(f"{page}.json").json()["row"]["roles"] == ["operator in main"]
    sent(mira, page, "revoke", role="operator", program_id="main")
    assert mira.get(f"{page}.json").json()["row"]["roles"] == []


def test_the_last_administrators_conflicts_and_those_who_may_not_are_refused(office, person):
    page, mira = f"/admin/people/{office.mira}", person("mira")
    csrf = re.search(r'name="csrf" value="([^"]+)"', mira.get(page).text)[1]
    refused = mira.post(f"{page}/grant", data={"csrf": csrf, "role": "operator"})
    assert (refused.status_code, "Nobody holds both of these roles" in refused.text) == (409, True)
    otto = person("otto")
    shown = otto.get(page).text
    assert "Administrators act here; you may read." in shown
    csrf = re.search(r'name="csrf" value="([^"]+)"', shown)[1]
    assert otto.post(f"{page}/end", data={"csrf": csrf, "reason": "x", "confirm": "yes"}).status_code == 403
    assert person("vera").get("/admin/people").status_code == 403
    assert person("vera").get("/admin/keys").status_code == 403
    assert mira.get("/admin/people/prn_01KA0000000000000000000000").status_code == 404


def test_a_key_is_made_by_two_its_secret_is_told_once_and_it_is_revoked(office, person):
    page, mira = "/admin/keys", person("mira")
    given = {"name": "ledger export", "role": "viewer", "live": "no", "expires_at": "2030-01-01T00:00", "scopes": "pages:read"}
    proposed = sent(mira, page, "create", **given)
    assert 'id="secret"' not in proposed
    approved(person("karl"), proposed)
    again = fields_of_approved(mira, page, "create")
    assert again == {**given, "expires_at": "2030-01-01T00:00:00Z", "principal_id": "", "program_id": "", "scopes": "pages:read"}
    done = sent(mira, page, "create", **again)
    secret = re.search(r'id="secret">(cf_test_[^<]+)<', done)[1]
    assert httpx2.get(f"{office.url}/admin/keys", headers={"Authorization": f"Bearer {secret}"}).status_code == 403, "it opens, and may not"
    csrf = re.search(r'name="csrf" value="([^"]+)"', mira.get(page).text)[1]
    assert mira.post(f"{page}/create", data={"csrf": csrf, **given, "scopes": "nothing:read"}).status_code == 422
    [key] = [one["key"] for one in mira.get(f"{page}.json").json()["rows"] if one["key"]["name"] == "ledger export"]
    assert key["scopes"] == ["pages:read"]
    sent(mira, page, "revoke", key_id=key["id"])
    rows = {one["key"]["id"]: one["word"] for one in mira.get(f"{page}.json").json()["rows"]}
    assert rows[key["id"]] == "revoked"


def test_a_payout_policy_is_set_by_two(office, person):
    page, mira = "/admin/limits", person("mira")
    given = {"program_id": "main", "asset": "EUR", "by_rule_max": "10000.00", "tiers": "0.00=1 50000.00=2", "cooling_hours": "72"}
    approved(person("vera"), sent(mira, page, "policy", **given))
    assert fields_of_approved(mira, page, "policy") == given
    sent(mira, page, "policy", **given)
    [row] = mira.get(f"{page}.json").json()["policies"]
    assert (row["byRule"], row["coolingHours"]) == ({"minor": "1000000", "asset": "EUR"}, 72)
    assert [one["approvers"] for one in row["tiers"]] == [1, 2]
    [line] = csv.DictReader(io.StringIO(mira.get(f"{page}.csv").text))
    assert [line[name] for name in ("by_rule_max", "by_rule_max_asset", "above", "people")] == [
        "10000.00",
        "EUR",
        "0.00 EUR, 50,000.00 EUR",
        "1, 2",
    ]
    assert 'aria-sort="descending"' in mira.get(f"{page}?sort=-byRuleMax&asset=EUR").text
    assert mira.get(f"{page}.csv?sort=-byRuleMax&asset=EUR").text == mira.get(f"{page}.csv").text
    assert mira.get(f"{page}?sort=colour").status_code == 422
    csrf = re.search(r'name="csrf" value="([^"]+)"', mira.get(page).text)[1]
    assert mira.post(f"{page}/policy", data={"csrf": csrf, **given, "tiers": "many"}).status_code == 422


def test_versions_of_fees_and_commissions_are_shown_sorted_and_as_files(office, person):
    mira, at = person("mira"), now()
    with office.desk.database.transaction() as conn:
        for days_on, bps in ((9, 700), (5, 300)):
            limits = [FeeLimit("EUR", 30, 50, None)]
            given = {"platform_bps": bps, "validator_bps": 0, "holdback_bps": 0, "actor": "t", "now": at}
            set_rates(conn, "main", **given, limits=limits, effective_at=at + timedelta(days=days_on))
        terms = CommissionTerms("gross", "rates", (1000, 200), 2000, 30, 1000)
        set_terms(conn, "main", "EUR", terms, actor="t", now=at)
    page = mira.get("/admin/rates/fees?sort=-effectiveAt").text
    assert re.findall(r">(700|300)<", page) == ["700", "300"], "the one that comes last is first"
    assert "0.30 EUR added, at least 0.50 EUR" in page
    rows = list(csv.DictReader(io.StringIO(mira.get("/admin/rates/fees.csv?sort=platformBps").text)))
    assert rows[0]["platform_bps"] == "300"
    [one] = csv.DictReader(io.StringIO(mira.get("/admin/rates/commissions.csv").text))
    assert (one["levels"], one["minimum"]) == ("1000, 200", "10.00 EUR")
    assert mira.get("/admin/rates/commissions.xlsx").content[:2] == b"PK"
    assert mira.get("/admin/rates/colours").status_code == 404


def test_a_person_is_reset_by_two_and_ended_by_one(office, person):
    mira = person("mira")
    sent(mira, "/admin/people", "add", name="gone")
    [(who,)] = office.desk.rows("select id from principal where name = 'gone'")
    page = f"/admin/people/{who}"
    proposed = sent(mira, page, "reset")
    approved(person("karl"), proposed)
    assert "cf_once_" in sent(mira, page, "reset", **fields_of_approved(mira, page, "reset"))
    sent(mira, page, "end-logins")
    sent(mira, page, "end")
    assert "Nothing can be done with them now." in mira.get(page).text


def test_who_sees_one_program_is_told_that_people_are_of_the_whole_installation(office):
    key = days.a_key(office.desk.database, role="auditor", name="one", program_id="main")
    headers = {"Authorization": f"Bearer {key}"}
    for path in ("/admin/people", "/admin/keys"):
        page = httpx2.get(office.url + path, headers=headers)
        assert (page.status_code, "you see one program" in page.text) == (200, True)
    assert httpx2.get(f"{office.url}/admin/people/{office.nils}", headers=headers).status_code == 403


def test_it_works_without_javascript_and_by_keyboard(office, look):  # noqa: F811
    page = look(office.url, office.tokens["mira"], path="/admin/people", java_script_enabled=False)
    page.locator("#act-add input[name=name]").focus()
    page.keyboard.type("kay")
    page.keyboard.press("Enter")
    page.locator("#act-add", has_text="Nothing is changed yet").wait_for()
    page.locator("#act-add").get_by_label("reason").fill("a new colleague")
    page.keyboard.press("Enter")
    page.locator("#receipt", has_text="kay is added, without a role").wait_for()
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / "people-added.png", full_page=True)


def test_they_are_whole_on_every_screen_and_every_word_can_be_read(office, look):  # noqa: F811
    page = look(office.url, office.tokens["mira"], path="/admin/keys")
    for name, path in (
        ("people", "/admin/people"),
        ("person", f"/admin/people/{office.mira}"),
        ("keys", "/admin/keys"),
        ("limits", "/admin/limits"),
        ("fee-rates", "/admin/rates/fees"),
    ):
        is_whole_on_every_screen(page, office.url + path)
        for scheme in SCHEMES if PICTURES else ():
            page.emulate_media(color_scheme=scheme)
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                page.goto(office.url + path)
                page.screenshot(path=Path(PICTURES) / f"{name}-{width}-{scheme}.png", full_page=True)


def test_too_few_people_for_what_takes_two_are_told_on_their_page_on_today_and_before_one_is_taken_away(office, person):
    mira, short = person("mira"), "Only one administrator can log in"
    for page in ("/admin/people", "/admin/reconciliation"):
        assert short not in mira.get(page).text
    with office.desk.database.transaction() as conn:
        (karl,) = conn.execute("select id from principal where name = 'karl'").fetchone()
    page = f"/admin/people/{karl}"
    csrf = re.search(r'name="csrf" value="([^"]+)"', mira.get(page).text)[1]
    looked = mira.post(f"{page}/revoke", data={"csrf": csrf, "role": "administrator"}).text
    assert f"one is missing for what takes two people: {short.lower()[:1]}{short[1:]}" in looked
    assert short not in mira.get("/admin/people").text, "it was looked at, and not done"
    sent(mira, page, "revoke", role="administrator")
    shown = mira.get("/admin/people").text
    assert f"{short}, and two people are needed to grant a role" in shown
    assert f'<a href="/admin/people#lacking">{short}</a>' in mira.get("/admin/reconciliation").text
    assert short in [one["short"] for one in mira.get("/admin/people.json").json()["lacking"]], "beside what policies of payouts lack"


def test_an_administrator_who_was_announced_is_told_on_their_page_and_on_today_and_stopped_there(office, person):
    mira, made = person("mira"), make_id("adm")
    with office.desk.database.transaction() as conn:
        conn.execute(
            """insert into second_administrator (id, principal_id, reason, announced_by, announced_at, begins_at, lapses_at)
               select %s, id, 'noah left', 'local:anna', now(), now() + interval '73 hours', now() + interval '240 hours'
               from principal where kind = 'person' and name = 'mira'""",
            [made],
        )
    page = mira.get("/admin/people").text
    row = page[page.index(f'<tr id="{made}"') :]
    row = row[: row.index("</tr>")]
    for said in ("noah left", "local:anna", 'aria-label="Stop mira"'):
        assert said in row, row
    today = mira.get("/admin/reconciliation").text
    assert "Announced as an administrator" in today
    assert '/admin/people#seconds"' in today
    assert "does not become an administrator" in sent(mira, "/admin/people", "stop-second", announced_id=made)
    assert "Announced as an administrator" not in mira.get("/admin/people").text
    assert office.desk.rows("select stopped_by, stop_reason is not null from second_administrator") == [("person:mira", True)]


def test_how_somebody_logs_in_is_told_by_ways_that_work(office, person, monkeypatch):
    mira = person("mira")
    with office.desk.database.transaction() as conn:
        linked = create_principal(conn, make_id("prn"), kind="person", name="linked only", by="t", now=now()).id
        late = create_principal(conn, make_id("prn"), kind="person", name="too late", by="t", now=now()).id
    with psycopg.connect(office.desk.database.url) as conn:
        conn.execute("alter table login_subject disable trigger two_people_principal_link")
        conn.execute("insert into login_subject values ('lnk_w', %s, 'https://login.example', 'w', 't', now())", [linked])
        conn.execute("insert into password values (%s, 'x', now(), now() - interval '1 day')", [late])
        conn.execute("alter table login_subject enable always trigger two_people_principal_link")

    def told(who: str) -> str:
        page = mira.get("/admin/people").text
        row = page[page.index(f'<tr id="{who}"') :]
        return row[: row.index("</tr>")]

    assert ">nothing</td>" in told(linked)
    assert "linked to a provider that nobody logs in by here" in mira.get(f"/admin/people/{linked}").text
    assert "one-time secret over since" in told(late)
    monkeypatch.setitem(vars(office.desk.wiring), "login_issuer", "https://login.example")
    assert ">the provider</td>" in told(linked)
