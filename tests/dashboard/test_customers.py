"""The pages of customers: who owes what, and one statement that says whether it agrees with the books."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import httpx2

from tests.dashboard import days
from tests.dashboard.looking import confirmed


def test_customers_and_a_statement_are_shown(desk: Any):
    days.an_empty_day(desk)
    [invoice] = days.issued(desk, ["41.00"], prefix="c", payee="payee-1")
    ((customer,),) = desk.rows("select customer_id from invoice where id = %s", invoice)
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='viewer')}"}
        with httpx2.Client(base_url=url, headers=headers) as client:
            listed = client.get("/admin/customers")
            page = client.get(f"/admin/customers/{customer}")
            told = client.get(f"/admin/customers/{customer}.json").json()
            wrong = client.get(f"/admin/customers/{customer}?since=yesterday")
            lines = client.get(f"/admin/customers/{customer}.csv").text
            nobody = client.get("/admin/customers/nobody")
            richest = client.get("/admin/customers?sort=-balance&asset=EUR")
            file = client.get("/admin/customers.csv?sort=-balance&asset=USD")
            owed = client.get("/admin/customers.csv").text
    assert (listed.status_code, customer in listed.text.replace("<wbr>", "")) == (200, True)
    assert page.status_code == 200
    assert "It agrees" in page.text
    assert invoice in page.text.replace("<wbr>", "")
    assert (told["agrees"], told["rows"][0]["kind"]) == (True, "invoice")
    [document] = csv.DictReader(io.StringIO(lines))
    assert (document["kind"], document["amount"], document["amount_asset"], document["balance"]) == ("invoice", "41.00", "EUR", "41.00")
    assert f"/admin/customers/{customer}.xlsx?asset=EUR" in page.text
    assert (wrong.status_code, nobody.status_code) == (422, 404)
    assert 'aria-sort="descending"><a href="/admin/customers?sort=balance&amp;asset=EUR">Balance' in richest.text
    assert customer in richest.text.replace("<wbr>", "")
    columns = "customer_id balance balance_asset overdue overdue_asset documents last_at".split()  # noqa: SIM905
    assert file.status_code == 422, "an asset that there is not is no empty list"
    [line] = csv.DictReader(io.StringIO(owed))
    assert [*line] == columns
    assert [line[name] for name in columns[:6]] == [customer, "41.00", "EUR", "0.00", "EUR", "1"]


def test_an_overpayment_has_a_page_that_records_it_as_paid_back(desk: Any):
    days.an_empty_day(desk)
    [invoice] = days.issued(desk, ["41.00"], prefix="o", payee="payee-1")
    desk.pay(invoice, 50_00)
    desk.deliver()
    desk.work("webhooks")
    ((one,),) = desk.rows("select id from overpayment")
    with days.served(desk) as url:
        headers = {"Authorization": f"Bearer {days.a_key(desk.database, role='operator')}"}
        page = httpx2.get(f"{url}/admin/overpayments/{one}", headers=headers)
        offers = httpx2.get(f"{url}/admin/overpayments/{one}.json", headers=headers).json()["offers"]
    assert page.status_code == 200
    assert "more than was asked" in page.text.replace("<wbr>", "")
    assert [(offer["name"], offer["whyNot"]) for offer in offers] == [("repay", None)]


def test_money_that_nobody_has_identified_waits_for_a_person_until_its_page_gives_it_back(desk: Any):
    days.an_empty_day(desk)
    desk.pay("RE 12", 50_00)
    desk.deliver()
    desk.work("webhooks", "events")
    ((one, payment),) = desk.rows("select id, payment_id from unidentified_payment")

    def waiting(client: httpx2.Client) -> list[tuple[str, str]]:
        kinds = client.get("/admin/reconciliation.json").json()["readings"]["action_required"]["value"]["kinds"]
        return [(each["key"], each["title"]) for each in kinds if each["key"] == "unidentified_payment"]

    with days.served(desk) as url, httpx2.Client(base_url=url, headers={"Origin": url, "Sec-Fetch-Site": "same-origin"}) as client:
        assert client.post("/login", data={"key": days.a_key(desk.database, role="operator")}).status_code == 303
        assert waiting(client) == [("unidentified_payment", "Money that nobody has identified")]
        listed = client.get("/admin/unidentified-payments?state=open")
        place = f"/admin/unidentified-payments/{one}"
        page = client.get(place)
        offers = client.get(f"{place}.json").json()["offers"]
        hits = client.get("/admin/search.json", params={"q": payment}).json()["hits"]
        form = {"csrf": re.findall(r'name="csrf" value="([0-9a-f]{64})"', page.text)[0], "expected_state": "open"}
        done = confirmed(client, f"{place}/repay", {**form, "provider": "bank", "reference": "B-1"})
        after = client.get(f"{place}.json").json()
        assert waiting(client) == []
    assert (listed.status_code, page.status_code, done.status_code) == (200, 200, 303)
    text = page.text.replace("<wbr>", "")
    for words in ("nothing of ours has its reference", "RE 12", "50.00", "Let an escrow have it", 'href="/admin/escrows"'):
        assert words in text, words
    assert [(offer["name"], offer["whyNot"]) for offer in offers] == [("repay", None)]
    assert place in str(hits)
    assert "it is repaid" in str(after["offers"])
    assert desk.balance("suspense") == 0
