"""A payment against the records that it pays: named in a list, or by a batch, with a fee between the sums. The guess finds it by trying."""

from __future__ import annotations

import csv
import random

import pytest

from counterfoil.matching.guess.rule_set import guess
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files
from tests.matching.test_passes import matches

SHORT = 1234  # minor units that one payment lacks


def orders_paid(tmp_path, *, fee=lambda _: 0, fee_of_payment=0, batch=True, mark=", "):
    """Some 100 orders and the 40 payments that pay them; the eighth lacks something. By batch or by a list of orders."""
    rng = random.Random(3)
    orders, payments = [("order", "created", "gross", *(["payout_id"] if batch else []), "currency")], []
    payments = [("id", "arrival", "amount", *([] if batch else ["orders"]), "currency")]
    number = 0
    for n in range(40):
        mine = []
        for _ in range(rng.randint(1 if n % 4 else 2, 4)):
            number += 1
            mine.append((f"#{1000 + number}", rng.randint(500, 90_000)))
        day = f"2026-05-{1 + n % 25:02}"
        orders += [(name, day, f"{gross / 100:.2f}", *([f"po_{n:04}"] if batch else []), "EUR") for name, gross in mine]
        paid = sum(gross - fee(gross) for _, gross in mine) - fee_of_payment - (SHORT if n == 8 else 0)
        payments.append((f"po_{n:04}", day, f"{paid / 100:.2f}", *([] if batch else [mark.join(name for name, _ in mine)]), "EUR"))
    for name, rows in (("orders", orders), ("payments", payments)):
        with (tmp_path / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    return tmp_path / "orders.csv", tmp_path / "payments.csv", number


def proposed(tmp_path, left, right, **said):
    found = guess(left, right, **said)
    return reconcile_files(left, right, load_rules(found.text), out=tmp_path / "out"), found.reasons


@pytest.mark.parametrize("mark", [" ", ", ", ";", "|", "+", " & ", "/", "_", "\n"])
def test_a_list_of_short_references_in_a_column_of_any_name_is_found_whatever_stands_between_them(tmp_path, mark):
    left, right, number = orders_paid(tmp_path, batch=False, mark=mark)
    outcome, reasons = proposed(tmp_path, left, right)
    (one,) = outcome.breaks
    assert one.kind == "AMOUNT_MISMATCH"
    assert one.at_stake == SHORT
    assert len({m[0] for m in matches(outcome)}) == number - len(one.left)
    assert any("order on the left stands in orders on the right" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("fees", "said"),
    [
        ({}, ""),
        ({"fee": lambda gross: (gross * 29 + 500) // 1000 + 30}, "gross on the left less 2.90 % and 30 minor units of each record"),
        ({"fee_of_payment": 25}, "amount on the right with 25 minor units added to each payment"),
    ],
    ids=["no fee", "a share and a fixed part of each order", "a fixed part of each payment"],
)
def test_payments_are_held_against_the_batches_that_they_pay_less_a_known_fee(tmp_path, fees, said):
    left, right, number = orders_paid(tmp_path, **fees)
    outcome, reasons = proposed(tmp_path, left, right)
    (one,) = outcome.breaks
    assert (one.kind, one.at_stake, [r.id for r in one.right]) == ("AMOUNT_MISMATCH", SHORT, ["po_0008"])
    assert len({m[0] for m in matches(outcome)}) == number - len(one.left)
    assert not fees or any(said in reason for reason in reasons)
    assert any("batches: payout_id on the left gathers what id on the right pays" in reason for reason in reasons)
    assert not any("nothing but amounts and dates" in reason for reason in reasons)


def test_a_fee_that_nobody_has_agreed_to_is_not_taken_off_and_the_sums_are_linked_as_breaks(tmp_path):
    left, right, number = orders_paid(tmp_path, fee_of_payment=25)
    outcome, reasons = proposed(tmp_path, left, right, is_proposal=False)
    assert {each.kind for each in outcome.breaks} == {"AMOUNT_MISMATCH"}
    assert sum(len(each.left) for each in outcome.breaks) == number
    assert any("25 minor units" in reason and "not taken" in reason for reason in reasons)


def test_references_in_a_text_decide_which_column_is_the_amount(tmp_path):
    """The header calls the net an amount; what the invoices say stands in another column."""
    ours = "".join(f"INV-{n:05},2026-05-01,{n * 137 / 100:.2f}\n" for n in range(100, 140))
    theirs = "".join(f"2026-05-02,Payment INV-{n:05} thanks,{(n * 137 - 35) / 100:.2f},{n * 137 / 100:.2f}\n" for n in range(100, 140))
    (tmp_path / "ours.csv").write_text("invoice,date,total\n" + ours)
    (tmp_path / "theirs.csv").write_text("date,description,amount,charged\n" + theirs)
    outcome, reasons = proposed(tmp_path, tmp_path / "ours.csv", tmp_path / "theirs.csv")
    assert outcome.verdict == "reconciled", reasons
    assert any("total on the left and charged on the right agree in 40 of 40" in reason for reason in reasons)


@pytest.mark.parametrize("header", ["S/H", "Art"])
def test_a_column_of_debit_and_credit_words_signs_the_amounts_whatever_it_is_called(tmp_path, header):
    rows, total = [], 0
    for n in range(20):
        amount = (n + 1) * 1_111 * (-1 if n % 3 == 0 else 1)
        total += amount
        euros = f"{abs(amount) // 100},{abs(amount) % 100:02}"
        rows.append(f"0{n % 9 + 1}.03.2026;Zahlung RE-2026-{n:04};{euros};{'S' if amount < 0 else 'H'};{total / 100:.2f}")
    saldo = "\n".join(row.rsplit(";", 1)[0] + ";" + row.rsplit(";", 1)[1].replace(".", ",") for row in rows)
    (tmp_path / "bank.csv").write_text(f"Kontoauszug\n\nBuchungstag;Verwendungszweck;Umsatz;{header};Saldo\n{saldo}\n")
    ours = "".join(f"RE-2026-{n:04},2026-03-0{n % 9 + 1},{(n + 1) * 1_111 * (-1 if n % 3 == 0 else 1) / 100:.2f}\n" for n in range(20))
    (tmp_path / "ours.csv").write_text("invoice,date,amount EUR\n" + ours)
    outcome, reasons = proposed(tmp_path, tmp_path / "ours.csv", tmp_path / "bank.csv")
    assert outcome.verdict == "reconciled", reasons
    assert any("Saldo is its running balance" in reason for reason in reasons)


def test_a_statement_that_names_no_currency_takes_that_of_the_other_side(tmp_path):
    (tmp_path / "bank.qif").write_text(
        "!Type:Bank\n" + "".join(f"D03/{n + 13:02}/2026\nT{n * 11 + 7}.25\nPMill\nMRE-2026-{n:04}\n^\n" for n in range(12))
    )
    ours = "".join(f"RE-2026-{n:04},2026-03-{n + 13:02},{n * 11 + 7}.25\n" for n in range(12))
    (tmp_path / "ours.csv").write_text("invoice,date,amount EUR\n" + ours)
    outcome, reasons = proposed(tmp_path, tmp_path / "ours.csv", tmp_path / "bank.qif")
    assert outcome.verdict == "reconciled", reasons
    assert "right: no currency column: taken from the other side, EUR" in reasons
    assert "key: invoice on the left meets memo on the right 12 times, and 12 of those agree in the amount" in reasons


def test_fees_that_a_provider_took_hide_no_key_and_are_told_as_what_they_are(tmp_path):
    """A fee bears the reference of its payment, so that each reference stands twice in such a report."""
    head = "Date,Time,TimeZone,Name,Type,Status,Currency,Gross,Fee,Net,Transaction ID,Invoice Number,Balance"
    rows, balance = [], 0
    for n in range(12):
        gross, fee = 10_000 + n * 100, -(300 + n)
        balance += gross + fee
        day = f"03/{n + 13:02}/2026"
        figures = ",".join(f"{each / 100:.2f}" for each in (gross, fee, gross + fee))
        rows.append(f"{day},10:11:12,PST,Mill,Express Checkout Payment,Completed,EUR,{figures},TX{n:015},RE-{n:06},{balance / 100:.2f}")
    (tmp_path / "paypal.csv").write_text("\n".join([head, *rows]) + "\n")
    ours = "".join(f"RE-{n:06},2026-03-{n + 13:02},{100 + n}.00,EUR\n" for n in range(12))
    (tmp_path / "ours.csv").write_text("invoice,date,amount,currency\n" + ours)
    outcome, reasons = proposed(tmp_path, tmp_path / "ours.csv", tmp_path / "paypal.csv")
    assert any("key: invoice on the left meets reference on the right 12 times, and 12 of those agree" in reason for reason in reasons)
    assert {(each.kind, each.cause) for each in outcome.breaks} == {("MISSING_LEFT", "provider's fee")}
    assert len(outcome.breaks) == 12
