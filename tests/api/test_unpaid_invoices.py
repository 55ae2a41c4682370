"""Invoices that are not paid as asked, over HTTP: credited, written off by two, expired and waited for again, paid too late, and stated."""

from __future__ import annotations

from typing import Any

import psycopg

from tests.api.office import Office, charge_event, fresh, signed
from tests.api.test_one_payment import run


def shown(office: Office, path: str) -> Any:
    return office.ask("GET", path).json()


def said(office: Office, path: str, status: int = 200, **body: Any) -> Any:
    answer = office.ask("POST", path, role="operator", key=fresh(), json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def overdue(office: Office, *, days: int = 1, **usage: Any) -> dict[str, Any]:
    """An invoice whose due date was so many days ago."""
    invoice = office.invoice(**usage)
    with psycopg.connect(office.database.url) as conn:  # nothing of ours changes a due date
        conn.execute("update invoice set due_on = current_date - %s::int where id = %s", [days, invoice["id"]])
    run(office, "overdue")
    return shown(office, f"/api/invoices/{invoice['id']}")  # type: ignore[no-any-return]


def pay(office: Office, invoice: dict[str, Any], amount: str | None = None) -> None:
    event = fresh("evt")
    body = charge_event(invoice, fresh("ch"), amount=amount)
    office.ask("POST", "/webhooks/simulator", role=None, content=body, headers=signed(body, event))
    run(office, "webhooks")


def test_a_credit_note_lowers_what_is_due_and_is_shown_with_its_invoice(office: Office):
    invoice = overdue(office)
    assert (invoice["state"], invoice["due"], invoice["creditNotes"]) == ("overdue", "1000", [])
    done = said(office, f"/api/invoices/{invoice['id']}/credit", amount="250", reason="too much")
    assert (done["state"], done["made"][:4]) == ("overdue", "crn_")
    after = shown(office, f"/api/invoices/{invoice['id']}")
    assert (after["credited"], after["due"], [note["againstDue"] for note in after["creditNotes"]]) == ("250", "750", ["250"])
    refused = said(office, f"/api/invoices/{invoice['id']}/credit", 422, amount="751", reason="x")
    assert (refused["field"], "7.50 EUR" in refused["limit"]) == ("amount", True)


def test_two_people_write_an_invoice_off(office: Office):
    invoice = overdue(office)
    proposed = said(office, f"/api/invoices/{invoice['id']}/write-off", 202, reason="bankrupt")
    assert shown(office, f"/api/invoices/{invoice['id']}")["state"] == "overdue", "a proposal does nothing"
    assert office.approve(proposed).status_code == 200
    after = shown(office, f"/api/invoices/{invoice['id']}")
    assert (after["state"], after["writtenOff"], after["due"]) == ("cancelled", "1000", "0")
    fresh_one = office.invoice()
    assert "pending" in str(said(office, f"/api/invoices/{fresh_one['id']}/write-off", 409, reason="x"))


def test_an_intent_that_expired_is_listed_and_waited_for_again(office: Office):
    invoice = overdue(office, days=61, word="exp")
    run(office, "expire-intents")
    (one,) = shown(office, "/api/intents?unpaid=true")["data"]
    assert (one["state"], one["customerId"], one["amount"], one["isStuck"]) == ("expired", invoice["customerId"], "1000", False)
    done = said(office, f"/api/intents/{one['id']}/reopen", reason="they will pay")
    assert done["state"] == "payment_pending"
    (again,) = shown(office, "/api/intents?unpaid=true&sort=-stateAt&limit=5")["data"]
    assert again["waitsUntil"] is not None
    assert shown(office, "/api/intents?stuck=true&sort=createdAt")["data"] == []
    assert "payment pending" in str(said(office, f"/api/intents/{one['id']}/reopen", 409, reason="twice"))


def test_what_was_paid_too_much_is_listed_and_paid_back_and_the_statement_says_so(office: Office):
    invoice = office.invoice(word="over")
    pay(office, invoice, "1300")
    (one,) = shown(office, "/api/overpayments")["data"]
    assert (one["amount"], one["remaining"], one["cause"]) == ("300", "300", "more than was asked")
    done = said(office, f"/api/overpayments/{one['id']}/repay", provider="bank", reference="B-1")
    assert done["state"] == "repaid"
    assert shown(office, f"/api/overpayments/{one['id']}")["remaining"] == "0"
    (row,) = [each for each in shown(office, "/api/customers")["data"] if each["customerId"] == invoice["customerId"]]
    assert (row["balance"], row["documents"]) == ("0", 3)
    path = f"/api/customers/{invoice['customerId']}/statement"
    statement = shown(office, path)
    assert [line["kind"] for line in statement["lines"]] == ["invoice", "payment", "overpayment paid back"]
    assert (statement["agrees"], statement["closing"]) == (True, "0")
    assert office.ask("GET", f"{path}?format=csv").text.count("\n") == 6
    assert office.ask("GET", f"{path}?format=pdf").content.startswith(b"%PDF")
    assert office.ask("GET", "/api/customers/nobody/statement").status_code == 404


def test_money_that_nobody_has_identified_is_listed_and_goes_back(office: Office):
    invoice = office.invoice(word="una")
    pay(office, {**invoice, "id": "RE 12"}, "700")
    pay(office, {**invoice, "id": "RE 13"}, "300")
    listed = shown(office, "/api/unidentified-payments?sort=amount&asset=EUR&provider=simulator")["data"]
    assert [(one["reference"], one["amount"], one["remaining"], one["state"]) for one in listed] == [
        ("RE 13", "300", "300", "open"),
        ("RE 12", "700", "700", "open"),
    ]
    assert {one["cause"] for one in listed} == {"nothing of ours has its reference"}
    assert shown(office, "/api/unidentified-payments?amountMin=301&asset=EUR")["data"] == [listed[1]]
    for nothing in ("provider=bank", "state=repaid", "customerId=ann", "startTime=2030-01-01T00:00:00Z"):
        assert shown(office, f"/api/unidentified-payments?{nothing}")["data"] == []
    one = f"/api/unidentified-payments/{listed[1]['id']}"
    refused = said(office, f"{one}/repay", 422, provider="elsewhere", reference="B-1")
    assert (refused["field"], "simulator" in refused["limit"]) == ("provider", True)
    assert said(office, f"{one}/repay", provider="bank", reference="B-1")["state"] == "repaid"
    after = shown(office, one)
    assert (after["repaid"], after["remaining"], [use["what"] for use in after["uses"]]) == ("700", "0", ["went back through bank"])
    again = said(office, f"/api/unidentified-payments/{listed[0]['id']}/repay", 422, provider="bank", reference="B-1")
    assert (again["field"], f"unidentified payment {after['id']} was" in again["limit"]) == ("reference", True)
    assert said(office, f"{one}/repay", 409, provider="bank", reference="B-2")["whatToDo"]
    file = office.ask("GET", "/api/unidentified-payments?sort=-amount&asset=EUR", headers={"Accept": "text/csv"}).text
    assert [line.split(",")[0].strip('"') for line in file.splitlines()[1:]] == [after["id"], listed[0]["id"]]
