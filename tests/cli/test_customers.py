"""Customers, their statements and what they paid too much, at the command line."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.api.office import Office
from tests.api.test_unpaid_invoices import pay
from tests.cli.conftest import Cli


def test_a_statement_is_shown_and_written_to_files(cli: Cli, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert cli("customers", "list").out == "No customers yet.\n"
    invoice = office.invoice()
    pay(office, invoice, "1300")
    customer = invoice["customerId"]
    monkeypatch.chdir(tmp_path)
    shown = cli("customers", "statement", customer)
    assert (shown.code, shown.err) == (0, "")
    for words in ("Opening balance", "10.00", "-13.00", "-3.00", "Closing balance"):
        assert words in shown.out, words
    assert "-3.00" in cli("customers", "list").out
    assert cli("customers", "statement", customer, "-o", "json").json()["closing"] == "-300"
    for form in ("csv", "pdf"):
        assert cli("customers", "statement", customer, "--format", form).out == f"statement-{customer}.{form}\n"
        assert (tmp_path / f"statement-{customer}.{form}").stat().st_size > 100
    (one,) = cli("overpayments", "list", "-o", "json").json()
    assert (
        cli("overpayments", "repay", one["id"], "--provider", "bank", "--reference", "B-1").out == f"The customer has {one['id']} back.\n"
    )
    assert cli("customers", "statement", customer, "-o", "json").json()["closing"] == "0"
    assert cli("customers", "statement", "nobody").code == 4


def test_a_statement_that_the_books_contradict_is_not_green_in_whatever_form(
    cli: Cli, office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    invoice = office.invoice()
    pay(office, invoice, "1300")
    with psycopg.connect(office.database.url) as conn:
        conn.execute("alter table payment disable trigger user")
        conn.execute("update payment set amount = amount + 1")
    monkeypatch.chdir(tmp_path)
    for form in ((), ("--format", "csv"), ("--format", "pdf")):
        shown = cli("customers", "statement", invoice["customerId"], *form)
        assert (shown.code, "the books" in shown.err) == (1, True), form


def test_money_that_nobody_has_identified_is_seen_and_given_back(cli: Cli, office: Office):
    pay(office, {**office.invoice(), "id": "RE 12"}, "700")
    shown = cli("unidentified-payments", "list", "--state", "open", "--asset", "EUR", "--amount-min", "7.00").out
    for words in ("RE 12", "7.00", "nothing of ours has its reference"):
        assert words in " ".join(shown.split()), words
    (one,) = cli("unidentified-payments", "list", "-o", "json").json()
    given = ("unidentified-payments", "repay", one["id"], "--provider", "bank", "--reference", "B-1")
    assert cli(*given, "--dry-run").code == 0
    assert cli(*given).out == f"What was left of {one['id']} went back.\n"
    told = cli("unidentified-payments", "show", one["id"])
    assert (told.code, "went back through bank" in " ".join(told.out.split())) == (0, True)
    refused = cli(*given)
    assert (refused.code, "repaid" in refused.err) == (5, True)
    assert cli("unidentified-payments", "list", "--state", "open", "-o", "json").json() == []
