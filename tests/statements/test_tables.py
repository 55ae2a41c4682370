"""Tables of all notations: dialects, columns by their names, rejected rows, totals under the table."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil import statements as sources
from counterfoil.base.problems import InvalidInput, NotFound, TooLarge
from counterfoil.statements import SourceBroken
from counterfoil.statements.tables import columns
from tests.statements.samples import DATA, rows, sample, written


def test_a_german_export_with_a_preamble_and_a_total_is_read() -> None:
    read = sample("girokonto.csv")
    assert rows(read, "amount", "asset", "counterparty", "memo", "line") == [
        (123456, "EUR", "Müller AG", "Rechnung 11", 5),
        (-8990, "EUR", "Stadtwerke", "Strom; Abschlag", 6),
        (-450, "EUR", None, "Kontoführung", 7),
    ]
    assert [(row.line, row.column) for row in read.rejected] == [(8, "Buchungstag"), (9, "Betrag (EUR)")]


def test_its_dialect_is_found() -> None:
    found = sources.dialect(DATA / "girokonto.csv")
    assert (found.encoding, found.delimiter, found.decimal, found.thousands) == ("cp1252", ";", ",", ".")
    assert (found.header, found.skip_rows, found.date_format, found.footer_rows) == (True, 3, "%d.%m.%Y", 1)


def test_utf_16_with_tabs_two_amount_columns_and_three_decimals_is_read() -> None:
    assert sources.dialect(DATA / "export.tsv").encoding == "utf-16"
    read = sample("export.tsv")
    assert rows(read, "amount", "asset", "reference") == [(1234500, "BHD", "R-1"), (-17250, "BHD", "R-2")]
    assert [(row.line, row.reason) for row in read.rejected] == [(4, "both a debit and a credit in one row")]


def test_dates_that_can_be_read_in_two_ways_reject_their_rows_until_someone_says() -> None:
    assert sources.dialect(DATA / "ambiguous.csv").date_format is None
    assert len(sample("ambiguous.csv").rejected) == 3
    assert rows(sample("ambiguous.csv", date_format="%m/%d/%Y"), "booked_on")[0] == (dt.date(2024, 3, 4),)


def test_a_total_under_the_table_that_is_not_the_sum_stops_the_file(tmp_path: Path) -> None:
    text = "date,amount,currency\n2024-03-01,10.00,EUR\n2024-03-02,2.50,EUR\nTotal,{total},\n"
    assert sources.read(written(tmp_path, text.format(total="12.50"), "a.csv")).lines.num_rows == 2
    with pytest.raises(SourceBroken) as broken:
        sources.read(written(tmp_path, text.format(total="14.00"), "a.csv"))
    assert (broken.value.line, broken.value.reason) == (4, "the total under the table is 14.00 EUR, the rows add up to 12.50 EUR")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1", "utf-32"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_encoding_and_separator_gives_the_same_lines(tmp_path: Path, encoding: str, delimiter: str) -> None:
    table = [
        ["id", "date", "amount", "currency", "memo"],
        ["1", "2024-03-01", "1.50", "EUR", "Café é"],
        ["2", "2024-03-02", "-2.25", "EUR", "naïve"],
    ]
    text = "".join(delimiter.join(f'"{cell}"' for cell in row) + "\r\n" for row in table)
    read = sources.read(written(tmp_path, text, "t.csv", encoding))
    assert rows(read, "external_id", "amount", "memo") == [("1", 150, "Café é"), ("2", -225, "naïve")]


def test_a_row_with_a_cell_too_many_and_a_quote_that_does_not_close_are_noticed(tmp_path: Path) -> None:
    text = "id,date,amount,currency\n1,2024-03-01,1.50,EUR\n2,2024-03-01,1,50,EUR\n"
    read = sources.read(written(tmp_path, text, "t.csv"))
    assert (read.lines.num_rows, [row.line for row in read.rejected]) == (1, [3])
    with pytest.raises(SourceBroken, match="cut short"):
        sources.read(written(tmp_path, text + '3,2024-03-01,"7', "t.csv"))


def test_a_cell_may_hold_line_ends_and_lines_are_counted_through_them(tmp_path: Path) -> None:
    text = 'id,date,amount,currency,memo\n1,2024-03-01,1.50,EUR,"two\nlines"\n2,2024-03-01,2.50,EUR,one\n'
    assert rows(sources.read(written(tmp_path, text, "t.csv")), "line", "memo") == [(2, "two\nlines"), (4, "one")]


def test_a_table_without_an_amount_or_a_currency_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceBroken, match="no column is an amount"):
        sources.read(written(tmp_path, "a,b\n1,2\n", "t.csv"))
    path = written(tmp_path, "id,amount\n1,2.00\n", "t.csv")
    with pytest.raises(SourceBroken, match="say which asset"):
        sources.read(path)
    assert rows(sources.read(path, asset="EUR"), "amount", "asset") == [(200, "EUR")]


def test_columns_can_be_named_by_the_caller(tmp_path: Path) -> None:
    path = written(tmp_path, "key,sum,other,when\n1,2.00,3.00,2024-03-01\n", "t.csv")
    read = sources.read(path, asset="UVE", scales={"UVE": 6}, columns={"amount": "other", "reference": "key", "booked_on": "when"})
    assert rows(read, "amount", "reference", "booked_on") == [(3000000, "1", dt.date(2024, 3, 1))]
    with pytest.raises(SourceBroken, match="no column 'none'"):
        sources.read(path, asset="EUR", columns={"amount": "none"})


@pytest.mark.parametrize(("word", "sign"), [("DR", -1), ("Credit", 1), ("Af", -1), ("Bij", 1), ("S", -1), ("H", 1)])
def test_a_column_of_debit_and_credit_gives_the_sign(tmp_path: Path, word: str, sign: int) -> None:
    path = written(tmp_path, f"date,amount,currency,Debit/Credit\n2024-03-01,1.00,EUR,{word}\n", "t.csv")
    assert rows(sources.read(path), "amount") == [(sign * 100,)]


def test_a_column_of_debit_and_credit_with_another_word_rejects_the_row(tmp_path: Path) -> None:
    path = written(tmp_path, "date,amount,currency,Debit/Credit\n2024-03-01,1.00,EUR,maybe\n", "t.csv")
    assert sources.read(path).rejected[0].column == "Debit/Credit"


def test_ndjson_keeps_the_digits_of_its_numbers() -> None:
    read = sample("rows.ndjson")
    assert rows(read, "external_id", "amount") == [("a1", 10), ("a2", 1234567890123), ("a3", -10000)]
    assert [row.line for row in read.rejected] == [3]


def test_ndjson_that_ends_inside_an_object_is_refused(tmp_path: Path) -> None:
    text = (DATA / "rows.ndjson").read_text()
    with pytest.raises(SourceBroken) as broken:
        sources.read(written(tmp_path, text.rstrip()[:-5], "r.ndjson"))
    assert broken.value.line == 4


def test_json_inside_an_envelope_with_minor_units_is_read() -> None:
    read = sample("rows.json")
    assert rows(read, "amount", "booked_on", "event_at") == [
        (1999, dt.date(2024, 3, 1), dt.datetime(2024, 3, 2, 3, 30, tzinfo=dt.UTC)),
        (-7, dt.date(2024, 3, 2), dt.datetime(2024, 3, 2, tzinfo=dt.UTC)),
    ]
    assert len(read.rejected) == 1


@pytest.mark.parametrize("text", ['[{"amount": 1', '"text"', "[1e999999999]"])
def test_json_that_is_no_list_of_objects_gives_no_lines(tmp_path: Path, text: str) -> None:
    with contextlib.suppress(SourceBroken):
        assert sources.read(written(tmp_path, text, "r.json"), format="json", asset="EUR").lines.num_rows == 0


def test_json_numbers_beyond_all_measure_are_rejected(tmp_path: Path) -> None:
    read = sources.read(written(tmp_path, '[{"amount": 1e999999999, "currency": "EUR"}]', "r.json"))
    assert [row.column for row in read.rejected] == ["amount"]


def test_parquet_with_decimals_and_days_is_read(tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["p1", "p2"],
            "amount": [Decimal("1.10"), Decimal("-0.05")],
            "currency": ["EUR", "EUR"],
            "date": [dt.date(2024, 3, 1)] * 2,
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    assert rows(sources.read(tmp_path / "t.parquet"), "amount", "booked_on") == [
        (110, dt.date(2024, 3, 1)),
        (-5, dt.date(2024, 3, 1)),
    ]


def at(year: int, month: int, day: int, *, clock: dt.time = dt.time(0)) -> dt.datetime:
    """A moment without a zone, as workbooks hold it."""
    return dt.datetime.combine(dt.date(year, month, day), clock)


def a_workbook(folder: Path, table: list[list[Any]], *, title: str = "Lines", before: bool = True) -> Path:
    """A workbook with this table on a sheet of its own."""
    book = openpyxl.Workbook()
    sheet = book.active
    if before:
        sheet.title = "Cover"
        sheet.append(["A cover sheet"])
        sheet = book.create_sheet(title)
    for row in table:
        sheet.append(row)
    book.save(folder / "book.xlsx")
    return folder / "book.xlsx"


def test_a_sheet_behind_a_cover_with_real_dates_and_computed_figures_is_exact(tmp_path: Path) -> None:
    path = a_workbook(
        tmp_path,
        [
            ["Statement of March"],
            [],
            ["Id", "Date", "Amount", "Currency", "Memo"],
            ["1", at(2024, 3, 1), 0.1 + 0.2, "EUR", "a sum"],
            ["2", dt.date(2024, 3, 2), 1234567.89, "EUR", None],
            ["3", "2024-03-03", "1.234,50", "EUR", "text"],
            ["4", at(2024, 3, 4, clock=dt.time(12, 30)), 12.345, "EUR", "too exact"],
            ["5", at(2024, 3, 5), -7, "EUR", ""],
            [None, None, None, None, None],
            ["Total", None, 1235795.69, None, None],
        ],
    )
    read = sources.read(path)
    assert rows(read, "external_id", "amount", "booked_on", "line") == [
        ("1", 30, dt.date(2024, 3, 1), 4),
        ("2", 123456789, dt.date(2024, 3, 2), 5),
        ("3", 123450, dt.date(2024, 3, 3), 6),
        ("5", -700, dt.date(2024, 3, 5), 8),
    ]
    assert [(row.line, row.column) for row in read.rejected] == [(7, "Amount")]


def test_a_sheet_can_be_chosen_and_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = a_workbook(tmp_path, [["id", "amount", "currency"], ["1", 5, "JPY"]], title="March")
    assert rows(sources.read(path, sheet="March"), "amount") == [(5,)]
    with pytest.raises(SourceBroken, match="no sheet 'April'"):
        sources.read(path, sheet="April")


@given(st.integers(-(10**14), 10**14))
def test_a_figure_of_a_sheet_keeps_its_cents(minor: int) -> None:
    from counterfoil.statements.amounts import parse_amount
    from counterfoil.statements.tables.rows import as_cell

    assert parse_amount(as_cell(minor / 100), 2, decimal=".") == minor


def test_formats_are_told_by_content_and_a_wrong_name_is_refused(tmp_path: Path) -> None:
    told = {name.name: sources.detect(name) for name in sorted(DATA.iterdir())}
    assert told == {
        "account.qif": "qif",
        "account.revolut.csv": "revolut",
        "activity.paypal.csv": "paypal",
        "ambiguous.csv": "csv",
        "balance.wise.csv": "wise",
        "bank.ofx": "ofx",
        "batch.camt053.v2.xml": "camt.053",
        "business.revolut.csv": "revolut-business",
        "card.qfx": "ofx",
        "day.bai2": "bai2",
        "dutch.sta": "mt940",
        "export.tsv": "csv",
        "german.sta": "mt940",
        "girokonto.csv": "csv",
        "history.wise.csv": "wise-history",
        "interim.mt942": "mt942",
        "notice.camt054.v8.xml": "camt.054",
        "payouts.stripe.csv": "stripe",
        "provider.simulator.csv": "simulator",
        "report.camt052.v8.xml": "camt.052",
        "rows.json": "json",
        "rows.ndjson": "ndjson",
        "settlement.adyen.csv": "adyen",
        "settlement.paypal.csv": "paypal-settlement",
        "summary.stripe.csv": "stripe-summary",
    }
    for content in (b"", b"\x00\x01\x02\xff" * 10, b"<html></html>", b"one word"):
        with pytest.raises(SourceBroken):
            sources.detect(written(tmp_path, content))
    with pytest.raises(InvalidInput):
        sources.read(DATA / "day.bai2", format="word")
    with pytest.raises(NotFound):
        sources.read(tmp_path / "nothing.csv")


def test_a_file_above_its_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("counterfoil.statements.tables.delimited.TABLE_BYTES_MAX", 10)
    with pytest.raises(TooLarge) as large:
        sample("girokonto.csv")
    assert large.value.facts["bytes_max"] == 10


def test_header_names_in_several_languages_find_their_roles() -> None:
    assert columns.guess(["Buchungstag", "Verwendungszweck", "Betrag", "Währung"]) == {
        "booked_on": "Buchungstag",
        "memo": "Verwendungszweck",
        "amount": "Betrag",
        "asset": "Währung",
    }
    assert columns.guess(["Datum", "Naam / Omschrijving", "Af Bij", "Bedrag (EUR)"])["direction"] == "Af Bij"
    assert columns.currency_in("Bedrag (EUR)") == "EUR"


def test_the_raw_record_comes_along_as_it_came() -> None:
    raw = json.loads(sample("girokonto.csv").lines["raw"][1].as_py())
    assert raw["Verwendungszweck"] == "Strom; Abschlag"


SIGNED = "date,memo,debit,credit,balance,currency\n2026-03-02,a,{a},,{x},EUR\n2026-03-03,b,{b},,{y},EUR\n2026-03-04,c,,6.00,{z},EUR\n"


@pytest.mark.parametrize(("a", "b"), [("10.00", "4.00"), ("-10.00", "-4.00")])
def test_debits_of_one_sign_are_money_out_whichever_it_is(tmp_path: Path, a: str, b: str) -> None:
    path = written(tmp_path, SIGNED.format(a=a, b=b, x="90.00", y="86.00", z="92.00"), "t.csv")
    assert rows(sources.read(path), "amount") == [(-1000,), (-400,), (600,)]


@pytest.mark.parametrize(
    ("balances", "amounts"),
    [
        (("90.00", "94.00", "100.00"), [(-1000,), (400,), (600,)]),
        (("90.00", "86.00", "92.00"), [(-1000,), (-400,), (600,)]),
    ],
)
def test_the_balance_of_the_file_says_what_a_minus_among_debits_means(
    tmp_path: Path, balances: tuple[str, ...], amounts: list[tuple[int]]
) -> None:
    text = SIGNED.format(a="10.00", b="-4.00", **dict(zip("xyz", balances, strict=True)))
    read = sources.read(written(tmp_path, text, "t.csv"))
    assert rows(read, "amount") == amounts
    assert (read.statements[0].opening, read.statements[0].closing, read.statements[0].carries) == (
        10000,
        read.lines["balance"][2].as_py(),
        True,
    )


def test_without_a_balance_a_minus_among_debits_is_a_rejected_row(tmp_path: Path) -> None:
    text = SIGNED.format(a="10.00", b="-4.00", x="", y="", z="")
    read = sources.read(written(tmp_path, text, "t.csv"))
    assert rows(read, "amount") == [(-1000,), (600,)]
    assert [(row.line, row.column) for row in read.rejected] == [(3, "debit")]
    words = "date,amount,currency,dc\n2026-03-02,10.00,EUR,D\n2026-03-03,-4.00,EUR,D\n2026-03-03,-5.00,EUR,C\n"
    read = sources.read(written(tmp_path, words, "w.csv"))
    assert (rows(read, "amount"), [row.line for row in read.rejected]) == ([(-1000,), (-500,)], [3])


RUNNING = [
    "2026-03-02,a,1.00,101.00,EUR",
    "2026-03-03,b,2.00,103.00,EUR",
    "2026-03-04,c,-3.00,100.00,EUR",
    "2026-03-05,d,4.00,104.00,EUR",
]


def running(lines: list[str]) -> str:
    return "\n".join(["date,memo,amount,balance,currency", *lines]) + "\n"


@pytest.mark.parametrize("order", [1, -1])
def test_a_table_with_a_running_balance_is_a_statement_oldest_or_newest_first(tmp_path: Path, order: int) -> None:
    [info] = sources.read(written(tmp_path, running(RUNNING[::order]), "t.csv")).statements
    assert (info.opening, info.closing, info.total, info.entries) == (10000, 10400, 400, 4)
    assert (info.opening_on, info.closing_on, info.carries) == (dt.date(2026, 3, 2), dt.date(2026, 3, 5), True)


@pytest.mark.parametrize("order", [1, -1])
def test_a_row_that_is_missing_among_rows_that_lead_on_stops_the_file(tmp_path: Path, order: int) -> None:
    with pytest.raises(SourceBroken, match="a row is missing"):
        sources.read(written(tmp_path, running([*RUNNING[:1], *RUNNING[2:]][::order]), "t.csv"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_that_ends_within_its_last_row_is_cut_short(tmp_path: Path, encoding: str) -> None:
    text = running(RUNNING)
    with pytest.raises(SourceBroken) as stopped:
        sources.read(written(tmp_path, text[:-17], "t.csv", encoding))
    assert (stopped.value.line, stopped.value.reason) == (
        5,
        "the last row ends after 2 of 5 cells, and the file with it: the file is cut short",
    )
    whole = sources.read(written(tmp_path, text[:-17] + "\n", "t.csv", encoding))
    assert [(row.line, row.reason) for row in whole.rejected] == [(5, "the row has 2 cells, the header has 5")]
    footer = sources.read(written(tmp_path, text + "rows,4", "t.csv", encoding))
    assert [row.line for row in footer.rejected] == [6], "words under a table of days are no row that was begun"


def test_a_file_that_ends_inside_a_character_says_so(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xff\xfe" + running(RUNNING).encode("utf-16-le")[:-1], "t.csv")
    with pytest.raises(SourceBroken, match="ends inside a character"):
        sources.read(path)


def test_a_total_over_rejected_rows_is_not_held_and_that_is_said(tmp_path: Path) -> None:
    text = "date,amount,currency\n2024-03-01,10.00,EUR\n2024-03-02,x,EUR\nTotal,14.00,\n"
    read = sources.read(written(tmp_path, text, "a.csv"))
    assert (len(read.rejected), read.notes) == (
        1,
        ["line 4: the total under the table is not held against the rows, since some were rejected"],
    )


def test_a_balance_that_leads_nowhere_is_not_used_and_is_said(tmp_path: Path) -> None:
    lines = [
        line.replace(balance, str(at))
        for at, (line, balance) in enumerate(zip(RUNNING, ("101.00", "103.00", "100.00", "104.00"), strict=True))
    ]
    read = sources.read(written(tmp_path, running(lines), "t.csv"))
    assert (read.lines.num_rows, read.statements) == (4, [])
    assert read.notes == [
        "the column balance does not lead from row to row (line 3), so it is taken for no running balance and is not used"
    ]


def test_a_statement_in_german_words_has_its_days_and_texts(tmp_path: Path) -> None:
    text = (
        "Art,Produkt,Datum des Beginns,Datum des Abschlusses,Beschreibung,Betrag,W\u00e4hrung,Status,Kontostand\n"
        "Einzahlung,Aktuell,2026-03-01 09:00:00,2026-03-02 09:00:05,Zahlung von Ortiz SA,60.00,EUR,ABGESCHLOSSEN,160.00\n"
    )
    read = sources.read(written(tmp_path, text, "konto.csv"))
    assert rows(read, "booked_on", "amount", "memo", "balance") == [(dt.date(2026, 3, 2), 6000, "Zahlung von Ortiz SA", 16000)]
