"""What payees and customers owe, over HTTP: the most first, paid, and written off by two people, of exactly the amount that both saw."""

from __future__ import annotations

from counterfoil.base.edge import now
from counterfoil.ledger.accounts.accounts import open_accounts
from counterfoil.ledger.journals.journal import post
from tests.api.office import PROGRAM, Office, fresh

OWES = {"programId": PROGRAM, "asset": "EUR", "reason": "the payee is gone"}


def owes(office: Office, who: str, minor: int) -> None:
    with office.database.transaction() as conn:
        names = [f"receivable:{who}", "platform:own_funds"]
        open_accounts(conn, PROGRAM, names, asset="EUR", actor="test", now=now())
        lines = [(names[0], names[1], minor)]
        post(conn, PROGRAM, key=fresh("owes"), kind="test", lines=lines, asset="EUR", actor="test", now=now())


def test_chargebacks_are_listed_and_one_that_is_not_there_is_not_found(office: Office):
    assert office.ask("GET", "/api/chargebacks").json()["data"] == []
    assert office.ask("GET", f"/api/chargebacks/cb_{'0' * 26}").status_code == 404


def test_debts_are_read_in_pages_and_each_is_on_one_of_them(office: Office):
    for number in range(5):
        owes(office, f"payee:payee-{number}", 700 if number < 3 else 900)
    seen, cursor = [], None
    while True:
        page = office.ask("GET", "/api/debts", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [(one["payeeId"], one["amount"]) for one in page["data"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == [("payee-4", "900"), ("payee-3", "900"), ("payee-2", "700"), ("payee-1", "700"), ("payee-0", "700")]
    assert office.ask("GET", "/api/debts", params={"programId": "nobody"}).status_code == 404

    def told(**given: str) -> list[str]:
        return [one["payeeId"] or one["customerId"] for one in office.ask("GET", "/api/debts", params=given).json()["data"]]

    owes(office, "customer:payee-3", 800)
    assert told(sort="amount") == ["payee-0", "payee-1", "payee-2", "payee-3", "payee-3", "payee-4"]
    assert told(sort="partyId", owedBy="payee") == [f"payee-{number}" for number in range(5)]
    assert told(asset="EUR", amountMin="800", amountMax="899") == told(customerId="payee-3") == told(owedBy="customer") == ["payee-3"]
    assert [one["owedBy"] for one in office.ask("GET", "/api/debts", params={"payeeId": "payee-3"}).json()["data"]] == ["payee"]
    for wrong in ({"owedBy": "nobody"}, {"amountMin": "1"}, {"sort": "since"}):
        assert office.ask("GET", "/api/debts", params=wrong).status_code == 422, wrong


def test_a_customer_pays_a_debt_by_the_bank_and_two_people_saw_it(office: Office):
    owes(office, "customer:ann", 45_00)
    (row,) = [one for one in office.ask("GET", "/api/debts").json()["data"] if one["owedBy"] == "customer"]
    assert (row["customerId"], row["payeeId"], row["amount"], row["undecided"]) == ("ann", None, "4500", "0")
    paid = {"programId": PROGRAM, "customerId": "ann", "asset": "EUR", "amount": "3000", "provider": "bank", "reason": "came back"}
    done = office.by_two("/api/debts/pay", paid | {"reference": "  B-77 "}, role="operator")
    assert (done.status_code, done.json()["left"]) == (200, "1500"), done.text
    with office.database.transaction() as conn:
        assert conn.execute("select reference, provider from customer_debt_entry").fetchall() == [("B-77", "bank")]
    again = office.ask("POST", "/api/debts/pay", role="operator", key=fresh(), json=paid | {"amount": "1", "reference": "B-77"})
    assert (again.status_code, again.json()["field"]) == (422, "reference")
    nothing = office.ask("POST", "/api/debts/pay", role="operator", key=fresh(), json=paid | {"amount": "1", "reference": "NOTPROVIDED"})
    assert (nothing.status_code, nothing.json()["field"]) == (422, "reference"), "two placeholders are not one transfer"
    wrong = office.ask("POST", "/api/debts/pay", role="operator", key=fresh(), json=paid | {"provider": "nobody", "reference": "x"})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "provider")
    off = {"programId": PROGRAM, "customerId": "ann", "asset": "EUR", "amount": "1500", "reason": "cannot be found"}
    done = office.by_two("/api/debts/write-off", off, role="operator")
    assert (done.status_code, done.json()["left"]) == (200, "0"), done.text
    both = office.ask("POST", "/api/debts/write-off", role="operator", key=fresh(), json=off | {"payeeId": "payee-1"})
    assert (both.status_code, both.json()["field"]) == (422, "payeeId")


def test_debts_are_listed_and_two_people_write_one_off(office: Office):
    owes(office, "payee:payee-8", 10_00)
    owes(office, "payee:payee-9", 45_00)
    rows = office.ask("GET", "/api/debts").json()["data"]
    assert [(one["payeeId"], one["amount"]) for one in rows][:2] == [("payee-9", "4500"), ("payee-8", "1000")]
    done = office.by_two("/api/debts/write-off", OWES | {"payeeId": "payee-9", "amount": "4000"}, role="operator")
    assert (done.status_code, done.json()["left"]) == (200, "500"), done.text
    with office.database.transaction() as conn:
        assert conn.execute("select count(*) from event where name = 'receivable_written_off'").fetchone() == (1,)
    too_much = office.ask("POST", "/api/debts/write-off", role="operator", key=fresh(), json=OWES | {"payeeId": "payee-9", "amount": "501"})
    assert (too_much.status_code, too_much.json()["field"]) == (422, "amount")
