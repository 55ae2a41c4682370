"""PayPal's activity, Adyen's settlement details, Wise, Revolut and QIF: fees kept, what contradicts itself rejected."""

from __future__ import annotations

from datetime import date
from itertools import pairwise, permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import statements as sources
from counterfoil.matching.guess.rule_set import guess_rules
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.statements import SourceBroken
from counterfoil.statements.tables.signs import SignedRow, Trail
from tests.statements.samples import DATA, rows, sample, written


def test_paypals_fees_are_lines_of_their_own_and_all_lines_add_up_to_the_balance() -> None:
    read = sample("activity.paypal.csv")
    assert rows(read, "external_id", "reference", "amount", "status") == [
        ("1AB", "INV-1", 110000, "completed"),
        ("1AB/fee", "INV-1", -320, "fee"),
        ("2CD", "INV-2", -2000, "completed"),
        ("2CD/fee", "INV-2", 35, "fee"),
        ("4GH", None, -10000, "completed"),
    ]
    [info] = read.statements
    assert (info.opening, info.closing, info.total, info.carries) == (10000, 107715, 97715, True)
    assert sum(amount for (amount,) in rows(read, "amount")) == info.total
    assert (read.left_out, read.notes) == (1, ["rows that moved no money, or not yet, are left out: 1 pending"])
    assert rows(read, "booked_on")[0] == (date(2026, 3, 13),)


def test_a_row_of_paypal_that_is_missing_stops_the_file(tmp_path: Path) -> None:
    later = '"16/03/2026","","CET","","Payment","Completed","EUR","{0},00","0,00","{0},00","5","","1.0{1},15","Credit"'
    rest = [later.format(5, 82), later.format(6, 88), later.format(1, 89)]
    lines = [*(DATA / "activity.paypal.csv").read_text().splitlines(), *rest]
    with pytest.raises(SourceBroken, match="a row is missing"):
        sources.read(written(tmp_path, "\n".join([*lines[:2], *lines[3:]]) + "\n", "p.csv"))


@pytest.mark.parametrize(
    ("name", "before", "after", "line", "column"),
    [
        ("activity.paypal.csv", '"1.177,15","Debit"', '"1.177,16","Debit"', 3, "Balance"),
        ("balance.wise.csv", ",1500.00,", ",1500.01,", 3, "Running Balance"),
        ("account.revolut.csv", "COMPLETED,206.10", "COMPLETED,206.11", 3, "Balance"),
        ("business.revolut.csv", ",699.80,", ",699.81,", 2, "Balance"),
    ],
)
def test_a_wrong_balance_stops_a_report_however_short_it_is(
    tmp_path: Path, name: str, before: str, after: str, line: int, column: str
) -> None:
    """Its provider says that the column is the balance: in a file of two rows one that does not lead on is no other column either."""
    text = (DATA / name).read_text("utf-8")
    assert before in text
    with pytest.raises(SourceBroken, match="a row is missing, or an amount or a balance is wrong") as stopped:
        sources.read(written(tmp_path, text.replace(before, after, 1), "r.csv"))
    assert (stopped.value.line, stopped.value.column) == (line, column)


def test_rows_whose_balances_lead_on_in_another_order_only_are_no_gap(tmp_path: Path) -> None:
    header, first, second, third, *_ = (DATA / "balance.wise.csv").read_text("utf-8").splitlines()
    read = sources.read(written(tmp_path, "\n".join([header, second, first, third]) + "\n", "w.csv"))
    assert (read.lines.num_rows, read.statements) == (3, [])
    assert read.notes == [
        "the balances in Running Balance lead from row to row in another order than that of the rows, so they are not used"
    ]


@given(st.lists(st.tuples(st.integers(-2, 2), st.integers(-3, 3)), min_size=1, max_size=6))
def test_an_order_is_said_to_be_there_exactly_where_trying_all_of_them_finds_one(rows_: list[tuple[int, int]]) -> None:
    trail = Trail([SignedRow(line, amount, balance, None) for line, (amount, balance) in enumerate(rows_)], {"EUR"})
    tried = (all(after.balance - after.amount == before.balance for before, after in pairwise(each)) for each in permutations(trail.steps))
    assert trail.leads_in_some_order() == any(tried)


def test_a_gap_between_two_rounds_of_balances_is_a_gap_though_each_is_begun_as_often_as_it_is_reached(tmp_path: Path) -> None:
    header, row, *_ = (DATA / "balance.wise.csv").read_text("utf-8").splitlines()
    cells = row.split(",")
    steps = [
        ("10.00", "110.00"),
        ("-10.00", "100.00"),
        ("5.00", "95.00"),
        ("-5.00", "90.00"),
    ]  # 10.00 went out between the second and the third
    lines = [
        ",".join([f"T-{n}", f"0{n}-03-2026", amount, *cells[3:6], balance, *cells[7:]]) for n, (amount, balance) in enumerate(steps, 1)
    ]
    with pytest.raises(SourceBroken, match="a row is missing") as stopped:
        sources.read(written(tmp_path, "\n".join([header, *lines]) + "\n", "w.csv"))
    assert stopped.value.line == 4


def test_balances_between_rejected_rows_are_not_used_and_the_reason_is_true(tmp_path: Path) -> None:
    text = (DATA / "balance.wise.csv").read_text("utf-8").replace("-1.26,EUR", "x,EUR")
    read = sources.read(written(tmp_path, text, "w.csv"))
    assert [row.line for row in read.rejected] == [3]
    assert read.notes == ["the balances in Running Balance are not used: rows between them were rejected"]


def test_a_wise_statement_is_read_by_its_own_dates_and_its_balance_is_held(tmp_path: Path) -> None:
    read = sample("balance.wise.csv")
    assert rows(read, "external_id", "reference", "amount", "booked_on", "counterparty") == [
        ("CARD-700", None, -2000, date(2026, 3, 7), "Bakery"),
        ("FEE-TRANSFER-600", None, -126, date(2026, 3, 5), None),
        ("TRANSFER-600", "RE-2026-17", -50000, date(2026, 3, 5), "Müller GmbH"),
        ("TRANSFER-500", "INV-00042", 200000, date(2026, 3, 2), "Ortiz SA"),
    ]
    [info] = read.statements
    assert (info.opening, info.closing, info.carries) == (0, 147874, True)
    text = (DATA / "balance.wise.csv").read_text("utf-8").replace("-20.00,EUR", "-21.00,EUR")
    with pytest.raises(SourceBroken, match="a row is missing, or an amount or a balance is wrong"):
        sources.read(written(tmp_path, text, "w.csv"))


def test_a_revolut_statement_keeps_fees_apart_and_says_what_moved_no_money(tmp_path: Path) -> None:
    """Its rows stand by the day they began; the balance leads on by the moment they were completed, for each product by itself."""
    read = sample("account.revolut.csv")
    assert rows(read, "amount", "status", "booked_on") == [
        (20000, "completed", date(2026, 3, 1)),
        (-2340, "completed", date(2026, 3, 4)),
        (-2000, "completed", date(2026, 3, 3)),
        (-50, "fee", date(2026, 3, 3)),
        (500, "completed", date(2026, 3, 5)),
    ]
    told = [(info.account, info.opening, info.closing, info.carries) for info in read.statements]
    assert told == [("Current", 5000, 20610, True), ("Savings", 10000, 10500, True)]
    assert sources.follow_on([read]) == [], "the one does not open with what the other closes with"
    assert read.notes == ["rows that moved no money, or not yet, are left out: 1 pending, 1 reverted"]
    lines = (DATA / "account.revolut.csv").read_text("utf-8").splitlines()
    later = "TOPUP,Current,2026-03-{0} 09:00:00,2026-03-{0} 09:00:00,From A Person,1.00,0.00,EUR,COMPLETED,{1}.10"
    lines = [*lines[:2], *lines[3:6], *(later.format(day, 197 + day) for day in range(10, 16))]
    with pytest.raises(SourceBroken, match="a row is missing"):
        sources.read(written(tmp_path, "\n".join(lines) + "\n", "r.csv"))


def test_a_revolut_business_statement_holds_total_less_fee_against_its_balance(tmp_path: Path) -> None:
    read = sample("business.revolut.csv")
    assert rows(read, "external_id", "reference", "amount", "status") == [
        ("65e7a001", "PO-17", -30000, "completed"),
        ("65e7a001/fee", "PO-17", -20, "fee"),
        ("65e7a000", "INV-9", 100000, "completed"),
    ]
    assert [(info.opening, info.closing, info.carries) for info in read.statements] == [(0, 69980, True)]
    text = (DATA / "business.revolut.csv").read_text("utf-8").replace("-300.20", "-300.30")
    assert (
        sources.read(written(tmp_path, text, "b.csv")).rejected[0].reason
        == "gross -300.00 EUR less a fee of 0.20 EUR is not net -300.30 EUR"
    )


def test_adyens_parts_of_a_fee_are_one_fee_and_a_row_that_does_not_add_up_is_rejected() -> None:
    read = sample("settlement.adyen.csv")
    assert rows(read, "external_id", "reference", "amount", "asset", "batch") == [
        ("M1", "INV-1", 10000, "EUR", "7"),
        ("M1/fee", "INV-1", -140, "EUR", "7"),
        ("M2", "INV-2", -2000, "EUR", "7"),
        ("M2/fee", "INV-2", -25, "EUR", "7"),
        ("M3", "INV-3", 4500, "EUR", "7"),
        ("M3/fee", "INV-3", -100, "EUR", "7"),
        ("M9", None, -12235, "EUR", "7"),
    ]
    assert [(row.line, row.reason) for row in read.rejected] == [(5, "gross 10.00 EUR less a fee of 0.50 EUR is not net 9.00 EUR")]


def test_qif_is_read_in_the_currency_that_is_given() -> None:
    read = sample("account.qif", asset="USD")
    assert rows(read, "amount", "booked_on", "counterparty", "memo", "reference", "batch") == [
        (-123456, date(2026, 1, 15), "Rent Office", "January", "1044", "Checking"),
        (2000, date(2026, 1, 16), "Northwind", None, None, "Checking"),
    ]
    assert read.notes == ["line 6: an opening balance is not a movement"]
    assert [row.line for row in read.rejected] == [22]
    with pytest.raises(SourceBroken, match="say which asset"):
        sample("account.qif")


@pytest.mark.parametrize(("text", "told"), [("!Type:Bank\nD1/15'26\nT5.00\n", "cut short"), ("!Type:Cat\nNFood\n^\n", "no transaction")])
def test_qif_that_is_cut_short_or_holds_no_account_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SourceBroken, match=told):
        sources.read(written(tmp_path, text, "a.qif"), asset="EUR")


def test_qif_days_that_can_be_read_in_two_ways_are_rejected_until_someone_says(tmp_path: Path) -> None:
    path = written(tmp_path, "!Type:Bank\nD1/2/2026\nT5.00\n^\n!Type:Invst\nD1/3/2026\nNBuy\n^\n", "a.qif")
    assert len(sources.read(path, asset="EUR").rejected) == 1
    read = sources.read(path, asset="EUR", date_format="%d/%m/%Y")
    assert rows(read, "booked_on") == [(date(2026, 2, 1),)]
    assert (read.left_out, read.notes) == (1, ["1 investment transactions are not read, only cash"])


def test_no_record_of_qif_vanishes_without_a_word(tmp_path: Path) -> None:
    """Lists are no transactions; what is of another type, or of none, is rejected; an option changes no type."""
    one = "D15/01/2026\nT{0}.00\n^\n"
    text = one.format(1) + "!Type:Bank\n!Option:MDY\n" + one.format(2) + "!Type:Oth S\n" + one.format(3) + "!Type:Cat\nNFood\nT4.00\n^\n"
    read = sources.read(written(tmp_path, text, "a.qif"), format="qif", asset="EUR")
    assert rows(read, "amount") == [(200,)]
    assert [(row.line, row.reason) for row in read.rejected] == [
        (1, "a record before any !Type is of no account with cash"),
        (10, "a record of type 'OTH S' is of no account with cash"),
    ]
    assert (read.left_out, read.notes) == (1, ["entries of lists are no transactions: 1 CAT"])


@pytest.mark.parametrize(("impact", "balance", "stays"), [("Memo", "", 0), ("", "", 0), ("Credit", "", 1), ("", "50,00", 1)])
def test_a_row_of_paypal_counts_where_it_moves_the_balance(tmp_path: Path, impact: str, balance: str, stays: int) -> None:
    header = (DATA / "activity.paypal.csv").read_text().splitlines()[0]
    row = f'"14/03/2026","11:30:00","CET","Fabrikam","Payment","Pending","EUR","50,00","0,00","50,00","3EF","INV-3","{balance}","{impact}"'
    read = sources.read(written(tmp_path, f"{header}\n{row}\n", "p.csv"))
    assert (read.lines.num_rows, read.left_out) == (stays, 1 - stays)


def test_a_guess_for_a_report_with_fees_uses_its_own_reader() -> None:
    text, _ = guess_rules(DATA / "activity.paypal.csv", DATA / "settlement.adyen.csv")
    rules = load_rules(text)
    assert (rules.left.format, rules.right.format) == ("paypal", "adyen")
