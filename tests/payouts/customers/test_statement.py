"""A customer's statement: every document, a running balance, and totals that are those of the books."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from pathlib import Path

import pytest

from counterfoil.base.edge import Database
from counterfoil.base.problems import InvalidInput, NotFound, TooLarge
from counterfoil.ledger.journals.journal import post
from counterfoil.operations.listing import asked_of, read_listed
from counterfoil.payouts.customers import statement as module
from counterfoil.payouts.customers.statement import CUSTOMER_LIST, CustomerStatement, statement_of_customer
from counterfoil.payouts.customers.statement_files import statement_csv, statement_pdf
from tests.builders import NOW, PROGRAM, Desk, a_program, issue
from tests.payouts.invoices.test_unpaid_invoices import credit, pays, repay
from tests.payouts.refunding import go, refund
from tests.payouts.test_chargebacks import bank_says
from tests.simulators import spawn_simulator

WHO = "customer-u-1"


@pytest.fixture
def desk(database: Database, tmp_path: Path):
    with spawn_simulator(tmp_path / "simulator", settle_ms=0, payout_fee=0) as simulator:
        a_program(database)
        yield Desk(database, simulator)


def bank_takes(desk: Desk, amount: int) -> None:
    """The bank takes a part of the first payment back, and it is lost."""
    charge = desk.rows("select charge_id from payment order by id limit 1")[0][0]
    body = {"fee": "0", "amount": str(amount)}
    made = desk.http.post(f"/v1/charges/{charge}/chargebacks", json=body).raise_for_status().json()
    desk.deliver()
    desk.work("webhooks")
    bank_says(desk, str(made["id"]), "lost")


def statement(desk: Desk, *, days: int = 40, asset: str | None = None) -> CustomerStatement:
    with desk.database.transaction() as conn:
        start, end = NOW - timedelta(days=1), NOW + timedelta(days=days)
        return statement_of_customer(conn, PROGRAM, WHO, asset=asset, start=start, end=end)


def test_every_document_stands_in_it_and_its_balance_is_that_of_the_books_after_each(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    acts = [
        lambda: credit(desk, invoice, 10_00),
        lambda: pays(desk, invoice, 50_00),
        lambda: pays(desk, invoice, 70_00, key="more"),  # 40.00 were due
        lambda: go(desk),
        lambda: repay(desk),
        lambda: refund(desk, invoice, 20_00),
        lambda: bank_takes(desk, 5_00),
    ]
    for act in acts:
        desk.clock.advance(hours=1)
        act()
        found = statement(desk)
        assert found.agrees, (found.balance, found.in_books)
    assert [(one.kind, one.amount) for one in found.lines] == [
        ("invoice", 100_00),
        ("credit note", -10_00),
        ("payment", -50_00),
        ("payment", -70_00),
        ("overpayment paid back", 30_00),
        ("refund", -20_00),
        ("chargeback", 5_00),
    ]
    owed = desk.balance(f"refund_payable:customer:{WHO}")
    assert (found.closing, owed) == (-15_00, 15_00)
    assert found.opening + found.charged - found.settled == found.closing
    received = desk.rows("select sum(amount)::bigint from payment")[0][0]
    assert received == sum(-one.amount for one in found.lines if one.kind == "payment")
    desk.still_true()


def test_what_a_person_posts_on_a_customers_account_stands_in_it_too(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    pays(desk, invoice, 130_00)
    with desk.database.transaction() as conn:
        lines = [(f"refund_payable:customer:{WHO}", "clearing:simulator", 10_00)]
        post(conn, PROGRAM, key="by hand", kind="payment", lines=lines, asset="EUR", actor="system:test", now=NOW)
    found = statement(desk)
    assert [(one.kind, one.amount) for one in found.lines][-1] == ("adjustment", 10_00)
    assert (found.closing, found.agrees) == (-20_00, True)


def test_what_was_before_is_the_opening_balance_and_what_comes_later_is_not_in_it(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    desk.clock.advance(days=10)
    pays(desk, invoice, 40_00)
    with desk.database.transaction() as conn:
        day = NOW + timedelta(days=5)
        late = statement_of_customer(conn, PROGRAM, WHO, asset="EUR", start=day, end=NOW + timedelta(days=11))
        none = statement_of_customer(conn, PROGRAM, WHO, asset="EUR", start=day, end=day + timedelta(days=1))
        early = statement_of_customer(conn, PROGRAM, WHO, asset="EUR", start=NOW, end=day)
    assert (late.opening, late.closing, len(late.lines)) == (100_00, 60_00, 1)
    assert (none.opening, none.closing, none.lines) == (100_00, 100_00, ())
    assert (early.opening, early.closing) == (0, 100_00)


def test_what_cannot_be_shown_is_refused_with_its_reason(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(NotFound):
        statement(desk)
    (invoice,) = issue(desk.database, "100.00")
    with pytest.raises(InvalidInput, match="EUR"):
        statement(desk, asset="USD")
    with pytest.raises(InvalidInput):
        statement(desk, days=-2)
    credit(desk, invoice, 1_00)
    monkeypatch.setattr(module, "LINES_MAX", 1)
    with pytest.raises(TooLarge):
        statement(desk)


def test_it_is_a_csv_and_a_pdf_and_the_same_twice_is_the_same_bytes(desk: Desk):
    (invoice,) = issue(desk.database, "100.00")
    pays(desk, invoice, 40_00)
    found = statement(desk)
    rows = list(csv.DictReader(io.StringIO(statement_csv(found).body.decode())))
    assert [row["kind"] for row in rows] == ["opening balance", "invoice", "payment", "closing balance"]
    assert [row["balance"] for row in rows] == ["0", "10000", "6000", "6000"]
    one, again = statement_pdf(found, 2), statement_pdf(found, 2)
    assert one.body.startswith(b"%PDF")
    assert one.body == again.body


def test_customers_are_listed_with_what_they_owe(desk: Desk):
    issue(desk.database, "1.00", "2.00", "3.00")
    desk.clock.advance(days=15)
    desk.work("overdue")
    for sort, wanted in ((None, [1, 2, 3]), ("-balance", [3, 2, 1]), ("overdue", [1, 2, 3]), ("-customerId", [3, 2, 1])):
        asked = asked_of(CUSTOMER_LIST, state=None, sort=sort, given={"asset": "EUR"})._replace(program_id=PROGRAM)
        with desk.database.transaction() as conn:
            first = read_listed(conn, CUSTOMER_LIST, asked, rows_max=2, after=None, now=None)
            rest = read_listed(conn, CUSTOMER_LIST, asked, rows_max=2, after=asked.place(first[-1]), now=None)
        found = [(one.customer_id, one.balance, one.overdue) for one in [*first, *rest]]
        assert found == [(f"customer-u-{number}", number * 100, number * 100) for number in wanted], sort
