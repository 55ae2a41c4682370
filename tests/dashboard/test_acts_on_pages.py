"""What is begun, or agreed on by two, on the page of what it is about: destinations, endpoints and their secrets, debts, limits, agents,
silences and signers. Each is looked at with its postings, given a reason, and done once."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, Final

import httpx2
import pytest

from counterfoil.base.edge import now
from counterfoil.base.idempotency import request_hash
from counterfoil.dashboard.settings.offers import _is_of_here
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import NewPosting, post
from counterfoil.operations.webhooks_out.acts import ROTATE_SECRET
from counterfoil.payouts.destinations.acts import SET_DESTINATION
from counterfoil.payouts.refunds.acts import WRITE_OFF_PAYEE
from counterfoil.proofs.log.checkpoints import make_log_key
from tests.dashboard import days
from tests.dashboard.conftest import a_desk
from tests.dashboard.looking import confirmed
from tests.people import log_in_as, past_the_guard

PEOPLE: Final = {"mira": "administrator", "karl": "administrator", "vera": "approver", "otto": "operator", "nils": "auditor"}
IBAN: Final = "DE89370400440532013000"
KEY: Final = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


@pytest.fixture(scope="module")
def house(server: Any, tmp_path_factory: Any):
    """A day with invoices; payee-0 and the customer of the first owe 10.00 each; and people who are logged in."""
    with a_desk(server, tmp_path_factory.mktemp("acts")) as desk:
        days.a_full_day(desk, prices=["100.00"] * 2)
        [(customer, payee)] = desk.rows("select customer_id, payee_id from invoice order by id limit 1")
        with desk.database.transaction() as conn:
            owed = [f"receivable:payee:{payee}", f"receivable:customer:{customer}"]
            open_accounts(conn, "main", [*owed, "cash:bank:own", "bad_debt"], asset="EUR", actor="t", now=now())
            lines = [NewPosting(name, "cash:bank:own", 1_000) for name in owed]
            post(conn, "main", key="owed", kind="test", lines=lines, asset="EUR", actor="system:test", now=now())
            make_log_key(conn, "lgk_1", now=now())
        with past_the_guard(desk.database.url) as conn:
            made = {name: log_in_as(conn, name, role) for name, role in PEOPLE.items()}
        with days.served(desk) as url:
            headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
            by = {name: httpx2.Client(base_url=url, headers=headers, timeout=20, trust_env=False) for name in PEOPLE}
            for name, client in by.items():
                assert client.post("/login", data={"key": made[name][1]}).status_code == 303
            yield SimpleNamespace(desk=desk, by=by, payee=payee, customer=customer, nils=made["nils"][0].principal_id)
            for client in by.values():
                client.close()


def csrf_of(client: httpx2.Client, page: str) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', client.get(page).text)[1]


def looked(client: httpx2.Client, page: str, act: str, **given: str) -> str:
    told = client.post(f"{page}/{act}", data={"csrf": csrf_of(client, page), **given})
    assert told.status_code == 200, told.text
    assert "Nothing is changed yet" in told.text
    return told.text


def done(client: httpx2.Client, page: str, act: str, **given: str) -> str:
    told = confirmed(client, f"{page}/{act}", {"csrf": csrf_of(client, page), **given, "reason": "agreed"})
    assert told.status_code == 200, told.text
    return told.text


def approved_by(client: httpx2.Client, told: str) -> None:
    """What the page says was proposed is approved by another person."""
    proposal = re.search(r"/admin/approvals#(prop_[0-9A-Z]{26})", told)[1]
    shown = client.get("/admin/approvals").text
    one = shown[shown.index(f'id="{proposal}"') :]
    csrf, sha256 = (re.search(rf'name="{name}" value="([^"]+)"', one)[1] for name in ("csrf", "sha256"))
    data = {"csrf": csrf, "proposal": proposal, "verb": "approve", "sha256": sha256, "reason": "seen"}
    assert confirmed(client, "/admin/approvals", data).status_code == 303


def booked(page: str) -> list[tuple[str, ...]]:
    """The postings of a look at a form."""
    told = page[re.search("Once approved, it books|It books", page).start() :]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td></tr>', told)
    return [tuple(re.sub(r"<.*?>", "", cell).strip() for cell in row) for row in rows]


def test_where_a_payee_is_paid_is_agreed_on_by_two_and_the_account_is_kept_nowhere_in_clear(house: Any) -> None:
    mira, page = house.by["mira"], "/admin/destinations"
    form = {"program_id": "main", "payee_id": "payee-new", "provider": "simulator", "token": "acct_7351_secret"}
    told = looked(mira, page, "set", **form)
    assert "payee-new is paid by simulator to the account that ends in cret from now on" in told
    approved_by(house.by["vera"], done(mira, page, "set", **form))
    waits = mira.get(page).text
    assert "approved by person:vera" in waits
    assert "fill in the same once more" in waits
    assert "acct_7351" not in waits
    other = done(mira, page, "set", **{**form, "token": "acct_9999_secret"})
    assert "/admin/approvals#prop_" in other, "another account is another proposal"
    assert "payee-new is paid by simulator" in done(mira, page, "set", **form)
    assert house.desk.rows("select payee_id, state from destination where payee_id = 'payee-new'") == [("payee-new", "active")]
    for table in ("approval_proposal", "action", "idempotency"):
        assert house.desk.rows(f"select 1 from {table} t where t::text like '%%acct_7351%%' and %s", True) == [], table
    plain = {"subject": "", **dict.fromkeys((one.name for one in SET_DESTINATION.takes), ""), **form}
    asked = request_hash({"verb": "destination.set", "asked": plain})
    assert house.desk.rows("select 1 from idempotency where sha256 = %s", asked) == [], "whoever reads it cannot try accounts"
    [(payload,)] = house.desk.rows("select payload from action where verb = 'destination.set' order by id limit 1")
    assert payload["token_hint"] == "cret"
    refused = mira.post(f"{page}/set", data={**form, "csrf": csrf_of(mira, page), "iban": IBAN})
    assert refused.status_code == 422
    assert "holder" in refused.text


def test_an_endpoint_is_made_with_a_secret_that_is_told_once_and_gets_another_by_two(house: Any) -> None:
    mira, page = house.by["mira"], "/admin/endpoints"
    form = {"url": "https://8.8.8.8/hooks", "min_level": "info", "owner_email": "a@partner.example", "events": "payout_failed"}
    assert "whsec_" not in looked(mira, page, "create", **form)
    told = done(mira, page, "create", **form)
    assert len(re.findall(r"whsec_[A-Za-z0-9+/=]+", told)) == 1
    assert "whsec_" not in mira.get(page).text
    [(one,)] = house.desk.rows("select id from webhook_endpoint")
    one_page = f"{page}/{one}"
    approved_by(house.by["karl"], done(mira, one_page, "rotate", overlap_days="2"))
    assert 'value="2"' in mira.get(one_page).text, "what was approved is filled in for whoever proposed it"
    again = done(mira, one_page, "rotate", overlap_days="2")
    assert "for 2 days the secret of before signs, too" in again
    assert len(re.findall(r"whsec_[A-Za-z0-9+/=]+", again)) == 1
    assert house.desk.rows("select count(*) from webhook_secret where endpoint_id = %s", one) == [(2,)]


def test_a_debt_is_given_up_after_a_look_at_its_postings_by_two(house: Any) -> None:
    otto = house.by["otto"]
    for page, account in (
        (f"/admin/payees/{house.payee}", f"receivable:payee:{house.payee}"),
        (f"/admin/customers/{house.customer}", f"receivable:customer:{house.customer}"),
    ):
        form = {"program_id": "main", "asset": "EUR", "amount": "4.00"}
        beyond = otto.post(f"{page}/write-off", data={**form, "csrf": csrf_of(otto, page), "amount": "20.00"})
        read = re.sub(r"<.*?>", "", beyond.text)
        assert (beyond.status_code, "from 0.01 EUR to 10.00 EUR, which is what the " in read, "got: 20.00 EUR" in read) == (422, True, True)
        assert "2000" not in read, "a person reads no minor units"
        told = looked(otto, page, "write-off", **form)
        assert booked(told) == [("bad_debt", account, "4.00 EUR")]
        assert "It takes a second person" in told
        approved_by(house.by["vera"], done(otto, page, "write-off", **form))
        mine = otto.get(page).text
        assert 'name="amount" value="4.00"' in mine
        assert "still owes" not in mine
        assert "still owes 6.00 EUR" in done(otto, page, "write-off", **form)
        [(left,)] = house.desk.rows("select debits - credits from account where name = %s", account)
        assert left == 600
    paid = {"program_id": "main", "asset": "EUR", "amount": "6.00", "reference": "2026-11-26/81"}
    page = f"/admin/customers/{house.customer}"
    assert booked(looked(otto, page, "pay", **paid)) == [("cash:bank:client", account, "6.00 EUR")]
    too_much = otto.post(f"{page}/pay", data={**paid, "csrf": csrf_of(otto, page), "amount": "6.01"})
    assert too_much.status_code == 422, "what cannot be done is not proposed"
    house.desk.pay("inv_of_nobody", 500)
    house.desk.deliver()
    house.desk.work("webhooks")
    [(charge,)] = house.desk.rows("select charge_id from payment where invoice_id is null")
    with_it = {"program_id": "main", "asset": "EUR", "amount": "4.00", "provider": "simulator", "reference": charge}
    by_bank = otto.post(f"{page}/pay-with", data={**with_it, "csrf": csrf_of(otto, page), "provider": "bank"})
    assert by_bank.status_code == 422, "a transfer takes two people"
    assert booked(looked(otto, page, "pay-with", **with_it)) == [("suspense", account, "4.00 EUR")]
    assert "still owes 2.00 EUR" in done(otto, page, "pay-with", **with_it), "one alone: the provider's word is held against"
    more = otto.post(f"{page}/pay-with", data={**with_it, "csrf": csrf_of(otto, page), "amount": "1.01"})
    assert more.status_code == 422, "the payment has no more"


def test_limits_agents_silences_and_signers_are_set_on_their_pages(house: Any) -> None:
    mira, karl, otto = (house.by[name] for name in ("mira", "karl", "otto"))
    limit = {"program_id": "main", "asset": "EUR", "minor": "25.00"}
    approved_by(house.by["vera"], done(mira, "/admin/limits", "write-off-limit", **limit))
    assert "holds for what is proposed from now on" in done(mira, "/admin/limits", "write-off-limit", **limit)
    assert house.desk.rows("select minor from write_off_limit") == [(2_500,)]
    assert "buyer has an empty account" in done(otto, "/admin/agents", "create", program_id="main", name="buyer")
    until = (now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert "Nobody is told of any alert" in done(otto, "/admin/silences", "create", until=until)
    key = {"principal_id": house.nils, "role": "auditor", "public_key": KEY, "valid_until": f"{now().year + 1}-01-01T00:00"}
    approved_by(karl, done(mira, "/admin/signers", "add", **key))
    assert "counts as auditor" in done(mira, "/admin/signers", "add", **key)
    [(signer,)] = house.desk.rows("select id from signer")
    row = mira.get("/admin/signers").text
    assert f'name="signer_id" value="{signer}"' in row
    assert "does not count" in done(mira, "/admin/signers", "revoke", signer_id=signer)


def test_what_a_form_proposed_is_done_over_http_and_is_the_same(house: Any) -> None:
    """The digest of both is of the same payload, so that whichever way it is asked for next, it is done."""
    otto, page = house.by["otto"], f"/admin/payees/{house.payee}"
    whole = f"counterfoil accounts statement receivable:payee:{house.payee} --asset EUR --program main"
    assert whole in otto.get(page).text, "it can be typed as it stands there"
    done(otto, page, "write-off", program_id="main", asset="EUR", amount="1.00")
    [(subject, payload)] = house.desk.rows(
        "select subject_id, payload::text from approval_proposal where machine = 'receivable' order by id desc limit 1"
    )
    assert (subject, json.loads(payload)) == (f"main:{house.payee}:EUR", {"amount": "100"})


def test_what_was_approved_of_one_stands_on_no_page_of_another() -> None:
    of_bolt: Any = SimpleNamespace(program_id="main", subject_id="main:bolt:EUR", payload={})
    for name, is_there in (("bolt", True), ("EUR", False), ("main", False), ("olt", False)):
        ask: Any = SimpleNamespace(only=None, params={"id": name})
        assert _is_of_here(ask, WRITE_OFF_PAYEE, of_bolt) == is_there, name
    rotated: Any = SimpleNamespace(program_id=None, subject_id="whe_1", payload={})
    for name, is_there in (("whe_1", True), ("whe_2", False)):
        at: Any = SimpleNamespace(only=None, params={"id": name})
        assert _is_of_here(at, ROTATE_SECRET, rotated) == is_there
