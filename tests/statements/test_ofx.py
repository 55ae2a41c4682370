"""OFX and QFX: closed and unclosed tags, zones, currencies, and files that are cut short."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from counterfoil import statements as sources
from counterfoil.statements import SourceBroken
from tests.statements.samples import DATA, rows, sample, written


def test_sgml_with_some_tags_closed_and_a_blank_one_is_read() -> None:
    read = sample("bank.ofx")
    assert rows(read, "external_id", "amount", "reference", "counterparty", "memo") == [
        ("A1", 150000, None, "SMITH & SONS", "INV 7"),
        ("A2", -4550, "1044", "RENT", None),
    ]
    assert rows(read, "booked_on", "event_at")[0] == (date(2024, 2, 29), datetime(2024, 2, 29, 17, 0, tzinfo=UTC))
    assert (read.statements[0].account, read.statements[0].closing) == ("000111222", 245450)


def test_a_day_that_does_not_exist_is_a_rejected_row_with_its_line() -> None:
    assert [(row.line, row.column) for row in sample("bank.ofx").rejected] == [(26, "STMTTRN")]


def test_xml_with_an_amount_in_another_currency_is_read_without_decimals_for_yen() -> None:
    read = sample("card.qfx")
    assert rows(read, "amount", "asset", "counterparty") == [(-1980, "JPY", "駅"), (-1025, "USD", None)]
    assert read.statements[0].total == -1980


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("</BANKTRANLIST>", "", "</STMTRS> where </BANKTRANLIST> is due"),
        ("<CURDEF>USD", "", "no currency"),
        ("<BALAMT>2454.50", "<BALAMT>much", "no amount"),
        ("<OFX >", "<!DOCTYPE OFX [<!ENTITY a 'b'>]><OFX >", "refused"),
    ],
)
def test_a_harmed_file_is_refused(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = (DATA / "bank.ofx").read_text()
    assert old in text
    with pytest.raises(SourceBroken) as broken:
        sources.read(written(tmp_path, text.replace(old, new, 1)))
    assert reason in broken.value.reason


def test_a_file_that_is_cut_anywhere_after_its_header_is_refused(tmp_path: Path) -> None:
    text = (DATA / "bank.ofx").read_text()
    for end in range(text.index("<OFX >") + 6, text.index("</OFX>")):
        with pytest.raises(SourceBroken):
            sources.read(written(tmp_path, text[:end]), format="ofx")


def a_bank_file(transactions: str, *, as_of: str = "20260302", balance: str = "10.00") -> str:
    """An OFX 2 file of one bank account with these transactions."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<?OFX OFXHEADER="200" VERSION="200"?>\n<OFX><BANKMSGSRSV1><STMTTRNRS>\n'
        "<STMTRS><CURDEF>USD</CURDEF><BANKACCTFROM><ACCTID>42</ACCTID></BANKACCTFROM><BANKTRANLIST>\n"
        f"{transactions}\n</BANKTRANLIST><LEDGERBAL><BALAMT>{balance}</BALAMT><DTASOF>{as_of}</DTASOF></LEDGERBAL></STMTRS>"
        "</STMTTRNRS></BANKMSGSRSV1></OFX>"
    )


def a_transaction(amount: str, fitid: str, more: str = "") -> str:
    """One transaction of 1 March."""
    return f"<STMTTRN><DTPOSTED>20260301</DTPOSTED><TRNAMT>{amount}</TRNAMT><FITID>{fitid}</FITID>{more}</STMTTRN>"


def test_what_stands_in_a_comment_is_no_transaction(tmp_path: Path) -> None:
    text = a_bank_file(f"{a_transaction('10.00', 'a')}\n<!-- withdrawn:\n{a_transaction('5000.00', 'b')} -->\n{a_transaction('x', 'c')}")
    read = sources.read(written(tmp_path, text, "a.ofx"))
    assert rows(read, "external_id", "amount") == [("a", 1000)]
    assert [row.line for row in read.rejected] == [8]


def test_character_data_is_text_whatever_it_holds(tmp_path: Path) -> None:
    name = "<NAME><![CDATA[Smith & Sons <!-- not a comment --> &amp; Co]]></NAME>"
    read = sources.read(written(tmp_path, a_bank_file(a_transaction("10.00", "a", name)), "a.ofx"))
    assert rows(read, "counterparty") == [("Smith & Sons <!-- not a comment --> &amp; Co",)]


@pytest.mark.parametrize(("mark", "reason"), [("<!-- ", "comment is not closed"), ("<![CDATA[", "is not closed")])
def test_a_comment_or_character_data_that_does_not_end_stops_the_file(tmp_path: Path, mark: str, reason: str) -> None:
    text = a_bank_file(a_transaction("10.00", "a") + "\n" + mark + a_transaction("20.00", "b"))
    with pytest.raises(SourceBroken, match=reason) as broken:
        sources.read(written(tmp_path, text, "a.ofx"))
    assert broken.value.line == 6


@pytest.mark.parametrize("moment", ["20260302", "202603021120", "20260302112000", "202603021120[-5:EST]", "20260302112000.000[+5.30:IST]"])
def test_a_moment_may_leave_out_its_seconds(tmp_path: Path, moment: str) -> None:
    read = sources.read(written(tmp_path, a_bank_file(a_transaction("10.00", "a"), as_of=moment), "a.ofx"))
    assert read.statements[0].closing_on == date(2026, 3, 2)


@pytest.mark.parametrize("moment", ["2026030211", "20260302112", "202603022520"])
def test_a_moment_of_another_length_is_none(tmp_path: Path, moment: str) -> None:
    with pytest.raises(SourceBroken, match="no OFX date"):
        sources.read(written(tmp_path, a_bank_file("", as_of=moment), "a.ofx"))


def test_investments_that_are_not_read_are_named(tmp_path: Path) -> None:
    text = (
        "OFXHEADER:100\nDATA:OFXSGML\n\n<OFX><INVSTMTMSGSRSV1><INVSTMTTRNRS><INVSTMTRS><CURDEF>USD<INVACCTFROM><ACCTID>7</INVACCTFROM>\n"
        "<INVTRANLIST><BUYSTOCK><INVBUY><UNITS>5<TOTAL>-50.00</INVBUY></BUYSTOCK><BUYSTOCK></BUYSTOCK><INCOME></INCOME>\n"
        f"<INVBANKTRAN>{a_transaction('12.00', 'i1')}<SUBACCTFUND>CASH</INVBANKTRAN></INVTRANLIST>"
        "</INVSTMTRS></INVSTMTTRNRS></INVSTMTMSGSRSV1></OFX>"
    )
    read = sources.read(written(tmp_path, text, "a.ofx"))
    assert rows(read, "amount") == [(1200,)]
    assert read.notes == ["line 4: 3 investment transactions are not read (BUYSTOCK 2, INCOME 1), only the cash beside them"]
