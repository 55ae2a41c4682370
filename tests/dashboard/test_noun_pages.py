"""The page of a payout, which is derived from its declaration: what it shows, and how a verb is said there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from counterfoil.base.edge import make_id, now
from counterfoil.payouts.batches.batches import lines_of
from counterfoil.payouts.batches.deciding import submit_batch
from counterfoil.payouts.batches.gathering import Wanted, gather_batch
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.looking import key_of
from tests.people import log_in_as


@pytest.fixture(scope="module")
def desk(server, tmp_path_factory):
    """Two payouts that nobody has reserved yet."""
    with a_desk(server, tmp_path_factory.mktemp("nouns")) as made:
        days.two_payouts(made)
        yield made


@pytest.fixture(scope="module")
def url(desk):
    with days.served(desk) as found:
        yield found


@contextmanager
def logged_in(desk, url: str, role: str) -> Iterator[httpx2.Client]:
    headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=url, headers=headers, timeout=20, trust_env=False) as client:
        assert client.post("/login", data={"key": days.a_key(desk.database, role=role, name=role)}).status_code == 303
        yield client


def state_of(desk, payout_id: str) -> str:
    return desk.rows("select state from payout where id = %s", payout_id)[0][0]


def test_a_verb_is_previewed_then_confirmed_and_its_receipt_is_read(desk, url):
    payout_id = desk.rows("select id from payout where state = 'pending' order by id")[0][0]
    with logged_in(desk, url, "operator") as browser:
        page = browser.get(f"/admin/payouts/{payout_id}").text
        assert payout_id in page
        assert "Preview: cancel" in page
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
        said = {"csrf": csrf, "expected_state": "pending", "reason": "the payee asked"}
        looked = browser.post(f"/admin/payouts/{payout_id}/cancel", data=said).text
        assert "Nothing is changed yet" in looked
        assert state_of(desk, payout_id) == "pending"
        unseen = browser.post(f"/admin/payouts/{payout_id}/cancel", data={**said, "confirm": "yes"})
        assert (unseen.status_code, "without a look at what would happen" in unseen.text) == (422, True)
        made_up = browser.post(f"/admin/payouts/{payout_id}/cancel", data={**said, "confirm": "yes", "key": make_id("key")})
        assert (made_up.status_code, state_of(desk, payout_id)) == (422, "pending"), "a key that no look made confirms nothing"
        confirmed = {**said, "confirm": "yes", "key": key_of(looked)}
        done = browser.post(f"/admin/payouts/{payout_id}/cancel", data=confirmed)
        assert (done.status_code, state_of(desk, payout_id)) == (303, "cancelled")
        receipt = browser.get(done.headers["location"]).text
        assert "Done: cancel." in receipt
        assert "the payee asked" in receipt
        again = browser.post(f"/admin/payouts/{payout_id}/cancel", data=confirmed)
        assert (again.status_code, again.headers["location"]) == (303, done.headers["location"]), "what was done is told again"
        other = browser.post(f"/admin/payouts/{payout_id}/cancel", data={**confirmed, "reason": "something else"})
        assert other.status_code == 422, "the key is of another form"
    assert desk.rows("select count(*) from action where subject_id = %s", payout_id) == [(1,)]


def test_no_address_says_of_what_was_not_done_that_it_was(desk, url):
    ids = dict(desk.rows("select state, id from payout"))
    done, open_one = f"/admin/payouts/{ids['cancelled']}", f"/admin/payouts/{ids['pending']}"
    [(key,)] = desk.rows("select key from idempotency where scope like '%%:form' and answer -> 'value' ->> 'on' = %s", done)
    with logged_in(desk, url, "operator") as other:
        for address in (f"{open_one}?receipt={key}", f"{done}?receipt={key}", f"{done}?receipt={make_id('key')}"):
            page = other.get(address).text
            assert "Done:" not in page, "the receipt is of another thing, or another person's"
            assert "nothing is known of it" in page
        for forged in ("done=cancel", "done=cancel&made=po_1", "begun=yes"):
            assert other.get(f"{open_one}?{forged}").status_code == 422


def test_who_may_not_say_a_verb_is_refused_by_the_page_as_by_the_api(desk, url):
    payout_id = desk.rows("select id from payout where state = 'pending' order by id desc")[0][0]
    with logged_in(desk, url, "viewer") as browser:
        page = browser.get(f"/admin/payouts/{payout_id}").text
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
        said = {"csrf": csrf, "expected_state": "pending", "reason": "x", "confirm": "yes"}
        refused = browser.post(f"/admin/payouts/{payout_id}/cancel", data=said)
        assert (refused.status_code, state_of(desk, payout_id)) == (403, "pending")
        assert browser.get(f"/admin/payouts/{payout_id}.json").json()["id"] == payout_id
        assert browser.get("/admin/payouts/po_01KA0000000000000000000000").status_code == 404


@pytest.mark.parametrize(("page", "table"), [("/admin/invoices", "invoice"), ("/admin/intents", "intent"), ("/admin/payouts", "payout")])
def test_every_thing_has_a_page_with_its_state_and_its_history(desk, url, page, table):
    subject_id, state = desk.rows(f"select id, state from {table} order by id limit 1")[0]
    with logged_in(desk, url, "viewer") as browser:
        text = browser.get(f"{page}/{subject_id}").text
    assert subject_id in text
    assert state.replace("_", " ") in text


def test_the_page_of_a_batch_shows_its_lines_and_who_approved_it_and_offers_its_verbs(desk, url):
    at = now()
    with desk.database.transaction() as conn:
        maker, _ = log_in_as(conn, "Gita", "operator")
        batch = gather_batch(conn, Wanted("main", "EUR"), by=maker, make_id=make_id, now=at)
        submit_batch(conn, batch.batch_id, by=maker, now=at)
        payout_id = lines_of(conn, batch.batch_id)[0].payout_id
    with logged_in(desk, url, "operator") as browser:
        page = browser.get(f"/admin/batches/{batch.batch_id}").text
        assert "pending approval" in page
        assert payout_id in re.sub(r"<wbr>|&#8203;|\u200b", "", page)
        assert "Approved by" in page
        head = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page[page.index('<dl class="headline">') : page.index("</dl>")]))
        [(amount,)] = desk.rows(f"select amount from payout_batch where id = '{batch.batch_id}'")
        assert re.match(rf" Amount {amount // 100:,}\.{amount % 100:02} EUR In treasury [0-9.,]+ EUR Left over −?[0-9.,]+ EUR", head), head
        assert re.search(r"Approve by in (1 d 0 h|23 h 5[0-9] min) ", head), "the clock of 24 hours goes"
        assert re.search(r'<a href="/admin/payees/payee-[12]">payee-[12]</a>', page), "whoever is paid has a page"
        row = re.search(rf'<tr id="{batch.batch_id}">.*?</tr>', browser.get("/admin/batches").text, re.DOTALL)[0]
        assert re.search(r'<svg class="mark attention".*?</svg>\s*pending approval', row, re.DOTALL), "it asks for somebody"
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
        said = {"csrf": csrf, "expected_state": "pending_approval", "confirm": "yes", "key": make_id("key")}
        assert browser.post(f"/admin/batches/{batch.batch_id}/approve", data=said).status_code == 403
    ((sha256,),) = desk.rows(f"select encode(sha256, 'hex') from payout_batch where id = '{batch.batch_id}'")
    with logged_in(desk, url, "approver") as browser:
        page = browser.get(f"/admin/batches/{batch.batch_id}").text
        assert f'<input type="hidden" name="sha256" value="{sha256}">' in page, "the form says which lines were looked at"
        csrf = re.search(r'name="csrf" value="([^"]+)"', page)[1]
        said = {"csrf": csrf, "expected_state": "pending_approval", "sha256": "0" * 64}
        refused = browser.post(f"/admin/batches/{batch.batch_id}/approve", data=said).text
        assert "others than those that were looked at" in refused
        assert f'<input type="hidden" name="sha256" value="{sha256}">' in refused, "what is shown now can be approved"
