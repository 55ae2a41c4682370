"""PayPal's settlement report, whose sections hold themselves to their totals, and Wise's history of all balances, which gives none."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from counterfoil import statements as sources
from counterfoil.matching.guess.rule_set import guess_rules
from counterfoil.matching.rules.toml_file import load_rules
from counterfoil.matching.two_files import reconcile_files
from counterfoil.statements import SourceBroken
from tests.statements.samples import DATA, rows, sample, written

REPORT = (DATA / "settlement.paypal.csv").read_text("utf-8")
EUROS = '"SF","EUR",110000,12000,35,320,"CR",10000,"CR",107715,"CR",9000,"CR",106715,"CR",0,"CR",0'
HISTORY = (DATA / "history.wise.csv").read_text("utf-8")


def test_a_settlement_report_gives_gross_and_fee_as_lines_and_each_currencys_balances() -> None:
    read = sample("settlement.paypal.csv")
    assert (read.format, read.rejected, read.left_out, read.notes) == ("paypal-settlement", [], 0, [])
    assert rows(read, "external_id", "reference", "amount", "asset", "status", "memo") == [
        ("1AB", "INV-1", 110000, "EUR", "booked", "T0006"),
        ("1AB/fee", "INV-1", -320, "EUR", "fee", "T0006"),
        ("2CD", "1AB", -2000, "EUR", "booked", "T1107"),
        ("2CD/fee", "1AB", 35, "EUR", "fee", "T1107"),
        ("3EF", "INV-3", 500, "JPY", "booked", "T0006"),
        ("4GH", None, -10000, "EUR", "booked", "T0400"),
    ]
    assert rows(read, "booked_on", "event_at")[-1] == (date(2026, 3, 12), datetime(2026, 3, 13, 6, 10, tzinfo=UTC))
    assert [(each.account, each.asset, each.opening, each.closing, each.total, each.carries) for each in read.statements] == [
        ("ACCT1", "EUR", 10000, 107715, 97715, True),
        ("ACCT1", "JPY", 0, 500, 500, True),
    ]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ('"DR",2000,', '"DR",2001,', "gross debits are 120.00 EUR by the report, its rows add up to 120.01 EUR"),
        ('"DR",320,"EUR"', '"DR",321,"EUR"', "fee debits are 3.20 EUR"),
        (
            '"CR",107715,"CR",9000,"CR",106715,"CR",0,"CR",0\n"SF","JPY"',
            '"CR",107716,"CR",9000,"CR",106716,"CR",0,"CR",0\n"SF","JPY"',
            "carry",
        ),
        ('"SC",4', '"SC",5', "says that it has 5 rows, and 4 stand in it"),
        ('"SF","JPY",500,0,0,0,"CR",0,"CR",500,"CR",0,"CR",500,"CR",0,"CR",0\n"SC"', '"SC"', "gives no totals of JPY"),
        ('"Fee Amount",', '"Fees",', "no column for feeamount"),
        ('"Custom Field"', '"Transactional Status"', "transaction detail report"),
        ('"SH",', '"SX",', "sections begin with SH"),
        ('"CR",10000,"CR",107715', '"XX",10000,"CR",107715', "cannot be read"),
        (
            '"SF","EUR",110000,12000,35,320,"CR",10000,"CR",107715,"CR",9000,"CR",106715,"CR",0,"CR",0',
            '"SF","EUR",110000,12000,35,320',
            "balances",
        ),
    ],
)
def test_a_settlement_report_that_contradicts_itself_stops(tmp_path: Path, before: str, after: str, reason: str) -> None:
    assert before in REPORT
    with pytest.raises(SourceBroken, match=reason):
        sources.read(written(tmp_path, REPORT.replace(before, after, 1), "s.csv"), format="paypal-settlement")


def test_a_settlement_report_that_was_cut_short_stops_wherever_it_was_cut(tmp_path: Path) -> None:
    lines = REPORT.splitlines(keepends=True)
    for many in range(2, lines.index('"SC",4\n') + 1):
        with pytest.raises(SourceBroken) as stopped:
            sources.read(written(tmp_path, "".join(lines[:many]), "s.csv"), format="paypal-settlement")
        reason = "the section that begins on line 3 has no end" if many > 2 else "there is no section in this report"
        assert (stopped.value.line, stopped.value.reason) == (many, f"{reason}: the file is cut short")


def test_a_settlement_report_carries_by_what_is_available_too_and_is_read_with_tabs_and_a_mark(tmp_path: Path) -> None:
    held = REPORT.replace('"CR",10000,"CR",107715,"CR",9000,"CR",106715', '"CR",10000,"CR",109999,"CR",9000,"CR",106715')
    [info, _] = sources.read(written(tmp_path, held, "s.csv")).statements
    assert (info.opening, info.closing) == (9000, 106715)
    tabs = sources.read(written(tmp_path, REPORT.replace(",", "\t"), "t.txt", "utf-8-sig"))
    assert (tabs.format, rows(tabs, "amount")) == ("paypal-settlement", rows(sample("settlement.paypal.csv"), "amount"))


def test_rows_of_a_settlement_report_that_cannot_be_read_are_rejected_and_its_totals_prove_nothing_then(tmp_path: Path) -> None:
    for before, after, reason in (
        ('"CR",110000,"EUR"', '"",110000,"EUR"', "neither CR nor DR"),
        ('"CR",500,"JPY"', '"CR",5.00,"JPY"', "'5.00'"),
        ('"CR",500,"JPY"', '"CR",500,"HUF"', "counts HUF without decimals"),
        ("2026/03/12 09:12:03 +0100", "2026/03/12", "no date with its time and zone"),
        ('"BUYER2","","","",,,', '"BUYER2"', "cells"),
    ):
        read = sources.read(written(tmp_path, REPORT.replace(before, after, 1), "s.csv"))
        assert [reason in each.reason for each in read.rejected] == [True], (reason, read.rejected)


def test_of_a_settlement_report_one_currency_can_be_asked_for() -> None:
    read = sample("settlement.paypal.csv", asset="EUR")
    assert {asset for (asset,) in rows(read, "asset")} == {"EUR"}
    assert (read.left_out, read.notes, len(read.statements)) == (1, ["1 line is in another currency than EUR"], 1)


def test_wises_history_moves_each_balance_by_amount_and_fee_and_keeps_what_moved_nothing_apart() -> None:
    read = sample("history.wise.csv")
    assert rows(read, "external_id", "amount", "asset", "status", "counterparty", "booked_on") == [
        ("TRANSFER-1001", -12000, "EUR", "booked", "Landlord GmbH", date(2026, 3, 4)),
        ("TRANSFER-1001/fee", -45, "EUR", "fee", "Landlord GmbH", date(2026, 3, 4)),
        ("TRANSFER-1002", 250500, "GBP", "booked", "Buyer Ltd", date(2026, 3, 1)),
        ("TRANSFER-1002/fee", -500, "GBP", "fee", "Buyer Ltd", date(2026, 3, 1)),
        ("BALANCE-1003", -49880, "EUR", "booked", "Acme GmbH", date(2026, 3, 2)),
        ("BALANCE-1003/fee", -120, "EUR", "fee", "Acme GmbH", date(2026, 3, 2)),
        ("BALANCE-1003/to", 43000, "GBP", "booked", "Acme GmbH", date(2026, 3, 2)),
        ("CARD_TRANSACTION-7", -1570, "CAD", "booked", "Cafe", date(2026, 3, 5)),
        ("CARD_TRANSACTION-7/fee", -7, "CAD", "fee", "Cafe", date(2026, 3, 5)),
        ("CARD_TRANSACTION-7#2", -2332, "USD", "booked", "Cafe", date(2026, 3, 5)),
    ]
    assert read.notes == [
        "the history gives no balances to check against; Wise's statement of a balance does",
        "rows that moved no money, or not yet, are left out: 1 cancelled, 1 refunded",
    ]
    [rejected] = read.rejected
    assert (rejected.line, "which charge it takes back" in rejected.reason) == (9, True)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("Buyer Ltd,2505.00", "Buyer Ltd,2504.00", "2,504.00 GBP less a fee of 5.00 GBP is not 2,500.00 GBP"),
        ("COMPLETED,NEUTRAL", "COMPLETED,SIDEWAYS", "neither IN, OUT nor NEUTRAL"),
        ("Acme GmbH,120.00", "Acme GmbH,-120.00", "has no sign"),
        ("0.45,EUR,,,Acme GmbH,120.00", "0.45,USD,,,Acme GmbH,120.00", "a fee in another currency than the source's"),
        ("Cafe,11.18,USD", "Cafe,,USD", "no amount"),
    ],
)
def test_a_row_of_wises_history_that_contradicts_itself_is_rejected(tmp_path: Path, before: str, after: str, reason: str) -> None:
    assert before in HISTORY
    read = sources.read(written(tmp_path, HISTORY.replace(before, after, 1), "h.csv"))
    assert [reason in each.reason for each in read.rejected] == [True, False] or reason in read.rejected[0].reason, read.rejected


def test_a_column_of_wises_history_that_is_missing_stops_it_and_one_currency_can_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(SourceBroken, match="direction"):
        sources.read(written(tmp_path, HISTORY.replace("Direction", "Way"), "h.csv"), format="wise-history")
    read = sample("history.wise.csv", asset="GBP")
    assert [amount for (amount,) in rows(read, "amount")] == [250500, -500, 43000]
    assert read.notes[0] == "7 lines are in other currencies than GBP"


def test_both_are_told_by_their_content_guessed_and_reconciled(tmp_path: Path) -> None:
    text, _ = guess_rules(DATA / "settlement.paypal.csv", DATA / "history.wise.csv")
    rules = load_rules(text)
    assert (rules.left.format, rules.right.format) == ("paypal-settlement", "wise-history")
    text, _ = guess_rules(DATA / "settlement.paypal.csv", DATA / "settlement.paypal.csv")
    same = reconcile_files(DATA / "settlement.paypal.csv", DATA / "settlement.paypal.csv", load_rules(text), out=tmp_path)
    assert (same.verdict, same.footing[0].matched.rows) == ("reconciled", 5)
